"""The sample's photos in the sizes that people send: what is timed and tested with."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from PIL import Image

import vehicle_demo
from vehicle_demo.recognition import Recognizer

PHOTOS = Path(vehicle_demo.__file__).parent / "samples" / "photos"
_WIDTH = 1280


def photos() -> Iterator[Image.Image]:
    """Every photo of the sample, RGB, 1280 px wide."""
    for path in sorted(PHOTOS.glob("*.jpg")):
        with Image.open(path) as photo:
            yield _enlarged(photo.convert("RGB"))


def windows() -> Iterator[Image.Image]:
    """The quarters of every photo, as large as the photos: fewer vehicles, and no picture that is an example."""
    for photo in photos():
        width, height = photo.size
        for left in (0, width // 2):
            for top in (0, height // 2):
                yield _enlarged(photo.crop((left, top, left + width // 2, top + height // 2)))


def photo_with(recognizer: Recognizer, vehicles: int) -> bytes:
    """JPEG of the first picture in which just this many vehicles are found: each costs a pass over its crop.

    Raises:
        ValueError: it finds so many in none of the sample's pictures.
    """
    pictures = chain(windows(), photos())
    picture = next((one for one in pictures if len(recognizer.recognize(one).vehicles) == vehicles), None)
    if picture is None:
        name = recognizer.checkpoint.name
        raise ValueError(f"{name} finds {vehicles} vehicles in none of the sample's pictures.")
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _enlarged(picture: Image.Image) -> Image.Image:
    return picture.resize((_WIDTH, round(_WIDTH * picture.height / picture.width)), Image.Resampling.BICUBIC)
