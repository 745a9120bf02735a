"""Which names an open-world system is never shown, so that it can be asked whether it knows them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def withheld(names: Iterable[str], share: float) -> frozenset[str]:
    """A fixed share of the names, the same whatever order they come in and whoever asks."""
    ordered = sorted(set(names), key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    return frozenset(ordered[: round(share * len(ordered))])
