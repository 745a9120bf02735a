"""Plates of training photos, whose boxes are labelled, and what they say where somebody has read them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from data_tools.readers.picture import Picture
from data_tools.training.labels import plate_slots
from data_tools.training.pictures import training_pictures
from vehicle_demo.recognition.boxes import to_corners
from vehicle_demo.recognition.plates import SLOTS

# This part of a box's sides is kept around it on each side.
MARGIN = 0.15
_LEAST_PIXELS = 28


@dataclass(frozen=True)
class PhotoPlates:
    """Plates with `MARGIN` around them, stretched: `pixels` (N, H, W, 3) uint8.

    `shapes` (N,) are their widths over their heights.
    `slots` (N, 8) int64 are what was read, -1 for a character that nobody could tell, and all -1 where nobody tried.
    """

    pixels: np.ndarray
    shapes: np.ndarray
    slots: np.ndarray

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, rows: np.ndarray) -> PhotoPlates:
        return PhotoPlates(self.pixels[rows], self.shapes[rows], self.slots[rows])

    @property
    def read(self) -> np.ndarray:
        """(N,) bool."""
        return np.asarray((self.slots >= 0).any(axis=1))


def photo_plates(folders: Sequence[Path], cache: Path, size: tuple[int, int]) -> PhotoPlates:
    """The plates of all training photos, stretched to `size` (height, width). There may be none.

    Left out are those too small to be read, and those that were looked at and could not be.
    """
    pictures = training_pictures(folders, "plate_photos")
    told = [(picture.source, picture.path, [box.text for box in picture.boxes]) for picture in pictures]
    named = repr([MARGIN, _LEAST_PIXELS, size, told])
    path = cache / f"photo-plates-{hashlib.sha256(named.encode()).hexdigest()[:12]}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        cut = [plate for p in tqdm(pictures, desc="cutting plates out") for plate in _cut(p, size)]
        unfinished = path.with_suffix(".part.npz")
        np.savez(
            unfinished,
            pixels=np.stack([pixels for pixels, _, _ in cut]) if cut else np.zeros((0, *size, 3), np.uint8),
            shapes=np.array([shape for _, shape, _ in cut]),
            slots=np.array([slots for _, _, slots in cut], np.int64).reshape(-1, SLOTS),
        )
        unfinished.rename(path)
    kept = np.load(path)
    return PhotoPlates(kept["pixels"], kept["shapes"], kept["slots"])


def _cut(picture: Picture, size: tuple[int, int]) -> Iterator[tuple[np.ndarray, float, list[int]]]:
    image = picture.decode()
    corners = to_corners(np.array([label.box for label in picture.boxes]).reshape(-1, 4)) * [*image.size, *image.size]
    for label, (x1, y1, x2, y2) in zip(picture.boxes, corners, strict=True):
        if x2 - x1 < _LEAST_PIXELS or label.text == "":
            continue
        dx, dy = (x2 - x1) * MARGIN, (y2 - y1) * MARGIN
        # Beyond the photo it is black, as it is for the reader in use.
        window = (round(x1 - dx), round(y1 - dy), round(x2 + dx), round(y2 + dy))
        pixels = np.asarray(image.crop(window).resize(size[::-1], Image.Resampling.BILINEAR))
        yield pixels, (x2 - x1) / max(y2 - y1, 1), plate_slots(label.text)
