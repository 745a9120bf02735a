"""Write the features that ship with a checkpoint to retrain its heads: training rows to keep fresh, and a hold-out."""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from data_tools.readers.picture import Picture
    from vehicle_demo.recognition import Recognizer
    from vehicle_demo.retraining.shipped import Examples

_SEED = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools replay-bank`."""
    parser.add_argument("--checkpoint", type=Path, required=True, help="a checkpoint folder")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="a data set's folder")
    parser.add_argument("--rows", type=int, default=3000, help="at most this many of the training split, each 1 kB")


def run(args: argparse.Namespace) -> None:
    """Write `replay.safetensors` into the checkpoint's folder; no pictures are in it.

    Raises:
        CheckpointError: the checkpoint cannot be loaded.
        ValueError: the folder lacks pictures with names of one of the splits.
    """
    from data_tools.evaluation.batches import pictures_of
    from vehicle_demo.recognition import Recognizer
    from vehicle_demo.retraining.shipped import BANK_FILE, Bank, write_bank

    recognizer = Recognizer.from_checkpoint(args.checkpoint)
    splits = {split: list(pictures_of(args.data, "cars196", split, None)) for split in ("train", "validation")}
    for split, pictures in splits.items():
        if not pictures:
            raise ValueError(f"{args.data} has no pictures with names of the split {split}.")
    replayed = spread(splits["train"], args.rows)
    bank = Bank(described(recognizer, replayed), described(recognizer, splits["validation"]))
    path = args.checkpoint / BANK_FILE
    write_bank(path, recognizer.checkpoint, bank)
    print(
        f"{path}: {len(bank.replay)} of {len(splits['train'])} training rows, {len(bank.holdout)} held out, "
        f"{path.stat().st_size / 1e6:.1f} MB"
    )


def spread(pictures: Sequence[Picture], count: int, of: str = "model") -> list[Picture]:
    """At most `count` pictures in their order, from all models (or what `of` names) as evenly as there are.

    They are always the same ones.
    """
    import numpy as np

    rounds: dict[str | None, int] = defaultdict(int)
    turns = []
    for number in np.random.default_rng(_SEED).permutation(len(pictures)).tolist():
        group = getattr(pictures[number], of)
        turns.append((rounds[group], number))
        rounds[group] += 1
    return [pictures[number] for number in sorted(number for _, number in sorted(turns)[:count])]


def described(recognizer: Recognizer, pictures: Sequence[Picture]) -> Examples:
    """Features of pictures that each show one vehicle and little else, with what is known of it."""
    import numpy as np
    from tqdm import tqdm

    from data_tools.evaluation.batches import through_graph
    from vehicle_demo.recognition.heads import TENSORS, features_of
    from vehicle_demo.retraining.shipped import Examples

    tensor = features_of(recognizer.graph.outputs)
    passed = through_graph(recognizer, iter(pictures))
    rows = [outputs[tensor][0] for _, _, outputs in tqdm(passed, total=len(pictures), unit=" pictures")]
    truth = {task: np.array([getattr(picture, task) or "" for picture in pictures]) for task in TENSORS}
    return Examples(np.stack(rows), truth)
