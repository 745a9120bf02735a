"""Which point of a map has which colour: by a word or by a number, always with a legend."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Okabe and Ito's palette, then more hues; after those the same again in other shapes. Told apart by colour-blind eyes,
# by shape and by the words of the legend.
_HUES = (
    "#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7",
    "#f0e442", "#aa4499", "#999933", "#994f00", "#7c83e0", "#a83250",
)  # fmt: skip
_SYMBOLS = ("circle", "diamond", "square", "triangle-up")
_STEPS = ("#3b528b", "#2c728e", "#21918c", "#28ae80", "#7ad151", "#fde725")
_OTHER, _UNKNOWN = "#8a8f98", "#b8bcc4"
MOST = len(_HUES) * len(_SYMBOLS)


@dataclass(frozen=True)
class Entry:
    """One line of the legend: what it says, how its points look, and how many there are."""

    label: str
    colour: str
    symbol: str
    count: int


@dataclass(frozen=True, eq=False)
class Colouring:
    """The legend, and for each point (N,) uint8 which entry it belongs to."""

    entries: tuple[Entry, ...]
    codes: np.ndarray


def by_word(values: Sequence[str]) -> Colouring:
    """Each value a colour, the most frequent first; those beyond `MOST` are `other`, empty ones `not known`."""
    counts = Counter(value for value in values if value)
    ranked = sorted(counts, key=lambda value: (-counts[value], _natural(value)))
    shown = {value: place for place, value in enumerate(ranked[:MOST])}
    looks = [(value, _HUES[place % len(_HUES)], _SYMBOLS[place // len(_HUES)]) for value, place in shown.items()]
    looks.append((f"other ({len(ranked) - len(shown)} values)", _OTHER, "circle"))
    looks.append(("not known", _UNKNOWN, "circle"))
    other, unknown = len(shown), len(shown) + 1
    return _coloured(looks, np.array([shown.get(value, other) if value else unknown for value in values], np.int64))


def by_number(values: np.ndarray) -> Colouring:
    """Steps from dark to bright with about as many points each, of values (N,); those that are NaN are `not known`."""
    known = values[~np.isnan(values)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, len(_STEPS) + 1))) if len(known) else np.zeros(0)
    steps = max(len(edges) - 1, min(len(edges), 1))
    places = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, max(steps - 1, 0))
    hues = [_STEPS[round(step * (len(_STEPS) - 1) / max(steps - 1, 1))] for step in range(steps)]
    looks = [(_between(*edges[step : step + 2]), hues[step], "circle") for step in range(steps)]
    looks.append(("not known", _UNKNOWN, "circle"))
    return _coloured(looks, np.where(np.isnan(values), steps, places))


def _between(low: float, high: float | None = None) -> str:
    """A step's name; `high` is None where all values are the same."""
    ends = [f"{end:.3g}" for end in (low, high) if end is not None]
    return " to ".join(dict.fromkeys(ends))


def _coloured(looks: Sequence[tuple[str, str, str]], codes: np.ndarray) -> Colouring:
    counts = np.bincount(codes, minlength=len(looks))
    kept = [place for place in range(len(looks)) if counts[place]]
    entries = tuple(Entry(*looks[place], int(counts[place])) for place in kept)
    return Colouring(entries, np.searchsorted(kept, codes).astype(np.uint8))


def _natural(value: str) -> list[tuple[int, int, str]]:
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", value)]
