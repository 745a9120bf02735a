"""Tiny parquet files in the layout of the data folder, with pictures drawn here."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageDraw

from data_tools.render.table import write_table


def jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def street(seed: int) -> tuple[bytes, list[float]]:
    """A grey street with one coloured block on it, and the block's box."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (160, 120), (120, 120, 120))
    w, h = int(rng.integers(30, 60)), int(rng.integers(25, 45))
    x, y = int(rng.integers(0, 160 - w)), int(rng.integers(0, 120 - h))
    ImageDraw.Draw(image).rectangle((x, y, x + w, y + h), fill=tuple(int(c) for c in rng.integers(0, 255, 3)))
    return jpeg(image), [(x + w / 2) / 160, (y + h / 2) / 120, w / 160, h / 120]


def write_scenes(folder: Path, count: int, label: str = "car", source: str = "highway") -> None:
    rows = [street(seed) for seed in range(count)]
    table = {
        "image": [{"bytes": data, "path": f"{source}/{i}.jpg"} for i, (data, _) in enumerate(rows)],
        "split": ["train"] * count,
        "source": [source] * count,
        "boxes": [[box] for _, box in rows],
        "labels": [[label]] * count,
    }
    pq.write_table(pa.table(table), folder / "detection.parquet")


def write_cars(folder: Path, count: int, split: str = "train") -> None:
    """Three names that differ by colour: Aria Sedan (red), Aria Van (green), Boreal SUV (blue)."""
    names = [("Aria Sedan", "Aria", "sedan"), ("Aria Van", "Aria", "van"), ("Boreal SUV", "Boreal", "suv")]
    rows = []
    for index in range(count):
        name, make, kind = names[index % 3]
        colour = [40, 40, 40]
        colour[index % 3] = 220
        rows.append((jpeg(Image.new("RGB", (96, 64), tuple(colour))), name, make, kind, index % 3))
    table = {
        "image": [{"bytes": row[0], "path": f"{i}.jpg"} for i, row in enumerate(rows)],
        "split": [split] * count,
        "label": pa.array([row[4] for row in rows], pa.int32()),
        "name": [row[1] for row in rows],
        "make": [row[2] for row in rows],
        "model": [row[1].split()[1] for row in rows],
        "type": [row[3] for row in rows],
        "year": pa.array([2012] * count, pa.int32()),
    }
    pq.write_table(pa.table(table), folder / "cars196.parquet")


def write_drawn(folder: Path, frames: int, make: str = "Zephyr", split: str = "train") -> None:
    """Frames with four vans of one model: two seen well, one of them with its plate, one too small, one too hidden."""
    (folder / "frames").mkdir(parents=True)
    boxes = [(10, 20, 80, 90), (90, 20, 170, 90), (180, 20, 200, 40), (210, 20, 290, 90)]
    for view in range(frames):
        vehicles = [
            {
                "category": "van", "type": "van", "make": make, "model": f"{make} Puff Van 2015", "year": 2015,
                "colour": "red", "plate_text": "AB12CDE", "plate_layout": "uk", "identity": number, "box": box,
                "visible_box": box, "visible": 0.3 if number == 3 else 1.0, "viewpoint": 0.0,
                "plate": [[30, 70], [50, 70], [50, 75], [30, 75]] if number == 0 else None,
            }
            for number, box in enumerate(boxes)
        ]  # fmt: skip
        label = {"set": 0, "view": view, "place": "street", "light": "overcast", "camera": "gate", "vehicles": vehicles}
        (folder / f"frames/00000-{view:02d}.jpg").write_bytes(jpeg(Image.new("RGB", (320, 224), (90, 40 * view, 90))))
        (folder / f"frames/00000-{view:02d}.json").write_text(json.dumps(label))
    write_table(folder / "frames", folder / "drawn.parquet", split)


def write_rear_views(folder: Path, vehicles: int, split: str = "train") -> None:
    rows = [(v, camera) for v in range(vehicles) for camera in (1, 2)]
    pictures = [jpeg(Image.new("RGB", (64, 64), (20 * v % 255, 90, 40 * camera))) for v, camera in rows]
    table = {
        "image": [{"bytes": data, "path": f"v{v}_cam{c}.jpg"} for data, (v, c) in zip(pictures, rows, strict=True)],
        "split": [split] * len(rows),
        "vehicle_id": pa.array([v for v, _ in rows], pa.int32()),
        "camera_id": pa.array([c for _, c in rows], pa.int32()),
        "type": ["car"] * len(rows),
    }
    pq.write_table(pa.table(table), folder / "reid.parquet")


def write_plates(folder: Path, texts: list[str], split: str = "train", source: str = "uc3m") -> None:
    pictures = []
    for text in texts:
        image = Image.new("RGB", (120, 32), "white")
        ImageDraw.Draw(image).text((8, 8), text, fill="black")
        pictures.append(jpeg(image))
    table = {
        "image": [{"bytes": data, "path": f"{source}/{i}.jpg"} for i, data in enumerate(pictures)],
        "split": [split] * len(texts),
        "source": [source] * len(texts),
        "text": texts,
        "prefix": [""] * len(texts),
    }
    pq.write_table(pa.table(table), folder / "plate_crops.parquet")


def write_plate_photos(folder: Path, plates: list[tuple[str, list[float], str]], split: str = "evaluation") -> None:
    """One grey photo of 200 x 100, its plate a white block, for each (source, plate box, text)."""
    photos = []
    for _, (x, y, w, h), _ in plates:
        image = Image.new("RGB", (200, 100), (90, 90, 90))
        corners = ((x - w / 2) * 200, (y - h / 2) * 100, (x + w / 2) * 200, (y + h / 2) * 100)
        ImageDraw.Draw(image).rectangle(corners, fill="white")
        photos.append(jpeg(image))
    table = {
        "image": [{"bytes": data, "path": f"{i}.jpg"} for i, data in enumerate(photos)],
        "split": [split] * len(plates),
        "source": [source for source, _, _ in plates],
        "boxes": [[box] for _, box, _ in plates],
        "texts": [[text] for _, _, text in plates],
    }
    pq.write_table(pa.table(table), folder / "plate_photos.parquet")
