"""Re-identification figures: mAP and CMC with the same-camera rule of VeRi-776."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Retrieval:
    """`map` and `cmc` (rank -> share of queries with a match within it) over `queries`; `skipped` had no match left."""

    map: float
    cmc: dict[int, float]
    queries: int
    skipped: int


def retrieval(
    distances: np.ndarray,
    query_ids: Sequence[str],
    gallery_ids: Sequence[str],
    query_cameras: Sequence[str],
    gallery_cameras: Sequence[str],
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
    first = np.array(firsts)
    cmc = {rank: float((first < rank).mean()) for rank in ranks}
    return Retrieval(float(np.mean(precisions)), cmc, len(precisions), len(query_ids) - len(precisions))
