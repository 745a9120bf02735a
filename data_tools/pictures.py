"""The sample's photos in the sizes that people send: what is timed and tested with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from PIL import Image

import vehicle_demo

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


def _enlarged(picture: Image.Image) -> Image.Image:
    return picture.resize((_WIDTH, round(_WIDTH * picture.height / picture.width)), Image.Resampling.BICUBIC)
