"""Who may write in the app: add people with passwords, list them, remove them."""

from __future__ import annotations

import argparse
import getpass
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools users`."""
    actions = parser.add_subparsers(dest="action", required=True)
    for action, says in (
        ("add", "add a person, or change a password, which is asked for"),
        ("remove", "take a person off the list and end their sessions"),
    ):
        actions.add_parser(action, help=says).add_argument("name")
    actions.add_parser("list", help="everybody who may write")
    parser.add_argument("--home", type=Path, help="by default VEHICLE_DEMO_HOME, else the user's data folder")


def run(args: argparse.Namespace) -> None:
    """Change or show the list; a running app goes by it at once.

    Raises:
        UserListError: a name or password that will not do, or a file that cannot be used.
    """
    from vehicle_demo.ui.people import users_in

    users = users_in(args.home)
    if args.action == "add":
        first = not users.kept
        users.put(args.name, _asked(args.name))
        print(f"{args.name} may write now.")
        if first:
            print("From now on nobody else may: add everyone who should.")
    elif args.action == "remove":
        users.remove(args.name)
        print(f"{args.name} may not write any more.")
        if not users.names():
            print(f"Nobody may now. To let everyone write who reaches the app, delete {users.path}.")
    elif not users.kept:
        print(f"There is no list: everyone who reaches the app may write. `users add NAME` begins one in {users.path}.")
    else:
        print("\n".join(users.names()) or "The list is empty: nobody may write.")


def _asked(name: str) -> str:
    password = getpass.getpass(f"Password for {name}: ")
    if getpass.getpass("Once more: ") != password:
        raise ValueError("The two passwords differ. Nothing was changed.")
    return password
