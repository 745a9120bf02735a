"""The Benchmark tab without a browser: its states, its table, its charts and the file to take away."""

from __future__ import annotations

import csv
import html
import io
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.data_tools.files import write_rear_views
from tests.drawn_gallery import drawn_items, unit_clusters
from tests.graphs import write_checkpoint
from vehicle_demo.gallery.gallery import Item
from vehicle_demo.gallery.measuring import PROTOCOLS, lines, measure
from vehicle_demo.gallery.metrics import Estimate
from vehicle_demo.gallery.protocols import CURVE, Report, Step, Table
from vehicle_demo.gallery.sources import open_source
from vehicle_demo.ui.benchmark import run
from vehicle_demo.ui.charts import cmc_svg, novelty_svg
from vehicle_demo.ui.exports import figures_csv
from vehicle_demo.ui.figures import Measured, report_html, stale_html, working_html
from vehicle_demo.ui.services import Services, find_services

MEASURED = Measured("drawn", 60, "nano 1", "cross-camera")


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Services:
    """Galleries: `drawn` with 60 rows, `empty`, `plain` whose rows are of nobody, `single` of one camera."""
    home = tmp_path_factory.mktemp("home")
    write_checkpoint(home / "checkpoints" / "nano")
    services = find_services(home / "checkpoints", home, home)
    items = drawn_items(60)
    for name, kept in {
        "drawn": items,
        "empty": [],
        "plain": [Item(item.picture) for item in items],
        "single": [replace(item, camera="1") for item in items],
    }.items():
        services.galleries.gallery(services.recognizer(), name).add(unit_clusters(60)[: len(kept)], kept)
    return services


def table(name: str = "", second: bool = True, value: float = 0.5) -> Table:
    figures = {name: Estimate(value, value - 0.125, value + 0.125) for name in ("map", *(f"rank{r}" for r in CURVE))}
    again = {name: replace(estimate, value=value + 0.0625) for name, estimate in figures.items()}
    return Table(name, figures, again if second else None, {"queries": 1234, "skipped": 7})


def test_running_says_how_far_it_is_and_ends_with_the_figures(services: Services) -> None:
    *working, (shown, measured) = run(services, "drawn", "vehicleid")
    assert len(working) == 10 and all("<progress" in html and of == measured for html, of in working)
    assert measured is not None and (measured.gallery, measured.rows) == ("drawn", 60)
    gallery = services.galleries.gallery(services.recognizer(), "drawn")
    *_, last = measure(gallery, "vehicleid")
    assert last.report is not None and measured.checkpoint == gallery.storage.checkpoint
    rows = re.findall(r'<th scope="row">([^<]+)</th><td>([\d.]+)<', shown)
    assert [name for name, _ in rows] == ["mAP", "Rank-1", "Rank-5", "Rank-10"]
    assert float(rows[0][1]) == round(last.report.tables[0].plain["map"].value, 4)


@pytest.mark.parametrize(
    ("gallery", "protocol", "sentence"),
    [
        ("empty", "cross-camera", "has no pictures for this checkpoint yet. Add some"),
        ("plain", "cross-camera", "columns image, vehicle_id and camera_id"),
        ("plain", "vehicleid", "two pictures each"),
        ("plain", "open-set-type", "pictures of more types"),
        ("single", "cross-camera", "Add pictures of the same vehicles by another camera"),
        ("nowhere", "cross-camera", "There is no gallery of that name"),
        ("drawn", "nonsense", "There is no protocol of that name"),
    ],
)
def test_what_is_missing_is_said_in_a_sentence(services: Services, gallery: str, protocol: str, sentence: str) -> None:
    ((shown, _),) = run(services, gallery, protocol)
    assert 'role="alert"' in shown and sentence in html.unescape(shown)


def test_a_gallery_that_is_being_filled_is_not_measured(services: Services, tmp_path: Path) -> None:
    write_rear_views(tmp_path, 12)
    filling = services.galleries.fill(services.recognizer(), "growing", open_source(tmp_path / "reid.parquet"))
    next(filling)
    ((shown, _),) = run(services, "growing", "vehicleid")
    assert "growing is being filled" in shown
    for _ in filling:
        pass
    *_, (shown, _) = run(services, "growing", "vehicleid")
    assert "<table>" in shown


def test_figures_that_the_gallery_has_outgrown_are_marked() -> None:
    assert stale_html(MEASURED, "drawn", "cross-camera", 60) == ""
    assert "with 60 rows; it has 72 now" in stale_html(MEASURED, "drawn", "cross-camera", 72)
    for gallery, protocol in (("mine", "cross-camera"), ("drawn", "vehicleid")):
        assert "Below is drawn, Cross-camera (VeRi-776)" in stale_html(MEASURED, gallery, protocol, 60)


def test_every_figure_is_copied_with_its_range_and_the_command_that_prints_it() -> None:
    report = Report("95 % interval", (table("800 vehicles"), table("900 vehicles", second=False)))
    copied = [html.unescape(text) for text in re.findall('data-copied="([^"]+)"', report_html(MEASURED, report))]
    command = "python -m data_tools measure-gallery --gallery drawn --protocol cross-camera"
    assert copied[0] == (
        "mAP (800 vehicles) 0.5000 [0.3750, 0.6250], re-ranked 0.5625 [0.3750, 0.6250]; 95 % interval; "
        f"nano 1; {command}"
    )
    assert "re-ranked" not in copied[4] and copied[-1] == command and len(copied) == 9


def test_counts_and_what_was_too_much_are_said() -> None:
    shown = report_html(MEASURED, Report("", (table(second=False),)))
    assert "queries 1,234 · skipped 7 · re-ranked up to 4,000 pictures only" in shown
    assert "only" not in report_html(MEASURED, Report("", (table(),)))


def test_names_from_outside_are_no_markup() -> None:
    measured = replace(MEASURED, gallery="qq\"'<b>", checkpoint="<script>")
    shown = report_html(measured, Report("<i>", (replace(table(), name="<u>"),)))
    assert not re.search("<(b|script|i|u)>", shown) and 'qq"' not in shown


def test_time_left_follows_the_steps_done() -> None:
    assert "step 1 of 4, measuring" in working_html(Step(0, 4), 0.0)
    assert "step 2 of 4, about 30 s left" in working_html(Step(1, 4), 10.0)


def test_the_file_has_every_figure_at_the_digits_shown() -> None:
    report = Report("", (table("800 vehicles", value=1 / 3),))
    found = {line["figure"]: line for line in csv.DictReader(io.StringIO(figures_csv(report), newline=""))}
    assert found["800_vehicles.map"] == {
        "figure": "800_vehicles.map",
        "value": "0.3333",
        "low": "0.2083",
        "high": "0.4583",
    }
    assert found["800_vehicles.re-ranked.rank20"]["value"] == "0.3958"
    assert (found["800_vehicles.skipped"]["value"], found["800_vehicles.skipped"]["low"]) == ("7", "")
    assert len(found) == len(list(lines(report))) == 2 * 21 + 2


def letters(svg: str) -> str:
    """What an SVG file says; it must be one, and change nothing outside of it."""
    root = ElementTree.fromstring(svg)
    assert root.get("role") == "img" and "<style" not in svg and "<metadata" not in svg
    assert "currentColor" in svg and "#000000" not in svg  # letters and lines follow the theme
    return " ".join(root.itertext())


def test_the_curve_names_each_line() -> None:
    said = letters(cmc_svg((table("800 vehicles"), table("900 vehicles", second=False))))
    assert "800 vehicles, cosine" in said and "800 vehicles, re-ranked" in said and "900 vehicles, cosine" in said
    assert "900 vehicles, re-ranked" not in said


def test_the_histogram_tells_known_from_unknown_without_colour() -> None:
    rng = np.random.default_rng(0)
    svg = novelty_svg(rng.random(90), rng.random(20) + 0.5)
    said = letters(svg)
    assert "known" in said and "unknown ?" in said and "<pattern" in svg
    assert letters(novelty_svg(np.ones(3), np.ones(2)))  # all the same


def test_every_protocol_is_told_in_words() -> None:
    assert len({protocol.title for protocol in PROTOCOLS.values()}) == len(PROTOCOLS)
    assert all(protocol.words.endswith(".") for protocol in PROTOCOLS.values())
