"""Galleries whose rows are made up: clustered unit vectors with drawn thumbnails."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from vehicle_demo.gallery.gallery import Gallery, Item
from vehicle_demo.ui.galleries import Galleries
from vehicle_demo.ui.services import find_services

CAMERAS = 6
_TYPES = ("sedan", "suv", "van", "pickup")
_MAKES = ("Arvo", "Belmar", "Corvin", "Delta", "Eskel")


def unit_clusters(rows: int, dimension: int = 256, seed: int = 0) -> np.ndarray:
    """(rows, D) float32 of unit length, `CAMERAS` near each other and so on."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(-(-rows // CAMERAS), dimension)).repeat(CAMERAS, axis=0)[:rows]
    drawn = centres + rng.normal(0, 0.4, (rows, dimension))
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def drawn_items(rows: int) -> list[Item]:
    """Vehicles of which each is seen by every camera, in the order of `unit_clusters`."""
    return [_item(number) for number in range(rows)]


def _item(number: int) -> Item:
    vehicle, camera = divmod(number, CAMERAS)
    kind, make = _TYPES[vehicle % len(_TYPES)], _MAKES[vehicle % len(_MAKES)]
    picture = Image.new("RGB", (160, 120), tuple(60 + (vehicle * step) % 160 for step in (37, 61, 97)))
    ImageDraw.Draw(picture).text((40, 50), f"V{vehicle} C{camera}", fill="white", font_size=24)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG")
    return Item(
        f"{number:064x}",
        thumbnail=buffer.getvalue(),
        vehicle_id=f"V{vehicle}",
        camera=str(camera),
        type=kind,
        make=make,
        model=f"{make} {kind}",
        confidence=(number % 10) / 10,
    )


def fill_home(home: Path, name: str, rows: int) -> Gallery:
    """The gallery `name` of an app that has this home and its default checkpoint, with so many rows added."""
    recognizer = find_services().recognizer()
    gallery = Galleries(home / "galleries", home / "no sample").gallery(recognizer, name)
    gallery.add(unit_clusters(rows, recognizer.embedding_size), drawn_items(rows))
    return gallery
