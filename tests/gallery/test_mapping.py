"""Maps in the making: shared by those who look, stopped when nobody does, kept when done."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from tests.drawn_gallery import drawn_items, unit_clusters
from vehicle_demo.gallery.gallery import Gallery, GalleryError
from vehicle_demo.gallery.mapping import Maps, Snapshot, prepare
from vehicle_demo.gallery.projection import ITERATIONS, STAGES, Settings, settings_for

ROWS = np.arange(60)
SETTINGS = Settings(10.0, 0)


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    gallery = Gallery(tmp_path, "nano 1", 32)
    gallery.add(unit_clusters(60, 32), drawn_items(60))
    return gallery


def at_work() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "map"]


def finish() -> None:
    for thread in at_work():
        thread.join(60)
        assert not thread.is_alive()


def done(maps: Maps, gallery: Gallery, rows: np.ndarray = ROWS, settings: Settings = SETTINGS) -> Snapshot:
    maps.look(gallery, rows, settings, "anna")
    finish()
    return maps.look(gallery, rows, settings, "anna")


def test_pca_comes_at_once_and_the_map_when_it_has_settled(gallery: Gallery) -> None:
    maps = Maps()
    first = maps.look(gallery, ROWS, SETTINGS, "anna")
    assert (first.state, first.iterations, first.seconds_left) == ("working", 0, None)
    assert first.coordinates.shape == (60, 2)
    finish()
    last = maps.look(gallery, ROWS, SETTINGS, "anna")
    assert (last.state, last.iterations) == ("done", STAGES * ITERATIONS)
    assert not np.allclose(last.coordinates, first.coordinates, atol=0.01)


def test_a_map_that_was_prepared_is_there_at_once(gallery: Gallery) -> None:
    prepare(gallery)
    now = Maps().look(gallery, ROWS, settings_for(len(ROWS)), "anna")
    assert (now.state, now.iterations) == ("done", STAGES * ITERATIONS) and not at_work()
    gallery.add(unit_clusters(66, 32)[60:], drawn_items(66)[60:])
    assert Maps().look(gallery, np.arange(66), settings_for(66), "anna").state == "working"
    finish()


def test_two_who_look_share_one_run_and_one_who_leaves_does_not_stop_it(gallery: Gallery) -> None:
    maps = Maps()
    maps.look(gallery, ROWS, SETTINGS, "anna")
    maps.look(gallery, ROWS, SETTINGS, "boris")
    assert len(at_work()) == 1
    maps.leave(gallery, ROWS, SETTINGS, "anna")
    finish()
    assert maps.look(gallery, ROWS, SETTINGS, "boris").state == "done"


def test_when_the_last_one_leaves_the_work_stops_and_nothing_is_kept(gallery: Gallery, tmp_path: Path) -> None:
    maps = Maps()
    for who in ("anna", "boris"):
        maps.look(gallery, ROWS, SETTINGS, who)
    for who in ("anna", "boris", "nobody"):
        maps.leave(gallery, ROWS, SETTINGS, who)
    finish()
    assert not (tmp_path / "maps").exists()
    assert maps.look(gallery, ROWS, SETTINGS, "anna").iterations == 0  # who asks again begins anew
    finish()


def test_a_map_is_read_back_after_a_restart(gallery: Gallery, tmp_path: Path) -> None:
    made = done(Maps(), gallery)
    again = Maps().look(Gallery(tmp_path, "nano 1", 32), ROWS, SETTINGS, "anna")
    assert (again.state, again.iterations) == ("done", STAGES * ITERATIONS)
    np.testing.assert_array_equal(again.coordinates, made.coordinates)
    assert at_work() == []


def test_a_damaged_map_is_made_again(gallery: Gallery, tmp_path: Path) -> None:
    maps = Maps()
    made = done(maps, gallery)
    (kept,) = (tmp_path / "maps").iterdir()
    kept.write_bytes(kept.read_bytes()[:200])
    np.testing.assert_array_equal(done(maps, gallery).coordinates, made.coordinates)


def test_rows_that_cannot_settle_are_done_at_once(gallery: Gallery) -> None:
    few = Maps().look(gallery, ROWS[:3], Settings(1.0), "anna")
    assert (few.state, few.iterations, len(few.coordinates)) == ("done", 0, 3)
    assert at_work() == []


def test_a_map_that_fails_says_so_once_and_then_gets_another_try(gallery: Gallery, tmp_path: Path) -> None:
    maps = Maps()
    (tmp_path / "maps").write_text("a file where the folder should be")
    failed = done(maps, gallery)
    assert failed.state == "failed" and failed.problem.endswith(".") and len(failed.coordinates) == 60
    (tmp_path / "maps").unlink()
    assert done(maps, gallery).state == "done"


def test_too_many_at_once_are_refused_but_failed_ones_do_not_count(gallery: Gallery, tmp_path: Path) -> None:
    """Failed maps that nobody asked for again once kept everybody else's from being made."""
    maps = Maps()
    (tmp_path / "maps").write_text("a file where the folder should be")
    several = [Settings(10.0, seed) for seed in range(9)]
    with maps._turn:  # none can end before the ninth is asked for
        for settings in several[:8]:
            maps.look(gallery, ROWS, settings, "anna")
        with pytest.raises(GalleryError, match="Too many maps"):
            maps.look(gallery, ROWS, several[8], "anna")
    finish()
    (tmp_path / "maps").unlink()
    assert done(maps, gallery, settings=several[8]).state == "done"
