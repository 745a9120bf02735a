"""Who is asking: every handler that writes calls `person_of` first. `signing` is how a visitor comes to a name."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import gradio as gr

from vehicle_demo.home import home as data_home
from vehicle_demo.ui.users import UserList, UserListError

LOCAL = "local"
# The key under which `signing` keeps who is signed in, in the session that the browser's signed cookie carries.
SESSION: Final = "vehicle_demo_person"


class NotAllowedError(PermissionError):
    """This visitor may not write here; the message is a sentence that says what to do."""


@dataclass(frozen=True)
class Standing:
    """What is known of a visitor: the name, if there is one, and why they may not write; empty when they may."""

    name: str | None
    refusal: str = ""


def on_spaces() -> bool:
    """Whether the app runs on Hugging Face Spaces, where Hugging Face says who is who."""
    return bool(os.environ.get("SPACE_ID"))


def users_in(home: Path | None = None) -> UserList:
    """The list of who may write, elsewhere than on Spaces; by default that in `home.home()`."""
    return UserList((home or data_home()) / "users.json")


def person_of(request: Any) -> str:
    """The name under which what a visitor says is kept; see `standing_of`.

    Args:
        request: `gr.Request`, or the web framework's own, of the call.

    Raises:
        NotAllowedError: this visitor may not write.
    """
    standing = standing_of(request)
    if standing.refusal or standing.name is None:
        raise NotAllowedError(standing.refusal)
    return standing.name


def standing_of(request: Any) -> Standing:
    """Who a visitor is, and whether they may write.

    On Spaces it is who has signed in with Hugging Face and is allowed by VEHICLE_DEMO_WRITERS. Elsewhere it is who has
    signed in with a password of the user list, or, without a list, whoever reaches the server, as `local`.
    """
    session = unwrapped(request).scope.get("session") or {}
    if on_spaces():
        return _by_hugging_face(session)
    users = users_in()
    return _by_password(session, users) if users.kept else Standing(LOCAL)


def unwrapped(request: Any) -> Any:
    """The web framework's request. Gradio's own passes on copies made through JSON, which a scope does not survive."""
    return request.request if isinstance(request, gr.Request) else request


def _by_password(session: Mapping[str, Any], users: UserList) -> Standing:
    signed_in = session.get(SESSION) or {}
    name, mark = signed_in.get("name"), signed_in.get("mark")
    try:
        known = users.mark(name) if name else None
    except UserListError:
        return Standing(None, "The server's user list is damaged, so nobody may write. Tell whoever runs it.")
    if known is None or known != mark:
        return Standing(None, "Sign in at the top of the page to change anything here. Looking needs no sign-in.")
    return Standing(name)


def _by_hugging_face(session: Mapping[str, Any]) -> Standing:
    signed_in = session.get("oauth_info") or {}
    about = signed_in.get("userinfo") or {}
    name = about.get("preferred_username")
    if not name or signed_in.get("expires_at", 0) < time.time():
        return Standing(None, "Sign in with Hugging Face to change anything here. Looking needs no sign-in.")
    groups = (group.get("preferred_username") for group in about.get("orgs") or ())
    if not {str(own).lower() for own in (name, *groups)} & _writers():
        return Standing(str(name), f"{name} may look here, but not change anything. Ask the owner of this Space.")
    return Standing(str(name))


def _writers() -> set[str]:
    """Names of people and organisations, which cannot be the same on Hugging Face; by default the Space's owner."""
    named = os.environ.get("VEHICLE_DEMO_WRITERS", "") or os.environ["SPACE_ID"].partition("/")[0]
    return {name.strip().lower() for name in named.split(",")} - {""}
