"""Vehicles whose features lie around one point for each model, for tests of fitting and comparing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vehicle_demo.recognition.heads import TENSORS, Head, Heads
from vehicle_demo.recognition.results import Box
from vehicle_demo.retraining.corrections import Correction
from vehicle_demo.retraining.shipped import Examples

FEATURES = 32


def name(task: str, model: int) -> str:
    """What model number so-and-so is called: two models share a make, four a type."""
    return f"{task} {model // {'model': 1, 'make': 2, 'type': 4}[task]}"


def centre(model: int) -> np.ndarray:
    """(FEATURES,) float32."""
    return np.random.default_rng(1000 + model).normal(size=FEATURES).astype(np.float32)


def examples(models: Sequence[int], each: int, seed: int = 0, noise: float = 0.6) -> Examples:
    """So many vehicles of each of these models."""
    draw = np.random.default_rng(seed)
    numbers = np.repeat(np.array(models), each)
    rows = np.array([centre(model) for model in numbers.tolist()]).reshape(-1, FEATURES)
    features = (rows + noise * draw.normal(size=rows.shape)).astype(np.float32)
    return Examples(features, {task: np.array([name(task, model) for model in numbers]) for task in TENSORS})


def shown(vehicles: Examples) -> list[Correction]:
    """Corrections that these vehicles could come from, each in a picture of its own."""
    return [
        Correction(
            "test",
            f"{row:064x}",
            Box(4, 4, 60, 44),
            {task: str(vehicles.truth[task][row]) for task in TENSORS},
            {},
            1.0,
            1,
        )
        for row in range(len(vehicles))
    ]


def knowing(models: Sequence[int], version: str = "built-in", implying: bool = False) -> Heads:
    """Heads that name these models, and no others, by the middles of what has the same name.

    With `implying` each model tells of its make and type too.
    """
    ordered = sorted(models, key=lambda model: name("model", model))

    def head(task: str) -> Head:
        names = sorted({name(task, model) for model in models})
        alike = [[centre(model) for model in models if name(task, model) == one] for one in names]
        weight = np.stack([np.mean(centres, axis=0) for centres in alike])
        of_model = np.array([names.index(name(task, model)) for model in ordered])
        told = of_model if implying and task != "model" else None
        return Head(tuple(names), weight, -0.5 * (weight**2).sum(axis=1), of_model=told)

    return Heads(version, {task: head(task) for task in TENSORS})
