"""Top-1 and top-5 of type, make and model on pictures that are one vehicle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from data_tools.evaluation.batches import pictures_of, through_graph
from vehicle_demo.recognition import Recognizer

_TASKS = {"type": ("vehicle_types", "types"), "make": ("makes", "makes"), "model": ("models", "models")}


def evaluate_attributes(recognizer: Recognizer, data: Path, split: str, limit: int | None) -> dict[str, Any] | None:
    """`type_top1`, `make_top1`, `model_top1`, `model_top5` and `images`; None when there are no such pictures.

    `model` is one of the 196 names; a name the checkpoint does not know counts as wrong.
    """
    hits: dict[str, list[bool]] = {"type_top1": [], "make_top1": [], "model_top1": [], "model_top5": []}
    for picture, _, outputs in through_graph(recognizer, pictures_of(data, "cars196", split, limit)):
        for task, (tensor, kind) in _TASKS.items():
            names = getattr(recognizer.checkpoint.labels, kind)
            order = np.argsort(-outputs[tensor][0], kind="stable")
            hits[f"{task}_top1"].append(names[order[0]] == getattr(picture, task))
            if task == "model":
                hits["model_top5"].append(picture.model in [names[index] for index in order[:5]])
    if not hits["type_top1"]:
        return None
    return {**{name: float(np.mean(values)) for name, values in hits.items()}, "images": len(hits["type_top1"])}
