"""The plate reader: a small ONNX graph beside the unified one, for plates close up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from vehicle_demo.recognition.checkpoint import CheckpointError
from vehicle_demo.recognition.graph import stretched
from vehicle_demo.recognition.heads import Head
from vehicle_demo.recognition.plate_graph import PlateGraph
from vehicle_demo.recognition.plates import BLANK, SLOTS
from vehicle_demo.recognition.results import Box

# The output, which not every reader has, that another last layer can be put on.
FEATURES: Final = "features"


class Reader(PlateGraph):
    """Plates (H, W, 3) uint8 -> logits (N, 8, 37) float32, by `run`.

    `features` is the length F of what the last layer reads of each slot, 0 where the graph keeps that to itself.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        """Load a graph that answers so. Raises CheckpointError: the file is no such graph."""
        super().__init__(path, threads, "plate reader", "plates", (SLOTS, BLANK + 1))
        self.features = self.width_of(FEATURES)

    def prepare(self, image: Image.Image, box: Box | None = None) -> np.ndarray:
        """Stretch a picture, or a box of it, to the reader's size: (H, W, 3) uint8."""
        return stretched(image, self.size, box)

    def describe(self, plates: Sequence[np.ndarray]) -> np.ndarray:
        """Plates (H, W, 3) uint8 -> what the last layer reads of their slots, (N, 8, F) float32.

        Raises:
            CheckpointError: the graph does not tell, or gave values that are not finite.
        """
        if not self.features:
            raise CheckpointError("The plate reader does not tell what its last layer reads. Export it again.")
        return self.answers(plates, FEATURES, (SLOTS, self.features))

    def read(self, plates: Sequence[np.ndarray], characters: Head | None) -> np.ndarray:
        """Plates (H, W, 3) uint8 -> logits (N, 8, 37) float32, by another last layer where one is given.

        Raises:
            CheckpointError: as `describe` does.
        """
        return self.run(plates) if characters is None else slots_by(characters, self.describe(plates))


def slots_by(characters: Head, features: np.ndarray) -> np.ndarray:
    """Features (N, 8, F) -> logits (N, 8, 37) float32 by a last layer."""
    return characters.own_logits(features.reshape(-1, characters.features)).reshape(len(features), SLOTS, BLANK + 1)
