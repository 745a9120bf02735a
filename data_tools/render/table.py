"""Rendered frames as a parquet file in the columns of the data folder, and a few more."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from data_tools.render.frames import FrameLabel, stored_frames

_VALIDATION_SHARE = 0.1


def write_table(folder: Path, path: Path, split: str | None = None) -> int:
    """Write all finished frames of `folder` to `path` and return their number.

    They belong to `split`, or else a tenth of the sets to validation and the others to training.
    """
    rows = [_row(picture, label, split or _split(label.set)) for picture, label in stored_frames(folder)]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return len(rows)


def _row(picture: Path, label: FrameLabel, split: str) -> dict[str, object]:
    with Image.open(picture) as image:
        width, height = image.size

    def fractions(box: tuple[float, ...]) -> list[float]:
        x1, y1, x2, y2 = box
        return [(x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height]

    vehicles = label.vehicles
    plates = [vehicle["plate"] for vehicle in vehicles]
    return {
        "image": {"bytes": picture.read_bytes(), "path": picture.name},
        "split": split,
        "source": "drawn",
        "boxes": [fractions(vehicle["visible_box"]) for vehicle in vehicles],
        "labels": [vehicle["category"] for vehicle in vehicles],
        "plate_boxes": [fractions(_around(corners)) if corners else None for corners in plates],
        "plate_corners": [[[x / width, y / height] for x, y in corners] if corners else None for corners in plates],
        "texts": [vehicle["plate_text"] for vehicle in vehicles],
        "plate_layouts": [vehicle["plate_layout"] for vehicle in vehicles],
        **{
            f"{name}s": [vehicle[name] for vehicle in vehicles]
            for name in ("type", "make", "model", "year", "colour", "viewpoint")
        },
        "visible": [vehicle["visible"] for vehicle in vehicles],
        "vehicle_ids": [vehicle["identity"] for vehicle in vehicles],
        "camera_id": f"{label.set}-{label.view}",
        "camera": label.camera,
        "place": label.place,
        "light": label.light,
    }


def _around(corners: list[list[float]]) -> tuple[float, float, float, float]:
    xs, ys = zip(*corners, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _split(number: int) -> str:
    """A set's frames share one split, which depends on its number alone."""
    share = int(hashlib.sha256(str(number).encode()).hexdigest()[:8], 16) / 2**32
    return "validation" if share < _VALIDATION_SHARE else "train"
