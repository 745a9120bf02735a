"""Choose a checkpoint's thresholds and temperatures on a split and write them into its checkpoint.json."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_TENSORS = {"type": ("vehicle_types", "types"), "make": ("makes", "makes"), "model": ("models", "models")}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools calibrate`."""
    parser.add_argument("--checkpoint", type=Path, required=True, help="a checkpoint folder")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of parquet files")
    parser.add_argument("--split", default="validation")


def run(args: argparse.Namespace) -> None:
    """Print and write what was chosen: the detection threshold by F1 at IoU 0.5, a temperature a head by likelihood.

    Raises:
        ValueError: the split has no boxes or no names to choose by.
    """
    import numpy as np

    from data_tools.evaluation.batches import pictures_of, through_graph
    from data_tools.evaluation.detection import best_threshold, scenes_of
    from vehicle_demo.recognition import Recognizer

    recognizer = Recognizer.from_checkpoint(args.checkpoint)
    threshold, f1 = best_threshold(list(scenes_of(recognizer, args.data, args.split, None)))
    print(f"detection threshold {threshold:.3f}, F1 {f1:.3f}")
    logits: dict[str, list[np.ndarray]] = {task: [] for task in _TENSORS}
    truths: dict[str, list[int]] = {task: [] for task in _TENSORS}
    for picture, _, outputs in through_graph(recognizer, pictures_of(args.data, "cars196", args.split, None)):
        for task, (tensor, kind) in _TENSORS.items():
            names = getattr(recognizer.checkpoint.labels, kind)
            if getattr(picture, task) in names:
                logits[task].append(outputs[tensor][0])
                truths[task].append(names.index(getattr(picture, task)))
    temperatures = {}
    for task in _TENSORS:
        if not truths[task]:
            raise ValueError(f"{args.data} has no {task} names of the split {args.split} that the checkpoint knows.")
        stacked, truth = np.stack(logits[task]), np.array(truths[task])
        temperatures[task] = round(best_temperature(stacked, truth), 3)
        before, after = (calibration_error(stacked / t, truth) for t in (1.0, temperatures[task]))
        print(f"{task} temperature {temperatures[task]:.3f}, expected calibration error {before:.3f} -> {after:.3f}")
    description = args.checkpoint / "checkpoint.json"
    values = json.loads(description.read_text())
    values["thresholds"] = {
        **values.get("thresholds", {}),
        "detection": round(threshold, 3),
        "detection_floor": round(0.75 * threshold, 3),
    }
    values["temperatures"] = temperatures
    description.write_text(json.dumps(values, indent=1) + "\n")


def best_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The divisor of the logits (N, K) under which the truths (N,) are likeliest (Guo et al., arXiv 1706.04599)."""
    import numpy as np
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    def surprise(log_temperature: float) -> float:
        return -float(log_softmax(logits / np.exp(log_temperature), axis=1)[np.arange(len(truth)), truth].mean())

    return float(np.exp(minimize_scalar(surprise, bounds=(-3, 3), method="bounded").x))


def calibration_error(logits: np.ndarray, truth: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error of the top answer in equally wide bins of confidence."""
    import numpy as np
    from scipy.special import softmax

    probabilities = softmax(logits, axis=1)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    places = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(right[places == b].mean() - confidence[places == b].mean()) * (places == b).mean() for b in set(places)]
    return float(sum(gaps))
