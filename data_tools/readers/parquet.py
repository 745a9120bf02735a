"""Reads the parquet files described in the data folder's README (`image`, `split`, and a few label columns)."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pyarrow.parquet as pq
from PIL import Image

from data_tools.readers.picture import LabelledBox, Picture
from data_tools.readers.readings import READINGS_FILE, Readings

# A detector's own score above which its box is good enough to learn from (looked at: tight on single cars above it).
PSEUDO_BOX_SCORE = 0.5

# Of a drawn vehicle this share must be in sight, and its box this many pixels high and wide, to tell its model.
_DRAWN_VISIBLE, _DRAWN_SIDE = 0.6, 32

_VEHICLE_LABELS = frozenset({"car", "suv", "truck", "bus", "van", "motorcycle", "vehicle"})


def read(folder: Path, name: str) -> Iterator[Picture]:
    """Yield the pictures of `folder/name.parquet`; nothing when the file is absent.

    `name` is one of `cars196`, `detection`, `reid`, `plate_crops`, `plate_photos` and `drawn`.

    Raises:
        KeyError: `name` is none of these.
    """
    to_picture = _ROWS[name]
    path = folder / f"{name}.parquet"
    if not path.exists():
        return
    for batch in pq.ParquetFile(path).iter_batches(batch_size=64):
        for row in batch.to_pylist():
            yield to_picture(row)


def read_drawn_vehicles(folder: Path, split: str) -> Iterator[Picture]:
    """Each vehicle of `folder/drawn.parquet` that is large and free enough in its frame, as a picture of its own."""
    path = folder / "drawn.parquet"
    if not path.exists():
        return
    for batch in pq.ParquetFile(path).iter_batches(batch_size=64):
        for row in batch.to_pylist():
            if row["split"] == split:
                yield from _drawn_vehicles(row)


def read_pseudo_boxes(folder: Path) -> dict[str, tuple[LabelledBox, ...]]:
    """Boxes that other detectors agree on, by picture path; teachers' answers, never to be evaluated on."""
    path = folder / "vehicle_pseudo_boxes.parquet"
    boxes: dict[str, tuple[LabelledBox, ...]] = {}
    if path.exists():
        for row in pq.read_table(path).to_pylist():
            kept = zip(row["boxes"], row["scores"], strict=True)
            boxes[row["path"]] = tuple(_box(b, "vehicle") for b, score in kept if score >= PSEUDO_BOX_SCORE)
    return boxes


def read_reid_teacher(folder: Path) -> dict[tuple[str, str], list[float]]:
    """(source, path) -> the re-identification teachers' 256-d L2-normalised embedding."""
    path = folder / "reid_teacher.parquet"
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    if path.exists():
        for row in pq.read_table(path).to_pylist():
            found[row["source"], row["path"]] = row["embedding"]
    return found


def _box(box: list[float], label: str, text: str | None = None) -> LabelledBox:
    cx, cy, w, h = box
    return LabelledBox((cx, cy, w, h), label, text)


def _common(row: dict, source: str) -> dict:
    return {
        "stored": row["image"]["bytes"],
        "path": row["image"]["path"],
        "source": source,
        "split": row["split"],
    }


def _cars196(row: dict) -> Picture:
    return Picture(**_common(row, "cars196"), type=row["type"], make=row["make"], model=row["name"])


def _detection(row: dict) -> Picture:
    labelled = zip(row["boxes"], row["labels"], strict=True)
    boxes = tuple(_box(box, label) for box, label in labelled if label in _VEHICLE_LABELS)
    return Picture(**_common(row, row["source"]), boxes=boxes, labelled_kinds=frozenset({"vehicle"}))


def _reid(row: dict) -> Picture:
    kind = None if row["type"] == "car" else row["type"]
    identity, camera = (None if row[name] is None else str(row[name]) for name in ("vehicle_id", "camera_id"))
    return Picture(**_common(row, "reid"), type=kind, vehicle_id=identity, camera_id=camera)


def _plate_crop(row: dict) -> Picture:
    return Picture(**_common(row, row["source"]), plate_text=row["text"])


def _plate_photo(row: dict) -> Picture:
    photo, texts = row["image"]["bytes"], row.get("texts") or [None] * len(row["boxes"])
    read_by_eye = [_readings().text_of(photo, number) for number in range(len(texts))]
    labelled = zip(row["boxes"], texts, read_by_eye, strict=True)
    boxes = tuple(_box(box, "plate", text or read) for box, text, read in labelled)
    return Picture(**_common(row, row["source"]), boxes=boxes, labelled_kinds=frozenset({"plate"}))


@cache
def _readings() -> Readings:
    return Readings(READINGS_FILE)


def _drawn(row: dict) -> Picture:
    boxes = [_box(box, label) for box, label in zip(row["boxes"], row["labels"], strict=True)]
    boxes += [_box(box, "plate") for box in row["plate_boxes"] if box is not None]
    return Picture(**_common(row, "drawn"), boxes=tuple(boxes), labelled_kinds=frozenset({"vehicle", "plate"}))


def _drawn_vehicles(row: dict) -> Iterator[Picture]:
    with Image.open(io.BytesIO(row["image"]["bytes"])) as image:
        width, height = image.size
    for number, (box, share) in enumerate(zip(row["boxes"], row["visible"], strict=True)):
        if share < _DRAWN_VISIBLE or min(box[2] * width, box[3] * height) < _DRAWN_SIDE:
            continue
        common = _common(row, "drawn") | {"path": f"{row['image']['path']} {number}"}
        names = {name: row[f"{name}s"][number] for name in ("type", "make", "model", "colour")}
        seen_by = {"vehicle_id": str(row["vehicle_ids"][number]), "camera_id": row["camera_id"]}
        yield Picture(**common, **names, **seen_by, window=tuple(box))


# What reads a row of each file, by the file's name.
_ROWS = {
    "cars196": _cars196,
    "detection": _detection,
    "reid": _reid,
    "plate_crops": _plate_crop,
    "plate_photos": _plate_photo,
    "drawn": _drawn,
}

FILES = tuple(_ROWS)
