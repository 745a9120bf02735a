"""Plates on crops: read exactly, and the character error rate."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from data_tools.evaluation.batches import pictures_of, through_graph
from vehicle_demo.recognition import Recognizer
from vehicle_demo.recognition.plates import read_slots


def evaluate_plates(recognizer: Recognizer, data: Path, split: str, limit: int | None) -> dict[str, Any] | None:
    """By source: `exact`, `cer` and `plates`. None when there are no such pictures.

    Texts are compared in upper case without spaces; a `-` in the truth matches any character or none; O and 0 count as
    one character in sources whose name starts with `openalpr`.
    """
    errors: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for picture, _, outputs in through_graph(recognizer, pictures_of(data, "plate_crops", split, limit)):
        reading = read_slots(outputs["ocr_logits"][0], None)
        truth = normalised(picture.plate_text or "", picture.source)
        text = normalised(reading.text if reading else "", picture.source)
        errors[picture.source].append((edits(text, truth), len(truth.replace("-", ""))))
    return {
        source: {
            "exact": float(np.mean([wrong == 0 for wrong, _ in pairs])),
            "cer": sum(wrong for wrong, _ in pairs) / max(1, sum(length for _, length in pairs)),
            "plates": len(pairs),
        }
        for source, pairs in sorted(errors.items())
    } or None


def normalised(text: str, source: str) -> str:
    """The form in which texts are compared."""
    text = text.upper().replace(" ", "")
    return text.replace("O", "0") if source.startswith("openalpr") else text


def edits(text: str, truth: str) -> int:
    """Levenshtein distance in which a `-` of the truth matches any character, or none, for free."""

    @cache
    def distance(i: int, j: int) -> int:
        if j == 0:
            return i
        free = truth[j - 1] == "-"
        if i == 0:
            return distance(0, j - 1) + (not free)
        same = free or text[i - 1] == truth[j - 1]
        return min(distance(i - 1, j - 1) + (not same), distance(i - 1, j) + 1, distance(i, j - 1) + (not free))

    return distance(len(text), len(truth))
