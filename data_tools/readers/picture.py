"""The record that every reader gives: one picture and what is known of it."""

from __future__ import annotations

import io
from dataclasses import dataclass, field

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class LabelledBox:
    """One labelled box.

    `box` is (cx, cy, w, h), each a fraction of the picture's width or height. `label` is a detection category, or one
    of the coarser `vehicle` (some vehicle, kind unknown) and `plate`.
    """

    box: tuple[float, float, float, float]
    label: str


@dataclass(frozen=True)
class Picture:
    """One picture of a data set with the labels its publisher gives; what is not labelled is None or empty.

    `labelled_kinds` holds "vehicle" or "plate" (or both) when all of that kind in the picture have a box: only then is
    a place without a box known to be background.
    """

    encoded: bytes
    path: str
    source: str
    split: str
    boxes: tuple[LabelledBox, ...] = ()
    labelled_kinds: frozenset[str] = field(default_factory=frozenset)
    type: str | None = None
    make: str | None = None
    model: str | None = None
    vehicle_id: str | None = None
    camera_id: str | None = None
    plate_text: str | None = None

    def decode(self) -> Image.Image:
        """The picture as an RGB Pillow image."""
        return Image.open(io.BytesIO(self.encoded)).convert("RGB")

    def stretched(self, size: int) -> np.ndarray:
        """The picture stretched to (size, size, 3) uint8, antialiased, as the network sees it."""
        return np.asarray(self.decode().resize((size, size), Image.Resampling.BILINEAR))
