"""Shares of right answers, and changes of them, with their intervals."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np

_Z = 1.96


@dataclass(frozen=True)
class Share:
    """So many right of so many."""

    right: int
    count: int

    @property
    def value(self) -> float:
        """In [0, 1]; 0 of nothing."""
        return self.right / self.count if self.count else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval (JASA 22, 1927)."""
        if not self.count:
            return 0.0, 1.0
        n, p = self.count, self.value
        middle = (p + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
        half = _Z * sqrt(p * (1 - p) / n + _Z**2 / (4 * n**2)) / (1 + _Z**2 / n)
        return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True)
class Change:
    """The same vehicles before and after: `gained` were wrong and are right now, `lost` the other way round."""

    before: Share
    after: Share
    gained: int
    lost: int

    @property
    def value(self) -> float:
        """After less before, in [-1, 1]."""
        return self.after.value - self.before.value

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the difference of paired shares (Newcombe, Statistics in Medicine 17, 1998, method 10)."""
        n = self.before.count
        if not n:
            return -1.0, 1.0
        both = self.before.right - self.lost
        neither = n - both - self.gained - self.lost
        margins = self.before.right * self.after.right * (n - self.before.right) * (n - self.after.right)
        product = both * neither - self.gained * self.lost
        correlation = (max(product - n / 2, 0) if product > 0 else product) / sqrt(margins) if margins else 0.0
        (low_b, high_b), (low_a, high_a) = self.before.interval, self.after.interval
        before, after = self.before.value, self.after.value

        def reach(one: float, other: float) -> float:
            return sqrt(max(one**2 - 2 * correlation * one * other + other**2, 0.0))

        low = self.value - reach(after - low_a, high_b - before)
        return low, self.value + reach(high_a - after, before - low_b)


def changed(before: np.ndarray, after: np.ndarray) -> Change:
    """What became of the same examples, by whether each (N,) was and is right."""
    count = len(before)
    return Change(
        Share(int(before.sum()), count),
        Share(int(after.sum()), count),
        int((after & ~before).sum()),
        int((before & ~after).sum()),
    )
