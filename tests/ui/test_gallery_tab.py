"""The Gallery tab without a browser: what is asked for, what may come back, and the files to take away."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.drawn_gallery import drawn_items, unit_clusters
from tests.graphs import write_checkpoint
from vehicle_demo.gallery.building import Progress
from vehicle_demo.gallery.gallery import Gallery, GalleryError, Hit, Item
from vehicle_demo.gallery.ranking import Query, Ranked, Verdict, look_alikes
from vehicle_demo.gallery.sources import open_source
from vehicle_demo.recognition import Recognizer
from vehicle_demo.ui.exports import ranks_csv, rows_csv
from vehicle_demo.ui.galleries import Filling, Galleries
from vehicle_demo.ui.gallery import Settings
from vehicle_demo.ui.queries import MOST, Search, asked, of_plate, of_row
from vehicle_demo.ui.ranklist import header_html, query_html, results_html

FREE = Settings("drawn", "", "", "", "", "", "", False, False)


@pytest.fixture
def recognizer(tmp_path: Path) -> Recognizer:
    return Recognizer.from_checkpoint(write_checkpoint(tmp_path / "checkpoint"))


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    gallery = Gallery(tmp_path / "drawn", "nano")
    gallery.add(unit_clusters(30), drawn_items(30))
    return gallery


def ranked_as(*items: Item) -> list[Ranked]:
    return [Ranked(Hit(row, 0.9 - row / 10, item), row) for row, item in enumerate(items)]


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "\uff1d1", '=HYPERLINK("http://x")']
)
def test_no_text_of_a_rank_list_runs_as_a_formula(text: str) -> None:
    ranked = ranked_as(Item("a", make=text, plate=text, camera=text), Item("b", make="Arvo"))
    (first, second) = csv.DictReader(io.StringIO(ranks_csv(ranked, [Verdict.SAME, None]), newline=""))
    assert [first[name] for name in ("make", "plate", "camera")] == ["'" + text] * 3
    assert (first["rank"], first["score"], first["moved"], first["verdict"]) == ("1", "0.9", "0", "same")
    assert (second["make"], second["verdict"], second["row"]) == ("Arvo", "", "1")


def test_rows_are_exported_as_harmlessly() -> None:
    (line,) = csv.DictReader(io.StringIO(rows_csv([(3, "a", 0, "=V1", *[""] * 8, None)]), newline=""))
    assert (line["row"], line["vehicle_id"], line["confidence"]) == ("3", "'=V1", "")


def test_an_empty_filter_allows_everything_and_the_camera_is_that_of_the_query(gallery: Gallery) -> None:
    search = of_row(gallery, "drawn", 8)
    assert FREE.selection(search).everything
    assert replace(FREE, other_camera=True).selection(search).not_camera == "2"
    assert replace(FREE, other_camera=True).selection(of_plate("AB12")).everything  # a plate's text has no camera


@pytest.mark.parametrize(
    ("since", "until", "kept"),
    [
        ("2026-01-02", "", ["2026-01-02T08:30", "2026-01-02T23:59:59", "2026-01-03"]),
        ("", "2026-01-02", ["2026-01-01T10:00", "2026-01-02T08:30", "2026-01-02T23:59:59"]),
        ("2026-01-02 08:30", "2026-01-02 08:30", ["2026-01-02T08:30"]),
        ("2026-01", "2026-01", ["2026-01-01T10:00", "2026-01-02T08:30", "2026-01-02T23:59:59", "2026-01-03"]),
        ("2027", "", []),
    ],
)
def test_times_count_to_the_end_of_what_is_named(tmp_path: Path, since: str, until: str, kept: list[str]) -> None:
    gallery = Gallery(tmp_path, "nano")
    times = ["2026-01-01T10:00", "2026-01-02T08:30", "2026-01-02T23:59:59", "2026-01-03", ""]
    items = [replace(item, time=time) for item, time in zip(drawn_items(5), times, strict=True)]
    gallery.add(unit_clusters(5), items)
    selection = replace(FREE, since=since, until=until).selection(Search())
    assert [item.time for item in gallery.storage.items(gallery.storage.select(selection))] == kept


@pytest.mark.parametrize("text", ["yesterday", "2026-1-1", "2026-01-01'; DROP TABLE items", "12:00"])
def test_a_time_that_is_none_is_said_so(text: str) -> None:
    with pytest.raises(GalleryError, match="A time reads 2026-01-31"):
        replace(FREE, since=text).selection(Search())


@pytest.mark.parametrize("text", ["", " ", "A", "-- ?"])
def test_too_little_of_a_plate_is_said_so(text: str) -> None:
    with pytest.raises(GalleryError, match="at least two"):
        of_plate(text)


@pytest.mark.parametrize(
    "ask",
    [
        None, [], "row", {}, {"row": "1"}, {"row": True}, {"row": -1}, {"row": 30}, {"choice": 0}, {"count": "9"},
        {"rows": [1]}, {"rows": [1, 1]}, {"rows": [1, 999]}, {"rows": list(range(201))}, {"rows": [1, "2"]},
        {"embedding": "no list"}, {"embedding": [0.0] * 256}, {"embedding": [float("nan")] * 256},
        {"embedding": [1] * 255}, {"embedding": [None] * 256}, {"embedding": [float("inf")] * 256},
        {"embedding": [1] * 256, "picture": "https://example.org/x.jpg"},
        {"embedding": [1] * 256, "picture": "data:image/png;base64,???"},
        {"embedding": [1] * 256, "checkpoint": "another FP32"},
    ],
)  # fmt: skip
def test_what_a_page_sends_is_checked(gallery: Gallery, recognizer: Recognizer, ask: object) -> None:
    with pytest.raises(GalleryError, match=r"[A-Z].*\."):
        asked(Search(), ask, gallery, "drawn", recognizer, "drawn-nano FP32")


def test_a_vehicle_of_another_tab_is_looked_for(gallery: Gallery, recognizer: Recognizer) -> None:
    vector = gallery.embeddings([8])[0]
    ask = {"embedding": (7 * vector).tolist(), "facts": {"make": "Arvo", "plate": "x" * 999, "camera": "1", "type": 3}}
    search = asked(Search(), ask, gallery, "drawn", recognizer, "drawn-nano FP32")
    assert isinstance(search.wanted, Query) and search.away and search.item is not None
    assert (search.item.make, len(search.item.plate), search.item.camera, search.item.type) == ("Arvo", 100, "", "")
    best = look_alikes(gallery, search.wanted, 1)[0]
    assert best.hit.row == 8 and best.hit.score == pytest.approx(1, abs=1e-5)
    assert "Back to Recognise" in query_html(search)


def test_a_selection_asks_as_one_and_each_of_it_can_ask_alone(gallery: Gallery, recognizer: Recognizer) -> None:
    search = asked(Search(), {"rows": [8, 6]}, gallery, "drawn", recognizer, "drawn-nano FP32")
    assert search.title == "2 vehicles of drawn" and search.item is not None and search.item.vehicle_id == "V1"
    assert 'aria-label="Vehicles of the selection"' in query_html(search)
    alone = asked(search, {"choice": 1}, gallery, "drawn", recognizer, "drawn-nano FP32")
    assert isinstance(alone.wanted, Query) and np.array_equal(alone.wanted.embedding, gallery.embeddings([6])[0])


def test_a_query_shows_what_is_known_of_it_in_words(gallery: Gallery) -> None:
    """Rows also hold a number, the confidence; it once broke every query whose label was the network's own."""
    html = query_html(of_row(gallery, "drawn", 8))
    assert re.findall(r"<dt>(\w+)</dt><dd>([^<]*)", html) == [
        ("identity", "V1"),
        ("camera", "2"),
        ("type", "suv"),
        ("make", "Belmar"),
        ("model", "Belmar suv"),
    ]


def test_more_results_are_shown_up_to_a_limit(gallery: Gallery, recognizer: Recognizer) -> None:
    search = of_row(gallery, "drawn", 3)
    assert asked(search, {"count": 60}, gallery, "drawn", recognizer, "").count == 60
    assert asked(search, {"count": 10**9}, gallery, "drawn", recognizer, "").count == MOST


def test_a_result_shows_its_verdict_by_sign_and_word_and_its_move(gallery: Gallery) -> None:
    search = of_row(gallery, "drawn", 8)
    assert isinstance(search.wanted, Query)
    first, *_, last = look_alikes(gallery, search.wanted, 20)
    moved = [replace(first, moved=2), replace(last, moved=-1), replace(last, moved=0)]
    html = results_html(search, moved, [Verdict.SAME, Verdict.OTHER, None], "drawn", 1.0, True)
    words = re.sub(r"<[^>]+>", " ", html)
    assert re.search(r"\u2713\s+same", words) and re.search(r"\u2715\s+other", words)
    assert "up 2 by re-ranking" in html and "down 1 by re-ranking" in html and "re-ranking left it here" in html
    assert html.count("vd-mark") == 2


def test_a_result_is_not_called_by_a_make_that_its_model_contradicts() -> None:
    told = Item("a", make="Arvo", model="Sedan")
    guessed = Item("b", make="Audi", model="Scion xD 2012", confidence=0.2)
    html = results_html(Search("AB12"), ranked_as(told, guessed), [None, None], "drawn", 1.0, False)
    assert ">Arvo Sedan</p>" in html and ">Scion xD 2012</p>" in html


def test_labels_bring_no_markup_into_the_rank_list() -> None:
    bad = "<img src=x onerror=alert(1)>"
    item = Item("a", make=bad, model=bad, plate=bad, camera=bad, vehicle_id=bad)
    html = results_html(Search("AB12", bad), ranked_as(item), [None], bad, 1.0, False)
    html += query_html(Search(Query(item, unit_clusters(1)[0]), bad))
    assert "<img src=x" not in html and "&lt;img src=x" in html


def test_nothing_found_says_what_to_do() -> None:
    assert "Take filters away" in results_html(Search("AB12"), [], [], "drawn", 1.0, False)


def test_the_header_says_what_the_gallery_is_and_how_far_its_filling(gallery: Gallery) -> None:
    filling = Filling(Progress(100, done=40, added=38, seconds=4.0))
    words = re.sub(r"<[^>]+>", " ", header_html(gallery, "drawn", "nano FP32", filling))
    assert re.sub(r"\s+", " ", words).strip() == (
        "gallery drawn pictures 30 identities 5 cameras 6 index exact checkpoint nano FP32 "
        "Filling: 40 of 100 pictures, 10.0 per s, 6 s left"
    )


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "x" * 41, "a b", "a\n"])
def test_a_gallerys_name_leads_nowhere_else(tmp_path: Path, recognizer: Recognizer, name: str) -> None:
    galleries = Galleries(tmp_path / "galleries", tmp_path / "none")
    with pytest.raises(GalleryError, match="letters, digits"):
        galleries.gallery(recognizer, name)
    with pytest.raises(GalleryError, match="Choose one of: sample"):
        galleries.existing(recognizer, name)
    assert not (tmp_path / "galleries").exists()


def test_filling_is_known_while_it_runs_and_when_it_breaks_off(tmp_path: Path, recognizer: Recognizer) -> None:
    galleries = Galleries(tmp_path / "galleries", tmp_path / "none")
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, item in enumerate(drawn_items(20)):
        (folder / f"{number:02}.jpg").write_bytes(item.thumbnail)
    steps = galleries.fill(recognizer, "mine", open_source(folder))
    assert galleries.filling(recognizer, "mine") is None
    next(steps)
    state = galleries.filling(recognizer, "mine")
    assert state is not None and state.running and state.progress.added == 16
    steps.close()  # what Cancel does
    state = galleries.filling(recognizer, "mine")
    assert state is not None and not state.running
    assert len(galleries.existing(recognizer, "mine")) == 16 and galleries.names() == ["sample", "mine"]
