"""Features of corrected vehicles: each seen once by the graph, just as recognition sees it, and kept.

Whoever only wants features runs the graph no further than those: `GraphOfFeatures` is done in half the time.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from vehicle_demo.recognition import CheckpointError, ImageError, Recognizer, open_image
from vehicle_demo.recognition.graph import Graph, usable_cores
from vehicle_demo.recognition.heads import TENSORS, features_of
from vehicle_demo.recognition.results import Box
from vehicle_demo.retraining.cache import Cache
from vehicle_demo.retraining.corrections import Correction, Corrections
from vehicle_demo.retraining.shipped import Examples

_LEAST = 2
_TOO_SMALL = "The vehicle's box is too small. Draw it again."
# Seen together: four are done sooner than one after the other.
_TOGETHER = 4
# Batches for each core that may be waiting or done and not collected: pictures are large.
_AHEAD = 2


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


class GraphOfFeatures:
    """A recogniser's graph as far as the features that heads read, without what finds vehicles and reads plates.

    One run takes one core; any number of threads may share it.
    """

    def __init__(self, recognizer: Recognizer) -> None:
        """Raises CheckpointError when the graph's file cannot be read any more."""
        # Costs a third of a second, and only a fit needs it.
        from onnx.utils import extract_model

        whole = recognizer.graph
        self._tensor = features_of(whole.outputs)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "features.onnx"
            try:
                extract_model(str(whole.path), str(path), [whole.input], [self._tensor])
            except Exception as error:  # of protobuf, of the file system or of onnx, which have nothing in common
                raise CheckpointError(f"{whole.path} cannot be read ({error}). Fetch the checkpoint again.") from error
            self._graph = Graph(path, threads=1, required=[self._tensor])

    def run(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """(N, 3, S, S) float32 -> features (N, D) float32."""
        return np.ascontiguousarray(self._graph.run(pictures)[self._tensor][:, 0], np.float32)


def described(recognizer: Recognizer, corrections: Corrections, cache: Cache) -> Iterator[Step]:
    """Look at every correction that the cache does not have; a step for each few, the last one with all features.

    Every core decodes and looks for itself: that is done sooner than each picture by all of them.
    """
    total, cores = len(corrections.rows), usable_cores()
    features: dict[int, np.ndarray] = {}
    bad: dict[int, str] = {}
    graph: GraphOfFeatures | None = None
    with ThreadPoolExecutor(cores) as pool:
        looking: deque[Future[dict[int, np.ndarray | str]]] = deque()

        def collect() -> None:
            for place, found in looking.popleft().result().items():
                if isinstance(found, str):
                    bad[place] = found
                else:
                    features[place] = found

        unseen: list[tuple[int, Correction, bytes]] = []
        for place, (row, encoded) in enumerate(corrections.pictures()):
            if (known := cache.get(row.picture, row.box, recognizer.features)) is not None:
                features[place] = known
            else:
                unseen.append((place, row, encoded))
            if len(unseen) == _TOGETHER or (unseen and place == total - 1):
                graph = graph or GraphOfFeatures(recognizer)
                looking.append(pool.submit(_looked_at, recognizer, graph, cache, unseen))
                unseen = []
            if len(looking) > _AHEAD * cores:
                collect()
            yield Step(len(features) + len(bad), total)
        while looking:
            collect()
            yield Step(len(features) + len(bad), total)
    places = sorted(features)
    kept = tuple(corrections.rows[place] for place in places)
    truth = {task: np.array([row.truth[task] for row in kept], dtype=np.str_) for task in TENSORS}
    rows = np.array([features[place] for place in places], np.float32).reshape(-1, recognizer.features)
    yield Step(total, total, kept, Examples(rows, truth), tuple(bad[place] for place in sorted(bad)))


def described_whole(recognizer: Recognizer, pictures: Sequence[bytes]) -> Iterator[np.ndarray]:
    """Features (n, D) float32 of encoded pictures that each show one vehicle and little else, a few at a time.

    Raises:
        ImageError: one of them cannot be used.
        CheckpointError: as `GraphOfFeatures` does.
    """
    graph = GraphOfFeatures(recognizer)

    def looked(start: int) -> np.ndarray:
        some = pictures[start : start + _TOGETHER]
        return graph.run([recognizer.graph.prepare(open_image(encoded)) for encoded in some])

    with ThreadPoolExecutor(usable_cores()) as pool:
        yield from pool.map(looked, range(0, len(pictures), _TOGETHER))


def _looked_at(
    recognizer: Recognizer, graph: GraphOfFeatures, cache: Cache, rows: Sequence[tuple[int, Correction, bytes]]
) -> dict[int, np.ndarray | str]:
    """By their places the features (D,) float32 of a few corrections, or why they could not be seen."""
    found: dict[int, np.ndarray | str] = {}
    prepared: dict[int, np.ndarray] = {}
    for picture, of_picture in groupby(rows, key=lambda one: one[1].picture):
        some = list(of_picture)
        boxes = {place: row.box for place, row, _ in some if not _too_small(row.box)}
        found |= {place: f"picture {picture[:12]}: {_TOO_SMALL}" for place, *_ in some if place not in boxes}
        try:
            # Large pictures take longer to decode than to look at: once for all of their vehicles.
            prepared |= zip(boxes, recognizer.prepare_boxes(some[0][2], list(boxes.values())), strict=True)
        except ImageError as error:
            found |= dict.fromkeys(boxes, f"picture {picture[:12]}: {error}")
    if prepared:
        found |= zip(prepared, graph.run(list(prepared.values())), strict=True)
    for place, row, _ in rows:
        if isinstance(features := found[place], np.ndarray):
            cache.put(row.picture, row.box, features)
    return found


def seen(recognizer: Recognizer, cache: Cache, picture: str, box: Box, encoded: bytes) -> np.ndarray:
    """Features (D,) float32 of the vehicle in a box (pixels), from the cache; else by the graph, and kept.

    Args:
        picture: SHA-256 of the encoded picture.

    Raises:
        ImageError: the picture cannot be used, or the box is too small.
    """
    if (known := cache.get(picture, box, recognizer.features)) is not None:
        return known
    if _too_small(box):
        raise ImageError(_TOO_SMALL)
    (outputs,) = recognizer.describe_boxes(encoded, [box])
    features = np.ascontiguousarray(outputs[features_of(recognizer.graph.outputs)][0], np.float32)
    cache.put(picture, box, features)
    return features


def _too_small(box: Box) -> bool:
    return box.x2 - box.x1 < _LEAST or box.y2 - box.y1 < _LEAST
