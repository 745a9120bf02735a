"""Drawn scenes: the same from the same seed, rightly labelled, and training apart from showing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data_tools.drawing import draw_scene, write_parquet
from data_tools.readers import parquet


def test_a_seed_draws_the_same_scene_again() -> None:
    first, again, other = draw_scene(7), draw_scene(7), draw_scene(8)
    assert np.array_equal(np.asarray(first.image), np.asarray(again.image)) and first.boxes == again.boxes
    assert not np.array_equal(np.asarray(first.image), np.asarray(other.image))


def test_boxes_lie_in_the_picture_and_lists_run_in_parallel() -> None:
    for seed in range(12):
        scene = draw_scene(seed)
        parallel = (scene.labels, scene.types, scene.makes, scene.models, scene.plate_boxes, scene.plate_texts)
        assert {len(values) for values in parallel} == {len(scene.boxes)}
        for cx, cy, w, h in scene.boxes:
            assert cx - w / 2 >= -1e-9 and cx + w / 2 <= 1 + 1e-9
            assert cy - h / 2 >= -1e-9 and cy + h / 2 <= 1 + 1e-9


def test_written_scenes_are_read_as_training_pictures(tmp_path: Path) -> None:
    write_parquet(tmp_path / "drawn.parquet", 3, seed=0)
    pictures = list(parquet.read(tmp_path, "drawn"))
    assert len(pictures) == 3 and pictures[0].labelled_kinds == {"vehicle", "plate"}
    assert pictures[0].decode().size == (640, 480)


def test_examples_are_never_training_pictures(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="kept for examples"):
        write_parquet(tmp_path / "drawn.parquet", 10, seed=1000)
