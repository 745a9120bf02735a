"""Signing in with Hugging Face as on Spaces: Gradio's own routes, there and back, against a provider of our own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from data_tools.serving import ServedApp, served_app
from tests.annotation.drawn_vehicles import new_vehicle
from tests.browser.conftest import WAIT
from tests.browser.test_review import A5, all_is_saved, open_review, press
from tests.fake_provider import FakeProvider, fake_provider
from tests.graphs import write_checkpoint
from tests.ui.test_review import LABELS
from vehicle_demo.annotation.store import Store

# Who may write: the members of acme.
PEOPLE: dict[str, tuple[str, ...]] = {"ann": ("acme",), "bob": ("rivals",)}


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with fake_provider(PEOPLE) as provider:
        yield provider


@pytest.fixture
def space(tmp_path: Path, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedApp]:
    """The app as a Space of somebody else, in which members of acme may write."""
    settings = {"SYSTEM": "spaces", "SPACE_ID": "somebody/demo", "VEHICLE_DEMO_WRITERS": "acme"}
    for name, value in {**settings, **provider.environment(), "GRADIO_ANALYTICS_ENABLED": "False"}.items():
        monkeypatch.setenv(name, value)
    with served_app(str(write_checkpoint(tmp_path / "checkpoint", labels=LABELS)), home=tmp_path) as app:
        yield app


@pytest.fixture
def visit(open_page: Callable[..., Page], space: ServedApp) -> Callable[[], Page]:
    """Opens the app for a new visitor, whose page reaches nothing but this machine: on Spaces Gradio asks its Hub."""

    def visit() -> Page:
        page = open_page("about:blank")
        page.route(lambda url: not url.startswith("http://127.0.0.1:"), lambda route: route.abort())
        page.goto(space.url)
        return page

    return visit


def corner(page: Page) -> Locator:
    return page.locator(".vd-signing")


def sign_in(page: Page, name: str) -> None:
    page.get_by_role("button", name="Sign in with Hugging Face").click(timeout=WAIT)
    page.get_by_role("link", name=f"Authorize as {name}").click(timeout=WAIT)
    expect(corner(page)).to_contain_text(name, timeout=WAIT)


def test_who_signs_in_with_hugging_face_writes_under_that_name_if_allowed(
    visit: Callable[[], Page], space: ServedApp, provider: FakeProvider, tmp_path: Path
) -> None:
    store = Store(tmp_path / "labels")
    (number,) = store.add([new_vehicle(1, source="drawn")])
    page = visit()
    page.get_by_role("tab", name="Review").click(timeout=WAIT)
    says = page.locator(".vd-review .vd-work-says")
    expect(says).to_contain_text("Sign in with Hugging Face to change anything here", timeout=WAIT)
    sign_in(page, "bob")
    expect(corner(page)).to_contain_text("bob may look here, but not change anything", timeout=WAIT)
    page.get_by_role("tab", name="Review").click(timeout=WAIT)
    expect(says).to_contain_text("bob may look here, but not change anything", timeout=WAIT)
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, "ann")
    expect(corner(page).get_by_role("status")).to_have_text("ann")
    open_review(page, "drawn")
    press(page, "1")
    all_is_saved(page)
    (event,) = store.events(number)
    assert event.person == "ann" and event.value["model"] == A5
    # It is the server that fetched the tokens, each for a code of its own, and the browser that came back with these.
    assert len(provider.spent) == 2 and all(ask["scope"] == "openid profile" for ask in provider.asked)
    assert all(ask["redirect_uri"].startswith(f"{space.url}login/callback") for ask in provider.asked)


def test_a_sign_in_that_has_lapsed_and_a_callback_that_nobody_asked_for_open_nothing(
    visit: Callable[[], Page], space: ServedApp, provider: FakeProvider
) -> None:
    with httpx.Client(base_url=space.url, follow_redirects=False) as client:
        made_up = client.get("login/callback", params={"code": "made-up", "state": "made-up"})
        assert made_up.is_redirect and "/login/huggingface" in made_up.headers["location"]
        assert client.get("studio/me").json()["name"] is None
    assert provider.spent == []
    provider.lasts_s = 0
    page = visit()
    page.get_by_role("button", name="Sign in with Hugging Face").click(timeout=WAIT)
    page.get_by_role("link", name="Authorize as ann").click(timeout=WAIT)
    expect(page.get_by_role("button", name="Sign in with Hugging Face")).to_be_visible(timeout=WAIT)
    page.get_by_role("tab", name="Review").click(timeout=WAIT)
    says = page.locator(".vd-review .vd-work-says")
    expect(says).to_contain_text("Sign in with Hugging Face to change anything here", timeout=WAIT)
    assert len(provider.spent) == 1
