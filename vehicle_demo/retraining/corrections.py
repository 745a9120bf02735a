"""The corrections data set: what people said of vehicles, as the label store exports it.

A folder with `data/{train,validation,test}.parquet`, and `plates.parquet` where plates were read. A picture's split
follows from its bytes, so what is once kept aside is never learnt from later on.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from vehicle_demo.recognition.heads import TENSORS
from vehicle_demo.recognition.results import Box
from vehicle_demo.retraining.plates import ReadPlate, read_plates
from vehicle_demo.retraining.shipped import RetrainError

# Learnt from; settings chosen by; old and new compared on.
PARTS: Final = ("train", "validation", "test")
_ANSWER = "answer"
_COLUMNS = ("picture", "box", *TENSORS, "status", "weight", "people", *(f"predicted_{task}" for task in TENSORS))


@dataclass(frozen=True)
class Correction:
    """What was said of one vehicle: its picture's SHA-256, its box in pixels, and by task its true name, empty if none.

    `weight` is how certain people are, in [0, 1], `people` how many said so, `predicted` what was answered before.
    """

    part: str
    picture: str
    box: Box
    truth: Mapping[str, str]
    predicted: Mapping[str, str]
    weight: float
    people: int


@dataclass(frozen=True, eq=False)
class Corrections:
    """The rows of a folder that say what a vehicle is, in the folder's order, and how many there are of each status.

    `plates` are those that somebody read. `data` is a digest of all that a fit can learn from.
    """

    folder: Path
    rows: tuple[Correction, ...]
    statuses: Mapping[str, int] = field(default_factory=dict)
    plates: tuple[ReadPlate, ...] = ()

    @property
    def data(self) -> str:
        digest = hashlib.sha256()
        for row in self.rows:
            digest.update(repr((row.part, row.picture, row.box, sorted(row.truth.items()), row.weight)).encode())
        for plate in self.plates:
            digest.update(repr((plate.part, plate.picture, plate.box, plate.text)).encode())
        return digest.hexdigest()

    def pictures(self) -> Iterator[tuple[Correction, bytes]]:
        """Every row with its whole picture, encoded, a few in memory at a time. Raises RetrainError."""
        rows = iter(self.rows)
        for part in PARTS:
            for values in _rows(self.folder, part, ["image", "status", *TENSORS]):
                if _useful(values):
                    yield next(rows), values["image"]["bytes"]


def read_corrections(folder: Path) -> Corrections:
    """Read a folder without its pictures.

    Raises:
        RetrainError: it holds no such data set, or nothing to learn from.
    """
    rows, statuses = [], Counter[str]()
    for part in PARTS:
        for values in _rows(folder, part, _COLUMNS):
            statuses[values["status"]] += 1
            if _useful(values):
                rows.append(_correction(part, values))
    plates = read_plates(folder)
    if not rows and not plates:
        raise RetrainError(
            "There are no corrections yet. Correct some vehicles in the Review tab, or plates in the Plates tab, first."
        )
    return Corrections(folder, tuple(rows), dict(statuses), plates)


def _rows(folder: Path, part: str, columns: Any) -> Iterator[dict[str, Any]]:
    """Rows of a part, names of classes in place of their numbers; none where the part has no file."""
    # Costs a third of a second, and the app starts without it.
    import pyarrow as pa
    import pyarrow.parquet as parquet

    path = folder / "data" / f"{part}.parquet"
    if not path.exists():
        return
    try:
        file = parquet.ParquetFile(path)
        missing = sorted(set(columns) - set(file.schema_arrow.names))
        if missing:
            raise RetrainError(f"{path} lacks the columns {', '.join(missing)}. Export the corrections again.")
        names = _class_names(file.schema_arrow)
        for batch in file.iter_batches(batch_size=32, columns=list(columns)):
            for values in batch.to_pylist():
                for task in TENSORS:
                    if isinstance(values[task], int):
                        values[task] = names[task][values[task]]
                yield values
    except (OSError, pa.ArrowException, KeyError, IndexError, ValueError) as error:
        raise RetrainError(f"{path} cannot be read ({error}). Export the corrections again.") from error


def _class_names(schema: Any) -> dict[str, list[str]]:
    """The names behind the numbers of each task's column, as `datasets` keeps them."""
    about = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    features = about.get("info", {}).get("features", {})
    return {task: features[task]["names"] for task in TENSORS if "names" in features.get(task, {})}


def _useful(values: Mapping[str, Any]) -> bool:
    return values["status"] == _ANSWER and any(values[task] for task in TENSORS)


def _correction(part: str, values: Mapping[str, Any]) -> Correction:
    return Correction(
        part,
        values["picture"],
        Box(*(float(side) for side in values["box"])),
        {task: values[task] or "" for task in TENSORS},
        {task: values[f"predicted_{task}"] or "" for task in TENSORS},
        1.0 if values["weight"] is None else float(np.clip(values["weight"], 0, 1)),
        int(values["people"] or 1),
    )
