"""Who may write: the user list, the allow-list on Spaces, and what one visitor may ask for."""

from __future__ import annotations

import getpass
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from starlette.requests import Request

from data_tools.__main__ import main
from vehicle_demo.ui import limits
from vehicle_demo.ui.limits import Limit, TooManyError, address_of, take_import, take_recognition, visitor_of
from vehicle_demo.ui.people import SESSION, NotAllowedError, person_of, standing_of, users_in
from vehicle_demo.ui.users import UserList, UserListError


def asking(session: dict[str, Any] | None = None, headers: dict[str, str] | None = None, peer: str = "") -> gr.Request:
    """A call as Gradio hands it to a handler."""
    encoded = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
    client = (peer, 4711) if peer else None
    return gr.Request(Request({"type": "http", "headers": encoded, "session": session or {}, "client": client}))


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> UserList:
    monkeypatch.setenv("VEHICLE_DEMO_HOME", str(tmp_path / "home"))
    return users_in()


def signed_in(users: UserList, name: str) -> gr.Request:
    return asking({SESSION: {"name": name, "mark": users.mark(name)}})


def test_without_a_list_everybody_is_local(users: UserList) -> None:
    assert person_of(asking()) == "local"


def test_with_a_list_only_who_is_on_it_may_write(users: UserList) -> None:
    users.put("ann", "correct horse")
    assert users.names() == ["ann"]
    assert users.check("ann", "correct horse") == users.mark("ann")
    assert users.check("ann", "wrong horse") is None and users.check("bob", "correct horse") is None
    assert person_of(signed_in(users, "ann")) == "ann"
    for session in ({}, {SESSION: {"name": "ann", "mark": "x"}}, {SESSION: {"name": "bob", "mark": None}}):
        with pytest.raises(NotAllowedError, match="Sign in at the top"):
            person_of(asking(session))


def test_a_new_password_or_a_removal_ends_sessions(users: UserList) -> None:
    users.put("ann", "correct horse")
    before = signed_in(users, "ann")
    users.put("ann", "battery staple")
    with pytest.raises(NotAllowedError):
        person_of(before)
    before = signed_in(users, "ann")
    users.remove("ann")
    with pytest.raises(NotAllowedError):  # an empty list lets nobody in
        person_of(before)
    with pytest.raises(UserListError, match="nobody called"):
        users.remove("ann")


def test_the_list_tells_no_password_and_is_its_owner_s_alone(users: UserList) -> None:
    users.put("ann", "correct horse")
    users.put("bob", "correct horse")
    assert "correct horse" not in users.path.read_text() and users.mark("ann") != users.mark("bob")
    assert stat.S_IMODE(users.path.stat().st_mode) == 0o600
    assert [path.name for path in users.path.parent.iterdir()] == ["users.json"]


@pytest.mark.parametrize("content", ["", "[]", "{", '{"ann": 3}', '{"ann": {"salt": "00"}}'])
def test_a_damaged_list_lets_nobody_in(users: UserList, content: str) -> None:
    users.path.parent.mkdir(parents=True)
    users.path.write_text(content)
    with pytest.raises(NotAllowedError, match="damaged"):
        person_of(asking({SESSION: {"name": "ann", "mark": "x"}}))
    with pytest.raises(UserListError, match="Mend or delete"):
        users.put("ann", "correct horse")
    assert users.path.read_text() == content


@pytest.mark.parametrize(("name", "password"), [("", "long enough"), ("../x", "long enough"), ("ann", "short")])
def test_a_name_or_password_that_will_not_do(users: UserList, name: str, password: str) -> None:
    with pytest.raises(UserListError):
        users.put(name, password)
    assert not users.kept


def test_the_list_is_kept_by_a_command(
    users: UserList, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed: Iterator[str] = iter(["correct horse", "correct horse", "correct horse", "another one"])
    monkeypatch.setattr(getpass, "getpass", lambda prompt: next(typed))
    main(["users", "list"])
    assert "everyone who reaches the app" in capsys.readouterr().out
    main(["users", "add", "ann"])
    assert "nobody else may" in capsys.readouterr().out and users.check("ann", "correct horse")
    with pytest.raises(SystemExit, match="differ"):
        main(["users", "add", "bob"])
    main(["users", "list"])
    assert capsys.readouterr().out == "ann\n"
    with pytest.raises(SystemExit, match="nobody called bob"):
        main(["users", "remove", "bob"])
    main(["users", "remove", "ann"])
    assert "Nobody may now" in capsys.readouterr().out and users.kept


def hugging_face(name: str, *groups: str, left_s: float = 60) -> gr.Request:
    orgs = [{"preferred_username": group} for group in groups]
    info = {"userinfo": {"preferred_username": name, "orgs": orgs}, "expires_at": time.time() + left_s}
    return asking({"oauth_info": info})


def test_on_spaces_the_owner_may_write_and_whom_the_setting_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "Acme/demo")
    monkeypatch.delenv("VEHICLE_DEMO_WRITERS", raising=False)
    assert person_of(hugging_face("acme")) == "acme" and person_of(hugging_face("bob", "ACME")) == "bob"
    with pytest.raises(NotAllowedError, match="bob may look here"):
        person_of(hugging_face("bob", "other"))
    monkeypatch.setenv("VEHICLE_DEMO_WRITERS", "cy, Labs")
    assert person_of(hugging_face("Cy")) == "Cy" and person_of(hugging_face("dee", "labs")) == "dee"
    with pytest.raises(NotAllowedError, match="may look"):
        person_of(hugging_face("acme"))
    for nobody in (asking(), hugging_face("cy", left_s=-1), asking({SESSION: {"name": "cy", "mark": "x"}})):
        with pytest.raises(NotAllowedError, match="Sign in with Hugging Face"):
            person_of(nobody)
    assert standing_of(hugging_face("bob")).name == "bob"


def test_a_limit_counts_each_visitor_and_says_how_long_to_wait() -> None:
    now = 0.0
    limit = Limit(2, 60, "Only two.", clock=lambda: now)
    limit.take("ann")
    limit.take("bob")
    now = 10.0
    limit.take("ann")
    with pytest.raises(TooManyError, match=r"Only two\. Wait 50 s, then go on\."):
        limit.take("ann")
    now = 60.0  # the first is forgotten, what was refused never counted
    limit.take("ann")
    with pytest.raises(TooManyError, match="Wait 10 s"):
        limit.take("ann")


def test_only_a_public_app_limits_what_a_visitor_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "RECOGNITIONS", Limit(1, 60, "Pictures."))
    monkeypatch.setattr(limits, "IMPORTS", Limit(1, 60, "Galleries."))
    for _ in range(3):
        take_recognition(asking(peer="1.2.3.4"))
        take_import(asking(peer="1.2.3.4"))
    monkeypatch.setenv("VEHICLE_DEMO_PUBLIC", "1")
    for take, says in ((take_recognition, "Pictures"), (take_import, "Galleries")):
        take(asking(peer="1.2.3.4"))
        take(asking(peer="1.2.3.5"))
        with pytest.raises(TooManyError, match=says):
            take(asking(peer="1.2.3.4"))


def test_whom_a_call_is_counted_for(users: UserList, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up = {"X-Forwarded-For": "9.9.9.9"}
    assert visitor_of(asking(headers=made_up, peer="1.2.3.4")) == "1.2.3.4"  # elsewhere nobody vouches for the header
    users.put("ann", "correct horse")
    assert visitor_of(signed_in(users, "ann")) == "ann"
    monkeypatch.setenv("SPACE_ID", "acme/demo")
    behind = {"X-Forwarded-For": "9.9.9.9, 85.10.1.2, 10.16.3.80"}
    assert address_of(asking(headers=behind, peer="10.16.0.1")) == "85.10.1.2"
    assert visitor_of(hugging_face("bob")) == "bob"
    assert address_of(SimpleNamespace(client=None, headers={})) == ""
