"""Corrections data sets as the label store exports them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

TASKS = ("type", "make", "model")


@dataclass(frozen=True)
class Said:
    """One row: the encoded picture, the box in pixels, and by task what was said, None where nothing was."""

    encoded: bytes
    box: tuple[float, float, float, float]
    truth: Mapping[str, str | None]
    status: str = "answer"
    weight: float | None = 1.0


def part_of(encoded: bytes) -> str:
    """Half of the pictures to learn from, a quarter each to choose and to compare by: by their bytes alone."""
    return ("train", "train", "validation", "test")[hashlib.sha256(encoded).digest()[0] % 4]


def write_corrections(folder: Path, rows: Sequence[Said]) -> Path:
    """Write `data/{train,validation,test}.parquet` with the columns of the contract."""
    names = {task: sorted({name for row in rows if (name := row.truth[task])}) for task in TASKS}
    features = {"image": {"_type": "Image"}, **{t: {"names": n, "_type": "ClassLabel"} for t, n in names.items()}}
    word = pa.string()
    schema = pa.schema(
        {
            "image": pa.struct([("bytes", pa.binary()), ("path", word)]),
            "picture": word,
            "box": pa.list_(pa.float64()),
            **dict.fromkeys(TASKS, pa.int64()),
            "status": word,
            "weight": pa.float64(),
            "people": pa.int64(),
            **{f"predicted_{task}": word for task in TASKS},
            **dict.fromkeys(("source", "checkpoint", "heads_version", "person", "at"), word),
        }
    ).with_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for part in ("train", "validation", "test"):
        chosen = [_row(row, names) for row in rows if part_of(row.encoded) == part]
        pq.write_table(pa.Table.from_pylist(chosen, schema=schema), folder / "data" / f"{part}.parquet")
    return folder


def _row(row: Said, names: Mapping[str, list[Any]]) -> dict[str, Any]:
    picture = hashlib.sha256(row.encoded).hexdigest()
    return {
        "image": {"bytes": row.encoded, "path": f"{picture}.jpg"},
        "picture": picture,
        "box": list(row.box),
        **{task: None if row.truth[task] is None else names[task].index(row.truth[task]) for task in TASKS},
        "status": row.status,
        "weight": row.weight,
        "people": 1,
        **{f"predicted_{task}": "" for task in TASKS},
        "source": "drawn",
        "checkpoint": "nano",
        "heads_version": "built-in",
        "person": "ada",
        "at": "2026-01-01T00:00:00",
    }
