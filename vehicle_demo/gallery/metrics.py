"""Re-identification figures: mAP and CMC with the same-camera rule of VeRi-776, and how sure they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_RESAMPLES = 1000
_Names = Sequence[str] | np.ndarray


@dataclass(frozen=True, eq=False)
class Retrieval:
    """`map` and `cmc` (rank -> share of queries with a match within it) over `queries`; `skipped` had no match left.

    `precisions` (queries,) float64 is each query's average precision, and `firsts` (queries,) int64 how many wrong
    items it has before its first match.
    """

    map: float
    cmc: dict[int, float]
    queries: int
    skipped: int
    precisions: np.ndarray
    firsts: np.ndarray


@dataclass(frozen=True)
class Estimate:
    """A figure, and the range that goes with it."""

    value: float
    low: float
    high: float


def retrieval(
    distances: np.ndarray,
    query_ids: _Names,
    gallery_ids: _Names,
    query_cameras: _Names,
    gallery_cameras: _Names,
    ranks: Sequence[int] = (1, 5, 10),
) -> Retrieval:
    """Mean average precision and CMC (Liu et al., VeRi-776).

    Gallery items with the query's identity and camera are left out; a query with no match left is skipped and counted.
    Among equal distances, wrong items come first: embeddings that have collapsed must not look good by luck.

    Args:
        distances: (queries, gallery) float.

    Raises:
        ValueError: shapes do not fit, a distance is not finite, or no query has a match.
    """
    if distances.shape != (len(query_ids), len(gallery_ids)):
        raise ValueError(f"Distances have shape {distances.shape}, not ({len(query_ids)}, {len(gallery_ids)}).")
    if not np.isfinite(distances).all():
        raise ValueError("Some distances are not finite: check the embeddings.")
    ids, cameras = np.asarray(gallery_ids), np.asarray(gallery_cameras)
    precisions, firsts = [], []
    for row, identity, camera in zip(distances, query_ids, query_cameras, strict=True):
        same = ids == identity
        kept = ~(same & (cameras == camera))
        matches = same[kept]
        if not matches.any():
            continue
        order = np.lexsort((matches, row[kept]))
        found = np.flatnonzero(matches[order])
        precisions.append(np.mean(np.arange(1, len(found) + 1) / (found + 1)))
        firsts.append(found[0])
    if not precisions:
        raise ValueError("No query has a match in the gallery under another camera.")
    first, skipped = np.array(firsts), len(query_ids) - len(precisions)
    cmc = {rank: float((first < rank).mean()) for rank in ranks}
    return Retrieval(float(np.mean(precisions)), cmc, len(precisions), skipped, np.array(precisions), first)


def bootstrapped(found: Retrieval, seed: int = 0) -> dict[str, Estimate]:
    """`map` and `rank1`, `rank5`, ... with 95 % intervals: the middle of 1,000 draws of as many queries, put back."""
    single = np.stack([found.precisions, *(found.firsts < rank for rank in found.cmc)])
    rng = np.random.default_rng(seed)
    draws = (rng.integers(found.queries, size=found.queries) for _ in range(_RESAMPLES))
    low, high = np.percentile([single[:, drawn].mean(axis=1) for drawn in draws], (2.5, 97.5), axis=0)
    ends = zip(figures_of(found).items(), low, high, strict=True)
    return {name: Estimate(value, float(least), float(most)) for (name, value), least, most in ends}


def over_trials(trials: Sequence[dict[str, float]]) -> dict[str, Estimate]:
    """Each figure's mean over trials, and one standard deviation to either side (0 for a single trial)."""
    return {name: _spread(np.array([trial[name] for trial in trials])) for name in trials[0]}


def figures_of(found: Retrieval) -> dict[str, float]:
    """`map` and `rank1`, `rank5`, ... by name."""
    return {"map": found.map, **{f"rank{rank}": share for rank, share in found.cmc.items()}}


def _spread(values: np.ndarray) -> Estimate:
    mean, spread = float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return Estimate(mean, mean - spread, mean + spread)
