"""The Recognise tab as a visitor meets it, in Chromium."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from data_tools.serving import ServedApp
from tests.browser.conftest import PHONE, WAIT


@pytest.fixture
def page(open_page: Callable[..., Page], app: ServedApp) -> Page:
    page = open_page(app.url)
    expect(page.locator(".vd-canvas")).to_be_visible(timeout=WAIT)
    return page


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
    expect(page.locator(".vd-strip button")).to_have_count(12)


def test_an_uploaded_photo_gets_boxes_and_cards(page: Page, photo: Path) -> None:
    before = page.locator(".vd-canvas img").get_attribute("src")
    upload(page, photo)
    expect(page.locator(".vd-canvas img")).not_to_have_attribute("src", before or "", timeout=WAIT)
    set_threshold(page, 0.32)
    expect(page.locator(".vd-box:visible").first).to_be_visible()
    expect(page.locator(".vd-card:visible").first).to_be_visible()
    assert page.locator(".vd-box:visible").count() == page.locator(".vd-card:visible").count()
    expect(page.locator(".vd-card[open] .vd-ranking li").first).to_contain_text("%")


def test_the_last_of_two_quick_choices_is_shown(page: Page) -> None:
    """A choice made while another is still being recognised must not be dropped."""
    shown, examples = page.locator(".vd-canvas img"), page.locator(".vd-strip button")
    first = shown.get_attribute("src") or ""
    examples.nth(1).click()
    expect(shown).not_to_have_attribute("src", first, timeout=WAIT)
    second = shown.get_attribute("src") or ""
    examples.nth(2).click()
    examples.nth(1).click()
    examples.nth(3).click()
    examples.nth(0).click()
    expect(shown).to_have_attribute("src", first, timeout=WAIT)
    page.wait_for_timeout(1500)
    expect(shown).to_have_attribute("src", first)
    assert first != second


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
    expect(page.locator(".vd-error")).to_contain_text(words, timeout=WAIT)
    assert "Traceback" not in page.content()
    upload(page, photo)
    expect(page.locator(".vd-canvas")).to_be_visible(timeout=WAIT)


def test_a_photo_from_a_phone_is_shown_upright(page: Page, tmp_path: Path, photo: Path) -> None:
    pillow_heif.register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    with Image.open(photo) as image:
        # As bytes: from these the writer also sets the turn that HEIC readers obey.
        image.save(tmp_path / "phone.heic", exif=exif.tobytes())
        upright = {"width": image.height, "height": image.width}
    before = page.locator(".vd-canvas img").get_attribute("src")
    upload(page, tmp_path / "phone.heic")
    expect(page.locator(".vd-canvas img")).not_to_have_attribute("src", before or "", timeout=WAIT)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download JSON").click()
    shown = json.loads(Path(waiting.value.path()).read_text())["image"]
    assert shown == upright


@pytest.mark.parametrize("kind", ["pixels", "bytes"])
def test_a_huge_picture_gets_its_sentence_in_time(page: Page, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "huge.png"
    if kind == "pixels":
        Image.new("1", (20_000, 20_000)).save(path)
    else:
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(33 * 2**20))
    upload(page, path)
    said = page.locator(".vd-error, .toast-body")
    expect(said.first).to_contain_text("megapixels" if kind == "pixels" else "size", timeout=WAIT)


def test_the_first_card_in_view_is_open(page: Page, photo: Path) -> None:
    set_threshold(page, 0.32)
    expect(page.locator(".vd-card:visible").first).to_have_attribute("open", "")
    page.locator(".vd-card:visible summary").first.click()
    set_threshold(page, 0.33)
    assert page.locator(".vd-card:visible[open]").count() == 0  # closed by hand, it stays closed


def test_an_example_can_be_chosen(page: Page) -> None:
    before = page.locator(".vd-canvas img").get_attribute("src")
    page.locator(".vd-strip button").nth(2).click()
    expect(page.locator(".vd-canvas img")).not_to_have_attribute("src", before or "", timeout=WAIT)


def test_a_phone_shows_everything_without_scrolling_sideways(open_page: Callable[..., Page], app: ServedApp) -> None:
    page = open_page(app.url, **PHONE)
    expect(page.locator(".vd-canvas")).to_be_visible(timeout=WAIT)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
