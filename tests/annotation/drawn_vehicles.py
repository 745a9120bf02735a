"""Vehicles for the tests of the label store, as sure and as alike as a test wants them."""

from __future__ import annotations

import numpy as np

from tests.annotation.drawn_plates import picture
from vehicle_demo.annotation.items import NewVehicle
from vehicle_demo.annotation.urgency import CLOSE, Urgency
from vehicle_demo.recognition.results import Box, Novelty, Scored, Vehicle


def looks(seed: int, dimension: int = 32) -> np.ndarray:
    """(D,) float32 of unit length, another for every seed."""
    drawn = np.random.default_rng(seed).normal(size=dimension)
    return (drawn / np.linalg.norm(drawn)).astype(np.float32)


def vehicle(model: str = "Audi A5 Coupe 2012", score: float = 0.4, embedding: np.ndarray | None = None) -> Vehicle:
    """A coupe whose best model is this one, the second an Audi TT."""
    return Vehicle(
        box=Box(4, 4, 60, 28),
        category=Scored("car", 0.9),
        type=(Scored("coupe", 0.7), Scored("sedan", 0.2)),
        make=(Scored(model.split()[0], 0.8), Scored("BMW", 0.1)),
        model=(Scored(model, score), Scored("Audi TT Hatchback 2011", score / 2)),
        novelty=Novelty(0.3, False),
        plate=None,
        embedding=looks(0) if embedding is None else embedding,
    )


def new_vehicle(
    number: int,
    model: str = "Audi A5 Coupe 2012",
    urgency: float = 0.5,
    source: str = "drawn",
    opinions: int = 1,
    reason: str = CLOSE,
    alike: int | None = None,
) -> NewVehicle:
    """A vehicle in a picture of its own; those with the same `alike` look the same, and by default none does."""
    shown = vehicle(model, embedding=looks(number if alike is None else 10_000 + alike))
    why = Urgency(urgency, reason, "margin 0.20")
    return NewVehicle(picture(number), shown, why, "nano 1", "built-in", source, opinions)
