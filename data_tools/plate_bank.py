"""Write what ships with a checkpoint to teach its plate reader's last layer: plates to keep fresh, and a hold-out."""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from PIL import Image

    from vehicle_demo.recognition.reader import Reader
    from vehicle_demo.retraining.plates import PlateExamples

_SEED = 0
_TOGETHER = 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools plate-bank`."""
    parser.add_argument("--checkpoint", type=Path, required=True, help="a checkpoint folder with a plate reader")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="a folder with close-ups of plates")
    parser.add_argument("--rows", type=int, default=600, help="at most this many of the training split")
    parser.add_argument("--drawn", type=int, default=600, help="drawn plates, of any style, to keep fresh too")


def run(args: argparse.Namespace) -> None:
    """Write `plates.safetensors` into the checkpoint's folder; no pictures are in it.

    The reader's graph gets a second output where it has none: what its last layer reads.

    Raises:
        CheckpointError: the checkpoint cannot be loaded.
        ValueError: it has no reader that can be taught, or the folder lacks plates of one of the splits.
    """
    import numpy as np

    from data_tools.evaluation.batches import pictures_of
    from data_tools.reader_graph import give_features
    from data_tools.training.plates import close_up
    from vehicle_demo.recognition.checkpoint import load_checkpoint
    from vehicle_demo.recognition.heads import Head
    from vehicle_demo.recognition.plates import CHARACTERS
    from vehicle_demo.recognition.reader import Reader
    from vehicle_demo.retraining.plates import PLATE_BANK_FILE, PlateBank, write_plate_bank
    from vehicle_demo.retraining.shipped import reader_sha256
    from vehicle_demo.retraining.training_pictures import spread

    checkpoint = load_checkpoint(args.checkpoint)
    if checkpoint.reader_path is None:
        raise ValueError(f"{args.checkpoint} has no plate reader. Train one with `python -m data_tools train-reader`.")
    weight, bias = give_features(checkpoint.reader_path)
    reader = Reader(checkpoint.reader_path)
    splits = {split: list(pictures_of(args.data, "plate_crops", split, None)) for split in ("train", "validation")}
    # Of a hold-out every character is known and has a slot, so that exact means exact.
    splits["validation"] = [one for one in splits["validation"] if _whole(one.plate_text or "")]
    for split, pictures in splits.items():
        if not pictures:
            raise ValueError(f"{args.data} has no plates of the split {split}.")
    replayed = spread(splits["train"], args.rows, lambda picture: picture.source)
    drawn = [close_up(np.random.default_rng((_SEED, number))) for number in range(args.drawn)]
    real = ((picture.decode(), picture.plate_text or "") for picture in replayed)
    held = ((picture.decode(), picture.plate_text or "") for picture in splits["validation"])
    bank = PlateBank(Head(CHARACTERS, weight, bias), examples(reader, (*real, *drawn)), examples(reader, held))
    path = args.checkpoint / PLATE_BANK_FILE
    write_plate_bank(path, reader_sha256(checkpoint), bank)
    print(
        f"{path}: {len(replayed)} of {len(splits['train'])} training plates, {len(drawn)} drawn, "
        f"{len(bank.holdout)} held out, {path.stat().st_size / 1e6:.1f} MB"
    )


def examples(reader: Reader, plates: Iterable[tuple[Image.Image, str]]) -> PlateExamples:
    """What the reader's last layer reads of close-ups with these texts, in capitals and without blanks."""
    import numpy as np

    from vehicle_demo.retraining.plates import PlateExamples

    features, texts = list[np.ndarray](), list[str]()
    waiting = iter(plates)
    while batch := list(islice(waiting, _TOGETHER)):
        features.append(reader.describe([reader.prepare(image) for image, _ in batch]))
        texts += (text.upper().replace(" ", "") for _, text in batch)
    return PlateExamples(np.concatenate(features), np.array(texts, np.str_))


def _whole(text: str) -> bool:
    from vehicle_demo.recognition.plates import SLOTS

    return text.isalnum() and len(text) <= SLOTS
