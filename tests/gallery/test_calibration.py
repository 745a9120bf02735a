"""Known or unknown to a gallery: the distance that decides is learnt from it, kept with it, and follows its rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.drawn_gallery import CAMERAS, drawn_items, unit_clusters
from vehicle_demo.gallery import calibration
from vehicle_demo.gallery.calibration import calibrate
from vehicle_demo.gallery.gallery import Gallery


def on_circle(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def chord(degrees: float) -> float:
    """Distance of two unit vectors at this angle."""
    return float(2 * np.sin(np.radians(degrees) / 2))


# Pairs 1 to 6 degrees apart, far from each other, and one row on its own.
PAIRS = [place + turn for place, apart in zip(range(0, 300, 50), range(1, 7), strict=True) for turn in (0, apart)]
ROWS = on_circle(*PAIRS, 330)


def test_the_limit_is_the_95_percent_quantile_of_the_rows_left_out_one_by_one() -> None:
    """Worked by hand: the nearest other row is 1, 1, 2, 2, ... 6, 6 degrees away."""
    names = np.array([f"V{pair}" for pair in range(6) for _ in range(2)] + ["alone"])
    own = [chord(apart) for apart in range(1, 7) for _ in range(2)]
    found = calibrate(ROWS, names, np.full(13, ""), None)
    assert found is not None and found.rows == 13
    assert found.limit == pytest.approx(np.quantile(own, 0.95), abs=1e-4)
    # Without names nobody knows that the last row is alone: it counts too, 30 degrees from its neighbour.
    nameless = calibrate(ROWS, np.full(13, ""), np.full(13, ""), None)
    assert nameless is not None
    assert nameless.limit == pytest.approx(np.quantile([*own, chord(30)], 0.95), abs=1e-3)


def test_too_few_rows_tell_nothing(tmp_path: Path) -> None:
    assert calibrate(ROWS[:9], np.full(9, ""), np.full(9, ""), None) is None
    gallery = Gallery(tmp_path, "nano 1", 2)
    gallery.calibrate()
    assert gallery.known_within is None and gallery.novelty(ROWS[:1]) is None


def test_a_match_is_what_the_gallerys_own_vehicles_say(tmp_path: Path) -> None:
    """Worked by hand: two cameras saw each of ten vehicles 1 to 10 degrees apart, and the next vehicle is 21 away."""
    rows = on_circle(
        *[place + turn for place, apart in zip(range(0, 300, 30), range(1, 11), strict=True) for turn in (0, apart)]
    )
    names, cameras = np.array([f"V{n // 2}" for n in range(20)]), np.array(["left", "right"] * 10)
    found = calibrate(rows, names, cameras, None)
    assert found is not None and found.match is not None
    # All ten pairs are taken and no other: midway between the cosines of 10 and of 21 degrees.
    assert found.match == pytest.approx(np.cos(np.radians([10, 21])).mean(), abs=1e-3)
    for unknown in (np.full(20, ""), np.full(20, "left")):
        alone = calibrate(rows, names, unknown, None)
        assert alone is not None and alone.match is None
    gallery = filled(tmp_path, 120)
    assert gallery.match_from is not None and 0.3 < gallery.match_from < 0.9


def filled(folder: Path, rows: int) -> Gallery:
    gallery = Gallery(folder, "nano 1", 64)
    gallery.add(unit_clusters(rows, 64), drawn_items(rows))
    gallery.calibrate()
    return gallery


def test_a_vehicle_enters_by_adding_a_picture_of_it(tmp_path: Path) -> None:
    """Without training, and at once: two pictures make its other pictures known, and no other vehicle."""
    every, items = unit_clusters(132, 64), drawn_items(132)
    gallery = filled(tmp_path, 120)
    new, other = every[120:126], every[126:132]
    asked = gallery.novelty(np.concatenate([every[:1], new, other]))
    assert asked is not None and [told.known for told in asked] == [True] + [False] * 12
    assert asked[0].score == pytest.approx(0, abs=1e-3)
    gallery.add(new[:2], items[120:122])
    again = gallery.novelty(np.concatenate([new[2:], other]))
    assert again is not None and [told.known for told in again] == [True] * (CAMERAS - 2) + [False] * 6
    assert gallery.novelty(np.zeros((0, 64), np.float32)) == []


def test_it_is_learnt_once_and_kept_with_the_gallery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening a large gallery must not wait for it, and no query pays for it."""
    limit = filled(tmp_path, 60).known_within

    def never(*_: object) -> None:
        raise AssertionError("learnt again")

    monkeypatch.setattr(calibration, "calibrate", never)
    again = Gallery(tmp_path, "nano 1", 64)
    again.calibrate()
    assert again.known_within == limit is not None
    assert again.novelty(unit_clusters(60, 64)[:3]) is not None


def test_what_another_process_learns_is_taken_up(tmp_path: Path) -> None:
    ours = filled(tmp_path, 60)
    theirs = Gallery(tmp_path, "nano 1", 64)
    theirs.add(unit_clusters(120, 64, seed=5)[60:], drawn_items(120)[60:])
    before = ours.known_within
    theirs.calibrate()
    assert ours.known_within == theirs.known_within != before


@pytest.mark.parametrize("content", ["", "{", '{"rows": 60, "limit": 0.5}', "[]"])
def test_a_damaged_file_is_learnt_anew(tmp_path: Path, content: str) -> None:
    limit = filled(tmp_path, 60).known_within
    (tmp_path / "novelty.json").write_text(content)
    assert Gallery(tmp_path, "nano 1", 64).known_within == limit
