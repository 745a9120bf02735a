"""How a gallery of a million rows is built, loaded and searched, against flat search; and the time of a map.

Rows are drawn from a fixed seed in three levels, as embeddings of vehicles lie: models, the vehicles of each (20 on
average), and the pictures of each (10 on average, some with one, some with forty). A row is a model's centre plus 0.6
times its vehicle's own direction plus 0.6 times its picture's, at unit length, so that the cosine is about 0.79 between
pictures of one vehicle, 0.58 within a model and 0 elsewhere. Each of the three is normal with variances that fall as
1/n along rotated axes: an effective dimension (participation ratio) of 23, where the shipped sample's embeddings have
8, so compressing these is harder. Queries are further pictures of vehicles that are there. Rows have no thumbnails.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_DIMENSION = 256
_SPREAD = 0.6
_PICTURES, _VEHICLES = 10, 20
_BATCH = 20_000
_FOUND, _CHECKED = 100, 10
_CHECKPOINT = "made up"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools benchmark-gallery`."""
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=300, help="each asked alone, for its 100 nearest")
    parser.add_argument("--map-rows", type=int, default=10_000, help="rows of the t-SNE map")
    parser.add_argument("--folder", type=Path, help="where the gallery is made; by default the system's temporary one")
    parser.add_argument("--output", type=Path, help="JSON file to write")


def run(args: argparse.Namespace) -> None:
    """Print a line for each figure: seconds, milliseconds a query, megabytes, and recall against flat search."""
    drawn = Drawn(args.rows)
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        folder = Path(name)
        parts: tuple[Callable[[], dict[str, Any]], ...] = (
            lambda: _built(folder, drawn),
            lambda: _compared(folder, drawn.queries(args.queries)),
            lambda: _mapped(folder, args.map_rows),
        )
        for part in parts:
            found = part()
            for title, value in found.items():
                print(f"{title:32} {value:.3f}" if isinstance(value, float) else f"{title:32} {value}", flush=True)
            figures |= found
    if args.output:
        args.output.write_text(json.dumps(figures, indent=1) + "\n")


class Drawn:
    """The made-up rows; always the same for one number of them."""

    def __init__(self, rows: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        counts = rng.geometric(1 / _PICTURES, 2 * rows // _PICTURES + 20)
        self.vehicle_of = np.repeat(np.arange(len(counts)), np.minimum(counts, 4 * _PICTURES))[:rows]
        vehicles = int(self.vehicle_of[-1]) + 1
        axes = np.linalg.qr(rng.normal(size=(_DIMENSION, _DIMENSION)))[0]
        self._axes = (axes / np.sqrt(np.arange(1, _DIMENSION + 1)) / _length()).astype(np.float32)
        models = self._normal(rng, vehicles // _VEHICLES + 1)
        model_of = np.sort(rng.integers(len(models), size=vehicles))
        self._centres = models[model_of] + _SPREAD * self._normal(rng, vehicles)
        self._seed = seed

    def _normal(self, rng: np.random.Generator, count: int) -> np.ndarray:
        return rng.standard_normal((count, _DIMENSION), np.float32) @ self._axes.T

    def batches(self) -> Iterator[tuple[int, np.ndarray]]:
        """(number of the first, (N, 256) float32 of unit length) until all rows have come."""
        for start in range(0, len(self.vehicle_of), _BATCH):
            rng = np.random.default_rng((self._seed, 1, start))
            yield start, self._pictures(rng, self.vehicle_of[start : start + _BATCH])

    def queries(self, count: int) -> np.ndarray:
        """(N, 256) float32: further pictures of random vehicles."""
        rng = np.random.default_rng((self._seed, 2))
        return self._pictures(rng, rng.choice(self.vehicle_of, count))

    def _pictures(self, rng: np.random.Generator, vehicles: np.ndarray) -> np.ndarray:
        rows = self._centres[vehicles] + _SPREAD * self._normal(rng, len(vehicles))
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def _length() -> float:
    """Root of the mean squared length of a normal vector whose variances fall as 1/n."""
    return float(np.sqrt((1 / np.arange(1, _DIMENSION + 1)).sum()))


def _built(folder: Path, drawn: Drawn) -> dict[str, Any]:
    """Fill and index the gallery as a build does."""
    from vehicle_demo.gallery.gallery import Gallery, Item

    gallery = Gallery(folder, _CHECKPOINT, _DIMENSION)
    began = time.perf_counter()
    for start, rows in drawn.batches():
        numbers = range(start, start + len(rows))
        gallery.add(rows, [Item(f"{n:064x}", vehicle_id=f"V{drawn.vehicle_of[n]}") for n in numbers])
    stored = time.perf_counter()
    gallery.build_index()
    indexed = time.perf_counter()
    gallery.calibrate()
    facts = gallery.index_facts
    return {
        "rows": len(gallery),
        "index": f"{facts.kind}, {facts.probes} of {facts.lists} lists" if facts else "exact",
        "build, rows stored (s)": stored - began,
        "build, index (s)": indexed - stored,
        "build, novelty (s)": time.perf_counter() - indexed,
        "index file (MB)": (folder / "index.faiss").stat().st_size / 1e6 if facts else 0.0,
    }


@dataclass(frozen=True, eq=False)
class Asked:
    """One way of searching, in a process of its own: time to load, memory in MB, ms of each query, rows found (Q, K).

    `memory` is what loading and searching have added to the process.
    """

    load_s: float
    memory_mb: float
    milliseconds: np.ndarray
    found: np.ndarray


def _compared(folder: Path, queries: np.ndarray) -> dict[str, Any]:
    """The gallery against flat search over the same rows, each alone in a fresh process, one after the other."""
    ours, flat = (_in_process(way, folder, queries) for way in (ask_gallery, ask_flat))
    same = [len(set(a) & set(b)) for a, b in zip(ours.found[:, :_CHECKED], flat.found[:, :_CHECKED], strict=True)]
    return {
        "load (s)": ours.load_s,
        "load, flat (s)": flat.load_s,
        f"top {_FOUND}, median (ms)": float(np.median(ours.milliseconds)),
        f"top {_FOUND}, p95 (ms)": float(np.percentile(ours.milliseconds, 95)),
        f"top {_FOUND}, flat, median (ms)": float(np.median(flat.milliseconds)),
        f"recall at {_CHECKED}": float(np.mean(same) / _CHECKED),
        "memory (MB)": ours.memory_mb,
        "memory, flat (MB)": flat.memory_mb,
        "memory / flat": ours.memory_mb / flat.memory_mb,
    }


def _in_process(way: Callable[[Path, np.ndarray], Asked], folder: Path, queries: np.ndarray) -> Asked:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(way, folder, queries).result()


def ask_gallery(folder: Path, queries: np.ndarray) -> Asked:
    """Open the gallery and search it as the app does, what each row is included."""
    from vehicle_demo.gallery.gallery import Gallery

    before, began = _resident_mb(), time.perf_counter()
    gallery = Gallery(folder, _CHECKPOINT, _DIMENSION)
    loaded = time.perf_counter()

    def ask(query: np.ndarray) -> list[int]:
        return [hit.row for hit in gallery.search(query, _FOUND)[0]]

    milliseconds, found = _timed(ask, queries)
    return Asked(loaded - began, _resident_mb() - before, milliseconds, found)


def ask_flat(folder: Path, queries: np.ndarray) -> Asked:
    """The same rows in FAISS's flat index, without looking up what each row is."""
    import faiss

    from vehicle_demo.gallery.storage import Storage

    storage = Storage(folder, _CHECKPOINT, _DIMENSION)
    before, began = _resident_mb(), time.perf_counter()
    index: Any = faiss.IndexFlatIP(_DIMENSION)
    rows = storage.embeddings()
    for start in range(0, len(rows), _BATCH):
        index.add(np.ascontiguousarray(rows[start : start + _BATCH]))
    del rows
    loaded = time.perf_counter()
    milliseconds, found = _timed(lambda query: index.search(query, _FOUND)[1][0].tolist(), queries)
    return Asked(loaded - began, _resident_mb() - before, milliseconds, found)


def _timed(ask: Callable[[np.ndarray], list[int]], queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Milliseconds of each query alone, after one to warm up, and what was found."""
    ask(queries[:1])
    spent, found = [], []
    for query in queries:
        began = time.perf_counter()
        found.append(ask(query[None]))
        spent.append((time.perf_counter() - began) * 1000)
    return np.array(spent), np.array(found)


def _resident_mb() -> float:
    import psutil

    return psutil.Process().memory_info().rss / 1e6


def _mapped(folder: Path, count: int) -> dict[str, Any]:
    """Time of the first paint and of the whole map, as the Map tab makes it."""
    from vehicle_demo.gallery import projection
    from vehicle_demo.gallery.storage import Storage

    rows = Storage(folder, _CHECKPOINT, _DIMENSION).embeddings()[:count]
    began = time.perf_counter()
    first = projection.pca(rows)
    painted = time.perf_counter()
    *_, _ = projection.tsne(rows, first, projection.settings_for(len(rows)))
    return {
        f"map of {len(rows):,}, PCA (s)": painted - began,
        f"map of {len(rows):,}, t-SNE (s)": time.perf_counter() - painted,
    }
