"""Nearest neighbours by cosine similarity: exact up to 100,000 rows, by inverted lists of short codes beyond.

Codes only find candidates, which are then compared by their full embeddings. So codes of two bits a number do, which
FAISS compares in the processor's registers (fast scan): of a million rows it looks through ten times as many in the
same time as with four bits a number, and finds more.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from threadpoolctl import threadpool_limits

EXACT_UP_TO = 100_000
_FILE, _ABOUT = "index.faiss", "index.json"
# Candidates taken by codes and then compared exactly, for every neighbour asked for; at least _FEWEST.
_OVERSAMPLING, _FEWEST = 2, 200
_TRAINING_ROWS = 100_000
_ASKED, _COMPARED, _RECALL = 200, 10, 0.985
# The share of the machine's memory that an index may take.
_SHARE = 1 / 4


@dataclass(frozen=True)
class IndexFacts:
    """What is known of a built index: `recall` of the 10 nearest others against exact search, on `asked` of its rows.

    `kind` is FAISS's name for it; a query looks into `probes` of its `lists`.
    """

    rows: int
    kind: str
    lists: int
    probes: int
    recall: float
    asked: int


@dataclass(frozen=True, eq=False)
class Index:
    """Codes of the first `facts.rows` rows; later rows are compared exactly."""

    codes: Any
    facts: IndexFacts


def exact(queries: np.ndarray, rows: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(similarities, row numbers), each (Q, min(count, N)), best first; queries (Q, D) and rows (N, D) float32."""
    count = min(count, len(rows))
    if count == 0:
        empty = np.zeros((len(queries), 0))
        return empty.astype(np.float32), empty.astype(np.int64)
    return faiss.knn(
        np.ascontiguousarray(queries, np.float32), np.ascontiguousarray(rows), count, metric=faiss.METRIC_INNER_PRODUCT
    )


def nearest(queries: np.ndarray, rows: np.ndarray, index: Index | None, count: int) -> tuple[np.ndarray, np.ndarray]:
    """As `exact`, through the index where there is one: its candidates and all later rows are compared exactly."""
    if index is None:
        return exact(queries, rows, count)
    wanted = max(_FEWEST, _OVERSAMPLING * count)
    candidates = index.codes.search(np.ascontiguousarray(queries, np.float32), wanted)[1]
    built = index.facts.rows
    tail_scores, tail = exact(queries, rows[built:], count)
    scores = np.full((len(queries), min(count, len(rows))), -np.inf, np.float32)
    numbers = np.full(scores.shape, -1, np.int64)
    for place, query in enumerate(queries):
        found = np.sort(candidates[place][candidates[place] >= 0])
        own = rows[found] @ query
        every = np.concatenate([own, tail_scores[place]])
        names = np.concatenate([found, tail[place] + built])
        best = np.argsort(-every, kind="stable")[: scores.shape[1]]
        scores[place, : len(best)], numbers[place, : len(best)] = every[best], names[best]
    return scores, numbers


def kind_for(rows: int, dimension: int, memory: int) -> tuple[str, int]:
    """FAISS's name of the index for so many rows on a machine with so many bytes of memory, and how many lists it has.

    Two bits a number, or one where these would take more than a quarter of the memory.
    """
    lists = int(2 ** np.round(np.log2(4 * np.sqrt(rows))))
    fits = rows * (dimension / 4 + 8) <= _SHARE * memory  # 8 bytes are the row's number
    return f"IVF{lists},PQ{dimension // (2 if fits else 4)}x4fs", lists


def _memory() -> int:
    """Bytes of memory of this machine; where the system does not say, 8 GB."""
    sysconf = getattr(os, "sysconf", None)  # not on Windows
    return sysconf("SC_PAGE_SIZE") * sysconf("SC_PHYS_PAGES") if sysconf else 8 * 2**30


def build(rows: np.ndarray, folder: Path, seed: int = 0) -> Index:
    """Train and fill the index of rows (N, D), measure its recall, and keep it in `folder`, replaced in one step."""
    count, dimension = rows.shape
    kind, lists = kind_for(count, dimension, _memory())
    codes: Any = faiss.index_factory(dimension, kind, faiss.METRIC_INNER_PRODUCT)
    rng = np.random.default_rng(seed)
    codes.cp.seed = seed
    training = np.ascontiguousarray(rows[np.sort(rng.permutation(count)[:_TRAINING_ROWS])])
    # Threads that wait for each other at every small step take ten times as long once a core is busy elsewhere; the
    # last core is left to those who search meanwhile.
    with threadpool_limits(max(1, (os.cpu_count() or 1) - 1), user_api="openmp"):
        codes.train(training)
        for start in range(0, count, 50_000):
            codes.add(np.ascontiguousarray(rows[start : start + 50_000]))
    asked = np.sort(rng.permutation(count)[:_ASKED])
    truth = exact(rows[asked], rows, _COMPARED + 1)[1]
    facts = IndexFacts(count, kind, lists, lists, 0.0, len(asked))
    for probes in (16, 32, 64, 128, 256, 512, lists):
        codes.nprobe = min(probes, lists)
        found = nearest(rows[asked], rows, Index(codes, facts), _COMPARED + 1)[1]
        recall = float(np.mean([_shared(*numbers) for numbers in zip(asked, found, truth, strict=True)]))
        facts = IndexFacts(count, kind, lists, codes.nprobe, recall, len(asked))
        if recall >= _RECALL or codes.nprobe == lists:
            break
    index = Index(codes, facts)
    _save(index, folder)
    return index


def _shared(row: int, found: np.ndarray, truth: np.ndarray) -> float:
    """The share of the truth that was found, the row itself left out: that one is always found."""
    others = set(truth) - {row}
    return len(others & set(found)) / len(others)


def _save(index: Index, folder: Path) -> None:
    faiss.write_index(index.codes, str(folder / (_FILE + ".part")))
    (folder / (_ABOUT + ".part")).write_text(json.dumps(asdict(index.facts)))
    # The description goes last: without it, or with another number of rows in it, the index does not count.
    (folder / _ABOUT).unlink(missing_ok=True)
    os.replace(folder / (_FILE + ".part"), folder / _FILE)
    os.replace(folder / (_ABOUT + ".part"), folder / _ABOUT)


def load(folder: Path) -> Index | None:
    """The index kept in `folder`, or None when there is none that can be used."""
    if not (folder / _ABOUT).exists():
        return None
    try:
        facts = IndexFacts(**json.loads((folder / _ABOUT).read_text()))
        codes: Any = faiss.read_index(str(folder / _FILE))
    except (RuntimeError, ValueError, TypeError):
        return None
    if codes.ntotal != facts.rows:
        return None
    codes.nprobe = facts.probes
    return Index(codes, facts)
