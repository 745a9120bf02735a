"""What a recognition says, as plain frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

# Four corners (x, y) in pixels of the upright picture, from the plate's upper left on clockwise.
Corners = tuple[tuple[float, float], ...]


# So many of the best labels are shown and told of each vehicle.
RANKED = 5


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of the upright picture."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def area(self) -> float:
        """Square pixels."""
        return (self.x2 - self.x1) * (self.y2 - self.y1)

    def to_list(self) -> list[float]:
        """[x1, y1, x2, y2], to a tenth of a pixel."""
        return [round(side, 1) for side in (self.x1, self.y1, self.x2, self.y2)]


@dataclass(frozen=True)
class Scored:
    """A label and its probability in [0, 1]."""

    label: str
    score: float


@dataclass(frozen=True)
class Character:
    """One plate character and its probability in [0, 1]; in a slot's ranking empty for a blank."""

    character: str
    score: float


@dataclass(frozen=True)
class PlateReading:
    """A plate's text without blanks; `box` is None for graphs that give no plate box.

    `slots`: the likeliest characters of each of the reader's slots, the best first, an empty one for a blank.
    `corners`: those it was rectified by, where they were given or found.
    """

    text: str
    score: float
    box: Box | None
    characters: tuple[Character, ...]
    slots: tuple[tuple[Character, ...], ...] = ()
    corners: Corners | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values; the box as a list."""
        return {
            "text": self.text,
            "score": self.score,
            "box": self.box.to_list() if self.box else None,
            "characters": [asdict(character) for character in self.characters],
        }

    def to_slots_dict(self) -> dict[str, Any]:
        """The same with all slots and the corners, as the `/read_plate` endpoint gives each plate."""
        corners = [[round(x, 1), round(y, 1)] for x, y in self.corners] if self.corners else None
        slots = [[asdict(character) for character in slot] for slot in self.slots]
        return {**self.to_dict(), "corners": corners, "slots": slots}


@dataclass(frozen=True)
class Novelty:
    """How far a vehicle lies from everything in the current gallery, and whether it counts as known."""

    score: float
    known: bool


@dataclass(frozen=True, eq=False)
class Vehicle:
    """One vehicle. `type`, `make`, `model` and `colour` hold every label, the best first.

    Not every graph tells colours. `embedding` is (256,) float32 of length 1. `levels` are what the names of models add
    up to: make, type of that make, model of that type, year (see `hierarchy`); empty where names do not tell.
    """

    box: Box
    category: Scored
    type: tuple[Scored, ...]
    make: tuple[Scored, ...]
    model: tuple[Scored, ...]
    novelty: Novelty | None
    plate: PlateReading | None
    embedding: np.ndarray
    colour: tuple[Scored, ...] = ()
    levels: tuple[Scored, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; of each ranking the first `RANKED`."""
        ranked = {"type": self.type, "make": self.make, "model": self.model, "colour": self.colour}
        return {
            "box": self.box.to_list(),
            "category": asdict(self.category),
            **{name: [asdict(scored) for scored in labels[:RANKED]] for name, labels in ranked.items()},
            "novelty": asdict(self.novelty) if self.novelty else None,
            "plate": self.plate.to_dict() if self.plate else None,
            "embedding": [round(float(value), 6) for value in self.embedding],
            "levels": [asdict(level) for level in self.levels],
        }


@dataclass(frozen=True, eq=False)
class Recognition:
    """Every vehicle found in one picture, the largest first; sizes in pixels of the upright picture."""

    checkpoint: str
    heads_version: str
    width: int
    height: int
    timings_ms: Mapping[str, float]
    vehicles: tuple[Vehicle, ...]

    def above(self, threshold: float) -> Recognition:
        """The same without vehicles whose detection score is below `threshold`."""
        return replace(self, vehicles=tuple(v for v in self.vehicles if v.category.score >= threshold))

    def to_dict(self) -> dict[str, Any]:
        """The dictionary that `/recognize` answers with."""
        return {
            "checkpoint": self.checkpoint,
            "heads_version": self.heads_version,
            "image": {"width": self.width, "height": self.height},
            "timings_ms": {name: round(spent, 1) for name, spent in self.timings_ms.items()},
            "vehicles": [vehicle.to_dict() for vehicle in self.vehicles],
        }
