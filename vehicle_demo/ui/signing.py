"""Signing in and out: the corner of the top bar, and elsewhere than on Spaces the routes and the cookie behind it.

On Spaces the corner leads to Gradio's routes for Hugging Face. Elsewhere static/signing.js sends name and password
here, and a signed cookie carries from then on who it is.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import gradio as gr
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from vehicle_demo.home import home as data_home
from vehicle_demo.ui.limits import SIGN_INS, TooManyError, address_of
from vehicle_demo.ui.people import LOCAL, SESSION, on_spaces, standing_of, users_in
from vehicle_demo.ui.users import UserListError

_WRONG = "This name and password do not belong together. Try again, or ask whoever runs this app."
# Who guesses waits; who mistyped hardly notices.
_DELAY_S = 0.7
_ONE_AT_A_TIME = asyncio.Semaphore(1)


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(max_length=100)
    password: str = Field(max_length=1000)


def build() -> None:
    """The corner of the top bar."""
    gr.HTML(_CORNER, js_on_load="vehicleDemo.mountSigning(element);", elem_id="vd-signing", padding=False)
    if on_spaces():
        # With this Gradio has its routes. As a button it would not do: what it says comes by an event that a page which
        # loads fast misses, and then nobody can sign out.
        gr.LoginButton(visible=False)


def app_kwargs() -> dict[str, Any]:
    """What the web framework needs: routes, and elsewhere than on Spaces the cookie, with a key of its own."""
    if on_spaces():
        return {"routes": [_ME]}
    cookie = Middleware(SessionMiddleware, secret_key=_secret(data_home() / "session_key"), session_cookie="studio")
    return {"routes": [_ME, *_FORM], "middleware": [cookie]}


async def _me(request: Request) -> JSONResponse:
    """Who the visitor is, whether they may write, and which way to sign in the page offers: `form`, `hub` or none."""
    standing = await run_in_threadpool(standing_of, request)
    way = "hub" if on_spaces() else "form" if await run_in_threadpool(lambda: users_in().kept) else ""
    name = None if standing.name == LOCAL else standing.name
    answer = {"name": name, "may_write": not standing.refusal, "says": standing.refusal, "way": way}
    return JSONResponse(answer, headers={"Cache-Control": "no-store"})


async def _sign_in(request: Request) -> JSONResponse:
    try:
        # Another site's form cannot send this type, so it cannot sign a visitor in under a name that is not theirs.
        if request.headers.get("content-type") != "application/json":
            raise ValueError
        sent = _Sent.model_validate(await request.json())
        SIGN_INS.take(address_of(request))
        # Each check takes 32 MB and a core.
        async with _ONE_AT_A_TIME:
            mark = await run_in_threadpool(users_in().check, sent.name, sent.password)
    except ValueError as error:
        says = str(error) if isinstance(error, UserListError) else "This was not understood. Reload the page."
        return JSONResponse({"error": says}, 400)
    except TooManyError as error:
        return JSONResponse({"error": str(error)}, 429)
    if mark is None:
        await asyncio.sleep(_DELAY_S)
        return JSONResponse({"error": _WRONG}, 403)
    request.session[SESSION] = {"name": sent.name, "mark": mark}
    return JSONResponse({"name": sent.name})


async def _sign_out(request: Request) -> JSONResponse:
    request.session.clear()
    return JSONResponse({"name": None})


_ME = Route("/studio/me", _me)
_FORM = (
    Route("/studio/sign-in", _sign_in, methods=["POST"]),
    Route("/studio/sign-out", _sign_out, methods=["POST"]),
)


def _secret(path: Path) -> str:
    """The key that cookies are signed with: made once, so that nobody is signed out by a restart."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        # Whole before it has its name: another process that starts now must not sign with half a key.
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".session_key-") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            with suppress(FileExistsError):
                os.link(file.name, path)
    return path.read_text()


_CORNER = """<div class="vd-signing" hidden>
<span role="status"></span> <button type="button" data-signing="out" hidden>Sign out</button>
<button type="button" data-signing="in" hidden>Sign in</button>
<dialog aria-labelledby="vd-signing-title"><form method="dialog">
<h2 id="vd-signing-title">Sign in</h2>
<p>Correcting, and filling galleries, needs a name here. Looking does not.</p>
<label>Name <input name="name" autocomplete="username" autocapitalize="none" spellcheck="false" required></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<p class="vd-unsure" role="alert"></p>
<div class="vd-actions"><button type="submit" class="vd-main">Sign in</button>
<button type="button" data-signing="close">Cancel</button></div>
</form></dialog></div>"""
