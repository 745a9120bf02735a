"""A gallery of vehicles: add, search, and look rows up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vehicle_demo.gallery import calibration, index
from vehicle_demo.gallery.open_set import distances
from vehicle_demo.gallery.storage import GalleryError, Item, Selection, Storage
from vehicle_demo.recognition import Novelty

__all__ = ["Gallery", "GalleryError", "Hit", "Item", "Selection"]


@dataclass(frozen=True)
class Hit:
    """One answer: the row's number, its cosine similarity in [-1, 1], and what it is."""

    row: int
    score: float
    item: Item


class Gallery:
    """One gallery folder. Any number of threads may search while one adds."""

    def __init__(self, folder: Path, checkpoint: str, dimension: int = 256) -> None:
        """Open or make the gallery in `folder`; see `Storage`. Raises GalleryError when it cannot be used."""
        self.storage = Storage(folder, checkpoint, dimension)
        self._index = index.load(folder)
        self._calibration = calibration.load(folder)
        self.calibrate()

    def __len__(self) -> int:
        return self.storage.count()

    @property
    def index_facts(self) -> index.IndexFacts | None:
        """What is known of the approximate index; None while search is exact."""
        return self._index.facts if self._index else None

    def add(self, embeddings: np.ndarray, items: Sequence[Item]) -> int:
        """Append rows; see `Storage.add`."""
        return self.storage.add(embeddings, items)

    def embeddings(self, numbers: Sequence[int]) -> np.ndarray:
        """(N, D) float32 of these rows, a copy. Raises KeyError for a row that is not there."""
        rows = self.storage.embeddings()
        if any(not 0 <= number < len(rows) for number in numbers):
            raise KeyError(f"The gallery has {len(rows)} rows, not all of those asked for.")
        return np.array(rows[np.asarray(numbers, np.int64)])

    def build_index(self) -> None:
        """Make or renew the approximate index where the gallery has outgrown exact search; else do nothing."""
        rows = self.storage.embeddings()
        if len(rows) > index.EXACT_UP_TO:
            self._index = index.build(rows, self.storage.folder)

    def calibrate(self) -> None:
        """Learn from the rows what is unknown to them and when two match; nothing to do where that is known."""
        rows = self.storage.embeddings()
        if self._calibration is not None and self._calibration.rows == len(rows):
            return
        told = np.array(self.storage.columns("vehicle_id", "camera")[: len(rows)], str).reshape(len(rows), 2)
        learnt = calibration.calibrate(rows, told[:, 0], told[:, 1], self._index)
        if learnt is not None:
            calibration.save(learnt, self.storage.folder)
            self._calibration = learnt

    @property
    def known_within(self) -> float | None:
        """The largest distance to its nearest row at which a vehicle is known; None with too few rows to tell."""
        learnt = self._learnt()
        return learnt.limit if learnt else None

    @property
    def match_from(self) -> float | None:
        """The cosine from which on two pictures are best said to show one vehicle; None where its rows cannot tell."""
        learnt = self._learnt()
        return learnt.match if learnt else None

    def _learnt(self) -> calibration.Calibration | None:
        if self._calibration is None or self._calibration.rows != len(self):
            # Another process has added rows, and may have learnt from them. Until it has, what was learnt before holds.
            self._calibration = calibration.load(self.storage.folder) or self._calibration
        return self._calibration

    def novelty(self, queries: np.ndarray) -> list[Novelty] | None:
        """KNN+ of each query, and whether it is known; None with too few rows to tell.

        Args:
            queries: (Q, D) float32 with unit L2 norm; of no queries the shape does not matter.
        """
        limit = self.known_within
        if limit is None:
            return None
        if not len(queries):
            return []
        scores = distances(queries, self.storage.embeddings(), self._index, calibration.NEIGHBOUR)
        return [Novelty(float(score), bool(score <= limit)) for score in scores]

    def search(self, queries: np.ndarray, count: int, selection: Selection | None = None) -> list[list[Hit]]:
        """The `count` nearest rows of each query, best first.

        A selection is searched exactly.

        Args:
            queries: (Q, D) float32 with unit L2 norm.

        Raises:
            ValueError: the queries' shape does not fit, or they are not finite.
        """
        if queries.ndim != 2 or queries.shape[1] != self.storage.dimension or not np.isfinite(queries).all():
            raise ValueError(f"Queries must be finite and of shape (Q, {self.storage.dimension}).")
        rows = self.storage.embeddings()
        if selection is None or selection.everything:
            scores, numbers = index.nearest(queries, rows, self._index, count)
        else:
            allowed = self.storage.select(selection)
            allowed = allowed[allowed < len(rows)]
            scores, places = index.exact(queries, rows[allowed], count)
            numbers = allowed[places]
        return [self._hits(found, row) for found, row in zip(numbers, scores, strict=True)]

    def neighbours(self, row: int, among: np.ndarray, count: int) -> list[Hit]:
        """The `count` rows of `among` (row numbers) nearest to a row, itself left out, by exact search.

        Raises:
            KeyError: the gallery has no such row.
        """
        rows = self.storage.embeddings()
        if not 0 <= row < len(rows):
            raise KeyError(f"The gallery has no row {row}.")
        others = among[(among != row) & (among < len(rows))]
        scores, places = index.exact(rows[row][None], rows[others], count)
        return self._hits(others[places[0]], scores[0])

    def _hits(self, numbers: np.ndarray, scores: np.ndarray) -> list[Hit]:
        found = zip(numbers, scores, self.storage.items(numbers), strict=True)
        return [Hit(int(number), float(score), item) for number, score, item in found]
