"""Coordinates of a map: the same from the same, sensible for few rows, and never from a damaged file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.drawn_gallery import CAMERAS, unit_clusters
from vehicle_demo.gallery import projection
from vehicle_demo.gallery.gallery import GalleryError
from vehicle_demo.gallery.projection import About, pca, settings_for, tsne

ROWS = np.arange(60)
ABOUT = About("nano 1", 10.0, 3)


def last(embeddings: np.ndarray, perplexity: float | None = None, seed: int = 0) -> np.ndarray:
    *_, done = tsne(embeddings, pca(embeddings), settings_for(len(embeddings), perplexity, seed))
    return done


def kinship(points: np.ndarray) -> float:
    """The share of rows whose nearest point is another picture of the same vehicle."""
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    return float((apart.argmin(axis=1) // CAMERAS == np.arange(len(points)) // CAMERAS).mean())


def test_pca_shows_the_directions_in_which_most_differs() -> None:
    rng = np.random.default_rng(0)
    plane = np.stack([rng.uniform(-9, 9, 400), rng.uniform(-2, 2, 400)], axis=1)
    turned = np.linalg.qr(rng.normal(size=(16, 16)))[0][:2]
    found = pca((plane @ turned + 5).astype(np.float32))
    assert found.shape == (400, 2) and found.dtype == np.float32
    assert np.abs(found).max() == pytest.approx(1)
    for axis in (0, 1):
        assert abs(np.corrcoef(found[:, axis], plane[:, axis])[0, 1]) > 0.95


@pytest.mark.parametrize("rows", [0, 1, 2, 3, 4])
def test_few_rows_stay_as_pca_has_them(rows: int) -> None:
    first = pca(unit_clusters(rows, 16)) if rows else pca(np.zeros((0, 16), np.float32))
    assert first.shape == (rows, 2) and np.isfinite(first).all()
    assert not projection.can_settle(first)
    assert settings_for(rows, 30.0).perplexity >= 1  # asked for before a filter left so few: no reason to refuse


def test_rows_that_are_all_the_same_lie_on_one_spot() -> None:
    first = pca(unit_clusters(1, 16).repeat(20, axis=0))
    assert (first == 0).all() and not projection.can_settle(first)


def test_tsne_brings_pictures_of_a_vehicle_together_in_stages() -> None:
    embeddings = unit_clusters(90, 32)
    stages = list(tsne(embeddings, pca(embeddings), settings_for(90)))
    assert len(stages) == projection.STAGES
    for points in stages:
        assert points.shape == (90, 2) and points.dtype == np.float32
        assert np.abs(points).max() == pytest.approx(1)
    assert kinship(stages[-1]) > 0.95 > kinship(pca(embeddings))


def test_the_same_seed_gives_the_same_map_and_another_a_different_one() -> None:
    embeddings = unit_clusters(60, 32)
    np.testing.assert_array_equal(last(embeddings, seed=4), last(embeddings, seed=4))
    assert not np.allclose(last(embeddings, seed=4), last(embeddings, seed=5), atol=1e-3)


@pytest.mark.parametrize("rows", [projection.FEWEST, 12])
def test_the_highest_and_the_lowest_perplexity_work(rows: int) -> None:
    for perplexity in (1, rows - 1):
        assert np.isfinite(last(unit_clusters(rows, 16), perplexity)).all()


def test_rows_that_are_partly_the_same_are_parted() -> None:
    points = last(unit_clusters(10, 16).repeat(3, axis=0))
    assert np.isfinite(points).all()
    assert len(np.unique(points, axis=0)) == 30


@pytest.mark.parametrize("perplexity", [0.5, 0, -3, 60, 1e9, float("nan"), float("inf")])
def test_a_perplexity_out_of_range_is_refused_with_the_range(perplexity: float) -> None:
    with pytest.raises(GalleryError, match="For the 60 rows on this map, choose a perplexity from 1 to 59"):
        settings_for(60, perplexity)


def test_a_kept_map_is_found_only_for_what_it_was_made_of(tmp_path: Path) -> None:
    drawn = np.random.default_rng(0).uniform(-1, 1, (60, 2)).astype(np.float32)
    assert projection.load(tmp_path, ROWS, ABOUT) is None
    projection.save(tmp_path, ROWS, ABOUT, drawn)
    kept = projection.load(tmp_path, ROWS, ABOUT)
    assert kept is not None
    np.testing.assert_array_equal(kept, drawn)
    for rows, about in [
        (ROWS[:-1], ABOUT),
        (ROWS + 1, ABOUT),
        (ROWS, About("nano 2", 10.0, 3)),
        (ROWS, About("nano 1", 11.0, 3)),
        (ROWS, About("nano 1", 10.0, 4)),
    ]:
        assert projection.load(tmp_path, rows, about) is None


def test_a_damaged_map_is_made_anew(tmp_path: Path) -> None:
    """A cut or changed file must not be an error, which would keep the map from being made for ever."""
    drawn = np.random.default_rng(0).uniform(-1, 1, (60, 2)).astype(np.float32)
    projection.save(tmp_path, ROWS, ABOUT, drawn)
    (path,) = (tmp_path / "maps").iterdir()
    whole = path.read_bytes()
    for length in (0, 3, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert projection.load(tmp_path, ROWS, ABOUT) is None
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        kept = projection.load(tmp_path, ROWS, ABOUT)
        assert kept is None or np.array_equal(kept, drawn)
    projection.save(tmp_path, ROWS, ABOUT, np.full((60, 2), np.nan, np.float32))
    assert projection.load(tmp_path, ROWS, ABOUT) is None


def test_of_many_maps_the_oldest_go(tmp_path: Path) -> None:
    for seed in range(projection._KEPT + 3):
        projection.save(tmp_path, ROWS, About("nano 1", 10.0, seed), np.zeros((60, 2), np.float32))
    assert len(list((tmp_path / "maps").iterdir())) == projection._KEPT
    assert projection.load(tmp_path, ROWS, About("nano 1", 10.0, projection._KEPT + 2)) is not None
