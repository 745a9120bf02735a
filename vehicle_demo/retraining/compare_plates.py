"""What two last layers of the plate reader say of the same plates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from vehicle_demo.recognition.heads import Head
from vehicle_demo.recognition.plates import CHARACTERS
from vehicle_demo.recognition.reader import slots_by
from vehicle_demo.retraining.plates import PlateExamples, ReadPlate

BLANK: Final = "blank"


@dataclass(frozen=True, eq=False)
class PlatesToCompare:
    """The reader's last layer before and after, plates of the frozen hold-out, and those kept aside.

    All of their characters are known. `shown` are the corrections behind the rows of `aside`.
    """

    old: Head
    new: Head
    holdout: PlateExamples
    aside: PlateExamples
    shown: Sequence[ReadPlate]


@dataclass(frozen=True, eq=False)
class SaidOfPlates:
    """What the reader says of N plates by a last layer: columns (N, 8), texts, and whether each text is right."""

    columns: np.ndarray
    texts: list[str]
    right: np.ndarray

    @classmethod
    def by(cls, layer: Head, plates: PlateExamples) -> SaidOfPlates:
        columns = slots_by(layer, plates.features).argmax(axis=-1)
        texts = ["".join(CHARACTERS[column] for column in row) for row in columns]
        return cls(columns, texts, np.array(texts, np.str_) == plates.texts)

    def cer(self, truth: Sequence[str]) -> float:
        """Edits for each true character; 0 of none."""
        from rapidfuzz.distance import Levenshtein

        edits = sum(Levenshtein.distance(text, true) for text, true in zip(self.texts, truth, strict=True))
        return edits / max(1, sum(map(len, truth)))

    def characters(self) -> list[str]:
        """What stands in every slot, plate by plate."""
        return named(self.columns)


def named(columns: np.ndarray) -> list[str]:
    """What stands in slots (N, 8), one after the other; `BLANK` in one that is empty."""
    return [CHARACTERS[column] or BLANK for column in columns.ravel()]
