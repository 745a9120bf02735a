"""The plate reader: a small ONNX graph beside the unified one, for plates close up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from vehicle_demo.recognition.graph import stretched
from vehicle_demo.recognition.plate_graph import PlateGraph
from vehicle_demo.recognition.plates import BLANK, SLOTS
from vehicle_demo.recognition.results import Box


class Reader(PlateGraph):
    """Plates (H, W, 3) uint8 -> logits (N, 8, 37) float32, by `run`."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        """Load a graph that answers so. Raises CheckpointError: the file is no such graph."""
        super().__init__(path, threads, "plate reader", "plates", (SLOTS, BLANK + 1))

    def prepare(self, image: Image.Image, box: Box | None = None) -> np.ndarray:
        """Stretch a picture, or a box of it, to the reader's size: (H, W, 3) uint8."""
        return stretched(image, self.size, box)
