"""A gallery on disk: what it answers, what it refuses, and what a kill leaves."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vehicle_demo.gallery import index
from vehicle_demo.gallery.gallery import Gallery, GalleryError, Item, Selection
from vehicle_demo.recognition import Box


def unit(rows: int, seed: int = 0, dimension: int = 16) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(rows, dimension)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def items(count: int, start: int = 0) -> list[Item]:
    numbers = range(start, start + count)
    return [
        Item(f"{n:064x}", camera=str(n % 3), type=("suv", "sedan")[n % 2], time=f"2026-01-{n % 28 + 1:02}")
        for n in numbers
    ]


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    gallery = Gallery(tmp_path / "gallery", "nano 1", 16)
    gallery.add(unit(30), items(30))
    return gallery


def test_a_row_finds_itself_first(gallery: Gallery) -> None:
    answers = gallery.search(unit(30)[[4, 7]], 3)
    assert [hits[0].row for hits in answers] == [4, 7]
    assert answers[0][0].score == pytest.approx(1, abs=1e-5)
    assert answers[0][0].item == items(30)[4]
    assert all(hits[0].score >= hits[1].score >= hits[2].score for hits in answers)


def test_fewer_rows_than_asked_for_is_no_error(gallery: Gallery, tmp_path: Path) -> None:
    assert len(gallery.search(unit(1), 100)[0]) == 30
    assert Gallery(tmp_path / "empty", "nano 1", 16).search(unit(1), 5) == [[]]


@pytest.mark.parametrize(
    ("selection", "allowed"),
    [
        (Selection(camera="1"), lambda item: item.camera == "1"),
        (Selection(type="suv", not_camera="2"), lambda item: item.type == "suv" and item.camera != "2"),
        (Selection(since="2026-01-10", until="2026-01-12"), lambda item: "2026-01-10" <= item.time <= "2026-01-12"),
        (Selection(make="nobody"), lambda item: False),
    ],
)
def test_a_selection_answers_with_the_nearest_that_it_allows(
    gallery: Gallery, selection: Selection, allowed: Callable[[Item], bool]
) -> None:
    every = [hit.row for hit in gallery.search(unit(1, seed=9), 30)[0] if allowed(hit.item)]
    assert [hit.row for hit in gallery.search(unit(1, seed=9), 30, selection)[0]] == every


def test_what_is_there_already_is_passed_over(gallery: Gallery) -> None:
    assert gallery.add(unit(5, seed=3), items(5, start=28)) == 3
    assert len(gallery) == 33
    twice = [*items(1, start=40), *items(1, start=40)]
    assert gallery.add(unit(2, seed=4), twice) == 1


def test_it_opens_again_and_refuses_another_checkpoint(gallery: Gallery, tmp_path: Path) -> None:
    again = Gallery(tmp_path / "gallery", "nano 1", 16)
    np.testing.assert_array_equal(again.storage.embeddings(), unit(30))
    with pytest.raises(GalleryError, match=r"embeddings of nano 1, .* Build it again"):
        Gallery(tmp_path / "gallery", "nano 2", 16)


@pytest.mark.parametrize("bad", [np.full((1, 16), np.nan, np.float32), np.zeros((1, 16), np.float32)])
def test_embeddings_that_mean_nothing_are_refused(gallery: Gallery, bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="unit length"):
        gallery.add(bad, items(1, start=99))
    assert len(gallery) == 30


def test_a_cut_file_is_said_so(gallery: Gallery, tmp_path: Path) -> None:
    path = tmp_path / "gallery" / "embeddings.f32"
    os.truncate(path, path.stat().st_size - 4)
    with pytest.raises(GalleryError, match="cut short"):
        Gallery(tmp_path / "gallery", "nano 1", 16)


def test_killed_while_adding_it_opens_with_whole_batches(tmp_path: Path) -> None:
    """Killed at several moments, every batch that was acknowledged is there, row for row."""
    script = """
        import sys
        from pathlib import Path
        from tests.gallery.test_gallery import unit, items, Gallery
        gallery = Gallery(Path(sys.argv[1]), "nano 1", 16)
        for batch in range(len(gallery) // 10, 10_000):
            gallery.add(unit(10, seed=batch), items(10, start=10 * batch))
            print(batch, flush=True)
    """
    acknowledged = -1
    for pause in (0.05, 0.11, 0.17, 0.23):
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script), str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        acknowledged = int(child.stdout.readline())
        time.sleep(pause)
        child.send_signal(signal.SIGKILL)
        left = child.communicate()[0].split()
        acknowledged = int(left[-1]) if left else acknowledged
        gallery = Gallery(tmp_path, "nano 1", 16)
        assert len(gallery) % 10 == 0 and len(gallery) >= 10 * (acknowledged + 1)
    last = len(gallery) // 10 - 1
    np.testing.assert_array_equal(gallery.storage.embeddings()[-10:], unit(10, seed=last))
    assert gallery.storage.items([len(gallery) - 1]) == items(1, start=len(gallery) - 1)


def test_a_gallery_of_the_first_version_opens_and_grows(gallery: Gallery, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "gallery" / "items.sqlite")) as connection:
        connection.execute("ALTER TABLE items DROP COLUMN box")
    own = Gallery(tmp_path / "gallery", "nano 1", 16)
    assert own.storage.items([29]) == items(1, start=29)
    new = replace(items(1, start=500)[0], box=Box(1, 2, 3.5, 4))
    own.add(unit(1, seed=500), [new])
    assert own.storage.items([30]) == [new]


def test_many_search_while_one_adds(gallery: Gallery) -> None:
    def ask(seed: int) -> int:
        return len([gallery.search(unit(1, seed=seed), 5) for _ in range(20)])

    with ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(ask, seed) for seed in range(8)]
        for batch in range(3, 20):
            gallery.add(unit(10, seed=batch), items(10, start=10 * batch))
        assert sum(future.result() for future in asking) == 160
    assert len(gallery) == 200


def test_those_who_have_it_open_may_add_at_once(gallery: Gallery, tmp_path: Path) -> None:
    """Each has a lock of its own, as the app and the `index` command have: no row may be written over."""

    def add(number: int) -> None:
        own = Gallery(tmp_path / "gallery", "nano 1", 16)
        for start in range(1000 * number, 1000 * number + 100, 10):
            own.add(unit(10, seed=start), items(10, start=start))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(add, (1, 2, 3)))
    assert len(gallery) == 330
    expected = {
        item.picture: vector
        for start in [n for number in (1, 2, 3) for n in range(1000 * number, 1000 * number + 100, 10)]
        for item, vector in zip(items(10, start=start), unit(10, seed=start), strict=True)
    }
    numbers = range(30, 330)
    for item, vector in zip(gallery.storage.items(numbers), gallery.embeddings(numbers), strict=True):
        np.testing.assert_array_equal(vector, expected[item.picture])


def test_a_large_gallery_is_searched_through_codes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "EXACT_UP_TO", 2000)
    gallery = Gallery(tmp_path, "nano 1", 16)
    gallery.build_index()
    assert gallery.index_facts is None  # nothing to build yet
    gallery.add(unit(5000), items(5000))
    gallery.build_index()
    facts = gallery.index_facts
    assert facts is not None and facts.rows == 5000 and facts.recall >= 0.98
    gallery.add(unit(50, seed=1), items(50, start=5000))  # later rows are found as well
    queries = np.concatenate([unit(5000)[:20], unit(50, seed=1)[:20]])
    again = Gallery(tmp_path, "nano 1", 16)
    assert again.index_facts == facts
    for answers in (gallery.search(queries, 10), again.search(queries, 10)):
        assert [hits[0].row for hits in answers] == [*range(20), *range(5000, 5020)]
        assert all(len({hit.row for hit in hits}) == 10 for hits in answers)
