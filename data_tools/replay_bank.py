"""Write the features that ship with a checkpoint to retrain its heads: training rows to keep fresh, and a hold-out."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from data_tools.readers.picture import Picture
    from vehicle_demo.recognition import Recognizer
    from vehicle_demo.retraining.shipped import Examples


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
    from vehicle_demo.retraining.training_pictures import spread

    recognizer = Recognizer.from_checkpoint(args.checkpoint)
    splits = {split: list(pictures_of(args.data, "cars196", split, None)) for split in ("train", "validation")}
    for split, pictures in splits.items():
        if not pictures:
            raise ValueError(f"{args.data} has no pictures with names of the split {split}.")
    replayed = spread(splits["train"], args.rows, lambda picture: picture.model)
    bank = Bank(described(recognizer, replayed), described(recognizer, splits["validation"]))
    path = args.checkpoint / BANK_FILE
    write_bank(path, recognizer.checkpoint, bank)
    print(
        f"{path}: {len(bank.replay)} of {len(splits['train'])} training rows, {len(bank.holdout)} held out, "
        f"{path.stat().st_size / 1e6:.1f} MB"
    )


def described(recognizer: Recognizer, pictures: Sequence[Picture]) -> Examples:
    """Features of pictures that each show one vehicle and little else, with what is known of it."""
    import numpy as np
    from tqdm import tqdm

    from vehicle_demo.recognition.heads import TENSORS
    from vehicle_demo.retraining.features import described_whole
    from vehicle_demo.retraining.shipped import Examples

    with tqdm(total=len(pictures), unit=" pictures") as bar:
        parts = []
        for part in described_whole(recognizer, [picture.encoded for picture in pictures]):
            parts.append(part)
            bar.update(len(part))
    truth = {task: np.array([getattr(picture, task) or "" for picture in pictures]) for task in TENSORS}
    return Examples(np.concatenate(parts), truth)
