"""What would be learnt now: how many corrections of what, how far people agree, and what speaks against it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vehicle_demo.recognition.heads import TENSORS
from vehicle_demo.retraining.corrections import PARTS, Corrections

FEW: Final = 5
_TO_CHOOSE = 20


@dataclass(frozen=True)
class Name:
    """A name that people gave: how many vehicles have it, and whether the heads that answer lack it."""

    name: str
    count: int
    new: bool


@dataclass(frozen=True)
class Readiness:
    """Counts of corrections and of each of their parts; by task the names, the commonest first.

    `plates` counts those that were read, by part, and `misread` how many of them otherwise than by the reader.
    `agreement` is the mean certainty of what several people answered, None where nobody was asked twice.
    """

    count: int
    parts: Mapping[str, int]
    names: Mapping[str, tuple[Name, ...]]
    agreement: float | None
    left_out: int
    warnings: tuple[str, ...]
    plates: Mapping[str, int]
    misread: int


def readiness(corrections: Corrections, known: Mapping[str, tuple[str, ...]], plates_trouble: str = "") -> Readiness:
    """Count what a folder holds.

    Args:
        known: the names by task that the heads have.
        plates_trouble: why plates cannot be learnt from, empty where they can.
    """
    rows = corrections.rows
    parts = Counter(row.part for row in rows)
    names = {}
    for task in TENSORS:
        counts = Counter(row.truth[task] for row in rows if row.truth[task])
        names[task] = tuple(Name(name, count, name not in known[task]) for name, count in counts.most_common())
    several = [row.weight for row in rows if row.people > 1]
    warnings = []
    if rows and parts["validation"] < _TO_CHOOSE:
        warnings.append(
            f"{parts['validation']} corrections are kept aside to choose settings by; from {_TO_CHOOSE} on they are "
            "used. Until then the usual setting is taken."
        )
    plates = Counter(plate.part for plate in corrections.plates)
    if corrections.plates and plates_trouble:
        warnings.append(plates_trouble)
    if not parts["test"] and not plates["test"]:
        warnings.append("No corrections are kept aside to compare by: the verdict can only speak of the hold-out.")
    rare = [one.name for one in names["model"] if one.new and one.count < FEW]
    if rare:
        listed = ", ".join(rare[:FEW]) + (f" and {len(rare) - FEW} more" if len(rare) > FEW else "")
        warnings.append(f"New models with fewer than {FEW} vehicles are hard to learn: {listed}.")
    return Readiness(
        len(rows),
        {part: parts[part] for part in PARTS},
        names,
        sum(several) / len(several) if several else None,
        sum(corrections.statuses.values()) - len(rows),
        tuple(warnings),
        {part: plates[part] for part in PARTS},
        sum(plate.text != plate.predicted for plate in corrections.plates),
    )
