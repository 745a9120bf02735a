"""The Plates tab by keyboard, touch and pointer, in Chromium; and that nothing said is lost or counted twice."""

from __future__ import annotations

import re
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from data_tools.serving import ServedApp, served_app
from tests.annotation.drawn_plates import new_item
from tests.browser.conftest import PHONE, WAIT
from tests.graphs import write_checkpoint, write_reader
from vehicle_demo.annotation.queue import Queue
from vehicle_demo.annotation.store import ANSWER, Store


def open_plates(page: Page) -> None:
    page.get_by_role("tab", name="Plates").click()
    expect(desk(page)).to_be_visible(timeout=WAIT)


def desk(page: Page) -> Locator:
    return page.locator(".vd-work-desk")


def written(page: Page) -> str:
    """The text in the cells."""
    return str(page.locator(".vd-slot input").evaluate_all("cells => cells.map((cell) => cell.value).join('')"))


def now(page: Page) -> Locator:
    """The current plate in the queue's strip."""
    return page.locator(".vd-work-strip .vd-now")


def before(page: Page) -> Locator:
    """The plate that was last answered, in the strip."""
    return page.locator(".vd-work-strip .vd-before").last


def all_is_saved(page: Page) -> None:
    expect(page.locator(".vd-work-saved")).to_have_attribute("data-waiting", "0", timeout=WAIT)


def correct(page: Page, letter: str) -> str:
    """Replace the weakest character and accept; what was said."""
    expect(now(page)).to_be_visible(timeout=WAIT)
    page.keyboard.press(letter)
    said = written(page)
    page.keyboard.press("Enter")
    return said


def at_five_a_second(page: Page, texts: Sequence[str]) -> list[str]:
    """Type over the first characters of a plate each, and accept; no plate begins before its turn. What was said."""
    said, began = list[str](), time.monotonic()
    for number, text in enumerate(texts):
        expect(now(page)).to_be_visible(timeout=WAIT)
        page.wait_for_timeout(max(0.0, began + number / 5 - time.monotonic()) * 1000)
        page.keyboard.press("Home")
        page.keyboard.type(text)
        said.append(written(page))
        page.keyboard.press("Enter")
    print(f"{len(said)} plates, {len(said) / (time.monotonic() - began + 0.2):.1f} a second")
    return said


@pytest.fixture
def page(open_page: Callable[..., Page], app: ServedApp) -> Page:
    page = open_page(app.url)
    open_plates(page)
    return page


def test_a_hundred_plates_at_five_a_second_with_the_server_killed_in_the_middle(
    open_page: Callable[..., Page], tmp_path: Path
) -> None:
    checkpoint = write_checkpoint(tmp_path / "checkpoint", reader="reader.onnx")  # small, to start twice
    write_reader(checkpoint / "reader.onnx", "READER1")
    store = Store(tmp_path / "labels")
    store.add([new_item(number, least=0.2 + number / 200) for number in range(120)])
    # Every plate is given a letter and two digits that no other gets.
    texts = [f"{letter}{tens}{ones}" for letter in "ABCDEFGHJK" for tens in "01" for ones in "01234"]
    said = []
    with served_app(str(checkpoint), home=tmp_path) as first:
        page = open_page(first.url)
        open_plates(page)
        said += at_five_a_second(page, texts[:50])
        first.process.kill()
        said += at_five_a_second(page, texts[50:54])  # of the plates that are there already
        expect(page.locator(".vd-work-saved")).to_contain_text("kept in this browser", timeout=WAIT)
    with served_app(str(checkpoint), home=tmp_path, port=urlsplit(first.url).port):
        all_is_saved(page)
        page.reload()  # the tab comes back by itself, with plates that were not answered
        expect(desk(page)).to_be_visible(timeout=WAIT)
        said += at_five_a_second(page, texts[54:])
        all_is_saved(page)
        expect(page.locator(".vd-work-progress")).to_contain_text("100 of 120")
    assert len(said) == 100 and [text[:3] for text in said] == texts
    events = Queue(store).history("local", 200)[::-1]
    assert [event.value for event in events if event.kind == ANSWER] == said
    assert len({event.item for event in events}) == 100 == len(events) == Queue(store).progress().answered


def test_the_weakest_cell_is_focused_and_every_cell_has_a_name(page: Page) -> None:
    sure = [float(value.removesuffix("%") or 0) for value in page.locator(".vd-sureness").all_text_contents()]
    cells = page.locator(".vd-slot input")
    expect(cells.nth(sure.index(min(sure)))).to_be_focused()
    for place, cell in enumerate(cells.all(), 1):
        name = re.compile(rf"Character {place} of 8: (\w|empty), \d+% sure\. Also likely: ")
        expect(cell).to_have_attribute("aria-label", name)
    expect(page.get_by_role("group", name="Characters of the plate")).to_be_visible()
    cells.nth(2).focus()
    page.keyboard.press("ArrowLeft")
    expect(cells.nth(1)).to_be_focused()
    page.keyboard.press("Delete")
    expect(cells.nth(1)).to_have_attribute("aria-label", re.compile("Character 2 of 8: empty, yours"))
    page.keyboard.press("k")
    expect(cells.nth(1)).to_have_value("K")
    expect(cells.nth(2)).to_be_focused()
    page.keyboard.press("ArrowDown")  # the next likely one
    expect(cells.nth(2)).to_have_attribute("aria-label", re.compile("yours"))
    page.keyboard.press("Backspace")
    expect(cells.nth(2)).to_have_value("")
    expect(cells.nth(2)).to_be_focused()


def test_skip_not_readable_no_plate_and_undo_with_what_was_typed(page: Page) -> None:
    first = now(page).locator("span").text_content()
    for keys, says in (("Escape", "skipped"), ("Alt+x", "not readable"), ("Alt+n", "no plate")):
        expect(now(page)).to_be_visible(timeout=WAIT)
        page.keyboard.press(keys)
        expect(before(page)).to_have_text(says)
    for _ in range(3):
        page.keyboard.press("Alt+z")
    expect(now(page).locator("span")).to_have_text(str(first))
    expect(page.locator(".vd-work-strip .vd-before")).to_have_count(0)
    assert page.evaluate("document.activeElement.closest('.vd-slot') !== null")
    said = correct(page, "7")
    page.locator(".vd-work-toast").get_by_role("button", name="Undo").click()
    expect(page.locator(".vd-work-strip .vd-before")).to_have_count(0)
    assert written(page) == said  # what was typed is still there
    assert page.evaluate("document.activeElement.closest('.vd-slot') !== null")
    all_is_saved(page)
    expect(page.locator(".vd-work-progress")).to_contain_text("0 of 6")


def test_corners_are_moved_by_keys_and_by_the_pointer(page: Page) -> None:
    all_is_saved(page)
    page.keyboard.press("Alt+c")
    handle = page.get_by_role("button", name="Upper left corner")
    expect(handle).to_be_focused()
    where = handle.get_attribute("transform")
    front = page.locator(".vd-plates-front")
    picture = str(front.get_attribute("src"))
    page.keyboard.press("ArrowRight")
    expect(front).not_to_have_attribute("src", picture, timeout=WAIT)
    assert handle.get_attribute("transform") != where
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.closest('.vd-slot') !== null")
    picture = str(front.get_attribute("src"))
    box = handle.locator("circle").last.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 12, box["y"] + 8, steps=3)
    page.mouse.up()
    expect(front).not_to_have_attribute("src", picture, timeout=WAIT)
    all_is_saved(page)
    page.keyboard.press("Alt+z")
    page.keyboard.press("Alt+z")
    expect(handle).to_have_attribute("transform", str(where))
    all_is_saved(page)


def test_filters_legend_and_download(page: Page) -> None:
    page.get_by_label("Source").select_option("drawn_uk")
    expect(page.locator(".vd-work-progress")).to_contain_text(" of 8 plates", timeout=WAIT)
    expect(now(page)).to_be_visible(timeout=WAIT)
    assert re.fullmatch(r"[A-Z0-9]{5,8}", written(page))
    expect(page.locator(".vd-work-keys div:visible")).to_have_count(10)
    page.locator(".vd-slot input").first.focus()
    page.keyboard.press("?")
    expect(page.locator(".vd-work-keys div:visible")).to_have_count(13)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download for fast-plate-ocr").click()
    assert waiting.value.suggested_filename == "plates-fast-plate-ocr.zip"
    with zipfile.ZipFile(waiting.value.path()) as archive:
        assert "labels.csv" in archive.namelist()


def test_a_card_s_plate_opens_in_the_tab_and_back_returns(open_page: Callable[..., Page], app: ServedApp) -> None:
    page = open_page(app.url)
    card = page.locator(".vd-card:visible").first
    expect(card).to_be_visible(timeout=WAIT)
    card.get_by_role("button", name="Correct the plate").click()
    expect(page.get_by_role("tab", name="Plates")).to_have_attribute("aria-selected", "true", timeout=WAIT)
    expect(page.get_by_alt_text("The vehicle", exact=True)).to_be_visible(timeout=WAIT)
    page.locator(".vd-plates").get_by_role("button", name="Back to Recognise").click()
    expect(card).to_be_visible()


def drag_by_touch(page: Page, handle: Locator, by: tuple[int, int]) -> None:
    """A finger moves a corner, the page does not scroll meanwhile, and the plate is read again between the corners."""
    front = page.locator(".vd-plates-front")
    picture, where = str(front.get_attribute("src")), handle.get_attribute("transform")
    handle.scroll_into_view_if_needed()
    box, top = handle.locator("circle").last.bounding_box(), page.evaluate("scrollY")
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    fingers = page.context.new_cdp_session(page)
    for kind, part in [("touchStart", 0.0), ("touchMove", 0.5), ("touchMove", 1.0), ("touchEnd", 1.0)]:
        points = [] if kind == "touchEnd" else [{"x": x + by[0] * part, "y": y + by[1] * part}]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    expect(front).not_to_have_attribute("src", picture, timeout=WAIT)
    assert handle.get_attribute("transform") != where and page.evaluate("scrollY") == top


def test_a_phone_corrects_by_touch(open_page: Callable[..., Page], app: ServedApp) -> None:
    page = open_page(app.url, **PHONE)
    open_plates(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    second = page.locator(".vd-slot").first.locator(".vd-likely button").nth(1)
    likely = str(second.get_attribute("data-likely"))
    second.tap()
    expect(page.locator(".vd-slot input").first).to_have_value(likely)
    drag_by_touch(page, page.get_by_role("button", name="Upper left corner"), (14, 10))
    # A touch keyboard gives text without keys.
    page.locator(".vd-slot input").nth(1).evaluate(
        "cell => { cell.value = 'w'; cell.dispatchEvent(new InputEvent('input', {bubbles: true})); }"
    )
    expect(page.locator(".vd-slot input").nth(1)).to_have_value("W")
    said = written(page)
    page.get_by_role("button", name="Accept").tap()
    expect(before(page)).to_contain_text(said)
    page.locator(".vd-work-commands").get_by_role("button", name="Undo").tap()
    all_is_saved(page)
