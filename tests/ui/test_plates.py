"""What the Plates tab's script is told, who may ask, and how plates come into the queue."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.ui.conftest import jpeg
from vehicle_demo.annotation.queue import Queue
from vehicle_demo.annotation.store import StoreError
from vehicle_demo.recognition import ImageError
from vehicle_demo.recognition.results import Box
from vehicle_demo.ui import plates
from vehicle_demo.ui.services import Services

Server = dict[str, Callable[..., Any]]
VISITOR = SimpleNamespace(scope={})
PAGE = {"holder": "page"}


@pytest.fixture
def server(services: Services) -> Server:
    return {
        function.__name__: lambda sent, function=function: function(sent, VISITOR)
        for function in plates.served(services)
    }


def answer(item: int, client: str, text: str = "AB1", **more: Any) -> dict[str, Any]:
    return {"item": item, "kind": "answer", "client": client, "text": text, **more}


def test_the_sample_is_put_in_once(services: Services) -> None:
    services.labels.add_sample(services.recognizer())
    assert services.labels.queue().progress().total == 3
    services.labels.fill_sample(services.recognizer()).join(20)
    assert services.labels.queue().choices().sources == ("drawn_eu",)


def test_a_page_gets_plates_with_all_it_shows(server: Server) -> None:
    told = server["plates_take"](PAGE)
    assert [item["text"] for item in told["items"]] == ["READER1"] * 3 and len(told["leased"]) == 3
    first = told["items"][0]
    assert len(first["slots"]) == 8 and all(len(slot) == 3 for slot in first["slots"])
    assert first["slots"][0][0][0] == "R" and first["slots"][7][0][0] == ""
    assert first["picture"].startswith("data:image/jpeg;base64,") and first["around"] is None
    assert first["near"]["box"] == [0, 0, 200, 80]
    assert told["progress"] == {"total": 3, "answered": 0, "not_readable": 0, "no_plate": 0, "done": 0}
    assert told["person"] == "local"
    again = server["plates_take"]({**PAGE, "have": told["leased"][:2]})
    assert [item["id"] for item in again["items"]] == told["leased"][2:]
    assert server["plates_take"]({"holder": "other page"})["items"] == []
    server["plates_take"]({**PAGE, "afresh": True, "chosen": {"source": "none such"}})
    assert len(server["plates_take"]({"holder": "other page"})["items"]) == 3


def test_what_is_said_is_kept_once_and_in_order(server: Server, services: Services) -> None:
    one, two, three = server["plates_take"](PAGE)["leased"]
    said = [
        answer(one, "c1", seconds=0.5),
        {"item": two, "kind": "no plate", "client": "c2"},
        {"item": three, "kind": "skip", "client": "c3"},
        {"item": two, "kind": "undo", "client": "c4", "undoes": "c2"},
    ]
    wanted = {"taken": ["c1", "c2", "c3", "c4"], "refused": []}
    assert server["plates_say"]({**PAGE, "said": said}) == wanted
    assert server["plates_say"]({**PAGE, "said": said}) == wanted
    store = services.labels.store()
    assert [len(store.events(number)) for number in (one, two, three)] == [1, 2, 1]
    assert store.labels(one)["text"].value == "AB1" and store.labels(one)["text"].before == "READER1"
    told = server["plates_history"]({"count": 9})
    assert [(entry["client"], entry["value"]) for entry in told] == [("c3", None), ("c1", "AB1")]
    assert server["plates_take"]({**PAGE, "have": [two, three]})["pace"] == {"answers": 1, "median_s": 0.5}


def test_an_answered_plate_comes_back_when_asked_for(server: Server) -> None:
    one = server["plates_take"](PAGE)["leased"][0]
    server["plates_say"]({**PAGE, "said": [answer(one, "c1", "ZZ9")]})
    assert one not in server["plates_take"](PAGE)["leased"]
    (item, *_) = server["plates_take"]({**PAGE, "first": [one]})["items"]
    assert item["id"] == one and item["said"] == "ZZ9"


def test_moved_corners_are_read_again_and_stay(server: Server, services: Services) -> None:
    one = server["plates_take"](PAGE)["leased"][0]
    corners = [[30, 10], [170, 12], [168, 70], [28, 66]]
    told = server["plates_look"]({"item": one, "corners": corners})
    assert told["text"] == "READER1" and [list(corner) for corner in told["corners"]] == corners
    assert services.labels.store().events(one) == []
    server["plates_say"]({**PAGE, "said": [{"item": one, "kind": "corners", "client": "c1", "corners": corners}]})
    event = services.labels.store().labels(one)["corners"]
    assert event.value["corners"] == corners and event.value["reading"]["text"] == "READER1"
    (item, *_) = server["plates_take"](PAGE)["items"]
    assert item["id"] == one and [list(corner) for corner in item["corners"]] == corners
    crossed = server["plates_look"]({"item": one, "corners": corners[::-1]})
    assert "clockwise" in crossed["error"]
    refused = server["plates_say"](
        {**PAGE, "said": [{"item": one, "kind": "corners", "client": "c2", "corners": corners[::-1]}]}
    )
    assert refused["taken"] == [] and refused["refused"][0]["client"] == "c2"


def test_the_labels_are_taken_away_as_files(server: Server) -> None:
    one = server["plates_take"](PAGE)["leased"][0]
    server["plates_say"]({**PAGE, "said": [answer(one, "c1", "ZZ9")]})
    told = server["plates_export"]({"kind": "parquet"})
    assert told["name"] == "plates.parquet"
    assert pq.read_table(io.BytesIO(base64.b64decode(told["content"])))["text"].to_pylist() == ["ZZ9"]
    assert base64.b64decode(server["plates_export"]({"kind": "fast-plate-ocr"})["content"])[:2] == b"PK"
    assert server["plates_export"]({"kind": "../x"})["lasting"]


@pytest.mark.parametrize(
    "said",
    [
        answer(1, "c1", "ab1"),
        answer(1, "c1", "TOOLONG89"),
        answer(1, "c1", ""),
        {"item": 1, "kind": "shout", "client": "c1"},
        {"item": 1, "kind": "answer", "client": ""},
        {"item": -1, "kind": "skip", "client": "c1"},
        {"item": 1, "kind": "skip", "client": "c1", "person": "ann"},
        answer(1, "c1", seconds=float("nan")),
    ],
)
def test_nonsense_is_refused_for_good(server: Server, services: Services, said: dict[str, Any]) -> None:
    told = server["plates_say"]({**PAGE, "said": [said]})
    assert told["lasting"] and "Reload" in told["error"]
    assert services.labels.store().events(1) == []


def test_one_that_cannot_be_taken_holds_up_nothing(server: Server) -> None:
    one = server["plates_take"](PAGE)["leased"][0]
    said = [
        {"item": one, "kind": "answer", "client": "c0"},
        answer(999, "c1"),
        {"item": one, "kind": "undo", "client": "c2", "undoes": "gone"},
        answer(one, "c3"),
    ]
    told = server["plates_say"]({**PAGE, "said": said})
    assert told["taken"] == ["c3"] and [entry["client"] for entry in told["refused"]] == ["c0", "c1", "c2"]


def test_a_store_that_fails_keeps_the_page_sending(
    server: Server, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, _ = server["plates_take"](PAGE)["leased"]
    record, failing = services.labels.store().record, ["c2"]

    def fails_once(said: Any, holder: str) -> Any:
        if said.client in failing:
            failing.remove(said.client)
            raise StoreError("The disk is full.")
        return record(said, holder)

    monkeypatch.setattr(services.labels.store(), "record", fails_once)
    said = [answer(one, "c1"), answer(two, "c2")]
    assert server["plates_say"]({**PAGE, "said": said}) == {
        "taken": ["c1"],
        "refused": [],
        "error": "The disk is full.",
    }
    assert server["plates_say"]({**PAGE, "said": said})["taken"] == ["c1", "c2"]
    assert services.labels.queue().progress().answered == 2


def test_on_spaces_only_who_is_signed_in_may_ask(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "someone/demo")
    for function in plates.served(services):
        asked: dict[str, Any] = {
            "plates_take": PAGE,
            "plates_say": {**PAGE, "said": [answer(1, "c1")]},
            "plates_look": {"item": 1, "corners": [[0, 0]] * 4},
            "plates_history": {},
            "plates_export": {"kind": "parquet"},
        }
        told = function(asked[function.__name__], VISITOR)
        assert "Sign in" in told["error"]
    assert services.labels.store().events(1) == []


def test_a_recognised_vehicle_s_plate_is_put_in_once(services: Services) -> None:
    recognizer = services.recognizer()
    content = jpeg((400, 300))
    (vehicle,) = recognizer.recognize(content).vehicles
    number = services.labels.put_plate(recognizer, content, vehicle)
    assert services.labels.put_plate(recognizer, content, vehicle) == number
    item = services.labels.store().plate(number)
    assert item.source == "recognise" and item.reading is not None and item.reading.text == "READER1"
    assert item.around.to_list() == vehicle.box.to_list()
    assert Queue(services.labels.store()).progress().total == 4


def test_a_vehicle_without_a_plate_gets_corners_to_move(services: Services) -> None:
    recognizer = services.recognizer()
    content = jpeg((400, 300))
    (vehicle,) = recognizer.recognize(content).vehicles
    number = services.labels.put_plate(recognizer, content, replace(vehicle, plate=None))
    box = services.labels.store().plate(number).box
    assert vehicle.box.x1 < box.x1 < box.x2 < vehicle.box.x2 and vehicle.box.y1 < box.y1 < box.y2 < vehicle.box.y2
    with pytest.raises(ImageError, match="too small"):
        services.labels.put_plate(recognizer, content, replace(vehicle, plate=None, box=Box(1, 1, 9, 9)))
