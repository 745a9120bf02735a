"""The record that every reader gives: one picture and what is known of it."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class LabelledBox:
    """One labelled box.

    `box` is (cx, cy, w, h), each a fraction of the picture's width or height. `label` is a detection category, or one
    of the coarser `vehicle` (some vehicle, kind unknown) and `plate`, whose `text` may be known: "-" is a character
    that nobody can tell, and "" a plate that was looked at and cannot be read.
    """

    box: tuple[float, float, float, float]
    label: str
    text: str | None = None


@dataclass(frozen=True)
class Picture:
    """One picture of a data set with the labels its publisher gives; what is not labelled is None or empty.

    `stored` is an encoded file, or where it lies: such a one is read anew whenever it is asked for. Of it `window`
    (cx, cy, w, h in fractions) is the picture, or all.

    `labelled_kinds` holds "vehicle" or "plate" (or both) when all of that kind in the picture have a box: only then is
    a place without a box known to be background.

    `plate_text` has digits and Latin letters alone: a Chinese plate's province sign is left out. `asks` says whether
    the publisher has the picture ask (True) or be asked (False) when re-identification is measured.
    """

    stored: bytes | Path
    path: str
    source: str
    split: str
    boxes: tuple[LabelledBox, ...] = ()
    labelled_kinds: frozenset[str] = field(default_factory=frozenset)
    type: str | None = None
    make: str | None = None
    model: str | None = None
    colour: str | None = None
    vehicle_id: str | None = None
    camera_id: str | None = None
    plate_text: str | None = None
    asks: bool | None = None
    window: tuple[float, float, float, float] | None = None

    @property
    def encoded(self) -> bytes:
        """The picture as an encoded file: as it is stored, or its window as PNG."""
        if self.window is None:
            return self.stored.read_bytes() if isinstance(self.stored, Path) else self.stored
        buffer = io.BytesIO()
        self.decode().save(buffer, "PNG")
        return buffer.getvalue()

    def decode(self) -> Image.Image:
        """The picture as an RGB Pillow image. Raises OSError when it is gone or damaged."""
        image = Image.open(self.stored if isinstance(self.stored, Path) else io.BytesIO(self.stored)).convert("RGB")
        if self.window is None:
            return image
        cx, cy, w, h = self.window
        x1, y1 = int((cx - w / 2) * image.width + 0.5), int((cy - h / 2) * image.height + 0.5)
        x2, y2 = int((cx + w / 2) * image.width + 0.5), int((cy + h / 2) * image.height + 0.5)
        return image.crop((x1, y1, max(x2, x1 + 1), max(y2, y1 + 1)))

    def close_up(self) -> Picture:
        """What its one box frames, as a picture without boxes; itself where it has none or several."""
        if len(self.boxes) != 1:
            return self
        return replace(self, window=self.boxes[0].box, boxes=(), labelled_kinds=frozenset())

    def stretched(self, size: int) -> np.ndarray:
        """The picture stretched to (size, size, 3) uint8, antialiased, as the network sees it."""
        return np.asarray(self.decode().resize((size, size), Image.Resampling.BILINEAR))
