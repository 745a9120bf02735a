"""Maps of galleries in the making: one job for each map, shared by all who look, stopped when nobody does."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, Thread
from typing import Literal

import numpy as np

from vehicle_demo.gallery import projection
from vehicle_demo.gallery.gallery import Gallery, GalleryError
from vehicle_demo.gallery.projection import ITERATIONS, STAGES, About, Settings

_MOST_WAITING = 8
# Browsers ask from tabs in the background only once a minute.
_GONE_AFTER_S = 150.0
_FAILED = "This map could not be finished. Try it again; the server's log says what went wrong."


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A map as it is now: coordinates (N, 2) float32 in [-1, 1] after `iterations` of t-SNE, 0 for PCA.

    `seconds_left` is None while nobody can know; `problem` is a sentence.
    """

    state: Literal["working", "done", "failed"]
    coordinates: np.ndarray
    iterations: int
    seconds_left: float | None = None
    problem: str = ""


@dataclass(eq=False)
class _Job:
    rows: np.ndarray
    now: Snapshot
    watchers: dict[str, float] = field(default_factory=dict)

    def watched(self) -> bool:
        return any(time.monotonic() - seen < _GONE_AFTER_S for seen in self.watchers.values())


@dataclass
class Maps:
    """Every map that is being made. Safe to share between threads; one t-SNE runs at a time."""

    _jobs: dict[tuple[Path, str], _Job] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _turn: Lock = field(default_factory=Lock)

    def look(self, gallery: Gallery, rows: np.ndarray, settings: Settings, watcher: str) -> Snapshot:
        """The map of these rows (N,) as it is now; it is begun when nobody has begun it. `watcher` names who looks.

        Raises:
            GalleryError: too many maps wait to be made.
        """
        folder, about = gallery.storage.folder, _about(gallery, settings)
        key = (folder, projection.identity(rows, about))
        if (now := self._joined(key, watcher)) is not None:
            return now
        begun, embeddings = _begun(gallery, rows, about)
        if begun.state == "done":
            return begun
        with self._lock:
            if key not in self._jobs:
                if sum(job.now.state == "working" for job in self._jobs.values()) >= _MOST_WAITING:
                    raise GalleryError("Too many maps are being made. Try again in a minute.")
                job = self._jobs[key] = _Job(rows, begun, {watcher: time.monotonic()})
                work = (key, job, embeddings, settings, about)
                Thread(target=self._make, args=work, daemon=True, name="map").start()
            return self._jobs[key].now

    def leave(self, gallery: Gallery, rows: np.ndarray, settings: Settings, watcher: str) -> None:
        """Who looked looks no more; with nobody left, the work stops after the stage it is in."""
        with self._lock:
            job = self._jobs.get((gallery.storage.folder, projection.identity(rows, _about(gallery, settings))))
            if job is not None:
                job.watchers.pop(watcher, None)

    def _joined(self, key: tuple[Path, str], watcher: str) -> Snapshot | None:
        with self._lock:
            job = self._jobs.get(key)
            if job is None:
                return None
            if job.now.state == "failed":
                del self._jobs[key]  # who asks again gets another try
            job.watchers[watcher] = time.monotonic()
            return job.now

    def _make(self, key: tuple[Path, str], job: _Job, embeddings: np.ndarray, settings: Settings, about: About) -> None:
        try:
            with self._turn:
                if self._settled(key, job, embeddings, settings):
                    projection.save(key[0], job.rows, about, job.now.coordinates)
                    with self._lock:
                        self._jobs.pop(key, None)
        # The thread's last line: whatever went wrong, those who wait must be told.
        except Exception:
            logging.getLogger(__name__).exception("A map failed")
            job.now = Snapshot("failed", job.now.coordinates, job.now.iterations, problem=_FAILED)

    def _settled(self, key: tuple[Path, str], job: _Job, embeddings: np.ndarray, settings: Settings) -> bool:
        """Run the stages; False when nobody looked any more."""
        began = time.monotonic()
        stages = projection.tsne(embeddings, job.now.coordinates, settings)
        for done in range(1, STAGES + 1):
            with self._lock:
                if not job.watched():
                    del self._jobs[key]
                    return False
            coordinates = next(stages)
            left = (time.monotonic() - began) / done * (STAGES - done)
            job.now = Snapshot("working", coordinates, done * ITERATIONS, left)
        return True


def prepare(gallery: Gallery) -> None:
    """Make and keep the map that a visitor meets first, of all rows with the usual settings, if it is not kept yet."""
    rows = np.arange(len(gallery))
    settings = projection.settings_for(len(rows))
    about = _about(gallery, settings)
    begun, embeddings = _begun(gallery, rows, about)
    if begun.state == "working":
        *_, settled = projection.tsne(embeddings, begun.coordinates, settings)
        projection.save(gallery.storage.folder, rows, about, settled)


def _begun(gallery: Gallery, rows: np.ndarray, about: About) -> tuple[Snapshot, np.ndarray]:
    """The map that is kept, or the PCA with which one begins, and ends where nothing can settle.

    With it the rows' embeddings (N, D), to go on from; none of a map that is kept, which does not read them.
    """
    stored = gallery.storage.embeddings()
    if (kept := projection.load(gallery.storage.folder, rows, about)) is not None:
        return Snapshot("done", kept, about.iterations), stored[:0]
    embeddings = stored[rows]
    first = projection.pca(embeddings)
    return Snapshot("working" if projection.can_settle(first) else "done", first, 0), embeddings


def _about(gallery: Gallery, settings: Settings) -> About:
    return About(gallery.storage.checkpoint, settings.perplexity, settings.seed)
