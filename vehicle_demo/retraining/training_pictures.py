"""Pictures of the training that a checkpoint's backbone is adapted beside: what it knows must be seen to be kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from vehicle_demo.recognition.heads import TENSORS
from vehicle_demo.retraining.shipped import RetrainError

PICTURES_FILE: Final = "cars196.parquet"
# The file's columns by task.
_COLUMNS: Final = {"type": "type", "make": "make", "model": "name"}
_SEED = 0
_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class TrainingPicture:
    """An encoded picture that shows one vehicle and little else, and by task its true name, empty where unknown."""

    encoded: bytes
    truth: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class TrainingPictures:
    """Those that were learnt from, and those that were measured on."""

    train: tuple[TrainingPicture, ...]
    validation: tuple[TrainingPicture, ...]


def read_training_pictures(folder: Path) -> TrainingPictures:
    """The pictures of `cars196.parquet` in a data folder.

    Raises:
        RetrainError: the file is not there, cannot be read, or has none of one of the splits.
    """
    # Costs a third of a second, and the app starts without it.
    import pyarrow as pa

    path = folder / PICTURES_FILE
    found: dict[str, list[TrainingPicture]] = {"train": [], "validation": []}
    try:
        for row in _rows(path):
            if row["split"] in found:
                truth = {task: row[column] or "" for task, column in _COLUMNS.items()}
                found[row["split"]].append(TrainingPicture(row["image"]["bytes"], truth))
    except (OSError, pa.ArrowException, KeyError) as error:
        raise RetrainError(f"{path} cannot be read ({error}). Name the folder of the training pictures.") from error
    for split, pictures in found.items():
        if not pictures:
            raise RetrainError(f"{path} has no pictures of the split {split}. Name the folder that it was trained on.")
    return TrainingPictures(*(tuple(found[split]) for split in ("train", "validation")))


def truth_of(pictures: Sequence[TrainingPicture]) -> dict[str, np.ndarray]:
    """By task the true names (N,)."""
    return {task: np.array([picture.truth[task] for picture in pictures], np.str_) for task in TENSORS}


def spread(items: Sequence[_T], count: int, group: Callable[[_T], Hashable]) -> list[_T]:
    """At most `count` of them in their order, from all groups as evenly as there are; always the same ones."""
    rounds: dict[Hashable, int] = defaultdict(int)
    turns = []
    for number in np.random.default_rng(_SEED).permutation(len(items)).tolist():
        of = group(items[number])
        turns.append((rounds[of], number))
        rounds[of] += 1
    return [items[number] for number in sorted(number for _, number in sorted(turns)[:count])]


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet as parquet

    columns = ["image", "split", *_COLUMNS.values()]
    for batch in parquet.ParquetFile(path).iter_batches(batch_size=64, columns=columns):
        yield from batch.to_pylist()
