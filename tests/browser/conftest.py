"""Chromium for the tests of this room."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from data_tools.in_browser import chromium_options, open_chromium

# A camera that shows a test picture, and no question about it.
FLAGS = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
WAIT = 20_000
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}


def choose(page: Page, menu: str, option: str) -> None:
    """Take one option of a menu in view, by their names."""
    page.get_by_label(menu, exact=True).locator("visible=true").click(timeout=WAIT)
    chosen = page.get_by_role("option", name=option, exact=True)
    chosen.click(timeout=WAIT)
    expect(chosen).to_have_count(0, timeout=WAIT)  # another menu may offer the same word while this one closes


# Not for the whole session: while Playwright runs, no other test can have an event loop of its own.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    try:
        chromium_options()
    except FileNotFoundError as absent:
        pytest.skip(str(absent))
    with open_chromium(*FLAGS) as browser:
        yield browser


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens an address for a new visitor, by default at a desk; an error of a script there fails the test."""
    contexts, faults = [], list[str]()

    def open_page(url: str, **settings: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **settings})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []
