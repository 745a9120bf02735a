"""What the Review tab's script is told, who may ask, and how vehicles come into the queue."""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.annotation.drawn_vehicles import new_vehicle
from tests.graphs import write_checkpoint
from vehicle_demo.annotation.store import ANSWER, Said, Store
from vehicle_demo.gallery.building import thumbnail_of
from vehicle_demo.gallery.sources import open_files, open_source
from vehicle_demo.gallery.storage import Item
from vehicle_demo.recognition import Box, ImageError, Novelty, Recognition, Scored, Vehicle
from vehicle_demo.recognition.checkpoint import Thresholds
from vehicle_demo.ui import review
from vehicle_demo.ui.importing import take_in
from vehicle_demo.ui.intake import collecting, new_vehicles, second_opinions, unsure
from vehicle_demo.ui.services import Services, find_services

Server = dict[str, Callable[..., Any]]
VISITOR = SimpleNamespace(scope={})
PAGE = {"holder": "page"}
# The drawn checkpoint's names, with makes and bodies as those of Stanford Cars have them.
LABELS = {
    "categories": ["car", "suv", "truck", "bus", "van", "motorcycle"],
    "types": ["coupe", "sedan", "suv", "van"],
    "makes": ["Audi", "BMW", "Ford", "Kia", "Opel"],
    "models": [
        *("Audi A5 Coupe 2012", "Audi S4 Sedan 2012", "BMW M3 Coupe 2012", "Ford Edge SUV 2012", "Kia Rio Sedan 2012"),
        *("Opel Astra Sedan 2012", "Opel Blazer"),
    ],
}


def picture(shade: int = 90, size: tuple[int, int] = (320, 240)) -> bytes:
    """A PNG with a pattern of its own, so that no two look the same to the network."""
    buffer = io.BytesIO()
    Image.new("RGB", size, (shade, 90, 90)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def services(tmp_path: Path) -> Services:
    folder = tmp_path / "checkpoints" / "nano"
    write_checkpoint(folder, labels=LABELS)
    return find_services(tmp_path / "checkpoints", tmp_path, tmp_path / "home")


@pytest.fixture
def store(services: Services) -> Store:
    return services.labels.store()


@pytest.fixture
def numbers(services: Services) -> list[int]:
    """Three vehicles in the queue that do not look alike."""
    recognizer, seen = services.recognizer(), []
    for place, shade in enumerate((10, 110, 210)):
        content = picture(shade)
        (vehicle,) = recognizer.recognize(content).vehicles
        vehicle = replace(vehicle, embedding=np.eye(256, dtype=np.float32)[place])
        seen += new_vehicles(recognizer, content, [vehicle], None, "drawn")
    return services.labels.store().add([replace(one, opinions=1) for one in seen])


@pytest.fixture
def server(services: Services) -> Server:
    return {
        function.__name__: lambda sent, function=function: function(sent, VISITOR)
        for function in review.served(services)
    }


def say(server: Server, *said: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = server["review_say"]({**PAGE, "said": list(said)})
    return told


def answer(item: int, client: str, **more: Any) -> dict[str, Any]:
    return {"item": item, "kind": "answer", "client": client, **more}


def test_a_page_gets_vehicles_with_all_it_shows(server: Server, numbers: list[int]) -> None:
    told = server["review_take"](PAGE)
    assert sorted(told["leased"]) == sorted(numbers)
    first = told["items"][0]
    assert len(first["model"]) == 5 and first["model"][0][0] == first["text"] == "Kia Rio Sedan 2012"
    assert first["picture"].startswith("data:image/jpeg;base64,") and first["small"].startswith("data:image/jpeg")
    assert first["box"] == [80, 60, 240, 180] and first["window"] == [0, 0, 320, 240]
    assert "margin" in first["why"] and first["opinions"] == [] and first["said"] is None
    assert told["progress"]["total"] == 3 and told["choices"]["sources"] == ("drawn",)
    again = server["review_take"]({**PAGE, "have": told["leased"][:2]})
    assert [item["id"] for item in again["items"]] == told["leased"][2:]
    assert server["review_take"]({"holder": "other page"})["items"] == []
    server["review_take"]({**PAGE, "afresh": True, "chosen": {"make": "none such"}})
    assert len(server["review_take"]({"holder": "other page"})["items"]) == 3


def test_a_model_settles_make_and_type(server: Server, store: Store, numbers: list[int]) -> None:
    one, two, three = numbers
    said = [
        answer(one, "c1", model="Audi A5 Coupe 2012", seconds=0.5),
        answer(two, "c2", make="audi"),
        answer(three, "c3", model="Opel Blazer", type="suv"),
    ]
    assert say(server, *said) == {"taken": ["c1", "c2", "c3"], "refused": []}
    assert say(server, *said)["taken"] == ["c1", "c2", "c3"]
    values = [store.labels(number)["vehicle"].value for number in numbers]
    assert values == [
        {"type": "coupe", "make": "Audi", "model": "Audi A5 Coupe 2012"},
        {"type": None, "make": "Audi", "model": None},
        {"type": "suv", "make": "Opel", "model": "Opel Blazer"},
    ]
    assert [len(store.events(number)) for number in numbers] == [1, 1, 1]
    told = server["review_history"]({"count": 9})
    assert [entry["client"] for entry in told] == ["c3", "c2", "c1"] and told[2]["value"] == values[0]
    assert server["review_history"]({"of": "ann"}) == [] == server["review_people"]({})
    store.record(Said(one, "ann", "unsure", "of ann"))
    assert [entry["client"] for entry in server["review_history"]({"of": "ann"})] == ["of ann"]
    assert server["review_people"]({}) == ["ann"]
    assert server["review_take"](PAGE)["pace"] == {"answers": 3, "median_s": 0.5}


def test_a_new_name_is_asked_for_and_then_known(server: Server, store: Store, numbers: list[int]) -> None:
    one, two, _ = numbers
    told = say(server, answer(one, "c1", model="Audi A6 Sedan 2012"))
    assert told["taken"] == [] and "not listed" in told["refused"][0]["says"]
    assert server["review_near"]({"name": "audi a5 coupé 2012"}) == ["Audi A5 Coupe 2012"]
    assert server["review_near"]({"name": "Trabant 601 1980"}) == []
    assert say(server, answer(one, "c2", model=" Audi  A6 Sedan 2012", new=True))["taken"] == ["c2"]
    assert store.labels(one)["vehicle"].value == {"type": "sedan", "make": "Audi", "model": "Audi A6 Sedan 2012"}
    assert "Audi A6 Sedan 2012" in server["review_names"]({})["model"]
    assert say(server, answer(two, "c3", model="audi a6 sedan 2012"))["taken"] == ["c3"]
    assert store.labels(two)["vehicle"].value["model"] == "Audi A6 Sedan 2012"


def test_what_another_checkpoint_predicted_can_be_answered(server: Server, store: Store) -> None:
    (number,) = store.add([new_vehicle(1, "Trabant 601 Sedan 1980")])
    assert "Trabant 601 Sedan 1980" not in server["review_names"]({})["model"]
    assert say(server, answer(number, "c1", model="Trabant 601 Sedan 1980"))["taken"] == ["c1"]
    assert store.labels(number)["vehicle"].value["model"] == "Trabant 601 Sedan 1980"


def test_what_looks_the_same_is_answered_and_undone_together(server: Server, services: Services, store: Store) -> None:
    recognizer, content = services.recognizer(), picture()
    (vehicle,) = recognizer.recognize(content).vehicles
    vehicles = [replace(vehicle, box=Box(x, 60, x + 100, 180)) for x in (20, 60, 100)]
    first, second, third = store.add(new_vehicles(recognizer, content, vehicles, None, "drawn"))
    (item,) = server["review_take"](PAGE)["items"]
    assert item["id"] == first and [one["id"] for one in item["together"]] == [second, third]
    also = {"also": [second, third]}
    say(server, answer(first, "c1", make="Audi", **also))
    assert [store.labels(number)["vehicle"].value["make"] for number in (first, second, third)] == ["Audi"] * 3
    say(server, {"item": first, "kind": "undo", "client": "c2", "undoes": "c1", **also})
    assert [store.labels(number) for number in (first, second, third)] == [{}, {}, {}]
    say(server, {"item": first, "kind": "redo", "client": "c3", "undoes": "c1", **also})
    assert services.labels.review().progress().answered == 3


def test_a_box_drawn_again_is_looked_at_and_stays(server: Server, store: Store, numbers: list[int]) -> None:
    one = numbers[0]
    box = [40.0, 30.0, 200.0, 150.0]
    told = server["review_look"]({"item": one, "box": box})
    assert told["box"] == box and len(told["model"]) == 5 and store.events(one) == []
    assert say(server, {"item": one, "kind": "box", "client": "c1", "box": box})["taken"] == ["c1"]
    (item, *_) = server["review_take"]({**PAGE, "first": [one]})["items"]
    assert item["id"] == one and item["box"] == box
    assert "too small" in server["review_look"]({"item": one, "box": [5, 5, 8, 8]})["error"]
    refused = say(server, {"item": one, "kind": "box", "client": "c2"})
    assert refused["refused"][0]["client"] == "c2"


def test_others_opinions_are_shown_to_who_decides_alone(server: Server, store: Store, numbers: list[int]) -> None:
    one = numbers[0]
    for person, make in (("ann", "Audi"), ("bob", "BMW")):
        review_said = {"type": None, "make": make, "model": None}
        store.record(review.Said(one, person, "answer", f"{person} 1", review_said))
    (item, *_) = server["review_take"]({**PAGE, "first": [one]})["items"]
    assert item["opinions"] == [] and item["said"] is None
    (item,) = server["review_take"]({**PAGE, "chosen": {"decide": "conflicts"}})["items"]
    assert [(one["person"], one["make"]) for one in item["opinions"]] == [("ann", "Audi"), ("bob", "BMW")]
    decided = {"item": one, "kind": "decision", "client": "c1", "status": "answer", "make": "BMW"}
    assert say(server, decided)["taken"] == ["c1"]
    held = {"status": "answer", "type": None, "make": "BMW", "model": None}
    assert store.labels(one)["decision"].value == held
    assert server["review_take"]({**PAGE, "chosen": {"decide": "conflicts"}})["items"] == []


def test_how_well_people_agree_is_told(server: Server, store: Store, numbers: list[int]) -> None:
    assert server["review_agreement"]({}) == {"pairs": 0, "kappa": {"type": None, "make": None, "model": None}}
    for number, (first, second) in zip(numbers, [("Audi", "Audi"), ("BMW", "BMW"), ("Kia", "BMW")], strict=True):
        for person, make in (("ann", first), ("bob", second)):
            value = {"type": None, "make": make, "model": None}
            store.record(review.Said(number, person, "answer", f"{person} {number}", value))
    told = server["review_agreement"]({})
    # Two of three agree; by chance (1 * 1 + 1 * 2) / 9 would.
    assert told["pairs"] == 3 and told["kappa"]["make"] == pytest.approx((2 / 3 - 1 / 3) / (1 - 1 / 3))


def test_pictures_of_a_model_come_from_a_gallery_that_was_told(server: Server, services: Services) -> None:
    gallery = services.galleries.gallery(services.recognizer(), "mine")
    shown = thumbnail_of(Image.new("RGB", (40, 30)), Box(0, 0, 40, 30))
    told = Item("a" * 64, thumbnail=shown, model="Ford Edge SUV 2012")
    guessed = Item("b" * 64, thumbnail=shown, model="Kia Rio Sedan 2012", confidence=0.9)
    gallery.add(np.eye(2, 256, dtype=np.float32), [told, guessed])
    found = server["review_references"]({"models": ["Ford Edge SUV 2012", "Kia Rio Sedan 2012", "Nonsense"]})
    assert [len(uris) for uris in found.values()] == [1, 0, 0]
    assert found["Ford Edge SUV 2012"][0].startswith("data:image/jpeg;base64,")


def test_the_answers_are_taken_away_as_files(server: Server, numbers: list[int]) -> None:
    say(server, *(answer(number, f"c{number}", make="Audi") for number in numbers))
    for kind, inside in (("dataset", "data/"), ("images", "metadata.csv")):
        told = server["review_export"]({"kind": kind})
        with zipfile.ZipFile(io.BytesIO(base64.b64decode(told["content"]))) as archive:
            assert any(inside in name for name in archive.namelist())
    assert server["review_export"]({"kind": "../x"})["lasting"]


@pytest.mark.parametrize(
    "said",
    [
        answer(1, "c1", model="x" * 81),
        answer(1, "c1", model=""),
        {"item": 1, "kind": "no plate", "client": "c1"},
        {"item": 1, "kind": "decision", "client": "c1", "status": "skip"},
        {"item": 1, "kind": "skip", "client": "c1", "person": "ann"},
        {"item": 1, "kind": "box", "client": "c1", "box": [1, 2, 3]},
        {"item": 1, "kind": "box", "client": "c1", "box": [1, 2, 3, float("nan")]},
    ],
)
def test_nonsense_is_refused_for_good(server: Server, store: Store, numbers: list[int], said: dict[str, Any]) -> None:
    told = say(server, said)
    assert told["lasting"] and "Reload" in told["error"]
    assert store.events(1) == []


def test_an_answer_without_a_name_holds_up_nothing(server: Server, numbers: list[int]) -> None:
    told = say(server, answer(numbers[0], "c1"), {"item": numbers[0], "kind": "unsure", "client": "c2"})
    assert told["taken"] == ["c2"] and told["refused"][0]["client"] == "c1"


def test_on_spaces_only_who_is_signed_in_may_ask(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "someone/demo")
    asked: dict[str, Any] = {
        "review_take": PAGE,
        "review_say": {**PAGE, "said": [answer(1, "c1", make="Audi")]},
        "review_look": {"item": 1, "box": [0, 0, 9, 9]},
        "review_near": {"name": "x"},
        "review_references": {"models": []},
        "review_export": {"kind": "dataset"},
    }
    for function in review.served(services):
        assert "Sign in" in function(asked.get(function.__name__, {}), VISITOR)["error"]


def test_what_is_below_a_threshold_is_unsure(services: Services) -> None:
    (vehicle,) = services.recognizer().recognize(picture()).vehicles
    sure: dict[str, Any] = {part: (Scored("x", 0.9),) for part in ("type", "make", "model")}
    limits = Thresholds(type=0.5, make=0.6, model=0.7)
    assert not unsure(replace(vehicle, **sure), limits)
    for part, score in (("type", 0.49), ("make", 0.59), ("model", 0.69)):
        assert unsure(replace(vehicle, **{**sure, part: (Scored("x", score),)}), limits)


def test_the_reason_is_in_words(services: Services) -> None:
    recognizer, content = services.recognizer(), picture()
    (vehicle,) = recognizer.recognize(content).vehicles
    gallery = services.galleries.gallery(recognizer, "mine")
    looks = np.stack([vehicle.embedding + np.eye(256)[place] * 0.1 for place in range(5)])
    looks /= np.linalg.norm(looks, axis=1, keepdims=True)
    models = ["Ford Edge SUV 2012"] * 3 + ["Kia Rio Sedan 2012", "A name of its own"]
    told = [Item(f"{place:064x}", model=model) for place, model in enumerate(models)]
    gallery.add(looks.astype(np.float32), told)
    torn = (Scored("Kia Rio Sedan 2012", 0.9), Scored("Audi A5 Coupe 2012", 0.05))
    shown: Vehicle = replace(vehicle, model=torn, novelty=Novelty(0.1, True))
    (new,) = new_vehicles(recognizer, content, [shown], gallery, "drawn")
    assert new.urgency.reason == "neighbours disagree"
    assert "3 of 4 neighbours differ, most are Ford Edge SUV 2012" in new.urgency.why
    assert "margin 0.85" in new.urgency.why and "near the gallery" in new.urgency.why
    # The picture itself, in the gallery under another name, is no neighbour that says anything.
    itself = Item(hashlib.sha256(content).hexdigest(), model="Ford Edge SUV 2012")
    gallery.add(vehicle.embedding[None] / np.linalg.norm(vehicle.embedding), [itself])
    assert new_vehicles(recognizer, content, [shown], gallery, "drawn")[0].urgency == new.urgency
    close = replace(shown, model=(Scored("a", 0.45), Scored("b", 0.44), Scored("c", 0.1)))
    (new,) = new_vehicles(recognizer, content, [close], None, "drawn")
    assert new.urgency.reason == "close call" and 0 < new.urgency.score < 1


def test_many_pictures_are_taken_in_and_again_where_they_were_left(services: Services, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "street.zip", "w") as archive:
        for number in range(10):
            archive.writestr(f"{number}.png", picture(10 + 20 * number))
        archive.writestr("broken.jpg", b"no picture")
    recognizer = services.recognizer()
    (source,) = open_files([tmp_path / "street.zip"])
    first = next(take_in(services.labels, recognizer, None, source, everything=True))
    assert (first.total, first.done, first.added) == (11, 8, 8)
    *_, last = take_in(services.labels, recognizer, None, source, everything=True)
    assert (last.done, last.added, last.known) == (11, 2, 8) and last.bad[0][0] == "broken.jpg"
    assert services.labels.review().progress().total == 10
    assert services.labels.review().choices().sources == ("street",)


def test_pictures_with_nothing_to_ask_about_are_looked_through_once(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        (tmp_path / f"{number}.png").write_bytes(picture(10 + 20 * number))
    recognizer = services.recognizer()
    sure = Thresholds(type=0.0, make=0.0, model=0.0)
    monkeypatch.setattr(recognizer, "checkpoint", replace(recognizer.checkpoint, thresholds=sure))
    looked: list[int] = []
    recognize = recognizer.recognize_batch

    def counted(images: Sequence[Image.Image]) -> list[Recognition]:
        looked.append(len(images))
        return recognize(images)

    monkeypatch.setattr(recognizer, "recognize_batch", counted)
    source = open_source(tmp_path)
    for known in (0, 3):
        *_, last = take_in(services.labels, recognizer, None, source)
        assert (last.added, last.known) == (0, known)
    assert sum(looked) == 3
    # All of them are wanted now: that is another question.
    *_, last = take_in(services.labels, recognizer, None, source, everything=True)
    assert (last.added, last.known) == (3, 0) and sum(looked) == 6


def test_only_what_the_model_is_unsure_of_is_taken_in(services: Services, tmp_path: Path) -> None:
    (tmp_path / "one.png").write_bytes(picture())
    sources = open_files([tmp_path / "one.png"])
    *_, last = take_in(services.labels, services.recognizer(), None, sources[0])
    assert last.added == 0 and services.labels.review().progress().total == 0  # it is sure of everything


def test_settings_that_are_none_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert collecting() == "ask" and second_opinions() == 0.1
    monkeypatch.setenv("VEHICLE_DEMO_COLLECT", "sometimes")
    with pytest.raises(ValueError, match="always"):
        collecting()
    monkeypatch.setenv("VEHICLE_DEMO_SECOND_OPINIONS", "2")
    with pytest.raises(ValueError, match="share"):
        second_opinions()


def test_a_label_that_looks_wrong_is_shown_with_who_said_it(server: Server, store: Store) -> None:
    models = ("Audi A5 Coupe 2012", "BMW M3 Coupe 2012")
    *right, wrong = store.add([new_vehicle(number, models[number % 2]) for number in range(25)])
    for number in right:
        name = store.vehicle(number).best()["model"]
        store.record(Said(number, "ann", ANSWER, f"c{number}", {"type": None, "make": None, "model": name}))
    store.record(Said(wrong, "ann", ANSWER, "wrong", {"type": None, "make": None, "model": models[1]}))
    (item,) = server["review_take"]({**PAGE, "chosen": {"decide": "likely label errors"}})["items"]
    assert item["id"] == wrong and item["reason"] == "likely label error"
    assert item["why"] == "named BMW M3 Coupe 2012, none of the network's likeliest; Audi A5 Coupe 2012 had 40%"
    assert [(said["person"], said["model"]) for said in item["opinions"]] == [("ann", models[1])]


def test_a_vehicle_s_box_must_hold_one() -> None:
    with pytest.raises(ImageError, match="too small"):
        review.checked_box([1, 1, 4, 90], (100, 100))
    assert review.checked_box([90, 80, -5, 10], (100, 60)) == Box(0, 10, 90, 60)
