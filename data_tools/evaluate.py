"""Measure a checkpoint on a split of the data folder and write the figures as JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools evaluate`."""
    parser.add_argument("--checkpoint", required=True, help="a folder, an .onnx file or a Hub model")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="a data set's folder")
    parser.add_argument("--split", default="validation", help="train, validation or evaluation")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    parser.add_argument("--precision", default="fp32", choices=("fp32", "int8"))
    parser.add_argument("--limit", type=int, help="at most this many pictures of each file, for a quick look")


def run(args: argparse.Namespace) -> None:
    """Print every figure on a line of its own and write them all; files that are absent are left out.

    Raises:
        CheckpointError: the checkpoint cannot be loaded.
        ValueError: the folder has no pictures of that split at all.
    """
    from vehicle_demo.recognition import Recognizer

    figures = evaluate(Recognizer.from_checkpoint(args.checkpoint, args.precision), args.data, args.split, args.limit)
    if not figures:
        raise ValueError(f"{args.data} has no pictures of the split {args.split}.")
    for name, value in flattened(figures):
        print(f"{name:40} {value:.4f}" if isinstance(value, float) else f"{name:40} {value}")
    if args.output:
        args.output.write_text(json.dumps(figures, indent=1) + "\n")


def evaluate(recognizer: Any, data: Path, split: str, limit: int | None = None) -> dict[str, Any]:
    """All figures by task; tasks without pictures are left out."""
    from data_tools.evaluation.attributes import evaluate_attributes
    from data_tools.evaluation.detection import evaluate_detection
    from data_tools.evaluation.drawn import evaluate_drawn
    from data_tools.evaluation.open_set import evaluate_open_set
    from data_tools.evaluation.plates import evaluate_plate_photos, evaluate_plates
    from data_tools.evaluation.reid import evaluate_reid

    tasks = {
        "detection": evaluate_detection,
        "attributes": evaluate_attributes,
        "reid": evaluate_reid,
        "plates": evaluate_plates,
        "plates_photos": evaluate_plate_photos,
        "open_set": evaluate_open_set,
        "drawn": evaluate_drawn,
    }
    found = {name: measure(recognizer, data, split, limit) for name, measure in tasks.items()}
    return {name: figures for name, figures in found.items() if figures is not None}


def flattened(figures: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """`task.figure` and its value, depth first."""
    for name, value in figures.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
