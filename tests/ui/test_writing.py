"""Every way into the app that writes refuses who may not write, when it is called directly."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
import httpx
import pytest
from gradio import oauth
from itsdangerous import TimestampSigner
from sqlalchemy import text

from vehicle_demo.ui import shell, signing
from vehicle_demo.ui.limits import Limit
from vehicle_demo.ui.people import users_in
from vehicle_demo.ui.services import Services

# What any visitor may call. Whatever is not here has to refuse: a handler that only reads is added by hand.
READS = {
    "attention.on_ask",
    "benchmark._about",
    "benchmark._on_choice",
    "benchmark._on_open",
    "benchmark._on_run",
    "benchmark._on_stop",
    "filling.on_cancel",
    "gallery._on_ask",
    "gallery._on_figure",
    "gallery._on_gallery",
    "gallery._on_open",
    "gallery._on_photo",
    "gallery._on_plate",
    "gallery._on_settings",
    "gallery._on_tick",
    "gallery.search",
    "importing.on_stop",
    "map_colours",
    "map_figure",
    "map_items",
    "map_leave",
    "map_look",  # keeps a map that was made, in place of the oldest: nothing that a person said
    "map_menu",
    "map_near",
    "map_table",
    "recognise.known_galleries",
    "recognise.on_choice",
    "recognise.on_example",
    "recognise.on_photo",
    "recognise.on_return",
    "recognise.on_start",
    "recognise.read_plate",
    "recognise.recognize",
    "retrain_look",
    "shell.on_look",
}
# Gradio's own, of the button to sign in.
READS_ON_SPACES = READS | {"login_button._check_login_status"}
REFUSALS = ("Sign in", "may look here")


class Ways:
    """A served page, and all that can be called on it."""

    def __init__(self, page: gr.Blocks) -> None:
        self.page = page
        self.events = {
            f"{function.fn.__module__.rpartition('.')[2]}.{function.fn.__name__}": number
            for number, function in page.fns.items()
            if function.fn is not None
        }
        self.functions = {
            function.__name__: number
            for number, block in page.blocks.items()
            for function in getattr(block, "server_fns", [])
        }

    def call(self, name: str, cookies: dict[str, str]) -> str:
        """What comes back, as text; every input is empty."""
        with httpx.Client(base_url=f"{self.page.local_url}gradio_api/", cookies=cookies, timeout=60) as client:
            visit = {"session_hash": "visitor"}
            if name in self.functions:
                sent = {"data": {}, "component_id": self.functions[name], "fn_name": name, **visit}
                return client.post("component_server/", json=sent).raise_for_status().text
            number = self.events[name]
            empty: list[None] = [None] * len(self.page.fns[number].inputs)
            joined = client.post("queue/join", json={"data": empty, "fn_index": number, **visit})
            joined.raise_for_status()
            return client.get("queue/data", params=visit).raise_for_status().text


@contextmanager
def served(services: Services) -> Iterator[Ways]:
    page = shell.build(services)
    page.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **shell.launch_options(services))
    try:
        yield Ways(page)
    finally:
        page.close(verbose=False)


def written(services: Services) -> dict[str, Any]:
    """All that a visitor could have changed."""
    with services.labels.store().reading() as connection:
        tables = {
            table: [tuple(row) for row in connection.execute(text(f"SELECT * FROM {table}"))]
            for table in ("pictures", "items", "events", "leases")
        }
    kept = services.galleries.folder, services.versions().folder
    return {**tables, "files": [sorted(folder.rglob("*")) for folder in kept]}


def all_refuse(ways: Ways, reads: set[str], cookies: dict[str, str], services: Services) -> None:
    every = {*ways.events, *ways.functions}
    assert reads <= every
    before = written(services)
    assert len(every - reads) >= 7
    for name in sorted(every - reads):
        assert any(refusal in ways.call(name, cookies) for refusal in REFUSALS), f"{name} refuses nobody"
    assert written(services) == before


def test_none_writes_for_who_is_not_on_the_user_list(
    services: Services,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VEHICLE_DEMO_HOME", str(tmp_path / "home"))
    with served(services) as ways:
        users_in().put("ann", "correct horse")
        all_refuse(ways, READS, {}, services)
        all_refuse(ways, READS, {"studio": "made-up.cookie.x"}, services)
        with httpx.Client(base_url=str(ways.page.local_url)) as client:
            client.post("studio/sign-in", json={"name": "ann", "password": "correct horse"}).raise_for_status()
            cookies = dict(client.cookies)
        for name in sorted({*ways.events, *ways.functions} - READS):
            assert not any(refusal in ways.call(name, cookies) for refusal in REFUSALS), f"{name} refuses ann"


def test_none_writes_on_spaces_for_who_is_not_allowed(
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (("SPACE_ID", "acme/demo"), ("SYSTEM", "spaces"), ("VEHICLE_DEMO_WRITERS", "ann")):
        monkeypatch.setenv(name, value)
    for name in ("OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OAUTH_SCOPES", "OPENID_PROVIDER_URL"):
        monkeypatch.setattr(oauth, name, "https://hub.invalid")

    def session(name: str) -> dict[str, str]:
        """The cookie that Gradio gives to whom Hugging Face vouches for."""
        info = {"userinfo": {"preferred_username": name}, "expires_at": 2**40}
        key = hashlib.sha256(b"https://hub.invalid-v4").hexdigest()
        content = b64encode(json.dumps({"oauth_info": info}).encode())
        return {"session": TimestampSigner(key).sign(content).decode()}

    with served(services) as ways:
        for cookies in ({}, session("bob")):
            all_refuse(ways, READS_ON_SPACES, cookies, services)
        assert "may look" not in ways.call("plates_history", session("ann"))


def test_signing_in_and_out(
    services: Services,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VEHICLE_DEMO_HOME", str(tmp_path / "home"))
    with served(services) as ways, httpx.Client(base_url=f"{ways.page.local_url}studio/") as client:
        me: Callable[[], dict[str, Any]] = lambda: client.get("me").json()  # noqa: E731
        assert me() == {"name": None, "may_write": True, "says": "", "way": ""}
        users_in().put("ann", "correct horse")  # goes by at once
        assert me()["way"] == "form" and not me()["may_write"]
        for name, password in (("ann", "wrong horse"), ("bob", "correct horse")):
            told = client.post("sign-in", json={"name": name, "password": password})
            assert told.status_code == 403 and "do not belong together" in told.json()["error"] and not client.cookies
        form = client.post("sign-in", data={"name": "ann", "password": "correct horse"})
        assert form.status_code == 400 and not client.cookies
        told = client.post("sign-in", json={"name": "ann", "password": "correct horse"})
        assert told.json() == {"name": "ann"}
        assert "httponly" in told.headers["set-cookie"] and "samesite=lax" in told.headers["set-cookie"]
        assert me() == {"name": "ann", "may_write": True, "says": "", "way": "form"}
        client.post("sign-out").raise_for_status()
        assert me()["name"] is None
        monkeypatch.setattr(signing, "SIGN_INS", Limit(1, 60, "Too many attempts."))
        for _ in range(2):
            told = client.post("sign-in", json={"name": "", "password": ""})
        assert told.status_code == 429 and "Too many attempts" in told.json()["error"]
