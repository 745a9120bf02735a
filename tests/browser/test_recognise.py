"""The Recognise tab as a visitor meets it, in Chromium."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from data_tools.serving import ServedApp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: apt-get install chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, app: ServedApp) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(app.url)
    expect(page.locator(".vd-canvas")).to_be_visible(timeout=20_000)
    yield page
    context.close()
    assert faults == []


def upload(page: Page, path: Path) -> None:
    clear = page.locator("#vd-photo button[aria-label='Clear'], #vd-photo button[aria-label='Remove Image']")
    if clear.count():
        clear.first.click()
        expect(clear).to_have_count(0)
    page.locator("#vd-photo input[type=file]").first.set_input_files(str(path))


def set_threshold(page: Page, value: float) -> None:
    field = page.get_by_label("number input for Detection threshold")
    field.fill(str(value))
    field.press("Enter")


def test_first_visit_shows_an_example_already_recognised(page: Page) -> None:
    expect(page.locator(".vd-count")).to_contain_text("vehicle")
    expect(page.locator(".vd-strip button")).to_have_count(8)


def test_an_uploaded_photo_gets_boxes_and_cards(page: Page, photo: Path) -> None:
    before = page.locator(".vd-canvas img").get_attribute("src")
    upload(page, photo)
    expect(page.locator(".vd-canvas img")).not_to_have_attribute("src", before or "", timeout=20_000)
    set_threshold(page, 0.32)
    expect(page.locator(".vd-box:visible").first).to_be_visible()
    expect(page.locator(".vd-card:visible").first).to_be_visible()
    assert page.locator(".vd-box:visible").count() == page.locator(".vd-card:visible").count()
    expect(page.locator(".vd-card[open] .vd-ranking li").first).to_contain_text("%")


def test_a_box_opens_its_card_by_mouse_and_by_keyboard(page: Page) -> None:
    set_threshold(page, 0.32)
    last = page.locator(".vd-box:visible").last
    index = last.get_attribute("data-vehicle")
    card = page.locator(f".vd-card[data-vehicle='{index}']")
    card.evaluate("card => { card.open = false; }")
    last.focus()
    page.keyboard.press("Enter")
    expect(card).to_have_attribute("open", "")
    expect(card.locator("summary")).to_be_focused()


def test_the_threshold_redraws_without_asking_the_server(page: Page) -> None:
    set_threshold(page, 0.32)
    expect(page.locator(".vd-box:visible").first).to_be_visible()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    set_threshold(page, 0.95)
    expect(page.locator(".vd-none")).to_be_visible()
    assert page.locator(".vd-box:visible").count() == 0
    assert not [url for url in asked if "queue/join" in url]


def test_downloads_hold_what_was_recognised(page: Page) -> None:
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download JSON").click()
    answer = json.loads(Path(waiting.value.path()).read_text())
    assert set(answer) == {"checkpoint", "heads_version", "image", "timings_ms", "vehicles"}
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download CSV").click()
    lines = Path(waiting.value.path()).read_text().splitlines()
    assert len(lines) == 1 + len(answer["vehicles"])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("broken.jpg", b"\xff\xd8\xff\xe0 cut short", "picture"),
        ("words.png", b"just words", "not a picture we can read"),
    ],
)
def test_a_bad_file_shows_its_sentence_and_the_next_photo_works(
    page: Page, tmp_path: Path, photo: Path, name: str, content: bytes, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    upload(page, tmp_path / name)
    expect(page.locator(".vd-error")).to_contain_text(words, timeout=20_000)
    assert "Traceback" not in page.content()
    upload(page, photo)
    expect(page.locator(".vd-canvas")).to_be_visible(timeout=20_000)


def test_an_example_can_be_chosen(page: Page) -> None:
    before = page.locator(".vd-canvas img").get_attribute("src")
    page.locator(".vd-strip button").nth(2).click()
    expect(page.locator(".vd-canvas img")).not_to_have_attribute("src", before or "", timeout=20_000)


def test_a_phone_shows_everything_without_scrolling_sideways(browser: Browser, app: ServedApp) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    page.goto(app.url)
    expect(page.locator(".vd-canvas")).to_be_visible(timeout=20_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()
