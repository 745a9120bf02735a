"""The plate reader: a small ONNX graph beside the unified one, for plates close up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from vehicle_demo.recognition.checkpoint import CheckpointError
from vehicle_demo.recognition.graph import open_session, stretched
from vehicle_demo.recognition.plates import BLANK, SLOTS
from vehicle_demo.recognition.results import Box

# Plates read together: a fixed ceiling keeps the session's memory from growing.
_CHUNK = 16


class Reader:
    """One session that any number of threads may share; `size` is the (width, height) in pixels that it takes."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        """Load a graph that takes (N, H, W, 3) uint8 RGB and answers with (N, 8, 37).

        Raises:
            CheckpointError: the file is no such graph.
        """
        self._session = open_session(path, threads)
        plates, logits = self._session.get_inputs()[0], self._session.get_outputs()[0]
        _, height, width, channels = plates.shape if len(plates.shape) == 4 else (None,) * 4
        reads = channels == 3 and plates.type == "tensor(uint8)" and logits.shape[1:] == [SLOTS, BLANK + 1]
        if not reads or not isinstance(height, int) or not isinstance(width, int):
            raise CheckpointError(
                f"{path.name} must take plates as (N, H, W, 3) uint8 and answer with (N, {SLOTS}, {BLANK + 1}), "
                f"not {plates.shape} {plates.type} and {logits.shape}."
            )
        self._input = plates.name
        self.size = (width, height)

    def prepare(self, image: Image.Image, box: Box | None = None) -> np.ndarray:
        """Stretch a picture, or a box of it, to the reader's size: (H, W, 3) uint8."""
        return stretched(image, self.size, box)

    def run(self, plates: Sequence[np.ndarray]) -> np.ndarray:
        """One or more plates (H, W, 3) uint8 -> logits (N, 8, 37) float32.

        Raises:
            CheckpointError: the graph answered with values that are not finite.
        """
        parts = [
            self._session.run(None, {self._input: np.stack(plates[start : start + _CHUNK])})[0]
            for start in range(0, len(plates), _CHUNK)
        ]
        logits = np.concatenate(parts)
        if not np.isfinite(logits).all():
            raise CheckpointError("The plate reader gave values that are not finite. Its file is damaged.")
        return logits
