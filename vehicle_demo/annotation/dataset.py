"""What people said about plates as files to train on: a Hugging Face dataset, and fast-plate-ocr's CSV with pictures.

The same labels give the same bytes.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import text

from vehicle_demo.annotation.items import PlateItem, plate_of
from vehicle_demo.annotation.store import ANSWER, Event, Store, UnknownItemError, event_of
from vehicle_demo.recognition.rectify import box_around, checked_corners, rectified, seen_size

# Longest side in pixels of a crop, and the share of its sides left around a plate.
_LONGEST, _MARGIN = 512, 0.05
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first day that a zip file knows


@dataclass(frozen=True)
class Labelled:
    """A settled plate: the item, with the corners that hold, and what was last said of it."""

    item: PlateItem
    label: Event

    @property
    def text(self) -> str | None:
        """What is on the plate; None when it is not readable, or none."""
        return str(self.label.value) if self.label.kind == ANSWER else None


def labelled(store: Store) -> list[Labelled]:
    """Every settled plate, the first added first. Raises StoreError."""
    with store.reading() as connection:
        items = [plate_of(row) for row in connection.execute(_SETTLED)]
        labels = [event_of(row) for row in connection.execute(_LABELS)]
    said = {(label.item, label.field): label for label in labels}
    found = []
    for item in items:
        moved = said.get((item.id, "corners"))
        if moved is not None:
            corners = tuple((float(x), float(y)) for x, y in moved.value["corners"])
            item = replace(item, corners=corners, box=box_around(corners))
        found.append(Labelled(item, said[item.id, "text"]))
    return found


def parquet_bytes(store: Store) -> bytes:
    """A parquet file that `datasets.load_dataset("parquet", data_files=...)` reads, a row for each settled plate.

    Columns: `image` (the plate, turned to the front), `picture` (SHA-256 of the whole picture's file), `source`, `box`,
    `corners` (pixels of the whole picture), `predicted`, `slots` (the likeliest characters of each with their scores),
    `confidence`, `checkpoint`, `heads_version`, `status` (what kind of answer), `text` (null without one), `person`,
    `at`.

    Raises:
        StoreError: the labels cannot be read, or a picture is gone.
    """
    import pyarrow as pa
    import pyarrow.parquet as parquet

    number, word = pa.float64(), pa.string()
    character = pa.struct([("character", word), ("score", number)])
    columns = {
        "image": pa.struct([("bytes", pa.binary()), ("path", word)]),
        **dict.fromkeys(("picture", "source"), word),
        "box": pa.list_(number),
        "corners": pa.list_(pa.list_(number)),
        "predicted": word,
        "slots": pa.list_(pa.list_(character)),
        "confidence": number,
        **dict.fromkeys(("checkpoint", "heads_version", "status", "text", "person", "at"), word),
    }
    # What `datasets` reads to know that the first column holds pictures.
    info = {"info": {"features": {"image": {"_type": "Image"}, **_features(columns)}}}
    schema = pa.schema(columns).with_metadata({"huggingface": json.dumps(info)})
    table = pa.Table.from_pylist([_row(store, one) for one in labelled(store)], schema=schema)
    buffer = io.BytesIO()
    parquet.write_table(table, buffer)
    return buffer.getvalue()


def corrected_plates(store: Store) -> bytes:
    """A parquet file of settled plates in their whole pictures, to retrain on; empty where there are none.

    Columns: `image` (the picture's file as it is), and of those of `parquet_bytes` all that is not about the turned
    plate: `picture`, `source`, `box`, `corners`, `predicted`, `checkpoint`, `heads_version`, `status`, `text`,
    `person`, `at`.

    Raises:
        StoreError: the labels cannot be read, or a picture is gone.
    """
    import pyarrow as pa
    import pyarrow.parquet as parquet

    rows = []
    for one in labelled(store):
        try:
            content = store.pictures.path(one.item.picture).read_bytes()
        except OSError as error:
            raise UnknownItemError(f"The picture {one.item.picture} of plate {one.item.id} is missing.") from error
        rows.append({"image": {"bytes": content, "path": one.item.picture}, **_told(one)})
    if not rows:
        return b""
    buffer = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def fast_plate_ocr_bytes(store: Store) -> bytes:
    """A zip with `labels.csv` (image_path, plate_text) and the plates with a text, as fast-plate-ocr trains on.

    Raises:
        StoreError: the labels cannot be read, or a picture is gone.
    """
    lines, buffer = io.StringIO(newline=""), io.BytesIO()
    rows = csv.writer(lines)
    rows.writerow(["image_path", "plate_text"])
    with zipfile.ZipFile(buffer, "w") as archive:
        for one in labelled(store):
            if one.text is not None:
                path = f"images/{one.item.id:06d}.png"
                rows.writerow([path, one.text])
                archive.writestr(zipfile.ZipInfo(path, _EPOCH), _crop(store, one.item))
        archive.writestr(zipfile.ZipInfo("labels.csv", _EPOCH), lines.getvalue())
    return buffer.getvalue()


def _features(columns: dict[str, Any]) -> dict[str, Any]:
    """The columns after the picture as `datasets` names their types."""
    number, word = ({"dtype": dtype, "_type": "Value"} for dtype in ("float64", "string"))
    lists = {
        "box": _list(number),
        "corners": _list(_list(number)),
        "slots": _list(_list({"character": word, "score": number})),
        "confidence": number,
    }
    return {name: lists.get(name, word) for name in columns if name != "image"}


def _list(feature: dict[str, Any]) -> dict[str, Any]:
    return {"feature": feature, "_type": "List"}


def _row(store: Store, one: Labelled) -> dict[str, Any]:
    reading = one.item.reading
    return {
        "image": {"bytes": _crop(store, one.item), "path": f"{one.item.id:06d}.png"},
        "slots": [[asdict(character) for character in slot] for slot in reading.slots] if reading else [],
        "confidence": one.item.confidence,
        **_told(one),
    }


def _told(one: Labelled) -> dict[str, Any]:
    """All columns that are the same whatever picture is beside them."""
    item, label = one.item, one.label
    return {
        "picture": item.picture,
        "source": item.source,
        "box": item.box.to_list(),
        "corners": [list(corner) for corner in item.corners],
        "predicted": item.reading.text if item.reading else "",
        "checkpoint": item.checkpoint,
        "heads_version": item.heads_version,
        "status": label.kind,
        "text": one.text,
        "person": label.person,
        "at": label.at,
    }


def _crop(store: Store, item: PlateItem) -> bytes:
    """The plate turned to the front, as a PNG of about its own size."""
    image = store.picture(item)
    corners = checked_corners(item.corners, image.size)
    seen = seen_size(corners)
    scale = min(1.0, _LONGEST / max(seen)) * (1 + 2 * _MARGIN)
    width, height = (max(8, round(side * scale)) for side in seen)
    buffer = io.BytesIO()
    rectified(image, corners, (width, height), _MARGIN).save(buffer, "PNG")
    return buffer.getvalue()


_SETTLED = text("SELECT * FROM plate_items WHERE id IN (SELECT item FROM labels WHERE field = 'text') ORDER BY id")
_LABELS = text("SELECT * FROM labels")
