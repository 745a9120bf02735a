"""The Map tab as a researcher uses it, in Chromium."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from data_tools.serving import ServedApp, served_app
from tests.browser.conftest import PHONE, WAIT
from tests.drawn_gallery import fill_home

ROWS, MANY = 48, 1000
DONE = re.compile(r"t-SNE, 1,000 iterations")
# Where a row's point is in the window, as plotly.js has drawn it.
POINT = """(canvas, place) => {
  const {xaxis, yaxis} = canvas._fullLayout, box = canvas.getBoundingClientRect();
  const every = canvas.data.slice(0, -1).flatMap((trace) => Array.from(trace.x, (x, n) => [x, trace.y[n]]));
  const [x, y] = every[place];
  return [box.left + xaxis._offset + xaxis.d2p(x), box.top + yaxis._offset + yaxis.d2p(y)];
}"""


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedApp]:
    """An app with three galleries: `drawn`, `many`, and `broken`, whose maps cannot be kept."""
    home = tmp_path_factory.mktemp("home")
    fill_home(home, "drawn", ROWS)
    fill_home(home, "many", MANY)
    (fill_home(home, "broken", ROWS).storage.folder / "maps").write_text("a file where the folder should be")
    with served_app(home=home) as running:
        yield running


@pytest.fixture
def page(open_page: Callable[..., Page], studio: ServedApp) -> Page:
    page = open_page(studio.url)
    open_map(page)
    return page


def open_map(page: Page, gallery: str = "drawn") -> None:
    page.get_by_role("tab", name="Map").click(timeout=WAIT)
    choose(page, gallery)
    if gallery == "drawn":
        expect(status(page)).to_have_text(DONE, timeout=WAIT)


def choose(page: Page, gallery: str) -> None:
    page.locator(".vd-map [name=gallery]").select_option(gallery, timeout=WAIT)


def status(page: Page) -> Locator:
    return page.locator(".vd-map-status [role=status]")


def point(page: Page, place: int) -> tuple[float, float]:
    """The window's coordinates of a point; by identity `place` is its row."""
    expect(page.locator(".vd-map-canvas .modebar")).to_be_visible(timeout=WAIT)
    x, y = page.locator(".vd-map-canvas").evaluate(POINT, place)
    return x, y


def cards(page: Page) -> Locator:
    return page.locator(".vd-map-card")


def draw_round(page: Page, corners: list[tuple[float, float]]) -> None:
    page.mouse.move(*corners[0])
    page.mouse.down()
    for x, y in corners[1:]:
        page.mouse.move(x, y, steps=6)
    page.mouse.up()


def whole_stage(page: Page) -> list[tuple[float, float]]:
    box = page.locator(".vd-map-stage").bounding_box()
    assert box is not None
    left, top = box["x"] + 60, box["y"] + 12
    right, bottom = box["x"] + box["width"] - 16, box["y"] + box["height"] - 12
    return [(left, top), (right, top), (right, bottom), (left, bottom), (left, top + 4)]


def test_the_pointer_on_a_point_shows_its_thumbnail(page: Page) -> None:
    page.mouse.move(*point(page, 13))
    tip = page.locator(".vd-map-tip")
    expect(tip).to_be_visible()
    expect(tip).to_contain_text("V2")
    expect(tip).to_contain_text("van")
    expect(tip).to_contain_text(re.compile(r"camera \d"))
    width = tip.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth)")
    assert width == 160
    page.mouse.move(5, 5)
    expect(tip).to_be_hidden()


def test_a_click_shows_neighbours_and_leads_to_look_alikes(page: Page) -> None:
    page.mouse.click(*point(page, 13))
    expect(page.locator(".vd-map-head")).to_contain_text("V2 and its 10 nearest")
    expect(cards(page)).to_have_count(11)
    expect(cards(page).first).to_contain_text("this one")
    for place in range(1, 6):
        expect(cards(page).nth(place)).to_contain_text("V2")
    cards(page).nth(8).click()
    expect(page.locator(".vd-map-head")).not_to_contain_text("V2 and its")
    page.get_by_role("button", name="Use as query").first.click()
    expect(page.get_by_role("tab", name="Gallery")).to_have_attribute("aria-selected", "true")
    expect(page.locator(".vd-query h3")).to_have_text(re.compile(r"^Vehicle \d+ of drawn$"), timeout=WAIT)


def test_a_query_is_shown_among_its_results(page: Page) -> None:
    page.mouse.click(*point(page, 13))
    page.get_by_role("button", name="Use as query").click()
    expect(page.locator(".vd-query h3")).to_have_text("Vehicle 13 of drawn", timeout=WAIT)
    page.get_by_role("button", name="Show all on map").click()
    expect(page.locator(".vd-map-head")).to_contain_text("Vehicle 13 of drawn and its 20 nearest on this map")
    expect(cards(page)).to_have_count(21)
    marks = page.locator(".vd-map-canvas").evaluate("canvas => canvas.data.at(-1).marker.symbol")
    assert marks == ["circle-open"] * 20 + ["star"]
    cards(page).first.click()
    expect(page.get_by_role("tab", name="Gallery")).to_have_attribute("aria-selected", "true")


@pytest.mark.parametrize("tool", ["Lasso Select", "Box Select"])
def test_what_is_drawn_round_is_selected_and_can_be_taken_away(page: Page, tool: str) -> None:
    page.locator(f".modebar-btn[data-title='{tool}']").click()
    corners = whole_stage(page)
    draw_round(page, corners if tool == "Lasso Select" else [corners[0], corners[2]])
    expect(page.locator(".vd-map-head")).to_contain_text(f"{ROWS} selected")
    expect(cards(page)).to_have_count(24)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Export CSV").click()
    lines = list(csv.DictReader(Path(waiting.value.path()).read_text().splitlines()))
    assert len(lines) == ROWS and {line["vehicle_id"] for line in lines} == {f"V{n}" for n in range(ROWS // 6)}
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(cards(page)).to_have_count(0)


def send_to_review(page: Page) -> Locator:
    """Presses the button; the line that says what came of it."""
    page.get_by_role("button", name="Send to review").click()
    line = page.locator(".vd-map-sent")
    expect(line).to_contain_text("added to the review queue", timeout=6 * WAIT)
    return line


def test_a_lasso_in_the_sample_goes_to_the_review_queue_once(page: Page) -> None:
    choose(page, "sample")
    expect(status(page)).to_have_text(re.compile(r"^240 rows .* 1,000 iterations"), timeout=12 * WAIT)
    page.get_by_text("Filter", exact=True).click()
    page.locator("[data-filter=camera]").select_option(index=2)
    expect(status(page)).to_have_text(re.compile(r"^40 rows .* 1,000 iterations"), timeout=WAIT)
    page.keyboard.press("Escape")
    page.locator(".modebar-btn[data-title='Lasso Select']").click()
    draw_round(page, whole_stage(page))
    expect(page.locator(".vd-map-head")).to_contain_text("40 selected")
    expect(send_to_review(page)).to_contain_text("40 vehicles added to the review queue.")
    expect(page.locator(".vd-map-sent")).not_to_contain_text("thumbnail")
    page.get_by_role("button", name="Send to review").click()
    expect(page.locator(".vd-map-sent")).to_contain_text("0 vehicles added to the review queue, 40 already there")
    page.get_by_role("button", name="Open Review").click()
    expect(page.get_by_role("tab", name="Review")).to_have_attribute("aria-selected", "true")
    expect(page.locator(".vd-review figcaption")).to_contain_text("gallery sample,", timeout=WAIT)
    expect(page.get_by_label("Source")).to_have_value("gallery sample")
    expect(page.locator(".vd-review .vd-work-progress")).to_contain_text("0 of 40 vehicles", timeout=WAIT)
    # The picture itself, not its thumbnail of at most 192 pixels.
    width = page.locator(".vd-review-picture img").evaluate("image => image.decode().then(() => image.naturalWidth)")
    assert width > 192


def test_a_selection_is_mapped_alone_and_asks_as_one(page: Page) -> None:
    page.locator(".modebar-btn[data-title='Box Select']").click()
    corners = whole_stage(page)
    middle = ((corners[0][0] + corners[1][0]) / 2, corners[2][1])
    draw_round(page, [corners[0], middle])
    head = page.locator(".vd-map-head")
    expect(head).to_contain_text("selected")
    count = int(str(head.text_content()).split()[0])
    assert 5 <= count < ROWS
    page.get_by_role("button", name="Map these alone").click()
    expect(status(page)).to_have_text(re.compile(f"^{count} rows"), timeout=WAIT)
    page.locator(".modebar-btn[data-title='Box Select']").click()
    draw_round(page, [corners[0], corners[2]])
    expect(head).to_contain_text(f"{count} selected")
    page.get_by_role("button", name="Use all as one query").click()
    expect(page.locator(".vd-query h3")).to_have_text(f"{count} vehicles of drawn", timeout=WAIT)
    page.get_by_role("tab", name="Map").click()
    page.get_by_role("button", name="Map the whole gallery").click()
    expect(status(page)).to_have_text(re.compile(f"^{ROWS} rows"), timeout=WAIT)
    expect(page.get_by_role("button", name="Map the whole gallery")).to_be_hidden()


def test_what_is_not_selected_turns_grey(page: Page) -> None:
    page.locator(".modebar-btn[data-title='Box Select']").click()
    x, y = point(page, 13)
    draw_round(page, [(x - 4, y - 4), (x + 4, y + 4)])
    expect(page.locator(".vd-map-head")).to_contain_text("selected")
    expect(cards(page).filter(has_text="V2")).not_to_have_count(0)
    chosen = page.locator(".vd-map-canvas").evaluate(
        "canvas => canvas.data.slice(0, -1).map((t) => t.selectedpoints.length)"
    )
    assert 0 < sum(chosen) <= 6 and chosen[2] == sum(chosen)


def test_the_legend_hides_and_shows_alone(page: Page) -> None:
    page.get_by_label("Colour by").select_option("type")
    entries = page.locator(".vd-map-entry")
    expect(entries).to_have_count(4)
    expect(entries.first).to_contain_text("pickup")
    shown = "canvas => canvas.data.slice(0, -1).map((trace) => trace.visible)"
    canvas = page.locator(".vd-map-canvas")
    entries.nth(1).click()
    expect(entries.nth(1)).to_have_attribute("aria-pressed", "false")
    assert canvas.evaluate(shown) == [True, False, True, True]
    page.get_by_role("button", name="Only van").click()
    assert canvas.evaluate(shown).count(True) == 1
    page.get_by_role("button", name="Only van").click()
    assert canvas.evaluate(shown) == [True] * 4


def test_a_filter_makes_a_map_of_what_fits(page: Page) -> None:
    page.get_by_text("Filter", exact=True).click()
    page.locator("[data-filter=camera]").select_option("3")
    expect(status(page)).to_have_text(re.compile(r"^8 rows .* 1,000 iterations"), timeout=WAIT)
    expect(page.locator(".vd-map-menu summary").first).to_have_text("Filter (1)")


def test_a_perplexity_that_does_not_fit_is_said_and_one_that_does_is_used(page: Page) -> None:
    for perplexity, words in [("90", "choose a perplexity from 1 to 47"), ("7", "perplexity 7 · seed 0")]:
        page.locator(".vd-map-menu summary", has_text="t-SNE").click()
        page.get_by_label("Perplexity").fill(perplexity)
        page.get_by_role("button", name="Make this map").click()
        expect(status(page)).to_contain_text(words, timeout=WAIT)


def test_the_figure_is_a_picture(page: Page) -> None:
    page.locator(".vd-map-menu summary", has_text="Figure").click()
    with page.expect_download(timeout=WAIT) as waiting:
        page.get_by_role("button", name="Download PNG").click()
    assert Image.open(waiting.value.path()).format == "PNG"
    expect(status(page)).to_have_text(DONE)


def test_a_long_map_can_be_cancelled(page: Page) -> None:
    choose(page, "many")
    cancel = page.get_by_role("button", name="Cancel").and_(page.locator(".vd-map button"))
    cancel.click(timeout=WAIT)
    expect(cancel).to_be_hidden()
    expect(status(page)).to_have_text(re.compile(r"^Stopped after \d+ iterations"))
    page.get_by_role("tab", name="Recognise").click()
    page.get_by_role("tab", name="Map").click()
    page.mouse.move(*point(page, 13))
    expect(page.locator(".vd-map-tip")).to_be_visible()
    expect(status(page)).to_have_text(re.compile(r"^Stopped after"))  # and it has not begun again by itself
    choose(page, "drawn")
    expect(status(page)).to_have_text(re.compile(f"^{ROWS} rows"), timeout=WAIT)


def test_a_map_that_fails_says_so_and_keeps_what_it_has(page: Page) -> None:
    choose(page, "broken")
    expect(status(page)).to_contain_text("could not be finished. Try it again", timeout=WAIT)
    page.mouse.move(*point(page, 3))
    expect(page.locator(".vd-map-tip")).to_be_visible()


def test_a_phone_shows_the_map_without_scrolling_sideways(open_page: Callable[..., Page], studio: ServedApp) -> None:
    page = open_page(studio.url, **PHONE)
    open_map(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for menu in page.locator(".vd-map-menu summary").all():
        menu.click()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        menu.click()
    page.locator(".vd-map-stage").scroll_into_view_if_needed()
    page.touchscreen.tap(*point(page, 13))
    expect(cards(page)).to_have_count(11)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    expect(send_to_review(page)).to_contain_text("11 vehicles added to the review queue. Of 11 vehicles this gallery")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="Open Review").tap()
    expect(page.locator(".vd-review figcaption")).to_contain_text("gallery drawn,", timeout=WAIT)
