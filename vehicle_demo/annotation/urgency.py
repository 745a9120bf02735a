"""How much an answer about a vehicle would teach, and why, in words that are shown to who is asked."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from vehicle_demo.recognition.results import RANKED, Novelty, Scored

CLOSE: Final = "close call"
SPREAD: Final = "many likely"
DISAGREE: Final = "neighbours disagree"
NEW: Final = "new to the gallery"
REASONS: Final = (CLOSE, SPREAD, DISAGREE, NEW)


@dataclass(frozen=True)
class Urgency:
    """`score` in [0, 1], the strongest reason (one of `REASONS`), and a line with the figures of all that count."""

    score: float
    reason: str
    why: str


class Named(Protocol):
    """A vehicle as far as it matters here: its likeliest models, the best first, and how new it is."""

    @property
    def model(self) -> tuple[Scored, ...]: ...
    @property
    def novelty(self) -> Novelty | None: ...


def urgency_of(vehicle: Named, neighbours: Sequence[str] = ()) -> Urgency:
    """What speaks for asking about this vehicle: the mean of what each reason says, and the strongest by name.

    Args:
        neighbours: models of the nearest vehicles of a gallery that has told them; empty where none has.
    """
    margin, spread = margin_of(vehicle.model), entropy_of(vehicle.model[:RANKED])
    told = {CLOSE: (1 - margin, f"margin {margin:.2f}"), SPREAD: (spread, f"entropy {spread:.2f}")}
    if neighbours:
        others = Counter(name for name in neighbours if name != vehicle.model[0].label)
        differ = others.total()
        says = f"{differ} of {len(neighbours)} neighbours differ"
        if differ:
            says += f", most are {others.most_common(1)[0][0]}"
        told[DISAGREE] = differ / len(neighbours), says
    if vehicle.novelty is not None:
        unknown = not vehicle.novelty.known
        told[NEW] = float(unknown), f"{'far from' if unknown else 'near'} the gallery, {vehicle.novelty.score:.2f}"
    # The first of equals: a head that is torn between two says more than neighbours, which may be few.
    reason = max(told, key=lambda name: told[name][0])
    score = sum(share for share, _ in told.values()) / len(told)
    return Urgency(score, reason, "; ".join(says for _, says in told.values()))


def margin_of(ranked: Sequence[Scored]) -> float:
    """How far the best score is above the second; all of it where there is no second."""
    return ranked[0].score - (ranked[1].score if len(ranked) > 1 else 0.0)


def entropy_of(ranked: Sequence[Scored]) -> float:
    """Shannon's entropy of the scores as a share of the most there can be; what they leave over counts as one more."""
    shares = [scored.score for scored in ranked]
    shares.append(max(0.0, 1 - sum(shares)))
    return sum(-share * math.log(share) for share in shares if share > 0) / math.log(len(shares))
