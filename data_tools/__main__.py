"""`python -m data_tools COMMAND ...`"""

from __future__ import annotations

import argparse
import importlib
import sys

COMMANDS = ("draw", "train", "export", "calibrate", "evaluate", "benchmark", "load_test")


def main(arguments: list[str] | None = None) -> None:
    """Run one command. A mistake of the user (a missing file, say) ends with its sentence, not a traceback."""
    parser = argparse.ArgumentParser(prog="python -m data_tools", description="Tools around VehicleDINO.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in COMMANDS:
        module = importlib.import_module(f"data_tools.{name}")
        command = commands.add_parser(name.replace("_", "-"), help=(module.__doc__ or "").strip().splitlines()[0])
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    args = parser.parse_args(arguments)
    try:
        args.run(args)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
