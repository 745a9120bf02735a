"""How far a retraining is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vehicle_demo.retraining.compare import Comparison
from vehicle_demo.retraining.versions import Version

Stage = Literal["looking", "learning", "adapting", "writing", "replaying", "relearning", "reading", "comparing"]


@dataclass(frozen=True)
class Step:
    """How far it is within a stage; `loss` and `accuracy` (on corrections kept aside) while it learns.

    It learns to name vehicles; where the backbone is adapted, that comes next, and the heads learn once more on the
    graph that is made of it; then it learns to read plates. The last step has the `version` that was written, its
    `comparison` with the heads before it, and which corrections could not be used (`bad`).
    """

    stage: Stage
    done: int
    total: int
    loss: float | None = None
    accuracy: float | None = None
    version: Version | None = None
    comparison: Comparison | None = None
    bad: tuple[str, ...] = ()
