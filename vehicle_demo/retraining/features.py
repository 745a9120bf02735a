"""Features of corrected vehicles: each seen once by the graph, just as recognition sees it, and kept."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vehicle_demo.recognition import ImageError, Recognizer
from vehicle_demo.recognition.heads import TENSORS, features_of
from vehicle_demo.retraining.corrections import Correction, Corrections
from vehicle_demo.retraining.shipped import Examples

_LEAST = 2


@dataclass(frozen=True, eq=False)
class Step:
    """How many of the corrections have features; the last step has them all.

    `kept` are those corrections that could be seen, a row of `examples` each, `bad` the reasons why others could not.
    """

    done: int
    total: int
    kept: tuple[Correction, ...] = ()
    examples: Examples | None = None
    bad: tuple[str, ...] = ()


class Cache:
    """A folder of features by picture, box and graph. What is damaged, or does not fit on the disk, is no loss."""

    def __init__(self, folder: Path, graph: str) -> None:
        """`graph` is the digest of the graph that the features come from."""
        self._folder, self._graph = folder, graph

    def get(self, correction: Correction, length: int) -> np.ndarray | None:
        """Features (length,) float32, or None."""
        try:
            features = np.load(self._path(correction), allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        return features if features.shape == (length,) and features.dtype == np.float32 else None

    def put(self, correction: Correction, features: np.ndarray) -> None:
        """Keep features (D,) float32, written beside their place and moved into it."""
        beside = None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._folder, prefix=".part-", delete=False) as file:
                beside = Path(file.name)
                np.save(file, features, allow_pickle=False)
            os.replace(beside, self._path(correction))
        except OSError:
            if beside is not None:
                beside.unlink(missing_ok=True)

    def _path(self, correction: Correction) -> Path:
        key = repr((self._graph, correction.picture, correction.box))
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()}.npy"


def described(recognizer: Recognizer, corrections: Corrections, cache: Cache) -> Iterator[Step]:
    """Look at every correction that the cache does not have; a step for each, the last one with all features."""
    tensor, length = features_of(recognizer.graph.outputs), recognizer.features
    total = len(corrections.rows)
    kept: list[Correction] = []
    features: list[np.ndarray] = []
    bad: list[str] = []
    for done, (correction, encoded) in enumerate(corrections.pictures()):
        yield Step(done, total)
        known = cache.get(correction, length)
        if known is None:
            try:
                known = _seen(recognizer, correction, encoded, tensor)
            except ImageError as error:
                bad.append(f"picture {correction.picture[:12]}: {error}")
                continue
            cache.put(correction, known)
        kept.append(correction)
        features.append(known)
    truth = {task: np.array([row.truth[task] for row in kept], dtype=np.str_) for task in TENSORS}
    rows = np.stack(features) if features else np.zeros((0, length), np.float32)
    yield Step(total, total, tuple(kept), Examples(rows, truth), tuple(bad))


def _seen(recognizer: Recognizer, correction: Correction, encoded: bytes, tensor: str) -> np.ndarray:
    box = correction.box
    if box.x2 - box.x1 < _LEAST or box.y2 - box.y1 < _LEAST:
        raise ImageError("The vehicle's box is too small. Draw it again.")
    (outputs,) = recognizer.describe_boxes(encoded, [box])
    return np.ascontiguousarray(outputs[tensor][0], np.float32)
