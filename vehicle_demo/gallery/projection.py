"""Where each vehicle of a gallery lies on a plane: by PCA at once, by t-SNE in stages, kept in the gallery's folder."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from vehicle_demo.gallery.storage import GalleryError

STAGES, ITERATIONS = 4, 250
FEWEST = 5
_FOLDER, _KEPT, _FORMAT = "maps", 32, 1
_NO_SPREAD = 1e-6
# Memory and time grow with it; beyond this a map shows hardly more than PCA.
_HIGHEST = 200


@dataclass(frozen=True)
class Settings:
    """What a t-SNE map depends on besides its rows. `perplexity` is less than their number."""

    perplexity: float
    seed: int = 0


@dataclass(frozen=True)
class About:
    """What a kept map was made from and with."""

    checkpoint: str
    perplexity: float
    seed: int
    method: str = "t-SNE"
    library: str = f"scikit-learn {version('scikit-learn')}"
    iterations: int = STAGES * ITERATIONS
    format: int = _FORMAT


def settings_for(rows: int, perplexity: float | None = None, seed: int = 0) -> Settings:
    """Settings for a map of this many rows: perplexity 30, or a third of the rows where there are few.

    Fewer than `FEWEST` rows stay as PCA has them, with any perplexity.

    Raises:
        GalleryError: a perplexity was asked for that these rows cannot have.
    """
    if perplexity is None or rows < FEWEST:
        return Settings(max(1.0, min(30.0, (rows - 1) / 3)), seed)
    highest = min(rows - 1, _HIGHEST)
    if not 1 <= perplexity <= highest:
        raise GalleryError(f"For the {rows:,} rows on this map, choose a perplexity from 1 to {highest}.")
    return Settings(perplexity, seed)


def pca(embeddings: np.ndarray) -> np.ndarray:
    """(N, 2) float32 in [-1, 1] of embeddings (N, D), N from 0 on: the two directions of most variance.

    All zeros where the embeddings do not differ.
    """
    if len(embeddings) < 2:
        return np.zeros((len(embeddings), 2), np.float32)
    # In two lines, because scikit-learn takes a second to import and this is what a visitor waits for.
    centred = embeddings - embeddings.mean(axis=0)
    directions = np.linalg.eigh(centred.T @ centred)[1]
    return _fitted(centred @ directions[:, :-3:-1])


def can_settle(first: np.ndarray) -> bool:
    """Whether t-SNE has anything to do: `first` is the PCA (N, 2) of its rows, and rows must be enough, and differ."""
    return len(first) >= FEWEST and bool(np.ptp(first) > 0)


def tsne(embeddings: np.ndarray, first: np.ndarray, settings: Settings) -> Iterator[np.ndarray]:
    """t-SNE (van der Maaten and Hinton 2008; Barnes-Hut, 2014): (N, 2) float32 in [-1, 1] after each of its stages.

    `STAGES` of `ITERATIONS` each, the first with early exaggeration; to cancel, ask for no more.

    Args:
        embeddings: (N, D) float32, at least `FEWEST` rows that are not all the same.
        first: (N, 2), where to begin: their PCA.
    """
    # A second to import; who never opens a map needs none of it.
    from sklearn.manifold import TSNE
    from sklearn.neighbors import KNeighborsTransformer

    count = len(embeddings)
    # scikit-learn gives no word between iterations, so each stage is a run that begins where the last one ended; the
    # neighbours are found once for all.
    wanted = min(count - 1, int(3 * settings.perplexity) + 1)
    graph = KNeighborsTransformer(mode="distance", n_neighbors=wanted).fit_transform(embeddings)
    # Rows that are the same must not begin at the same place, where no force would part them.
    jitter = np.random.default_rng(settings.seed).normal(0, 1e-6, first.shape)
    points = (first / first[:, 0].std() * 1e-4 + jitter).astype(np.float32)
    rate = max(count / 48, 50.0)
    for stage in range(STAGES):
        # A run of 250 iterations keeps momentum 0.5 throughout. After the first stage a whole run would have 0.8,
        # which moves 2.5 times as far at the same rate.
        later = {"early_exaggeration": 1.0, "learning_rate": 2.5 * rate} if stage else {"learning_rate": rate}
        run = TSNE(
            init=points,
            metric="precomputed",
            perplexity=settings.perplexity,
            max_iter=ITERATIONS,
            random_state=settings.seed,
            **later,
        )
        # Threads that wait for each other at every step cost more than they bring once a core is busy elsewhere; the
        # last core is left to those who look at pictures meanwhile.
        with threadpool_limits(max(1, (os.cpu_count() or 1) - 1), user_api="openmp"):
            points = run.fit_transform(graph)
        yield _fitted(points)


def _fitted(points: np.ndarray) -> np.ndarray:
    centred = points - (points.min(axis=0) + points.max(axis=0)) / 2
    extent = float(np.abs(centred).max())
    if extent < _NO_SPREAD:
        return np.zeros(points.shape, np.float32)
    return (centred / extent).astype(np.float32)


def load(folder: Path, rows: np.ndarray, about: About) -> np.ndarray | None:
    """The coordinates (N, 2) float32 that a gallery's folder keeps for these row numbers (N,), or None."""
    path = _path(folder, rows, about)
    try:
        with np.load(path, allow_pickle=False) as kept:
            coordinates = kept["coordinates"]
    # Nothing there; cut short; damaged; another file by this name: the map is made anew.
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile):
        return None
    fits = coordinates.shape == (len(rows), 2) and coordinates.dtype == np.float32
    return coordinates if fits and np.isfinite(coordinates).all() else None


def save(folder: Path, rows: np.ndarray, about: About, coordinates: np.ndarray) -> None:
    """Keep a map in a gallery's folder, in one step; of many, the oldest go."""
    path = _path(folder, rows, about)
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, rows=rows, coordinates=coordinates, about=np.array(json.dumps(asdict(about))))
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    every = sorted(path.parent.glob("*.npz"), key=lambda kept: kept.stat().st_mtime, reverse=True)
    for old in every[_KEPT:]:
        old.unlink(missing_ok=True)


def identity(rows: np.ndarray, about: About) -> str:
    """A name for the map of these rows that changes when anything does that it depends on."""
    return hashlib.sha256(json.dumps(asdict(about)).encode() + rows.astype("<i8").tobytes()).hexdigest()[:32]


def _path(folder: Path, rows: np.ndarray, about: About) -> Path:
    return folder / _FOLDER / f"{identity(rows, about)}.npz"
