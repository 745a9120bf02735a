"""One drawn vehicle: which model, and what sets it apart from every other of that model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from data_tools.drawing import plates
from data_tools.render.catalogue import Model, models

# Linear RGB by colour label, and how often it is seen.
COLOURS: dict[str, tuple[tuple[float, float, float], float]] = {
    "white": ((0.72, 0.72, 0.70), 0.24),
    "black": ((0.008, 0.008, 0.009), 0.17),
    "grey": ((0.09, 0.095, 0.10), 0.16),
    "silver": ((0.42, 0.43, 0.44), 0.11),
    "blue": ((0.015, 0.06, 0.26), 0.10),
    "red": ((0.36, 0.012, 0.014), 0.08),
    "green": ((0.02, 0.10, 0.05), 0.04),
    "brown": ((0.09, 0.045, 0.022), 0.03),
    "beige": ((0.45, 0.38, 0.26), 0.02),
    "yellow": ((0.75, 0.42, 0.02), 0.03),
    "orange": ((0.62, 0.14, 0.012), 0.02),
}
# How often each body type is met, against one another.
_COMMON = {"bus": 0.5, "truck": 0.8, "motorcycle": 0.7, "convertible": 0.6, "van": 0.8}


Load = Literal["none", "roof box", "crates"]
_STICKERS = ((0.65, 0.05, 0.04), (0.03, 0.12, 0.5), (0.7, 0.55, 0.05), (0.6, 0.6, 0.6), (0.02, 0.25, 0.08))


@dataclass(frozen=True)
class Mark:
    """A sticker or a dent on one flank: share of the length, place round the girth, side (1 or -1) and size in m.

    A sticker has a linear RGB `colour`, a dent has none.
    """

    share: float
    girth: float
    side: int
    size: float
    colour: tuple[float, float, float] | None


@dataclass(frozen=True)
class Identity:
    """`paint` is linear RGB, `dirt` in [0, 1], `spokes` of each wheel single or `split`."""

    number: int
    model: Model
    colour: str
    paint: tuple[float, float, float]
    plate: plates.Plate
    spokes: int
    split: bool
    dark_wheels: bool
    rails: bool
    dirt: float
    load: Load
    marks: tuple[Mark, ...]


def draw_identities(seed: int, layout: str | None = None) -> Iterator[Identity]:
    """Identities without end, the same for the same seed. No two share a plate."""
    rng = np.random.default_rng((seed, 7))
    known = models()
    weights = np.array([_COMMON.get(model.body.type, 1.0) for model in known])
    names = list(COLOURS)
    often = np.array([share for _, share in COLOURS.values()])
    seen: set[plates.Plate] = set()
    number = 0
    while True:
        model = known[rng.choice(len(known), p=weights / weights.sum())]
        colour = names[rng.choice(len(names), p=often / often.sum())]
        red, green, blue = np.clip(np.array(COLOURS[colour][0]) * np.exp(rng.normal(0, 0.12, 3)), 0, 0.85)
        plate = plates.make_up(rng, layout)
        identity = Identity(
            number,
            model,
            colour,
            (float(red), float(green), float(blue)),
            plate,
            spokes=int(rng.integers(5, 9)),
            split=bool(rng.random() < 0.4),
            dark_wheels=bool(rng.random() < 0.35),
            rails=model.body.type in ("suv", "wagon", "minivan") and bool(rng.random() < 0.6),
            dirt=float(rng.random() ** 3),
            load=_draw_load(rng, model),
            marks=_draw_marks(rng, model),
        )
        if plate not in seen:
            seen.add(plate)
            yield identity
            number += 1


def _draw_load(rng: np.random.Generator, model: Model) -> Load:
    kind, share = model.body.type, rng.random()
    if kind == "pickup" and share < 0.5:
        return "crates"
    if kind in ("suv", "wagon", "sedan", "hatchback", "minivan") and share < 0.10:
        return "roof box"
    return "none"


def _draw_marks(rng: np.random.Generator, model: Model) -> tuple[Mark, ...]:
    """Stickers, larger on what carries goods or people, and now and then a dent."""
    lettered = model.body.type in ("van", "bus", "truck")
    chance = 0.7 if lettered else 0.2
    marks = []
    for side in (1, -1):
        if rng.random() < chance:
            size = rng.uniform(0.35, 0.7) if lettered else rng.uniform(0.08, 0.2)
            colour = _STICKERS[rng.integers(len(_STICKERS))]
            marks.append(
                Mark(float(rng.uniform(0.42, 0.62)), float(rng.uniform(0.25, 0.36)), side, float(size), colour)
            )
        if rng.random() < 0.12:
            marks.append(Mark(float(rng.uniform(0.3, 0.9)), float(rng.uniform(0.2, 0.38)), side, 0.16, None))
    return tuple(marks)
