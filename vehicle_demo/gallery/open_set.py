"""KNN+ novelty (Sun et al., arXiv 2204.06507, as Veri-Car uses it): how far the k-th neighbour is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vehicle_demo.gallery.index import Index, nearest


@dataclass(frozen=True)
class OpenSet:
    """AUROC of telling unknown (positive) from known, and the share of known ones above the 95 % detection rate."""

    auroc: float
    fpr95: float
    known: int
    unknown: int


def novelty(queries: np.ndarray, gallery: np.ndarray, k: int = 10) -> np.ndarray:
    """Euclidean distance (Q,) to the k-th nearest of the gallery's rows, all with unit L2 norm; larger is newer.

    Raises:
        ValueError: the gallery has fewer than k rows.
    """
    if len(gallery) < k:
        raise ValueError(f"Novelty by the {k}-th neighbour needs a gallery of at least {k} rows.")
    return distances(queries, gallery, None, k)


def distances(queries: np.ndarray, rows: np.ndarray, index: Index | None, k: int) -> np.ndarray:
    """Euclidean distance (Q,) to the k-th nearest of at least k rows, through their index where there is one."""
    similarity = nearest(queries, rows, index, k)[0][:, -1]
    return np.sqrt(np.maximum(2 - 2 * similarity, 0))


def own_novelty(rows: np.ndarray, k: int = 10) -> np.ndarray:
    """Novelty (N,) of each row among the others, by their k-th nearest, or the farthest where there are fewer.

    Raises:
        ValueError: there are fewer than two rows.
    """
    if len(rows) < 2:
        raise ValueError("Novelty among the others needs at least two rows.")
    return novelty(rows, rows, min(k, len(rows) - 1) + 1)  # the nearest of all is the row itself


def open_set_figures(known: np.ndarray, unknown: np.ndarray) -> OpenSet:
    """Figures of novelty scores (K,) of known and (U,) of unknown vehicles.

    Raises:
        ValueError: one of them is empty, or a score is not finite.
    """
    # A second to import, which novelty alone does not need.
    from sklearn.metrics import roc_auc_score, roc_curve

    if not len(known) or not len(unknown):
        raise ValueError("Open-set figures need known and unknown vehicles.")
    truth = np.concatenate([np.zeros(len(known)), np.ones(len(unknown))])
    scores = np.concatenate([known, unknown])
    false_rate, true_rate, _ = roc_curve(truth, scores)
    return OpenSet(
        float(roc_auc_score(truth, scores)), float(false_rate[true_rate >= 0.95].min()), len(known), len(unknown)
    )
