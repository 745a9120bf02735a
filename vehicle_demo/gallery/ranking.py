"""Rank lists: who looks like a query, in which order, and whether it is the same vehicle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from rapidfuzz.distance import Levenshtein

from vehicle_demo.gallery.gallery import Gallery, Hit, Selection
from vehicle_demo.gallery.reranking import rerank
from vehicle_demo.gallery.storage import Item

RERANKED = 200
# Plate characters that readers take for one another, each pair as one of the two.
_ALIKE = str.maketrans("OIBS", "0185")
# How much of a plate's score forgives these; the rest asks for the very characters.
_FORGIVING = 0.75
_PLATE_FLOOR = 0.5


class Verdict(StrEnum):
    """What the labels say of a result: the query's vehicle, another one, or nothing."""

    SAME = "same"
    OTHER = "other"
    UNKNOWN = "unknown"


@dataclass(frozen=True, eq=False)
class Query:
    """A vehicle to look for: what is known of it, and its embedding, (D,) float32 of unit length.

    Where several pictures ask as one, `others` are (picture, part) of the rest of them, which are no answers either.
    """

    item: Item
    embedding: np.ndarray
    others: frozenset[tuple[str, int]] = frozenset()


@dataclass(frozen=True)
class Ranked:
    """One place of a rank list; `moved` counts the places that re-ranking has moved it up (down below 0)."""

    hit: Hit
    moved: int = 0


def joined(items: Sequence[Item], embeddings: np.ndarray) -> Query:
    """One query of several pictures by the mean of their embeddings (N, D), as for several queries of one identity.

    What is known of it is what all have in common, with the first one's picture (Zheng et al., ICCV 2015).

    Raises:
        ValueError: the mean has no direction.
    """
    mean = embeddings.mean(axis=0)
    if np.linalg.norm(mean) < 1e-3:
        raise ValueError("These vehicles have nothing in common to look for.")
    common: dict[str, Any] = {
        name: told.pop() if len(told := {getattr(item, name) for item in items}) == 1 else ""
        for name in ("vehicle_id", "camera", "type", "make", "model", "colour", "plate", "source")
    }
    first = items[0]
    query = Item(first.picture, first.part, first.thumbnail, **common)
    others = frozenset((item.picture, item.part) for item in items[1:])
    return Query(query, (mean / np.linalg.norm(mean)).astype(np.float32), others)


def look_alikes(gallery: Gallery, query: Query, count: int, selection: Selection | None = None) -> list[Ranked]:
    """The `count` rows most like the query by cosine, best first, without the query itself."""
    return [Ranked(hit) for hit in _nearest(gallery, query, count, selection)]


def reranked(gallery: Gallery, query: Query, count: int, selection: Selection | None = None) -> list[Ranked]:
    """The same, the nearest 200 put in a second order by k-reciprocal neighbours; scores stay cosines."""
    hits = _nearest(gallery, query, RERANKED, selection)
    if not hits:
        return []
    rows = gallery.embeddings([hit.row for hit in hits])
    order = np.argsort(rerank(query.embedding[None], rows)[0], kind="stable")
    return [Ranked(hits[before], int(before) - place) for place, before in enumerate(order[:count])]


def by_plate(gallery: Gallery, text: str, count: int, selection: Selection | None = None) -> list[Ranked]:
    """The rows whose plate reads most like `text`, best first; O and 0, I and 1, B and 8, S and 5 count as near.

    The score is 1 for the same characters and falls with every one to be added, taken out or changed (Levenshtein,
    as a share of the longer text); below 0.5 a row is left out.
    """
    asked = plain_plate(text)
    allowed = None if selection is None or selection.everything else set(gallery.storage.select(selection).tolist())
    scored = [
        (row, score)
        for row, plate in gallery.storage.plates()
        if (allowed is None or row in allowed) and (score := _plate_score(asked, plain_plate(plate))) >= _PLATE_FLOOR
    ]
    best = sorted(scored, key=lambda pair: (-pair[1], pair[0]))[:count]
    items = gallery.storage.items(row for row, _ in best)
    return [Ranked(Hit(row, score, item)) for (row, score), item in zip(best, items, strict=True)]


def plain_plate(text: str) -> str:
    """Capital letters and digits of a plate's text, without blanks and dashes."""
    return "".join(character for character in text.upper() if character.isalnum())


def verdict(query: Item, found: Item) -> Verdict | None:
    """Whether a result shows the query's vehicle; None where the query's identity is not known."""
    if not query.vehicle_id:
        return None
    if not found.vehicle_id:
        return Verdict.UNKNOWN
    return Verdict.SAME if found.vehicle_id == query.vehicle_id else Verdict.OTHER


def _nearest(gallery: Gallery, query: Query, count: int, selection: Selection | None) -> Sequence[Hit]:
    own = {(query.item.picture, query.item.part), *query.others}
    (hits,) = gallery.search(query.embedding[None], count + len(own), selection)
    return [hit for hit in hits if (hit.item.picture, hit.item.part) not in own][:count]


def _plate_score(asked: str, plate: str) -> float:
    exact = Levenshtein.normalized_similarity(asked, plate)
    near = Levenshtein.normalized_similarity(asked.translate(_ALIKE), plate.translate(_ALIKE))
    return _FORGIVING * near + (1 - _FORGIVING) * exact
