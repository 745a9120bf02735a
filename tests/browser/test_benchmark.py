"""The Benchmark tab as a researcher uses it, in Chromium."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from data_tools.__main__ import main
from data_tools.serving import ServedApp
from tests.browser.conftest import PHONE, WAIT, choose
from tests.drawn_gallery import drawn_items, fill_home, unit_clusters
from vehicle_demo.gallery.gallery import Item


@pytest.fixture
def page(open_page: Callable[..., Page], app: ServedApp) -> Page:
    page = open_page(app.url, permissions=["clipboard-read", "clipboard-write"])
    open_benchmark(page)
    return page


def open_benchmark(page: Page) -> None:
    page.get_by_role("tab", name="Benchmark").click(timeout=WAIT)
    choose(page, "Gallery", "drawn")


def press_run(page: Page) -> None:
    page.get_by_role("button", name="Run", exact=True).click()


def figures(page: Page) -> Locator:
    return page.locator(".vd-figures")


def test_figures_are_those_that_the_command_prints(page: Page, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    press_run(page)
    expect(figures(page)).to_contain_text("Cross-camera (VeRi-776) drawn, 120 rows", timeout=WAIT)
    expect(figures(page)).to_contain_text("queries 20 · skipped 0 · gallery 100")
    expect(page.get_by_role("img", name="CMC curve up to rank 20")).to_be_visible()
    page.get_by_role("button", name="Copy mAP with its command").click()
    expect(figures(page).get_by_role("button", name="Copy mAP")).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    figure, command = copied.split("; ")[0], copied.split("; ")[-1]
    main([*command.removeprefix("python -m data_tools ").split(), "--home", str(home)])
    printed = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
    value, low, _, high = printed["map"]
    again = printed["re-ranked.map"]
    assert figure == f"mAP {value} [{low}, {high}], re-ranked {again[0]} [{again[1]}, {again[3]}]"
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download CSV").click()
    assert waiting.value.suggested_filename == "drawn-cross-camera.csv"
    lines = {line["figure"]: line for line in csv.DictReader(Path(waiting.value.path()).read_text().splitlines())}
    assert float(lines["map"]["value"]) == float(value) and lines["queries"]["value"] == "20"


def test_unknown_vehicles_have_a_histogram(page: Page) -> None:
    choose(page, "Protocol", "Open set: unknown identities")
    expect(page.locator(".vd-words")).to_contain_text("a random fifth of the identities")
    press_run(page)
    expect(page.get_by_role("img", name="Histogram of KNN+ scores")).to_be_visible(timeout=WAIT)
    expect(figures(page).locator("tbody th")).to_have_text(["AUROC", "FPR95"])
    choose(page, "Protocol", "Open set: unknown makes")
    expect(page.locator(".vd-stale")).to_contain_text("Below is drawn, Open set: unknown identities")
    press_run(page)
    expect(page.get_by_role("alert").locator("visible=true")).to_contain_text("names come from their source")
    expect(page.locator(".vd-stale")).to_have_count(0)


def test_a_gallery_that_grows_makes_its_figures_stale(
    open_page: Callable[..., Page], app: ServedApp, home: Path
) -> None:
    gallery = fill_home(home, "growing", 60)
    page = open_page(app.url)
    open_benchmark(page)
    choose(page, "Gallery", "growing")
    press_run(page)
    expect(figures(page)).to_contain_text("growing, 60 rows", timeout=WAIT)
    gallery.add(unit_clusters(72, gallery.storage.dimension), drawn_items(72))
    page.get_by_role("tab", name="Recognise").click()
    page.get_by_role("tab", name="Benchmark").click()
    expect(page.locator(".vd-stale")).to_contain_text("with 60 rows; it has 72 now", timeout=WAIT)
    press_run(page)
    expect(figures(page)).to_contain_text("growing, 72 rows", timeout=WAIT)
    expect(page.locator(".vd-stale")).to_have_count(0)


def test_a_long_run_can_be_cancelled(open_page: Callable[..., Page], app: ServedApp, home: Path) -> None:
    gallery, rows = fill_home(home, "long", 6), 1800
    items = [Item(f"long {number}", vehicle_id=f"L{number // 6}") for number in range(rows)]
    gallery.add(unit_clusters(rows, gallery.storage.dimension), items)
    page = open_page(app.url)
    open_benchmark(page)
    press_run(page)
    expect(figures(page)).to_be_visible(timeout=WAIT)
    cancel = page.get_by_role("button", name="Cancel").locator("visible=true")
    expect(cancel).to_be_disabled()  # there is nothing to cancel, and figures to lose
    choose(page, "Gallery", "long")
    expect(page.locator(".vd-stale")).to_be_visible(timeout=WAIT)
    choose(page, "Protocol", "Trials (VehicleID)")
    press_run(page)
    expect(page.get_by_role("progressbar")).to_be_visible(timeout=WAIT)
    expect(page.locator(".vd-stale")).to_have_count(0)  # what was below is gone
    cancel.click()
    expect(page.get_by_text("Stopped. Press Run to begin again.")).to_be_visible()
    expect(cancel).to_be_disabled()


def test_a_phone_shows_all_tabs_and_the_figures_without_scrolling_sideways(
    open_page: Callable[..., Page], app: ServedApp
) -> None:
    page = open_page(app.url, **PHONE)
    tab = page.get_by_role("tab", name="Benchmark")
    tab.click(timeout=WAIT)
    box = tab.bounding_box()
    assert box is not None and box["x"] >= 0 and box["x"] + box["width"] <= 391
    choose(page, "Gallery", "drawn")
    press_run(page)
    expect(figures(page)).to_be_visible(timeout=WAIT)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for button in figures(page).get_by_role("button").all():
        box = button.bounding_box()
        assert box is not None and box["x"] + box["width"] <= 380
    chart = page.get_by_role("img", name=re.compile("CMC")).bounding_box()
    assert chart is not None and chart["x"] + chart["width"] <= 390
