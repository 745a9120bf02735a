"""Small heads and versions of them, for tests that need some."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vehicle_demo.recognition.heads import TENSORS, Head
from vehicle_demo.retraining.versions import About, Versions

ABOUT = About("built-in", "0" * 64, {"rate": 0.01}, {}, "ada")


def heads(seed: int = 0, features: int = 32, extra: int = 0) -> dict[str, Head]:
    """Random heads with four, five and seven names as in `graphs.write_checkpoint`, and `extra` new ones each."""
    draw = np.random.default_rng(seed)

    def head(task: str, count: int) -> Head:
        names = [f"{task} {chr(97 + i)}" for i in range(count)] + [f"new {task} {i}" for i in range(extra)]
        weight = draw.normal(size=(len(names), features)).astype(np.float32)
        return Head(tuple(names), weight, draw.normal(size=len(names)).astype(np.float32))

    return {task: head(task, count) for task, count in zip(TENSORS, (4, 5, 7), strict=True)}


def versions(folder: Path, count: int = 0) -> Versions:
    """Versions of a checkpoint "drawn-nano 1" with 32 features; so many are there already."""
    found = Versions(folder, "drawn-nano 1", 32)
    for seed in range(count):
        found.add(heads(seed), ABOUT)
    return found
