"""What people are asked about: plates and vehicles in pictures, with what was predicted of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from sqlalchemy import Row

from vehicle_demo.annotation.layouts import layout_of
from vehicle_demo.annotation.urgency import Urgency
from vehicle_demo.recognition.rectify import box_around
from vehicle_demo.recognition.results import RANKED, Box, Character, Corners, Novelty, PlateReading, Scored, Vehicle

PLATE: Final = "plate"
VEHICLE: Final = "vehicle"
# What a vehicle's answer has a name for.
PARTS: Final = ("type", "make", "model")
# Names with less are not kept: of two hundred they are most, and together they have next to nothing.
_LEAST_SCORE = 1e-4


@dataclass(frozen=True)
class Item:
    """What items of every kind have: the picture (the SHA-256 of its file), and the box in pixels of it, upright.

    `confidence` is that of what is least sure in the prediction.
    """

    id: int
    picture: str
    box: Box
    confidence: float
    checkpoint: str
    heads_version: str
    source: str
    added: str


@dataclass(frozen=True)
class PlateItem(Item):
    """One plate in a picture, with what was read of it.

    `corners` are where it was found, in pixels of the upright picture, and `box` is around them; `around` is the
    vehicle's box, or the whole picture. `reading` is None where nothing was read.
    """

    corners: Corners
    around: Box
    reading: PlateReading | None
    layout: str


@dataclass(frozen=True, eq=False)
class VehicleItem(Item):
    """One vehicle in a picture, with what it was taken for, the best names first; `confidence` is the model's.

    Names that have next to nothing are not kept (see `_LEAST_SCORE`). `embedding` is (D,) float32 of unit length.
    `alike` is the number of the first of the items that look nearly the same, its own where it is that; `opinions` how
    many people are to be asked.
    """

    category: Scored
    type: tuple[Scored, ...]
    make: tuple[Scored, ...]
    model: tuple[Scored, ...]
    novelty: Novelty | None
    embedding: np.ndarray
    urgency: Urgency
    alike: int
    opinions: int

    def best(self) -> dict[str, str]:
        """The first name of each part."""
        return {part: getattr(self, part)[0].label for part in PARTS}

    def prediction(self) -> dict[str, Any]:
        """What it was taken for, as plain values; see `_named_values`."""
        return _named_values(self)


@dataclass(frozen=True)
class NewItem:
    """A plate before the store has it; its fields are those of `PlateItem`, `content` the encoded picture."""

    content: bytes
    corners: Corners
    around: Box | None
    reading: PlateReading | None
    checkpoint: str
    heads_version: str
    source: str

    @property
    def kind(self) -> str:
        """`PLATE`."""
        return PLATE

    @property
    def box(self) -> Box:
        """Around the corners."""
        return box_around(self.corners)

    @property
    def confidence(self) -> float:
        """The score of the least sure slot, blanks included; 0 where nothing was read."""
        return lowest(self.reading)

    def prediction(self) -> dict[str, Any] | None:
        """What was read, as plain values."""
        return reading_values(self.reading)

    def own_columns(self, size: tuple[int, int]) -> dict[str, Any]:
        """What the table `plates` holds of it, of a picture of this (width, height)."""
        text = self.reading.text if self.reading else ""
        around = self.around or Box(0, 0, *size)
        return {
            "corners": json.dumps(self.corners),
            "around": json.dumps(around.to_list()),
            "reading": text,
            "layout": layout_of(text),
            "length": len(text),
        }


@dataclass(frozen=True, eq=False)
class NewVehicle:
    """A vehicle before the store has it; its fields are those of `VehicleItem`, `content` the encoded picture."""

    content: bytes
    vehicle: Vehicle
    urgency: Urgency
    checkpoint: str
    heads_version: str
    source: str
    opinions: int = 1

    @property
    def kind(self) -> str:
        """`VEHICLE`."""
        return VEHICLE

    @property
    def box(self) -> Box:
        """Where the vehicle is."""
        return self.vehicle.box

    @property
    def confidence(self) -> float:
        """The score of the best model."""
        return self.vehicle.model[0].score

    def prediction(self) -> dict[str, Any]:
        """What the vehicle was taken for, as plain values; see `_named_values`."""
        return _named_values(self.vehicle)

    def own_columns(self, size: tuple[int, int]) -> dict[str, Any]:
        """What the table `vehicles` holds of it, but for `alike`, which depends on what is there already."""
        embedding = self.vehicle.embedding
        return {
            **{part: getattr(self.vehicle, part)[0].label for part in PARTS},
            "embedding": np.asarray(embedding / np.linalg.norm(embedding), "<f4").tobytes(),
            "urgency": self.urgency.score,
            "reason": self.urgency.reason,
            "why": self.urgency.why,
            "opinions": self.opinions,
        }


def lowest(reading: PlateReading | None) -> float:
    """The score of the least sure slot, blanks included; 0 where nothing was read."""
    return min((slot[0].score for slot in reading.slots), default=reading.score) if reading else 0.0


def plate_of(row: Row[Any]) -> PlateItem:
    """A plate from its row of the view `plate_items`."""
    corners: Corners = tuple((x, y) for x, y in json.loads(row.corners))
    return PlateItem(
        **_common(row),
        corners=corners,
        around=Box(*json.loads(row.around)),
        reading=_reading_of(json.loads(row.prediction), corners),
        layout=row.layout,
    )


def vehicle_of(row: Row[Any]) -> VehicleItem:
    """A vehicle from its row of the view `vehicle_items`."""
    told = json.loads(row.prediction)
    return VehicleItem(
        **_common(row),
        category=Scored(**told["category"]),
        type=_ranked(told["type"]),
        make=_ranked(told["make"]),
        model=_ranked(told["model"]),
        novelty=Novelty(**told["novelty"]) if told["novelty"] else None,
        embedding=embedding_of(row.embedding),
        urgency=Urgency(row.urgency, row.reason, row.why),
        alike=row.alike,
        opinions=row.opinions,
    )


def embedding_of(stored: bytes) -> np.ndarray:
    """(D,) float32 from the bytes in the table."""
    return np.frombuffer(bytes(stored), "<f4")


def reading_values(reading: PlateReading | None) -> dict[str, Any] | None:
    """What was read as plain values, all slots with their scores unrounded; None where nothing was."""
    if reading is None:
        return None
    slots = [[asdict(character) for character in slot] for slot in reading.slots]
    return {"text": reading.text, "score": reading.score, "slots": slots}


def _named_values(vehicle: Vehicle | VehicleItem) -> dict[str, Any]:
    """Unrounded scores of all names that have `_LEAST_SCORE`, and of the first `RANKED` in any case."""
    kept = {
        part: [scored for place, scored in enumerate(ranked) if place < RANKED or scored.score >= _LEAST_SCORE]
        for part in PARTS
        for ranked in (getattr(vehicle, part),)
    }
    return {
        "category": asdict(vehicle.category),
        **{part: [asdict(scored) for scored in kept[part]] for part in PARTS},
        "novelty": asdict(vehicle.novelty) if vehicle.novelty else None,
    }


def _common(row: Row[Any]) -> Mapping[str, Any]:
    names = ("id", "picture", "confidence", "checkpoint", "heads_version", "source", "added")
    return {"box": Box(*json.loads(row.box)), **{name: getattr(row, name) for name in names}}


def _ranked(told: list[dict[str, Any]]) -> tuple[Scored, ...]:
    return tuple(Scored(**scored) for scored in told)


def _reading_of(values: dict[str, Any] | None, corners: Corners) -> PlateReading | None:
    if values is None:
        return None
    slots = tuple(tuple(Character(**character) for character in slot) for slot in values["slots"])
    characters = tuple(slot[0] for slot in slots if slot[0].character)
    return PlateReading(values["text"], values["score"], box_around(corners), characters, slots, corners)
