"""What the network says of the drawn fleet's vehicles, whose names and colours are all known."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from data_tools.evaluation.attributes import TASKS
from data_tools.evaluation.batches import through_graph
from data_tools.readers.parquet import read_drawn_vehicles
from vehicle_demo.recognition import Recognizer

_TASKS = (*TASKS.items(), ("colour", ("colours", "colours")))


def evaluate_drawn(recognizer: Recognizer, data: Path, split: str, limit: int | None) -> dict[str, Any] | None:
    """`type_top1`, `make_top1`, `model_top1`, `colour_top1` and `vehicles`, each vehicle cut out by its box.

    All names count as answers, real ones too. None where no vehicle is drawn, or the checkpoint knows no drawn names.
    """
    labels = recognizer.checkpoint.labels
    if not labels.drawn:
        return None
    right = {task: 0 for task, _ in _TASKS}
    vehicles = 0
    for picture, _, outputs in through_graph(recognizer, islice(read_drawn_vehicles(data, split), limit)):
        vehicles += 1
        for task, (tensor, kind) in _TASKS:
            if tensor in outputs:
                right[task] += getattr(labels, kind)[int(outputs[tensor][0].argmax())] == getattr(picture, task)
    if not vehicles:
        return None
    return {**{f"{task}_top1": count / vehicles for task, count in right.items()}, "vehicles": vehicles}
