"""Features that were computed once, kept on the disk."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Final

import numpy as np

from vehicle_demo.recognition.checkpoint import Checkpoint
from vehicle_demo.recognition.results import Box, Corners
from vehicle_demo.retraining.shipped import graph_sha256, reader_sha256

_FOLDER: Final = "features"


class Cache:
    """A folder of features by picture, place in it, and graph. What is damaged, or has no room on the disk, is no loss.

    The place is a vehicle's box, or a plate's corners.
    """

    def __init__(self, folder: Path, graph: str) -> None:
        """`graph` is the digest of the graph that the features come from."""
        self._folder, self._graph = folder, graph

    @classmethod
    def beside(cls, versions: Path, checkpoint: Checkpoint) -> Cache:
        """The one in a checkpoint's folder of versions, of what its fp32 graph gives. Raises CheckpointError."""
        return cls(versions / _FOLDER, graph_sha256(checkpoint))

    @classmethod
    def of_reader(cls, versions: Path, checkpoint: Checkpoint) -> Cache:
        """The same of what its plate reader gives."""
        return cls(versions / _FOLDER, reader_sha256(checkpoint))

    def get(self, picture: str, place: Box | Corners, length: int) -> np.ndarray | None:
        """Features (length,) float32, or None."""
        try:
            features = np.load(self._path(picture, place), allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return features if features.shape == (length,) and features.dtype == np.float32 else None

    def put(self, picture: str, place: Box | Corners, features: np.ndarray) -> None:
        """Keep features (D,) float32, written beside their place and moved into it."""
        beside = None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._folder, prefix=".part-", delete=False) as file:
                beside = Path(file.name)
                np.save(file, features, allow_pickle=False)
            os.replace(beside, self._path(picture, place))
        except OSError:
            if beside is not None:
                beside.unlink(missing_ok=True)

    def _path(self, picture: str, place: Box | Corners) -> Path:
        key = repr((self._graph, picture, place))
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()}.npy"
