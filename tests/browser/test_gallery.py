"""The Gallery tab as a visitor meets it, in Chromium."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from data_tools.serving import ServedApp
from tests.browser.conftest import PHONE, WAIT, choose
from tests.drawn_gallery import unit_clusters
from vehicle_demo.gallery.gallery import Gallery, Item
from vehicle_demo.recognition import Box


@pytest.fixture
def page(open_page: Callable[..., Page], app: ServedApp) -> Page:
    """The tab with the gallery `drawn` chosen: 20 vehicles, the first one asked for."""
    page = open_page(app.url)
    choose_drawn(page)
    return page


def choose_drawn(page: Page) -> None:
    page.get_by_role("tab", name="Gallery").click()
    choose(page, "Gallery", "drawn")
    expect(title(page)).to_have_text("Vehicle 0 of drawn", timeout=WAIT)


def title(page: Page) -> Locator:
    return page.locator(".vd-query h3")


def hits(page: Page) -> Locator:
    return page.locator(".vd-hit")


def tick(page: Page, label: str) -> None:
    page.get_by_label(re.compile(label)).check()


def test_a_gallery_opens_with_its_first_vehicle_and_marks_right_and_wrong(page: Page) -> None:
    expect(page.locator(".vd-about")).to_contain_text(re.compile(r"pictures\s*120.*identities\s*20.*cameras\s*6"))
    expect(hits(page)).to_have_count(20)
    expect(page.locator(".vd-mark")).to_have_text([*["\u2713 same"] * 5, *["\u2715 other"] * 15])


def test_find_look_alikes_opens_the_gallery_with_that_vehicle(
    open_page: Callable[..., Page], app: ServedApp, photo: Path
) -> None:
    page = open_page(app.url)
    card = page.locator(".vd-card:visible").first
    expect(card).to_be_visible(timeout=WAIT)
    crop = card.locator("summary img").get_attribute("src")
    card.get_by_role("button", name="Find look-alikes").click()
    expect(page.get_by_role("tab", name="Gallery")).to_have_attribute("aria-selected", "true")
    expect(title(page)).to_have_text("From Recognise", timeout=WAIT)
    assert crop and crop.startswith("data:image/jpeg")
    expect(page.locator(".vd-query-body img")).to_be_visible()
    # A visitor's first sight of the tab: its menus must know the galleries, and keep the vehicle through a change.
    choose(page, "Gallery", "drawn")
    expect(hits(page)).to_have_count(20, timeout=WAIT)
    expect(title(page)).to_have_text("From Recognise")
    page.get_by_role("button", name="Filters").click()
    choose(page, "camera", "3")
    expect(hits(page).filter(has_text="camera 3")).to_have_count(20, timeout=WAIT)
    page.get_by_role("button", name="Back to Recognise").click()
    expect(card).to_be_visible()


def test_use_as_query_changes_the_results(page: Page) -> None:
    expect(hits(page)).to_have_count(20)
    before = hits(page).locator(".vd-cosine").all_text_contents()
    page.get_by_role("button", name="Use as query").nth(9).click()
    expect(title(page)).not_to_have_text("Vehicle 0 of drawn", timeout=WAIT)
    expect(page.locator(".vd-mark").first).to_have_text("\u2713 same")
    assert hits(page).locator(".vd-cosine").all_text_contents() != before


def test_filters_leave_only_what_they_name(page: Page) -> None:
    page.get_by_role("button", name="Filters").click()
    choose(page, "type", "suv")
    expect(page.locator(".vd-hit-name", has_text="suv")).to_have_count(20, timeout=WAIT)
    choose(page, "camera", "2")
    expect(hits(page)).to_have_count(5, timeout=WAIT)
    expect(hits(page).filter(has_text="camera 2")).to_have_count(5)
    choose(page, "type", "any")
    choose(page, "camera", "any")
    tick(page, "Leave out the query's camera")
    expect(hits(page).filter(has_text="camera 0")).to_have_count(0, timeout=WAIT)
    expect(hits(page)).to_have_count(20)


def test_what_was_chosen_is_still_there_after_a_look_at_another_tab(page: Page) -> None:
    page.get_by_role("button", name="Filters").click()
    choose(page, "camera", "2")
    expect(hits(page).filter(has_text="camera 2")).to_have_count(20, timeout=WAIT)
    page.get_by_role("tab", name="Recognise").click()
    with page.expect_response(re.compile("queue/join")):
        page.get_by_role("tab", name="Gallery").click()
    page.get_by_role("button", name="Use as query").first.click()
    expect(title(page)).not_to_have_text("Vehicle 0 of drawn", timeout=WAIT)
    expect(page.get_by_label("camera", exact=True)).to_have_value("2")
    expect(page.get_by_label("Gallery", exact=True)).to_have_value("drawn")
    expect(hits(page).filter(has_text="camera 2")).to_have_count(19)


def test_the_threshold_greys_what_is_no_confident_match(page: Page) -> None:
    field = page.get_by_label("number input for Match from cosine")
    # At first it is where the gallery's own vehicles part: just those of the query's vehicle are a match.
    expect(page.locator(".vd-hit:not(.vd-grey)")).to_have_count(5, timeout=WAIT)
    expect(page.get_by_text("as this gallery's own vehicles say")).to_be_visible()
    field.fill("0.6")  # whatever the checkpoint's own is
    field.press("Enter")
    expect(page.locator(".vd-nomatch")).to_have_text("No confident match from here on.", timeout=WAIT)
    expect(page.locator(".vd-hit:not(.vd-grey)")).to_have_count(5)
    field.fill("0.99")
    field.press("Enter")
    expect(page.locator(".vd-nomatch")).to_have_text("No confident match. The nearest are shown in grey.")
    expect(page.locator(".vd-hit.vd-grey")).to_have_count(20)
    page.get_by_role("button", name="Use as query").first.click()
    expect(title(page)).not_to_have_text("Vehicle 0 of drawn", timeout=WAIT)
    expect(page.locator(".vd-hit.vd-grey")).to_have_count(20)  # the threshold stays


def test_reranking_shows_what_moved(page: Page) -> None:
    expect(page.locator(".vd-moved")).to_have_count(0)
    tick(page, "Re-rank")
    expect(page.locator(".vd-moved")).to_have_count(20, timeout=WAIT)
    expect(page.locator(".vd-head strong", has_text="re-ranked")).to_be_visible()


def test_compare_shows_both_and_what_differs_and_gives_the_focus_back(page: Page) -> None:
    last = hits(page).last.get_by_role("button", name="Compare result 20 with the query")
    last.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("img")).to_have_count(2)
    expect(dialog.locator(".vd-differs")).not_to_have_count(0)
    expect(dialog).to_contain_text("\u2260")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(last).to_be_focused()


def test_the_list_and_its_figure_are_downloaded(page: Page) -> None:
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download CSV").last.click()
    rows = list(csv.DictReader(io.StringIO(Path(waiting.value.path()).read_text())))
    assert [row["rank"] for row in rows] == [str(rank) for rank in range(1, 21)]
    assert [row["verdict"] for row in rows] == ["same"] * 5 + ["other"] * 15
    assert all(row["thumbnail"] == "" for row in rows if "thumbnail" in row)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Figure SVG").click()
    assert waiting.value.suggested_filename == "rank-list.svg"
    assert "query" in Path(waiting.value.path()).read_text()


def test_more_results_come_when_asked_for(page: Page) -> None:
    page.get_by_role("button", name="More", exact=True).click()
    expect(hits(page)).to_have_count(60, timeout=WAIT)


def test_a_plate_that_nobody_has_says_so(page: Page) -> None:
    plate = page.get_by_label("Search for a plate")
    plate.fill("ZZ 99")
    plate.press("Enter")
    expect(page.locator("#vd-gallery-results .vd-message")).to_contain_text("Nothing", timeout=WAIT)
    plate.fill("?")
    plate.press("Enter")
    expect(page.locator("#vd-gallery-results .vd-error")).to_contain_text("at least two letters", timeout=WAIT)


def test_a_new_gallery_is_filled_from_the_page(page: Page, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    page.get_by_role("button", name="Add pictures").click()
    page.locator("#vd-filling-files input[type=file]").set_input_files([str(photo), str(tmp_path / "broken.jpg")])
    expect(page.locator("#vd-filling-files")).to_contain_text("broken", timeout=WAIT)
    # Not earlier: while the accordion opens, Gradio sets the field to its first value once more.
    page.get_by_label("Name of the gallery").fill("from-the-page")
    page.get_by_role("button", name="Fill the gallery").click()
    said = page.locator("#vd-filling-said .vd-said")
    expect(said).to_contain_text(re.compile(r"[1-9]\d* vehicles added to from-the-page"), timeout=WAIT)
    expect(said).to_contain_text("broken.jpg")
    choose(page, "Gallery", "from-the-page")
    expect(title(page)).to_have_text("Vehicle 0 of from-the-page", timeout=WAIT)


def test_another_checkpoint_s_gallery_is_refused_and_built_again_when_asked_for(
    page: Page, home: Path, photo: Path
) -> None:
    earlier = Gallery(home / "galleries" / "older" / "another-1", "another 1")
    picture = earlier.storage.keep(photo.read_bytes())
    boxes = [Box(40, 60, 200, 180), Box(200, 60, 400, 240)]
    items = [Item(picture, part, vehicle_id=f"V{part}", told="vehicle_id", box=box) for part, box in enumerate(boxes)]
    earlier.add(unit_clusters(2), items)
    page.reload()
    page.get_by_role("tab", name="Gallery").click(timeout=WAIT)
    choose(page, "Gallery", "older")
    says = page.locator("#vd-gallery-results .vd-message")
    expect(says).to_contain_text("older holds embeddings of another 1, which cannot be compared", timeout=WAIT)
    says.get_by_role("button", name="Build it again with").click()
    expect(page.locator("#vd-filling-said .vd-said")).to_contain_text("2 vehicles of older are there", timeout=WAIT)
    expect(title(page)).to_have_text("Vehicle 0 of older", timeout=WAIT)
    expect(page.locator(".vd-query")).to_contain_text("V0")


def test_a_phone_shows_the_results_at_once_and_the_ways_to_search_when_asked_for(
    open_page: Callable[..., Page], app: ServedApp
) -> None:
    page = open_page(app.url, **PHONE)
    page.get_by_role("tab", name="Gallery").click()
    ways, again = page.get_by_label("Search for a plate"), page.get_by_role("button", name="Search and filter")
    again.click(timeout=2 * WAIT)  # the sample's first vehicle is there, or on its way
    choose(page, "Gallery", "drawn")
    expect(title(page)).to_have_text("Vehicle 0 of drawn", timeout=WAIT)
    expect(ways).to_be_hidden(timeout=WAIT)
    expect(hits(page)).to_have_count(20)
    box = hits(page).first.bounding_box()
    assert box is not None and box["y"] < 640
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    again.click()
    expect(again).to_have_attribute("aria-expanded", "true")
    page.get_by_role("button", name="Filters").click()
    choose(page, "camera", "2")
    expect(hits(page).filter(has_text="camera 2")).to_have_count(20, timeout=WAIT)
    expect(ways).to_be_visible()  # a filter is no new query: more of them may follow
    hits(page).last.get_by_role("button", name="Compare result 20 with the query").click()
    box = page.get_by_role("dialog").bounding_box()
    assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 390
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Use as query").first.click()
    expect(ways).to_be_hidden(timeout=WAIT)
