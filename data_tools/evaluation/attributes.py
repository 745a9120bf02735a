"""Type, make and model on pictures that are one vehicle: how often right, whether the heads agree, what is confused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np

from data_tools.evaluation.batches import pictures_of, through_graph
from vehicle_demo.recognition import Recognizer

Task = Literal["type", "make", "model"]
# The graph's tensor and the kind of its names.
TASKS: Mapping[Task, tuple[str, str]] = {
    "type": ("vehicle_types", "types"),
    "make": ("makes", "makes"),
    "model": ("models", "models"),
}
_LISTED = 5


@dataclass(frozen=True)
class Named:
    """What one vehicle is, and by task the five likeliest names that it was given, the best first."""

    truth: dict[Task, str | None]
    given: dict[Task, tuple[str, ...]]


def name_vehicles(recognizer: Recognizer, data: Path, split: str, limit: int | None) -> list[Named]:
    """Every picture of the split that is one vehicle, named."""
    return [
        Named(
            {task: getattr(picture, task) for task in TASKS},
            {task: _likeliest(outputs[tensor][0], recognizer, kind) for task, (tensor, kind) in TASKS.items()},
        )
        for picture, _, outputs in through_graph(recognizer, pictures_of(data, "cars196", split, limit))
    ]


def _likeliest(logits: np.ndarray, recognizer: Recognizer, kind: str) -> tuple[str, ...]:
    labels = recognizer.checkpoint.labels
    names = (getattr(labels, kind)[index] for index in np.argsort(-logits, kind="stable"))
    return tuple(islice((name for name in names if name not in labels.drawn), _LISTED))


def evaluate_attributes(recognizer: Recognizer, data: Path, split: str, limit: int | None) -> dict[str, Any] | None:
    """`type_top1`, `make_top1`, `model_top1`, `model_top5`, `images`, and how often the heads agree.

    `model` is one of the 196 names; a name the checkpoint does not know counts as wrong, and names of the drawn fleet
    are no answers here. `make_agrees` and
    `type_agrees` are the shares of pictures in which the head says what its model's name implies, right or wrong. None
    when there are no such pictures.
    """
    named = name_vehicles(recognizer, data, split, limit)
    if not named:
        return None
    right = {f"{task}_top1": [one.given[task][0] == one.truth[task] for one in named] for task in TASKS}
    listed = [one.truth["model"] in one.given["model"] for one in named]
    figures = {**right, "model_top5": listed, "make_agrees": agree(named, "make"), "type_agrees": agree(named, "type")}
    return {**{name: float(np.mean(values)) for name, values in figures.items()}, "images": len(named)}


def agree(named: Sequence[Named], task: Task) -> list[bool]:
    """Whether each vehicle was given the make or type that its given model has among the pictures' true names.

    A model of which there is no picture implies nothing and agrees with nothing.
    """
    implied = {one.truth["model"]: one.truth[task] for one in named}
    return [implied.get(one.given["model"][0]) == one.given[task][0] for one in named]


def most_confused(named: Sequence[Named], task: Task, count: int) -> list[tuple[str, str, int]]:
    """The commonest mistakes: what it is, what it was called, and how often; as many at most."""
    pairs = Counter((one.truth[task] or "", one.given[task][0]) for one in named)
    wrong = [(truth, given, times) for (truth, given), times in pairs.items() if truth != given]
    return sorted(wrong, key=lambda pair: (-pair[2], pair))[:count]
