"""Choose a checkpoint's thresholds and temperatures on a split and write them into its checkpoint.json."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from vehicle_demo.recognition import Recognizer

_SAME_OBJECT = (0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools calibrate`."""
    parser.add_argument("--checkpoint", type=Path, required=True, help="a checkpoint folder")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of parquet files")
    parser.add_argument("--split", default="validation")


def run(args: argparse.Namespace) -> None:
    """Print and write what was chosen; for a network that only embeds the match threshold alone.

    `same_object` by the average precision of any vehicle (mean over IoU 0.5 to 0.95), the detection threshold by F1 at
    IoU 0.5, a temperature a head by likelihood, the match threshold by F1 over pairs from different cameras; the last
    stays as it was where there are no such pairs.

    Raises:
        ValueError: the split has no boxes or no names to choose by.
    """
    from vehicle_demo.recognition import Recognizer

    recognizer = Recognizer.from_checkpoint(args.checkpoint)
    description = args.checkpoint / "checkpoint.json"
    values = json.loads(description.read_text())
    thresholds: dict[str, float] = {}
    if not recognizer.names_by_another:
        values["same_object"], threshold = _of_boxes(recognizer, args.data, args.split)
        thresholds = {"detection": round(threshold, 3), "detection_floor": round(0.75 * threshold, 3)}
        values["temperatures"] = _of_names(recognizer, args.data, args.split)
    thresholds |= _of_pairs(recognizer, args.data, args.split)
    values["thresholds"] = {**values.get("thresholds", {}), **thresholds}
    description.write_text(json.dumps(values, indent=1) + "\n")


def _of_boxes(recognizer: Recognizer, data: Path, split: str) -> tuple[float, float]:
    """From which overlap two boxes are of one vehicle, and from which score one is shown."""
    from data_tools.evaluation.detection import average_precision, best_threshold, scenes_of

    scenes = list(scenes_of(recognizer, data, split, None))
    precision = {limit: average_precision([s.shown(limit) for s in scenes], None) for limit in _SAME_OBJECT}
    same_object = max(_SAME_OBJECT, key=lambda limit: precision[limit][1])
    for limit, (ap50, mean) in precision.items():
        print(f"same object from IoU {limit:.2f}: AP50 {ap50:.3f}, AP {mean:.3f}")
    threshold, f1 = best_threshold([scene.shown(same_object) for scene in scenes])
    print(f"chosen {same_object:.2f}; detection threshold {threshold:.3f}, F1 {f1:.3f}")
    return same_object, threshold


def _of_names(recognizer: Recognizer, data: Path, split: str) -> dict[str, float]:
    """The temperature of each head."""
    import numpy as np

    from data_tools.evaluation.attributes import TASKS
    from data_tools.evaluation.batches import pictures_of, through_graph
    from vehicle_demo.retraining.calibration import best_temperature, calibration_error

    logits: dict[str, list[np.ndarray]] = {task: [] for task in TASKS}
    truths: dict[str, list[int]] = {task: [] for task in TASKS}
    for picture, _, outputs in through_graph(recognizer, pictures_of(data, "cars196", split, None)):
        for task, (tensor, kind) in TASKS.items():
            names = getattr(recognizer.checkpoint.labels, kind)
            if getattr(picture, task) in names:
                logits[task].append(outputs[tensor][0])
                truths[task].append(names.index(getattr(picture, task)))
    temperatures: dict[str, float] = {}
    for task in TASKS:
        if not truths[task]:
            raise ValueError(f"{data} has no {task} names of the split {split} that the checkpoint knows.")
        stacked, truth = np.stack(logits[task]), np.array(truths[task])
        temperatures[task] = round(best_temperature(stacked, truth), 3)
        before, after = (calibration_error(stacked / t, truth) for t in (1.0, temperatures[task]))
        print(f"{task} temperature {temperatures[task]:.3f}, expected calibration error {before:.3f} -> {after:.3f}")
    return temperatures


def _of_pairs(recognizer: Recognizer, data: Path, split: str) -> dict[str, float]:
    """From which cosine two vehicles are one; nothing without pairs from different cameras."""
    import numpy as np

    from data_tools.evaluation.batches import embedded, pictures_of, whole
    from vehicle_demo.gallery.calibration import best_match

    rows = [
        (embedding, picture.vehicle_id, picture.camera_id)
        for picture, embedding in embedded(recognizer, whole(pictures_of(data, "reid", split, None)))
    ]
    if not rows:
        return {}
    embeddings, identities, cameras = (np.array(column) for column in zip(*rows, strict=True))
    match, f1 = best_match(embeddings, identities, cameras)
    print(f"match from cosine {match:.3f}, F1 of pairs from different cameras {f1:.3f}")
    return {"match": round(match, 3)}
