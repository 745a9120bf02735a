"""Nearest neighbours by cosine similarity: exact up to 100,000 rows, by inverted lists of product codes beyond."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np

EXACT_UP_TO = 100_000
_FILE, _ABOUT = "index.faiss", "index.json"
# Candidates taken by codes and then compared exactly, for every neighbour asked for; at least _FEWEST.
_OVERSAMPLING, _FEWEST = 4, 400
_TRAINING_ROWS = 100_000


@dataclass(frozen=True)
class IndexFacts:
    """What is known of a built index: `recall` of the 10 nearest against exact search, on `asked` of its own rows."""

    rows: int
    lists: int
    probes: int
    code_bytes: int
    recall: float
    asked: int


@dataclass(frozen=True, eq=False)
class Index:
    """Product codes of the first `facts.rows` rows; later rows are compared exactly."""

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


def build(rows: np.ndarray, folder: Path, seed: int = 0, code_bytes: int = 64) -> Index:
    """Train and fill the index of rows (N, D), measure its recall, and keep it in `folder`, replaced in one step."""
    count, dimension = rows.shape
    lists = int(2 ** np.round(np.log2(4 * np.sqrt(count))))
    codes: Any = faiss.index_factory(
        dimension, f"IVF{lists},PQ{min(code_bytes, dimension)}", faiss.METRIC_INNER_PRODUCT
    )
    rng = np.random.default_rng(seed)
    codes.cp.seed = seed
    codes.train(np.ascontiguousarray(rows[np.sort(rng.permutation(count)[:_TRAINING_ROWS])]))
    for start in range(0, count, 50_000):
        codes.add(np.ascontiguousarray(rows[start : start + 50_000]))
    asked = np.sort(rng.permutation(count)[:100])
    truth = exact(rows[asked], rows, 10)[1]
    facts = IndexFacts(count, lists, lists, code_bytes, 0.0, len(asked))
    for probes in (16, 32, 64, 128, 256, lists):
        codes.nprobe = min(probes, lists)
        found = nearest(rows[asked], rows, Index(codes, facts), 10)[1]
        recall = float(np.mean([len(set(a) & set(b)) / len(b) for a, b in zip(found, truth, strict=True)]))
        facts = IndexFacts(count, lists, codes.nprobe, code_bytes, recall, len(asked))
        if recall >= 0.985 or codes.nprobe == lists:
            break
    index = Index(codes, facts)
    _save(index, folder)
    return index


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
