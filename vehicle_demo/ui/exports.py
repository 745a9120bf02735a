"""A recognition as the files that a visitor can take away."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

COLUMNS = (
    "x1", "y1", "x2", "y2", "category", "category_score", "type", "type_score",
    "make", "make_score", "model", "model_score", "plate", "plate_score",
)  # fmt: skip


def to_csv(answer: Mapping[str, Any]) -> str:
    """One line a vehicle with the best label of each kind; `answer` as `Recognition.to_dict` gives it.

    Texts that a spreadsheet would run as a formula get an apostrophe before them.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for vehicle in answer["vehicles"]:
        plate = vehicle["plate"] or {"text": "", "score": ""}
        row = [*vehicle["box"], vehicle["category"]["label"], vehicle["category"]["score"]]
        for kind in ("type", "make", "model"):
            row += [vehicle[kind][0]["label"], vehicle[kind][0]["score"]]
        writer.writerow([_harmless(value) for value in [*row, plate["text"], plate["score"]]])
    return buffer.getvalue()


def _harmless(value: object) -> object:
    if isinstance(value, float):
        return round(value, 4)
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value
