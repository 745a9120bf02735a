"""Re-ranking and open-set figures on cases worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vehicle_demo.gallery.open_set import novelty, open_set_figures
from vehicle_demo.gallery.reranking import rerank


def on_circle(*degrees: float) -> np.ndarray:
    angle = np.radians(degrees)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)


def test_reranking_prefers_who_shares_neighbours() -> None:
    """Both are 20 degrees from the query; one of them stands among the query's own neighbours."""
    query = on_circle(0)
    gallery = on_circle(20, -20, 5, 10, 15, 25)
    final = rerank(query, gallery, k1=4, k2=1)
    assert final.shape == (1, 6)
    assert final[0, 0] < final[0, 1]


def test_only_the_plain_distance_is_left_at_weight_one() -> None:
    query, gallery = on_circle(0), on_circle(60, 120, 180)
    plain = 2 - 2 * np.cos(np.radians([60, 120, 180]))
    np.testing.assert_allclose(rerank(query, gallery, weight=1.0)[0], plain / 4, atol=1e-5)  # the farthest is at 4


def test_identical_embeddings_give_numbers() -> None:
    """The common code divides by zero here and answers NaN."""
    final = rerank(on_circle(0, 0), on_circle(0, 0, 0))
    assert np.isfinite(final).all()


def test_embeddings_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        rerank(np.array([[np.nan, 1]]), on_circle(0))


def test_novelty_is_the_distance_to_the_kth_neighbour() -> None:
    gallery = on_circle(0, 60, 90)
    np.testing.assert_allclose(novelty(on_circle(0), gallery, k=2), [1.0], atol=1e-5)  # the chord of 60 degrees
    with pytest.raises(ValueError, match="at least 4 rows"):
        novelty(on_circle(0), gallery, k=4)


def test_open_set_figures_by_hand() -> None:
    figures = open_set_figures(np.array([0.1, 0.2, 0.3, 0.8]), np.array([0.5, 0.9]))
    # Of eight pairs seven are in order: only (0.8, 0.5) is not. All unknown are found from 0.5 on, where 0.8 is too.
    assert figures.auroc == pytest.approx(7 / 8)
    assert figures.fpr95 == pytest.approx(1 / 4)
    with pytest.raises(ValueError, match="known and unknown"):
        open_set_figures(np.array([]), np.array([0.5]))
