"""What people said vehicles are, as files to train on: a Hugging Face dataset, and a folder of pictures with a CSV.

The same answers give the same bytes.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import text

from vehicle_demo.annotation.consensus import Consensus, consensus
from vehicle_demo.annotation.dataset import corrected_plates
from vehicle_demo.annotation.items import PARTS, VehicleItem, vehicle_of
from vehicle_demo.annotation.store import BOX, Store, UnknownItemError

SPLITS: Final = ("train", "validation", "test")
# Beside the vehicles, and not called after a split, so that `datasets` leaves it alone.
PLATES_FILE: Final = "plates.parquet"
# Of every ten pictures eight are for training and one for each of the others.
_SHARES = (8, 9, 10)
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first day that a zip file knows
_WORDS = ("status", "predicted_type", "predicted_make", "predicted_model", "source", "checkpoint", "heads_version")
_SUFFIXES = {b"\x89PNG": ".png", b"RIFF": ".webp", b"\xff\xd8\xff": ".jpg", b"GIF8": ".gif", b"BM": ".bmp"}


@dataclass(frozen=True, eq=False)
class Correction:
    """One vehicle that somebody has said something of: the item, its box in [x1, y1, x2, y2], and what holds."""

    item: VehicleItem
    box: tuple[float, ...]
    agreed: Consensus

    @property
    def split(self) -> str:
        """Where its picture belongs, now and in every later file."""
        return split_of(self.item.picture)


def split_of(picture: str) -> str:
    """The split of the picture with this SHA-256: a picture never moves from one to another."""
    place = int(picture[:8], 16) % _SHARES[-1]
    return next(split for split, below in zip(SPLITS, _SHARES, strict=True) if place < below)


def corrections(store: Store) -> list[Correction]:
    """Every vehicle that somebody has said something of, in an order that follows from pictures and boxes alone.

    Raises:
        StoreError: the labels cannot be read.
    """
    agreed = consensus(store)
    with store.reading() as connection:
        items = [vehicle_of(row) for row in connection.execute(_SAID)]
        boxes = {row.item: tuple(json.loads(row.value)) for row in connection.execute(_BOXES, {"field": BOX})}
    found = [Correction(item, boxes.get(item.id, tuple(item.box.to_list())), agreed[item.id]) for item in items]
    return sorted(found, key=lambda one: (one.item.picture, one.item.box.to_list()))


def write_dataset(store: Store, folder: Path, names: Mapping[str, tuple[str, ...]]) -> int:
    """Write `data/{train,validation,test}.parquet`, which `datasets.load_dataset(FOLDER)` reads; how many rows.

    A split without a row has no file, as that library reads no empty ones; one that was there is taken away.

    Columns: `image` (the whole picture), `picture` (SHA-256 of its file), `box` (pixels of the upright picture),
    `type`, `make`, `model` (ClassLabel; null where nobody said), `status`, `weight` (certainty, 0-1), `people`,
    `predicted_type`, `predicted_make`, `predicted_model`, `source`, `checkpoint`, `heads_version`, `person`, `at`.

    Settled plates are beside them in `plates.parquet`, where there are any; see `corrected_plates`.

    Args:
        names: the classes of `type`, `make` and `model`; names that people gave come behind them.

    Raises:
        StoreError: the labels cannot be read, or a picture is gone.
    """
    found = corrections(store)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    files = dict(dataset_files(store, found, names))
    for split in SPLITS:
        path = folder / file_of_split(split)
        if (content := files.get(file_of_split(split))) is not None:
            path.write_bytes(content)
        else:
            path.unlink(missing_ok=True)
    if plates := corrected_plates(store):
        (folder / PLATES_FILE).write_bytes(plates)
    else:
        (folder / PLATES_FILE).unlink(missing_ok=True)
    return len(found)


def dataset_zip(store: Store, names: Mapping[str, tuple[str, ...]]) -> bytes:
    """The folder that `write_dataset` writes, as a zip. Raises StoreError."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in dataset_files(store, corrections(store), names):
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), content)
    return buffer.getvalue()


def images_zip(store: Store, names: Mapping[str, tuple[str, ...]]) -> bytes:
    """A zip of each split's pictures with a `metadata.csv` that has the other columns, a row for each vehicle.

    `datasets.load_dataset("imagefolder", data_dir=...)` reads what comes out. Raises StoreError.
    """
    buffer = io.BytesIO()
    found = corrections(store)
    with zipfile.ZipFile(buffer, "w") as archive:
        for split in SPLITS:
            lines = io.StringIO(newline="")
            rows = csv.writer(lines)
            plain = [name for name in _columns() if name != "image"]
            rows.writerow(["file_name", *plain])
            written = set()
            for one in found:
                if one.split != split:
                    continue
                content = _picture(store, one.item)
                name = f"{one.item.picture}{_suffix(content)}"
                row = _row(store, one)
                rows.writerow([name, *(json.dumps(row[c]) if c == "box" else row[c] for c in plain)])
                if name not in written:
                    archive.writestr(zipfile.ZipInfo(f"{split}/{name}", _EPOCH), content)
                    written.add(name)
            if written:
                archive.writestr(zipfile.ZipInfo(f"{split}/metadata.csv", _EPOCH), lines.getvalue())
    return buffer.getvalue()


def file_of_split(split: str) -> str:
    """Where a data set keeps the rows of one of `SPLITS`."""
    return f"data/{split}.parquet"


def dataset_files(
    store: Store, found: Sequence[Correction], names: Mapping[str, tuple[str, ...]]
) -> Iterator[tuple[str, bytes]]:
    """(name, content) of each file that `write_dataset` writes. Raises StoreError."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    classes = {part: _classes(found, part, names.get(part, ())) for part in PARTS}
    columns = _columns()
    schema = pa.schema(columns).with_metadata({"huggingface": json.dumps({"info": {"features": _features(classes)}})})
    numbers = {part: {name: place for place, name in enumerate(listed)} for part, listed in classes.items()}
    for split in SPLITS:
        rows = []
        for one in found:
            if one.split == split:
                row = _row(store, one)
                content = _picture(store, one.item)
                row["image"] = {"bytes": content, "path": f"{one.item.picture}{_suffix(content)}"}
                rows.append({**row, **{part: numbers[part].get(row[part]) for part in PARTS}})
        if rows:
            buffer = io.BytesIO()
            parquet.write_table(pa.Table.from_pylist(rows, schema=schema), buffer)
            yield file_of_split(split), buffer.getvalue()


def _classes(found: Sequence[Correction], part: str, names: tuple[str, ...]) -> list[str]:
    """The names that are given, and behind them, so that no number changes, those that only people gave."""
    said = {name for one in found if (name := one.agreed.names[part])}
    return [*names, *sorted(said - set(names))]


def _columns() -> dict[str, Any]:
    import pyarrow as pa

    number, word, whole = pa.float64(), pa.string(), pa.int64()
    return {
        "image": pa.struct([("bytes", pa.binary()), ("path", word)]),
        "picture": word,
        "box": pa.list_(number),
        **dict.fromkeys(PARTS, whole),
        "weight": number,
        "people": whole,
        **dict.fromkeys((*_WORDS, "person", "at"), word),
    }


def _features(classes: Mapping[str, list[str]]) -> dict[str, Any]:
    """The columns as `datasets` names their types."""
    number, word, whole = ({"dtype": dtype, "_type": "Value"} for dtype in ("float64", "string", "int64"))
    told: dict[str, Any] = {
        "image": {"_type": "Image"},
        "box": {"feature": number, "_type": "List"},
        **{part: {"names": names, "_type": "ClassLabel"} for part, names in classes.items()},
        "weight": number,
        "people": whole,
    }
    return {name: told.get(name, word) for name in _columns()}


def _row(store: Store, one: Correction) -> dict[str, Any]:
    """All columns but the picture; the names as words."""
    item, agreed = one.item, one.agreed
    return {
        "picture": item.picture,
        "box": list(one.box),
        **{part: agreed.names[part] for part in PARTS},
        "status": agreed.status,
        "weight": round(agreed.weight, 6),
        "people": agreed.people,
        **{f"predicted_{part}": name for part, name in item.best().items()},
        "source": item.source,
        "checkpoint": item.checkpoint,
        "heads_version": item.heads_version,
        "person": agreed.last.person,
        "at": agreed.last.at,
    }


def _picture(store: Store, item: VehicleItem) -> bytes:
    try:
        return store.pictures.path(item.picture).read_bytes()
    except OSError as error:
        raise UnknownItemError(f"The picture {item.picture} of vehicle {item.id} is missing.") from error


def _suffix(content: bytes) -> str:
    return next((suffix for begins, suffix in _SUFFIXES.items() if content.startswith(begins)), ".img")


_SAID = text("SELECT * FROM vehicle_items WHERE id IN (SELECT item FROM labels WHERE field IN ('vehicle', 'decision'))")
_BOXES = text("SELECT item, value FROM labels WHERE field = :field")
