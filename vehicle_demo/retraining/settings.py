"""What a fit tries, and what a person may ask of it instead. Without torch, so that the page can offer it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from itertools import product
from math import isfinite
from typing import Final


@dataclass(frozen=True)
class Setting:
    """Step size `rate`, weight of the `corrections` against the replay, and `decay` towards the heads started from."""

    rate: float
    corrections: float
    decay: float


SETTINGS: Final = (
    *(Setting(0.001, *values) for values in product((0.03, 0.1, 0.3), (1.0, 30.0))),
    *(Setting(0.003, corrections, 30.0) for corrections in (0.1, 0.3)),
)
USUAL: Final = Setting(0.001, 0.1, 1.0)
# The same of the plate reader's last layer, whose few rows take longer strides.
CHARACTER_SETTINGS: Final = tuple(Setting(*values) for values in product((0.01, 0.03), (0.1, 0.3, 1.0), (1.0, 10.0)))
USUAL_CHARACTERS: Final = Setting(0.01, 0.3, 1.0)
# By part of a setting the least and the most that a person may ask for.
LIMITS: Final = {"rate": (1e-5, 0.1), "corrections": (0.001, 100.0), "decay": (0.0, 1000.0)}


@dataclass(frozen=True)
class Wishes:
    """Parts of the setting that a person has decided on; the others are tried as always.

    Raises:
        ValueError: one is outside of `LIMITS`.
    """

    rate: float | None = None
    corrections: float | None = None
    decay: float | None = None

    def __post_init__(self) -> None:
        for part, value in self.given().items():
            least, most = LIMITS[part]
            if not (isfinite(value) and least <= value <= most):
                raise ValueError(f"The {part} is to be from {least:g} to {most:g}, not {value:g}.")

    def given(self) -> dict[str, float]:
        """What was decided on."""
        return {part: value for part, value in asdict(self).items() if value is not None}

    def settings(self, tried: Iterable[Setting] = SETTINGS) -> tuple[Setting, ...]:
        """What is tried, each once; one alone where everything is decided."""
        return tuple(dict.fromkeys(replace(setting, **self.given()) for setting in tried))

    def usual(self, usual: Setting = USUAL) -> Setting:
        """What is taken where there is too little to choose by."""
        return replace(usual, **self.given())
