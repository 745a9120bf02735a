"""Vehicles in the label store: what was predicted, what each person says, and where they contradict each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from tests.annotation.drawn_plates import new_item
from tests.annotation.drawn_vehicles import new_vehicle
from vehicle_demo.annotation.items import PlateItem, VehicleItem
from vehicle_demo.annotation.queue import Queue
from vehicle_demo.annotation.store import (
    ANSWER,
    BAD_PICTURE,
    BOX,
    DECISION,
    NOT_READABLE,
    UNDO,
    UNSURE,
    Said,
    Store,
    UnknownItemError,
)
from vehicle_demo.recognition.results import Box, Scored

TT = "Audi TT Hatchback 2011"


def names(model: str | None = None, make: str | None = "Audi", type: str | None = None) -> dict[str, Any]:
    return {"type": type, "make": make, "model": model}


def test_a_vehicle_comes_back_as_it_was(store: Store) -> None:
    new = new_vehicle(1)
    (number,) = store.add([new])
    item = store.vehicle(number)
    assert (item.type, item.make, item.model) == (new.vehicle.type, new.vehicle.make, new.vehicle.model)
    assert item.box == Box(4, 4, 60, 28) and item.category == new.vehicle.category
    assert item.novelty == new.vehicle.novelty and item.urgency == new.urgency
    assert np.allclose(item.embedding, new.vehicle.embedding)
    assert (item.confidence, item.checkpoint, item.heads_version, item.source) == (0.4, "nano 1", "built-in", "drawn")
    assert item.best() == {"type": "coupe", "make": "Audi", "model": "Audi A5 Coupe 2012"}
    assert store.add([new_vehicle(1, "BMW M3 Coupe 2012")]) == [number]
    assert store.vehicle(number).best()["make"] == "Audi"


def test_every_name_is_kept_that_has_a_score_worth_it(store: Store) -> None:
    new = new_vehicle(1)
    tail = [Scored(f"Model {n}", score) for n, score in enumerate([0.1, 0.05, 0.01, 0.001, 0.0001, 0.00009, 0.0])]
    models = (*new.vehicle.model, *tail)
    few = (Scored("coupe", 1.0), Scored("sedan", 0.0))
    (number,) = store.add([replace(new, vehicle=replace(new.vehicle, model=models, type=few))])
    item = store.vehicle(number)
    assert item.model == models[:-2] and item.type == few


def test_plates_and_vehicles_are_kept_side_by_side(store: Store) -> None:
    plate, vehicle = store.add([new_item(1), new_vehicle(1)])
    assert isinstance(store.item(plate), PlateItem) and isinstance(store.item(vehicle), VehicleItem)
    assert Queue(store).progress().total == 1
    with pytest.raises(UnknownItemError):
        store.plate(vehicle)
    with pytest.raises(UnknownItemError):
        store.vehicle(plate)
    for said in (Said(vehicle, "ann", NOT_READABLE, "c1"), Said(plate, "ann", BAD_PICTURE, "c2")):
        with pytest.raises(UnknownItemError, match="not understood"):
            store.record(said)


def test_what_held_before_an_answer_is_the_prediction_then_the_answer(store: Store) -> None:
    (number,) = store.add([new_vehicle(1)])
    first = store.record(Said(number, "ann", ANSWER, "c1", names(TT)))
    assert first.before == {"type": "coupe", "make": "Audi", "model": "Audi A5 Coupe 2012"}
    assert store.record(Said(number, "ann", UNSURE, "c2")).before == names(TT)
    box = store.record(Said(number, "ann", BOX, "c3", [1, 1, 9, 9]))
    assert box.before == [4, 4, 60, 28] and store.labels(number)["box"].value == [1, 1, 9, 9]
    decided = {"status": ANSWER, **names(TT)}
    assert store.record(Said(number, "ann", DECISION, "c4", decided)).before is None
    assert store.labels(number)["vehicle"].kind == UNSURE


def test_what_looks_nearly_the_same_is_one_group(store: Store) -> None:
    one, other, two, three = store.add(
        [new_vehicle(1, alike=7), new_vehicle(2), new_vehicle(3, alike=7), new_vehicle(4, alike=7)]
    )
    assert [store.vehicle(number).alike for number in (one, other, two, three)] == [one, other, one, one]


def said(store: Store, number: int, person: str, kind: str, value: Any = None) -> None:
    store.record(Said(number, person, kind, f"{person}-{number}-{len(store.events(number))}", value))


def in_conflict(store: Store) -> list[int]:
    with store.reading() as connection:
        return list(connection.execute(text("SELECT item FROM conflicts ORDER BY item")).scalars())


def test_two_people_contradict_each_other_only_where_both_cannot_be_right(store: Store) -> None:
    models, makes, part, unsure, bad, same = store.add([new_vehicle(number) for number in range(1, 7)])
    for number, first, second in (
        (models, (ANSWER, names(TT)), (ANSWER, names("Audi A5 Coupe 2012"))),
        (makes, (ANSWER, names(make="BMW")), (ANSWER, names(TT))),
        (part, (ANSWER, names()), (ANSWER, names(TT))),
        (unsure, (UNSURE,), (ANSWER, names(TT))),
        (bad, (BAD_PICTURE,), (ANSWER, names(TT))),
        (same, (ANSWER, names(TT)), (ANSWER, names(TT))),
    ):
        said(store, number, "ann", *first)
        said(store, number, "bob", *second)
    assert in_conflict(store) == [models, makes, bad]
    said(store, models, "bob", ANSWER, names(TT))  # who thinks again contradicts nobody
    (event,) = (event for event in store.events(bad) if event.person == "ann")
    store.record(Said(bad, "ann", UNDO, "u1", undoes=event.client))
    assert in_conflict(store) == [makes]


def test_an_item_of_which_a_part_has_not_come_yet_is_unknown(store: Store) -> None:
    (number,) = store.add([new_vehicle(1)])
    with store.writing() as connection:  # as when it is read back from a file that was cut off
        connection.execute(text("DELETE FROM vehicles"))
    with pytest.raises(UnknownItemError):
        store.item(number)
