"""From a make down to a year: as far as the names of models tell it, and as far as one can be sure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vehicle_demo.recognition.checkpoint import Labels, Thresholds
from vehicle_demo.recognition.names import implied, line_of, year_of
from vehicle_demo.recognition.results import Scored

LEVELS = ("make", "type", "model", "year")


class Hierarchy:
    """The names of a checkpoint's models, each taken apart into make, body type, the maker's own name and year.

    `paths` has these for every model, by its place. Names that do not say their make are in it by themselves and lie on
    no path: None. Where a name says no type or no year, that level of it is "".
    """

    def __init__(self, labels: Labels) -> None:
        self.paths = [_path(model, labels) for model in labels.models]

    def descend(self, probabilities: np.ndarray) -> tuple[Scored, ...]:
        """The likeliest make, of its types the likeliest, and so on, each with its share of the probability (M,).

        Scores never rise on the way down. Empty where no name says its make.
        """
        left = [(path, float(share)) for path, share in zip(self.paths, probabilities, strict=True) if path]
        found = []
        for level in range(len(LEVELS)) if left else ():
            shares: dict[str, float] = {}
            for path, share in left:
                shares[path[level]] = shares.get(path[level], 0.0) + share
            best = max(shares, key=lambda label: shares[label])
            found.append(Scored(best, shares[best]))
            left = [(path, share) for path, share in left if path[level] == best]
        return tuple(found)


def _path(model: str, labels: Labels) -> tuple[str, ...] | None:
    told = implied(model, labels)
    make = told["make"]
    return (make, told["type"] or "", line_of(model), year_of(model)) if make else None


def sure_of(levels: Sequence[Scored], thresholds: Thresholds) -> int:
    """How many of a vehicle's levels, from the make down, are as sure as a label must be; a year as its model."""
    limits = (thresholds.make, thresholds.type, thresholds.model, thresholds.model)
    unsure = (number for number, level in enumerate(levels) if level.score < limits[number])
    return next(unsure, len(levels))
