"""Plates of training photos, whose boxes are labelled and whose texts are not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from data_tools.readers.picture import Picture
from data_tools.training.pictures import training_pictures
from vehicle_demo.recognition.boxes import to_corners

# This part of a box's sides is kept around it on each side.
MARGIN = 0.15
_LEAST_PIXELS = 28


def unread_plates(folders: Sequence[Path], cache: Path, size: tuple[int, int]) -> np.ndarray:
    """Plates with `MARGIN` around them, stretched to `size` (height, width): (N, *size, 3) uint8. There may be none.

    Plates too small to be read are left out.
    """
    pictures = training_pictures(folders, "plate_photos")
    named = repr([MARGIN, _LEAST_PIXELS, size, [(picture.source, picture.path) for picture in pictures]])
    path = cache / f"unread-plates-{hashlib.sha256(named.encode()).hexdigest()[:12]}.npy"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        cut = [plate for picture in tqdm(pictures, desc="cutting plates out") for plate in _cut(picture, size)]
        unfinished = path.with_suffix(".part.npy")
        np.save(unfinished, np.stack(cut) if cut else np.zeros((0, *size, 3), np.uint8))
        unfinished.rename(path)
    return np.load(path)


def _cut(picture: Picture, size: tuple[int, int]) -> Iterator[np.ndarray]:
    boxes = [label.box for label in picture.boxes]
    image = picture.decode()
    for x1, y1, x2, y2 in to_corners(np.array(boxes).reshape(-1, 4)) * [*image.size, *image.size]:
        if x2 - x1 < _LEAST_PIXELS:
            continue
        dx, dy = (x2 - x1) * MARGIN, (y2 - y1) * MARGIN
        # Beyond the photo it is black, as it is for the reader in use.
        window = (round(x1 - dx), round(y1 - dy), round(x2 + dx), round(y2 + dy))
        yield np.asarray(image.crop(window).resize(size[::-1], Image.Resampling.BILINEAR))
