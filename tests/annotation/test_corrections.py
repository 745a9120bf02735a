"""What holds of vehicles that several people looked at, and the dataset that follows from it."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from datasets import ClassLabel, load_dataset
from PIL import Image

from tests.annotation.drawn_vehicles import new_vehicle
from vehicle_demo.annotation.consensus import CONFLICT, agreement, consensus
from vehicle_demo.annotation.corrections import corrections, dataset_zip, images_zip, split_of, write_dataset
from vehicle_demo.annotation.store import ANSWER, BAD_PICTURE, BOX, DECISION, UNDO, UNSURE, Said, Store

A5, TT, M3 = "Audi A5 Coupe 2012", "Audi TT Hatchback 2011", "BMW M3 Coupe 2012"
NAMES = {"type": ("coupe", "sedan"), "make": ("Audi", "BMW"), "model": (A5, TT, M3)}


def named(model: str | None, make: str = "Audi", type: str | None = "coupe") -> dict[str, Any]:
    return {"type": type, "make": make, "model": model}


def say(store: Store, number: int, person: str, value: Any, kind: str = ANSWER) -> str:
    client = f"{person} {number} {len(store.events(number))}"
    store.record(Said(number, person, kind, client, value))
    return client


def test_people_who_agree_make_a_name_more_certain(store: Store) -> None:
    one, two, make, split, bad, unsure = store.add([new_vehicle(number) for number in range(6)])
    say(store, one, "ann", named(A5))
    say(store, two, "ann", named(A5))
    say(store, two, "bob", named(A5))
    say(store, make, "ann", named(None, type=None))
    say(store, split, "ann", named(A5))
    say(store, split, "bob", named(TT))
    say(store, bad, "ann", None, BAD_PICTURE)
    say(store, unsure, "ann", None, UNSURE)
    told = consensus(store)
    # ann and bob agreed once of two times: (1 + 4) / (2 + 5) each.
    right = 5 / 7
    assert told[one].status == ANSWER and told[one].weight == pytest.approx(right)
    assert told[two].weight == pytest.approx(right**2 / (right**2 + 100 * ((1 - right) / 100) ** 2))
    assert told[two].people == 2 and told[two].names == named(A5)
    assert told[make].names == named(None, type=None) and told[make].weight == pytest.approx(right)
    assert told[split].status == CONFLICT and told[split].names == named(None) and told[split].weight < 0.5
    assert told[bad].status == BAD_PICTURE and told[bad].weight == pytest.approx(right)
    assert (told[unsure].status, told[unsure].weight) == (UNSURE, 0.0)


def test_a_decision_holds(store: Store) -> None:
    (number,) = store.add([new_vehicle(1)])
    say(store, number, "ann", named(A5))
    say(store, number, "bob", named(TT))
    decision = say(store, number, "cy", {"status": ANSWER, **named(TT)}, DECISION)
    told = consensus(store)[number]
    assert told.status == ANSWER and told.names["model"] == TT and told.people == 3 and 0.9 < told.weight < 1
    store.record(Said(number, "cy", UNDO, "u", undoes=decision))
    assert consensus(store)[number].status == CONFLICT


def test_cohen_s_kappa_of_two_people(store: Store) -> None:
    numbers = store.add([new_vehicle(number) for number in range(4)])
    for number, (first, second) in zip(numbers, [(A5, A5), (TT, TT), (A5, TT), (TT, TT)], strict=True):
        say(store, number, "ann", named(first))
        say(store, number, "bob", named(second))
    told = agreement(store)
    # Three of four agree; by chance 2/4 * 1/4 + 2/4 * 3/4 would.
    assert told.pairs == 4 and told.kappa["model"] == pytest.approx((0.75 - 0.5) / (1 - 0.5))
    assert told.kappa["make"] is None  # one name alone tells nothing


@pytest.fixture
def answered(store: Store) -> Store:
    """Twelve vehicles: ten answered, of which one with its box drawn again, one unsure, one not asked."""
    numbers = store.add([new_vehicle(number, M3 if number % 2 else A5) for number in range(12)])
    for number in numbers[:10]:
        say(store, number, "ann", named("Audi Q5 SUV 2012", type="suv") if number == numbers[0] else named(TT))
    say(store, numbers[0], "ann", [1.0, 2.0, 30.0, 20.0], BOX)
    say(store, numbers[10], "ann", None, UNSURE)
    return store


def test_it_loads_as_a_hugging_face_dataset(answered: Store, tmp_path: Path) -> None:
    assert write_dataset(answered, tmp_path / "corrections", NAMES) == 11
    loaded = load_dataset(str(tmp_path / "corrections"), cache_dir=str(tmp_path / "cache"))
    assert set(loaded) == {"train", "validation", "test"}
    rows = [row for split in loaded.values() for row in split]
    assert len(rows) == 11
    for name, split in loaded.items():
        assert {split_of(picture) for picture in split["picture"]} <= {name}
    model = loaded["train"].features["model"]
    assert isinstance(model, ClassLabel) and model.names == [A5, TT, M3, "Audi Q5 SUV 2012"]
    assert loaded["train"].features["type"].names == ["coupe", "sedan", "suv"]
    by_status = {row["status"]: row for row in rows if row["status"] != ANSWER or row["box"] == [1, 2, 30, 20]}
    first, unsure = by_status[ANSWER], by_status[UNSURE]
    assert model.int2str(first["model"]) == "Audi Q5 SUV 2012" and first["predicted_model"] == A5
    assert isinstance(first["image"], Image.Image) and first["image"].size == (64, 32)
    assert (first["people"], first["weight"], first["person"]) == (1, 0.8, "ann")
    assert (first["checkpoint"], first["heads_version"], first["source"]) == ("nano 1", "built-in", "drawn")
    assert unsure["model"] is None and unsure["make"] is None and unsure["weight"] == 0
    assert first["at"].endswith("+00:00")


def test_pictures_with_a_csv(answered: Store, tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(images_zip(answered, NAMES))) as archive:
        tables = [name for name in archive.namelist() if name.endswith("metadata.csv")]
        rows = [row for name in tables for row in csv.DictReader(io.TextIOWrapper(archive.open(name), newline=""))]
        assert len(rows) == 11 and rows[0]["model"] in (TT, "Audi Q5 SUV 2012", "")
        archive.extractall(tmp_path / "images")
    loaded = load_dataset("imagefolder", data_dir=str(tmp_path / "images"), cache_dir=str(tmp_path / "cache"))
    assert sum(map(len, loaded.values())) == 11 and loaded["train"][0]["image"].size == (64, 32)


def test_the_same_answers_give_the_same_bytes(answered: Store) -> None:
    assert dataset_zip(answered, NAMES) == dataset_zip(answered, NAMES)
    assert images_zip(answered, NAMES) == images_zip(answered, NAMES)


def test_the_order_is_that_of_pictures_not_of_adding(tmp_path: Path) -> None:
    files: list[list[Any]] = []
    for order in (range(6), reversed(range(6))):
        store = Store(tmp_path / str(len(files)))
        store.add([new_vehicle(number) for number in order])
        for number in range(1, 7):
            say(store, number, "ann", named(TT))
        files.append([(one.item.picture, one.box, one.split) for one in corrections(store)])
    assert files[0] == files[1]


def test_a_split_without_a_row_has_no_file(store: Store, tmp_path: Path) -> None:
    (number,) = store.add([new_vehicle(1)])
    answer = say(store, number, "ann", named(TT))
    assert write_dataset(store, tmp_path / "one", NAMES) == 1
    loaded = load_dataset(str(tmp_path / "one"), cache_dir=str(tmp_path / "cache"))
    assert {name: len(split) for name, split in loaded.items()} == {split_of(store.vehicle(number).picture): 1}
    store.record(Said(number, "ann", UNDO, "u1", undoes=answer))
    assert write_dataset(store, tmp_path / "one", NAMES) == 0
    assert list((tmp_path / "one/data").iterdir()) == []
