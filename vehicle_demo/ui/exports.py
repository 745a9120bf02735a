"""A recognition or a rank list as the files that a visitor can take away."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vehicle_demo.gallery.measuring import lines
from vehicle_demo.gallery.protocols import Report
from vehicle_demo.gallery.ranking import Ranked, Verdict

COLUMNS = (
    "x1", "y1", "x2", "y2", "category", "category_score", "type", "type_score",
    "make", "make_score", "model", "model_score", "colour", "colour_score", "plate", "plate_score", "novelty", "known",
)  # fmt: skip
FACTS = (
    "picture", "part", "vehicle_id", "camera", "time", "type", "make", "model", "colour", "plate", "source",
    "confidence",
)  # fmt: skip
_UNTOLD = {"label": "", "score": ""}
# What a spreadsheet begins a formula with, plain and full-width, or skips before one (OWASP, CSV injection).
FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def to_csv(answer: Mapping[str, Any]) -> str:
    """One line a vehicle with the best label of each kind; `answer` as `Recognition.to_dict` gives it.

    Texts that a spreadsheet would run as a formula get an apostrophe before them.
    """
    lines = []
    for vehicle in answer["vehicles"]:
        plate = vehicle["plate"] or {"text": "", "score": ""}
        novelty = vehicle["novelty"] or {"score": "", "known": ""}
        kinds = (vehicle[kind] or [_UNTOLD] for kind in ("type", "make", "model", "colour"))
        best = (vehicle["category"], *(ranked[0] for ranked in kinds))
        labels = [value for scored in best for value in (scored["label"], scored["score"])]
        said = (plate["text"], plate["score"], novelty["score"], novelty["known"])
        lines.append([*vehicle["box"], *labels, *said])
    return _written(COLUMNS, lines)


def ranks_csv(ranked: Sequence[Ranked], verdicts: Sequence[Verdict | None]) -> str:
    """A rank list, one line a result, as harmless as `to_csv`."""
    lines = []
    for rank, (place, verdict) in enumerate(zip(ranked, verdicts, strict=True), start=1):
        facts = (getattr(place.hit.item, name) for name in FACTS)
        lines.append([rank, place.hit.score, place.moved, verdict or "", place.hit.row, *facts])
    return _written(("rank", "score", "moved", "verdict", "row", *FACTS), lines)


def rows_csv(rows: Iterable[tuple[Any, ...]]) -> str:
    """One line for each row of a gallery, given as its number and its `FACTS`; texts made harmless as in `to_csv`."""
    return _written(("row", *FACTS), rows)


def figures_csv(report: Report) -> str:
    """One line a figure with the range that goes with it; counts have none."""
    return _written(("figure", "value", "low", "high"), lines(report))


def _written(header: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO()
    # Lines end as RFC 4180 has it: with another end, a text with a lone \r in it would go unquoted and end its line.
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([_harmless(value) for value in line] for line in lines)
    return buffer.getvalue()


def _harmless(value: object) -> object:
    if isinstance(value, float):
        return round(value, 4)
    return f"'{value}" if isinstance(value, str) and value[:1] in FORMULA else value
