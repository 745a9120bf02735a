"""Plates on crops (read exactly, character error rate) and in photos (found and read end to end)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
from rapidfuzz.distance import Levenshtein

from data_tools.evaluation.batches import pictures_of
from vehicle_demo.recognition import Recognizer
from vehicle_demo.recognition.boxes import overlaps, to_corners

# From which IoU a plate counts as found; the boxes of `world` are loose.
_SAME_PLATE, _SAME_LOOSE_PLATE = 0.5, {"world": 0.4}
# Sources whose texts were read by people: where O and 0 look the same they could not always say which it is.
_LOOK_ALIKE = ("openalpr", "world")


@dataclass(frozen=True)
class Read:
    """What a close-up's plate says and what was read, both `normalised`."""

    source: str
    truth: str
    text: str


def read_crops(recognizer: Recognizer, data: Path, split: str, limit: int | None) -> list[Read]:
    """Every close-up of the split, read."""
    reads = []
    for picture in pictures_of(data, "plate_crops", split, limit):
        (reading,) = recognizer.read_plates([picture.encoded])
        texts = (picture.plate_text or "", reading.text if reading else "")
        reads.append(Read(picture.source, *(normalised(text, picture.source) for text in texts)))
    return reads


def confusions(reads: Sequence[Read]) -> Counter[tuple[str, str]]:
    """How often each character was read as each, by (truth, read), along the shortest edit; "" is none.

    Plates with greyed-out characters are left out: what stands there is not known.
    """
    counts = Counter[tuple[str, str]]()
    for read in reads:
        if "-" in read.truth:
            continue
        for edit in Levenshtein.opcodes(read.truth, read.text):
            truth, text = read.truth[edit.src_start : edit.src_end], read.text[edit.dest_start : edit.dest_end]
            counts.update(zip_longest(truth, text, fillvalue=""))
    return counts


def evaluate_plates(recognizer: Recognizer, data: Path, split: str, limit: int | None) -> dict[str, Any] | None:
    """By source: `exact`, `cer` and `plates`. None when there are no such pictures.

    Texts are compared in upper case without spaces; a `-` in the truth matches any character or none; O and 0 count as
    one character in the sources of `openalpr` and `world`.
    """
    errors: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for read in read_crops(recognizer, data, split, limit):
        errors[read.source].append((edits(read.text, read.truth), len(read.truth.replace("-", ""))))
    return {
        source: {
            "exact": float(np.mean([wrong == 0 for wrong, _ in pairs])),
            "cer": sum(wrong for wrong, _ in pairs) / max(1, sum(length for _, length in pairs)),
            "plates": len(pairs),
        }
        for source, pairs in sorted(errors.items())
    } or None


def evaluate_plate_photos(recognizer: Recognizer, data: Path, split: str, limit: int | None) -> dict[str, Any] | None:
    """By source: `found`, `exact` (where texts are known) and `plates`, by the recogniser as people use it.

    A plate is found when a vehicle's plate box has an IoU of at least 0.5 with it (0.4 in `world`), and read exactly
    when one of those says its text, compared as on crops. None when there are no such pictures.
    """
    answers: dict[str, list[tuple[bool, bool | None]]] = defaultdict(list)
    for picture in pictures_of(data, "plate_photos", split, limit):
        found = recognizer.recognize(picture.encoded)
        readings = [v.plate for v in found.vehicles if v.plate is not None and v.plate.box is not None]
        boxes = np.array([r.box.to_list() for r in readings if r.box]).reshape(-1, 4)
        truth = to_corners(np.array([box.box for box in picture.boxes]).reshape(-1, 4))
        shared = overlaps(truth * np.array([found.width, found.height] * 2), boxes)
        hits = shared >= _SAME_LOOSE_PLATE.get(picture.source, _SAME_PLATE)
        for label, own in zip(picture.boxes, hits, strict=True):
            read = {normalised(reading.text, picture.source) for reading, hit in zip(readings, own, strict=True) if hit}
            exact = _says(read, normalised(label.text, picture.source)) if label.text else None
            answers[picture.source].append((bool(own.any()), exact))
    return {source: _photo_figures(pairs) for source, pairs in sorted(answers.items())} or None


def _says(read: set[str], truth: str) -> bool:
    return any(edits(text, truth) == 0 for text in read)


def _photo_figures(answers: list[tuple[bool, bool | None]]) -> dict[str, Any]:
    texts = [exact for _, exact in answers if exact is not None]
    read = {"exact": float(np.mean(texts))} if texts else {}
    return {"found": float(np.mean([found for found, _ in answers])), **read, "plates": len(answers)}


def normalised(text: str, source: str) -> str:
    """The form in which texts are compared."""
    text = text.upper().replace(" ", "")
    return text.replace("O", "0") if source.startswith(_LOOK_ALIKE) else text


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
