"""What the Map tab's script is told, and the files it gives away."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from tests.drawn_gallery import drawn_items, unit_clusters
from tests.graphs import write_checkpoint
from vehicle_demo.annotation.review import ReviewFilter
from vehicle_demo.gallery.gallery import Item
from vehicle_demo.gallery.sources import open_source
from vehicle_demo.recognition import Box
from vehicle_demo.ui import limits
from vehicle_demo.ui import map as map_tab
from vehicle_demo.ui.colouring import MOST, by_number, by_word
from vehicle_demo.ui.exports import FACTS, rows_csv
from vehicle_demo.ui.figure import draw
from vehicle_demo.ui.intake import new_vehicles
from vehicle_demo.ui.services import Services, find_services

Server = dict[str, Callable[[Any], Any]]
DRAWN = {"gallery": "drawn"}
VISITOR = SimpleNamespace(scope={}, client=SimpleNamespace(host="127.0.0.1"), headers={})
LOOK = {**DRAWN, "watcher": "anna", "have": -1}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Services:
    """An app whose gallery `drawn` has 60 rows, and `empty` none."""
    home = tmp_path_factory.mktemp("home")
    write_checkpoint(home / "checkpoints" / "nano")
    services = find_services(home / "checkpoints", home, home)
    recognizer = services.recognizer()
    services.galleries.gallery(recognizer, "drawn").add(unit_clusters(60), drawn_items(60))
    services.galleries.gallery(recognizer, "empty")
    return services


@pytest.fixture(scope="module")
def server(services: Services) -> Server:
    every = {function.__name__: function for function in map_tab.served(services)}
    writes = every["map_review"]
    return {**every, "map_review": lambda sent: writes(sent, VISITOR)}


def rows_of(answer: dict[str, Any]) -> list[int]:
    return np.frombuffer(base64.b64decode(answer["rows"]), "<i4").tolist()


def finished(server: Server, ask: dict[str, Any]) -> dict[str, Any]:
    server["map_look"](ask)
    for thread in threading.enumerate():
        if thread.name == "map":
            thread.join(60)
    return server["map_look"](ask)


# The map ------------------------------------------------------------------------------------------------------------
def test_the_menu_names_the_galleries_and_what_to_filter_by(server: Server) -> None:
    menu = server["map_menu"](DRAWN)
    assert menu["galleries"] == ["sample", "drawn", "empty"]
    assert menu["filters"]["camera"] == {"says": "camera", "values": list("012345")}
    assert menu["filters"]["vehicle_id"]["says"] == "identity"


def test_a_map_comes_as_pca_and_then_as_tsne(server: Server) -> None:
    first = server["map_look"](LOOK)
    assert first["state"] == "working" and rows_of(first) == list(range(60))
    last = finished(server, LOOK)
    assert last["state"] == "done"
    assert last["says"] == "60 rows · t-SNE, 1,000 iterations · perplexity 19.7 · seed 0"
    for axis in "xy":
        points = np.frombuffer(base64.b64decode(last[axis]), "<f4")
        assert len(points) == 60 and np.abs(points).max() <= 1
    assert "rows" not in server["map_look"]({**LOOK, "have": 1000})  # what the page has is not sent again
    json.dumps(last)


def test_who_leaves_is_told_nothing_and_the_work_stops(server: Server, services: Services) -> None:
    ask = {**LOOK, "seed": 77}
    server["map_look"](ask)
    assert server["map_leave"](ask) is None
    for thread in threading.enumerate():
        if thread.name == "map":
            thread.join(60)
    assert server["map_look"](ask)["done"] == 0
    server["map_leave"](ask)


@pytest.mark.parametrize(
    ("filters", "rows"),
    [
        ({"type": "van"}, [*range(12, 18), *range(36, 42)]),
        ({"camera": "2", "type": "suv"}, [8, 32, 56]),
        ({"vehicle_id": "V9"}, list(range(54, 60))),
    ],
)
def test_a_filter_leaves_the_rows_that_fit(server: Server, filters: dict[str, str], rows: list[int]) -> None:
    answer = finished(server, {**LOOK, "filters": filters})
    assert rows_of(answer) == rows
    colours = server["map_colours"]({**DRAWN, "filters": filters, "by": "camera"})
    assert sum(entry["count"] for entry in colours["entries"]) == len(rows)


def test_a_selection_has_a_map_of_its_own(server: Server) -> None:
    chosen = [40, 3, 8, 9, 10, 11, 999_999]
    answer = finished(server, {**LOOK, "only": chosen})
    assert rows_of(answer) == [3, 8, 9, 10, 11, 40] and answer["says"].startswith("6 rows · t-SNE")
    colours = server["map_colours"]({**DRAWN, "only": chosen, "by": "camera"})
    assert sum(entry["count"] for entry in colours["entries"]) == 6
    near = server["map_near"]({**DRAWN, "only": chosen, "row": 8})
    assert {item["row"] for item in near} <= set(chosen)
    both = finished(server, {**LOOK, "only": chosen, "filters": {"camera": "2"}})
    assert rows_of(both) == [8]


def test_a_perplexity_chosen_before_the_filter_left_few_rows_is_no_obstacle(server: Server) -> None:
    answer = server["map_look"]({**LOOK, "perplexity": 30, "filters": {"camera": "2", "type": "suv"}})
    assert answer["state"] == "done"
    assert answer["says"] == "3 rows · PCA: t-SNE needs at least 5"


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        ({"gallery": "empty"}, "This gallery is empty"),
        ({"filters": {"make": "nobody"}}, "No vehicle fits this filter"),
    ],
)
def test_nothing_to_show_says_what_to_do(server: Server, ask: dict[str, Any], words: str) -> None:
    answer = server["map_look"]({**LOOK, **ask})
    assert answer["state"] == "empty" and words in answer["says"]


def test_of_a_gallery_being_filled_a_part_can_be_seen(services: Services, server: Server, tmp_path: Path) -> None:
    for shade in range(40):
        Image.new("RGB", (64, 64), (6 * shade, 90, 90)).save(tmp_path / f"{shade:02}.png")
    filling = services.galleries.fill(services.recognizer(), "growing", open_source(tmp_path))
    progress = next(filling)
    ask = {**LOOK, "gallery": "growing"}
    answer = server["map_look"](ask)
    assert (answer["state"], answer["done"], answer["total"]) == ("filling", progress.done, 40)
    assert answer["rows"] == progress.added > 0
    assert len(rows_of(server["map_look"]({**ask, "part": True}))) == progress.added
    filling.close()  # cancelled
    assert server["map_look"](ask)["state"] != "filling"


def test_a_large_gallery_is_drawn_from_by_its_seed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(map_tab, "MOST_POINTS", 40)
    last = finished(server, LOOK)
    rows = rows_of(last)
    assert len(set(rows)) == 40 and rows == sorted(rows)
    assert last["says"].startswith("40 of 60 rows, drawn by seed")
    assert rows_of(server["map_look"](LOOK)) == rows
    other = server["map_look"]({**LOOK, "seed": 1})
    assert rows_of(other) != rows
    server["map_leave"]({**LOOK, "seed": 1})
    near = server["map_near"]({**DRAWN, "row": rows[0]})
    assert {item["row"] for item in near} <= set(rows)


# Vehicles -----------------------------------------------------------------------------------------------------------
def test_items_come_with_what_is_known_and_their_picture(server: Server) -> None:
    found = server["map_items"]({**DRAWN, "rows": [13, 2]})
    assert [item["row"] for item in found] == [13, 2]
    known = {"identity": "V2", "camera": "1", "type": "van", "make": "Corvin", "model": "Corvin van"}
    assert found[0]["facts"] == known
    assert found[0]["picture"].startswith("data:image/jpeg;base64,")


def test_a_row_is_shown_with_its_nearest_on_the_map_only(server: Server) -> None:
    near = server["map_near"]({**DRAWN, "row": 13})
    assert near[0]["row"] == 13 and len(near) == 11
    assert {item["row"] for item in near[1:6]} == {12, 14, 15, 16, 17}  # the same vehicle from the other cameras
    scores = [item["score"] for item in near[1:]]
    assert scores == sorted(scores, reverse=True)
    filtered = server["map_near"]({**DRAWN, "row": 13, "filters": {"camera": "1"}})
    assert {item["facts"]["camera"] for item in filtered} == {"1"}


@pytest.mark.parametrize("by", list(map_tab._COLOURS))
def test_every_point_has_a_place_in_the_legend(server: Server, by: str) -> None:
    answer = server["map_colours"]({**DRAWN, "by": by})
    codes = np.frombuffer(base64.b64decode(answer["codes"]), np.uint8)
    assert len(codes) == 60
    assert np.bincount(codes).tolist() == [entry["count"] for entry in answer["entries"]]


def test_the_table_has_the_rows_that_were_asked_for(server: Server) -> None:
    table = list(csv.DictReader(io.StringIO(server["map_table"]({**DRAWN, "rows": [3, 1]}))))
    assert [line["row"] for line in table] == ["3", "1"]
    assert table[0]["vehicle_id"] == "V0" and table[0]["camera"] == "3" and table[0]["confidence"] == "0.3"


def test_a_figure_is_drawn_when_the_map_is_done(server: Server) -> None:
    ask = {**DRAWN, "seed": 5, "by": "make"}
    assert server["map_figure"]({**ask, "kind": "png"}) == {"error": "The figure can be drawn when the map is done."}
    finished(server, {**LOOK, "seed": 5})
    png = Image.open(io.BytesIO(base64.b64decode(server["map_figure"]({**ask, "kind": "png"}))))
    assert png.format == "PNG" and png.width > 1500
    ElementTree.fromstring(base64.b64decode(server["map_figure"]({**ask, "kind": "svg"})))


# To the review queue ------------------------------------------------------------------------------------------------
@pytest.fixture
def filled(services: Services, tmp_path: Path) -> int:
    """The rows of the gallery `mine`: one vehicle in the middle of each of three pictures."""
    recognizer = services.recognizer()
    for shade in range(3):
        Image.new("RGB", (320, 240), (80 * shade, 90, 90)).save(tmp_path / f"{shade}.png")
    deque(services.galleries.fill(recognizer, "mine", open_source(tmp_path)), maxlen=0)
    return len(services.galleries.gallery(recognizer, "mine"))


def test_a_selection_goes_to_the_queue_with_its_pictures_and_once(
    services: Services, server: Server, filled: int, tmp_path: Path
) -> None:
    assert filled == 3
    ask = {"gallery": "mine", "rows": [2, 0]}
    told = server["map_review"](ask)
    assert told == {"added": 2, "known": 0, "gone": 0, "thumbnails": 0, "stopped": "", "source": "gallery mine"}
    assert server["map_review"](ask) == {**told, "added": 0, "known": 2}
    assert server["map_review"]({**ask, "rows": [0, 1, 2]}) == {**told, "added": 1, "known": 2}
    store = services.labels.store()
    tasks = services.labels.review().take("ann", "page", 10, ReviewFilter(source="gallery mine"))
    items = [one for task in tasks for one in (task.item, *task.together)]
    assert {item.picture for item in items} == {
        hashlib.sha256(path.read_bytes()).hexdigest() for path in tmp_path.glob("*.png")
    }
    assert {tuple(item.box.to_list()) for item in items} == {(80, 60, 240, 180)}
    assert {store.picture(item).size for item in items} == {(320, 240)}
    # The same photo, recognised: the same vehicle.
    content = (tmp_path / "0.png").read_bytes()
    (vehicle,) = services.recognizer().recognize(content).vehicles
    (number,) = store.add(new_vehicles(services.recognizer(), content, [vehicle], None, "recognise"))
    assert number in {item.id for item in items}


def test_of_a_gallery_without_pictures_the_thumbnails_are_asked_about(services: Services, server: Server) -> None:
    told = server["map_review"]({**DRAWN, "rows": [4, 5]})
    assert (told["added"], told["thumbnails"], told["gone"]) == (2, 2, 0)
    assert server["map_review"]({**DRAWN, "rows": [4]})["known"] == 1
    gallery = services.galleries.gallery(services.recognizer(), "drawn")
    (task, *_) = services.labels.review().take("ann", "page", 1, ReviewFilter(source="gallery drawn"))
    assert task.item.box == Box(0, 0, 160, 120)
    kept = services.labels.store().pictures.path(task.item.picture).read_bytes()
    assert kept in {item.thumbnail for item in gallery.storage.items([4, 5])}


def test_a_row_with_no_picture_at_all_is_told(services: Services, server: Server) -> None:
    gallery = services.galleries.gallery(services.recognizer(), "bare")
    gallery.add(unit_clusters(1), [Item("f" * 64)])
    told = server["map_review"]({"gallery": "bare", "rows": [0]})
    assert (told["added"], told["gone"]) == (0, 1)


def test_who_sends_too_much_is_told_and_what_was_taken_is_there(
    server: Server, filled: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VEHICLE_DEMO_PUBLIC", "1")
    monkeypatch.setattr(limits, "RECOGNITIONS", limits.Limit(2, 60, "This demo is shared."))
    told = server["map_review"]({**DRAWN, "rows": [10, 11, 12]})
    assert told["added"] == 2 and told["stopped"].startswith("This demo is shared. Wait")
    told = server["map_review"]({**DRAWN, "rows": [10, 11, 12]})
    assert (told["added"], told["known"]) == (0, 2) and told["stopped"]


# Nonsense -----------------------------------------------------------------------------------------------------------
WHOLE: dict[str, dict[str, Any]] = {
    "map_menu": DRAWN,
    "map_look": LOOK,
    "map_leave": LOOK,
    "map_colours": {**DRAWN, "by": "make"},
    "map_items": {**DRAWN, "rows": [1]},
    "map_near": {**DRAWN, "row": 1},
    "map_table": {**DRAWN, "rows": [1]},
    "map_figure": {**DRAWN, "by": "make", "kind": "png"},
    "map_review": {**DRAWN, "rows": [1]},
}
WRONG: list[tuple[str, list[Any]]] = [
    ("gallery", [None, 3, "nobody", "../drawn", "drawn/..", "", "\ud800", "x" * 10_000, {}]),
    ("filters", [None, [], {"nobody": "x"}, {"type": 3}, {"type": "\ud800"}, {"number": "1 OR 1"}]),
    ("perplexity", ["x", 0, -1, 1e9, float("nan"), float("inf"), []]),
    ("seed", [None, -1, 2**31, 1.5, "x"]),
    ("part", ["x", 7, None]),
    ("watcher", [None, "x" * 65, 7]),
    ("have", [None, "x", 1.5]),
    ("by", [None, "picture", "thumbnail", "1; DROP TABLE items", 7]),
    ("rows", [None, "1", [-1], [60], [2**31], ["x"], [1.5], [None], [0] * (map_tab.MOST_POINTS + 1)]),
    ("row", [None, -1, 60, 2**31, "x", 1.5]),
    ("kind", [None, "pdf", "../x", 7]),
    ("more", ["what nobody asked for"]),
]


def nonsense() -> Iterator[tuple[str, Any]]:
    for name, whole in WHOLE.items():
        anything: tuple[Any, ...] = (None, [], "x", 3, {}, [whole])
        yield from ((name, sent) for sent in anything)
        takes_map = name in ("map_look", "map_leave", "map_colours", "map_near", "map_figure")
        for key, values in WRONG:
            if key in whole or key == "more" or (takes_map and key in ("filters", "perplexity", "seed", "part")):
                # Neighbours and colours do not depend on the perplexity.
                if key == "perplexity" and name in ("map_near", "map_colours"):
                    values = ["x", []]
                yield from ((name, {**whole, key: value}) for value in values)


def test_the_page_can_ask_nothing_else(server: Server) -> None:
    assert set(server) == set(WHOLE)


@pytest.mark.parametrize("name", WHOLE)
def test_nonsense_is_answered_with_a_sentence(server: Server, name: str) -> None:
    finished(server, LOOK)
    for asked, sent in nonsense():
        if asked == name:
            answer = server[name](sent)
            assert isinstance(answer, dict) and set(answer) == {"error"}, sent
            assert answer["error"].endswith(".") and "Traceback" not in answer["error"] and len(answer["error"]) < 200


# Colours ------------------------------------------------------------------------------------------------------------
def test_the_most_frequent_word_is_first_and_what_is_not_known_last() -> None:
    coloured = by_word(["van", "suv", "", "suv", "2", "10"])
    assert [(entry.label, entry.count) for entry in coloured.entries] == [
        ("suv", 2), ("2", 1), ("10", 1), ("van", 1), ("not known", 1),
    ]  # fmt: skip
    assert coloured.codes.tolist() == [3, 0, 4, 0, 1, 2]


def test_each_word_looks_different_until_there_are_too_many() -> None:
    words = [f"V{number}" for number in range(MOST + 6)]
    coloured = by_word(words)
    looks = {(entry.colour, entry.symbol) for entry in coloured.entries}
    assert len(looks) == len(coloured.entries) == MOST + 1
    assert coloured.entries[-1].label == "other (6 values)" and coloured.entries[-1].count == 6


def test_words_with_odd_digits_have_an_order() -> None:
    """A raised two is a digit to Python, and no number."""
    assert {entry.label for entry in by_word(["4²", "²", "٣", "4"]).entries} == {"4²", "²", "٣", "4"}


def test_numbers_get_steps_of_about_as_many_points() -> None:
    values = np.append(np.linspace(0, 1, 60) ** 3, np.nan)
    coloured = by_number(values)
    *steps, unknown = coloured.entries
    assert unknown.label == "not known" and unknown.count == 1 and coloured.codes[-1] == len(steps)
    assert all(abs(step.count - 60 / len(steps)) <= 1 for step in steps)
    assert (np.diff(coloured.codes[:60].astype(int)) >= 0).all()


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([], []),
        ([np.nan, np.nan], ["not known"]),
        ([0.25, 0.25], ["0.25"]),
        ([0.5], ["0.5"]),
    ],
)
def test_few_or_equal_numbers_need_few_steps(values: list[float], labels: list[str]) -> None:
    coloured = by_number(np.array(values, np.float64))
    assert [entry.label for entry in coloured.entries] == labels
    assert len(coloured.codes) == len(values)


# Files --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["png", "svg"])
@pytest.mark.parametrize("rows", [0, 1, 40])
def test_a_figure_can_be_drawn_of_anything(kind: Any, rows: int) -> None:
    words = ["$x_1$", "_hidden", "a < b & c", "-->", "\x1b[0m\x00\n", "東京", ""]
    coloured = by_word([words[row % len(words)] for row in range(rows)])
    points = np.random.default_rng(0).uniform(-1, 1, (rows, 2)).astype(np.float32)
    picture = draw(points, coloured, "costs $3, was $5\x07", kind)
    if kind == "svg":
        ElementTree.fromstring(picture)
    else:
        Image.open(io.BytesIO(picture)).verify()


def test_every_word_of_the_legend_is_in_the_figure() -> None:
    coloured = by_word(["$x_1$", "_hidden", "suv"])
    picture = draw(np.eye(3, 2, dtype=np.float32), coloured, "three", "svg").decode()
    assert all(f"{word} (1)" in picture for word in ("$x_1$", "_hidden", "suv"))


def test_a_table_runs_no_formula() -> None:
    told = ["=1+1", "+1", "-1", "@x", "\tx", "\r=x", "a,b", 'say "no"', "plain", "", None]
    items = [Item("p", vehicle_id=text or "", confidence=None if text is None else 0.12345678) for text in told]
    table = rows_csv((row, *(getattr(item, name) for name in FACTS)) for row, item in enumerate(items))
    lines = list(csv.DictReader(io.StringIO(table)))
    assert [line["vehicle_id"] for line in lines] == [
        "'=1+1", "'+1", "'-1", "'@x", "'\tx", "'\r=x", "a,b", 'say "no"', "plain", "", "",
    ]  # fmt: skip
    assert lines[0]["confidence"] == "0.1235" and lines[-1]["confidence"] == ""
