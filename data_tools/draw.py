"""Draw street scenes with labels, as a parquet file or as example pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

# Scenes that show well what the app does, none of them ever a training picture: seeds count from UNSEEN.
EXAMPLES = {
    "avenue": 28,
    "bus": 11,
    "city": 9,
    "delivery": 15,
    "evening": 3,
    "motorway": 23,
    "side-by-side": 25,
    "suburb": 22,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools draw`."""
    parser.add_argument(
        "--output", type=Path, required=True, help="a .parquet file, or a folder for the app's examples"
    )
    parser.add_argument("--count", type=int, default=100, help="scenes in the parquet file")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first scene")


def run(args: argparse.Namespace) -> None:
    """Write `--output`: scenes with labels when it ends in .parquet, else the example pictures and labels.json."""
    from data_tools.drawing import write_parquet

    if args.output.suffix == ".parquet":
        args.output.parent.mkdir(parents=True, exist_ok=True)
        write_parquet(args.output, args.count, args.seed)
    else:
        write_examples(args.output)


def write_examples(folder: Path) -> None:
    """The pictures of `EXAMPLES` as NAME.jpg, 960 x 720, with their labels in labels.json."""
    import json

    from data_tools.drawing import UNSEEN, draw_scene

    folder.mkdir(parents=True, exist_ok=True)
    labels = {}
    for name, seed in EXAMPLES.items():
        scene = draw_scene(UNSEEN + seed, size=(960, 720))
        scene.image.save(folder / f"{name}.jpg", quality=88)
        labels[f"{name}.jpg"] = {key: value for key, value in vars(scene).items() if key != "image"}
    (folder / "labels.json").write_text(json.dumps(labels, indent=1) + "\n")
