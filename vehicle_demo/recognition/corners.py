"""The corner finder: a small ONNX graph beside the unified one, for where exactly a plate lies."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from vehicle_demo.recognition.boxes import PLATE_STEPS, widen
from vehicle_demo.recognition.graph import stretched
from vehicle_demo.recognition.images import ImageError
from vehicle_demo.recognition.plate_graph import PlateGraph
from vehicle_demo.recognition.rectify import checked_corners
from vehicle_demo.recognition.results import Box, Corners

# What the graph sees: a box with this part of its sides added on each side.
MARGIN = 0.5


class CornerFinder(PlateGraph):
    """Windows (H, W, 3) uint8 -> corners (N, 4, 2) float32 in fractions of the window, by `run`."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        """Load a graph that answers so. Raises CheckpointError: the file is no such graph."""
        super().__init__(path, threads, "corner finder", "windows", (4, 2))

    def find(self, boxes: Sequence[tuple[Image.Image, Box]]) -> list[Corners | None]:
        """The corners of the plate in, or near, each box (pixels) of a picture; None where what is found is no plate's.

        Raises:
            CheckpointError: the graph answered with values that are not finite.
        """
        windows = [widen(box, MARGIN, image.size) for image, box in boxes]
        pixels = [stretched(image, self.size, window) for (image, _), window in zip(boxes, windows, strict=True)]
        found: list[Corners | None] = []
        for (image, _), window, corners in zip(boxes, windows, self.run(pixels).astype(np.float64), strict=True):
            sides = [window.x2 - window.x1, window.y2 - window.y1]
            placed = corners * sides + [window.x1, window.y1]
            found.append(_plausible(np.floor(placed * PLATE_STEPS + 0.5) / PLATE_STEPS, image.size))
        return found


def _plausible(corners: np.ndarray, size: tuple[int, int]) -> Corners | None:
    try:
        return checked_corners(corners.tolist(), size)
    except ImageError:
        return None
