"""k-reciprocal re-ranking (Zhong et al., CVPR 2017, arXiv 1701.08398) of one query's nearest rows."""

from __future__ import annotations

import numpy as np


def rerank(queries: np.ndarray, gallery: np.ndarray, k1: int = 20, k2: int = 6, weight: float = 0.3) -> np.ndarray:
    """Distances (Q, G) float32 after re-ranking; smaller is nearer.

    The Jaccard distance of k-reciprocal neighbourhoods, mixed with the plain distance by `weight` (lambda). Memory is
    three float32 matrices of (Q + G) squared: for an app, re-rank the nearest 100 or 200 rows only.

    Args:
        queries: (Q, D) with unit L2 norm.
        gallery: (G, D) with unit L2 norm.

    Raises:
        ValueError: an embedding is not finite.
    """
    every = np.concatenate([queries, gallery]).astype(np.float32)
    if not np.isfinite(every).all():
        raise ValueError("Embeddings must be finite.")
    distances = every @ every.T
    np.multiply(distances, -2, out=distances)
    np.add(distances, 2, out=distances)
    np.maximum(distances, 0, out=distances)
    # The paper's authors scale each row by its maximum. Where all embeddings are one, that maximum is 0.
    distances /= np.maximum(distances.max(axis=1, keepdims=True), 1e-12)
    order = np.stack([np.argsort(row, kind="stable")[: max(k1 + 1, k2)] for row in distances])
    encoded = _encode(distances, order, k1)
    asked = len(queries)
    known = np.stack([encoded[near].mean(axis=0) for near in order[asked:, :k2]])
    final = np.empty((asked, len(gallery)), np.float32)
    for row in range(asked):
        own = encoded[order[row, :k2]].mean(axis=0)
        shared = np.minimum(own, known).sum(axis=1)
        final[row] = (1 - weight) * (1 - shared / np.maximum(2 - shared, 1e-12)) + weight * distances[row, asked:]
    return final


def _encode(distances: np.ndarray, order: np.ndarray, k1: int) -> np.ndarray:
    """Each row's neighbourhood as weights over all rows that sum to 1."""
    encoded = np.zeros_like(distances)
    rows = range(len(distances))
    nearest = [_reciprocal(order, row, k1) for row in rows]
    closer = [_reciprocal(order, row, max(1, round(k1 / 2))) for row in rows]
    for row in rows:
        near = nearest[row]
        grown = (closer[other] for other in near if len(closer[other] & near) > 2 / 3 * len(closer[other]))
        members = np.array(sorted(near.union(*grown)))
        weights = np.exp(-distances[row, members])
        encoded[row, members] = weights / weights.sum()
    return encoded


def _reciprocal(order: np.ndarray, row: int, k: int) -> frozenset[int]:
    """Rows among the k nearest of `row` that have it among their own k nearest; `row` itself is one of them."""
    forward = order[row, : k + 1]
    mutual = forward[(order[forward, : k + 1] == row).any(axis=1)]
    # Among identical embeddings a row need not come first in its own order.
    return frozenset((row, *mutual.tolist()))
