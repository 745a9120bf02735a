"""The gallery's benchmark, on few rows: every figure is there, and the rows lie as its docstring says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from data_tools.__main__ import main
from data_tools.benchmark_gallery import Drawn
from vehicle_demo.gallery import index


def test_rows_are_the_same_each_time_and_lie_in_three_levels() -> None:
    drawn, again = Drawn(5000), Drawn(5000)
    rows = np.concatenate([batch for _, batch in drawn.batches()])
    np.testing.assert_array_equal(rows, np.concatenate([batch for _, batch in again.batches()]))
    assert rows.dtype == np.float32 and np.linalg.norm(rows, axis=1) == pytest.approx(1, abs=1e-5)
    cosines = rows @ rows.T
    same = drawn.vehicle_of[:, None] == drawn.vehicle_of[None]
    np.fill_diagonal(same, False)
    assert np.median(cosines[same]) == pytest.approx(0.79, abs=0.03)
    assert np.median(cosines[~same]) == pytest.approx(0, abs=0.05)
    queries = drawn.queries(50)
    assert np.median((queries @ rows.T).max(axis=1)) > 0.75 and (queries @ rows.T).max() < 0.999


def test_it_measures_an_indexed_gallery_against_flat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "EXACT_UP_TO", 1000)
    output = tmp_path / "figures.json"
    size = ["--rows", "3000", "--queries", "20", "--map-rows", "40"]
    main(["benchmark-gallery", *size, "--folder", str(tmp_path), "--output", str(output)])
    figures = json.loads(output.read_text())
    assert figures["rows"] == 3000 and figures["index"].startswith("IVF256,PQ128x4fs, ")
    assert figures["recall at 10"] >= 0.95
    assert figures["load (s)"] > 0 and figures["top 100, median (ms)"] <= figures["top 100, p95 (ms)"]
    assert figures["map of 40, t-SNE (s)"] > figures["map of 40, PCA (s)"] > 0
    assert list(tmp_path.iterdir()) == [output]  # nothing is left of the gallery


@pytest.mark.parametrize(
    ("rows", "gigabytes", "kind", "lists"),
    [
        (150_000, 8, "IVF2048,PQ128x4fs", 2048),
        (1_000_000, 8, "IVF4096,PQ128x4fs", 4096),
        (50_000_000, 8, "IVF32768,PQ64x4fs", 32768),
    ],
)
def test_the_index_is_chosen_by_rows_and_memory(rows: int, gigabytes: int, kind: str, lists: int) -> None:
    assert index.kind_for(rows, 256, gigabytes * 2**30) == (kind, lists)
