"""Old heads against new ones, on the frozen hold-out and on the corrections kept aside, with a verdict in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import sqrt
from typing import Any, Final

import numpy as np

from vehicle_demo.recognition.heads import TENSORS, Heads
from vehicle_demo.retraining.calibration import calibration_error
from vehicle_demo.retraining.corrections import Correction
from vehicle_demo.retraining.shipped import Examples

HOLDOUT: Final = "hold-out"
ASIDE: Final = "corrections kept aside"
# As much may be lost on the hold-out, in any head.
TOLERATED: Final = 0.01
_Z = 1.96
_LISTED = 12
_CONFUSED = 8


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


@dataclass(frozen=True)
class Figures:
    """One head on one set of vehicles; `calibration` is the expected calibration error before and after."""

    top1: Change
    top5: Change
    calibration: tuple[float, float]


@dataclass(frozen=True)
class Class:
    """What became of one name on one set of vehicles (`part`)."""

    part: str
    task: str
    name: str
    change: Change


@dataclass(frozen=True)
class Turned:
    """A vehicle kept aside that was named right before (`truth`) and is taken for `after` now.

    `picture` is the SHA-256 of its encoded picture, `box` its place in that, [x1, y1, x2, y2] in pixels.
    """

    picture: str
    box: tuple[float, ...]
    task: str
    truth: str
    after: str


@dataclass(frozen=True)
class Confusion:
    """How often vehicles of each of K `names` (rows) were given which of them (columns, the last one any other name).

    The names are those among which most has changed or is wrong, at most 8; K rows of K + 1 counts.
    """

    names: tuple[str, ...]
    before: tuple[tuple[int, ...], ...]
    after: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Comparison:
    """Figures and confusions by set and task, what got worse (the most lost first), and what to think of it.

    `worse` are names on either set, `turned` single vehicles among the corrections kept aside. `better` is whether the
    new heads deserve to be promoted.
    """

    figures: Mapping[str, Mapping[str, Figures]]
    worse: tuple[Class, ...]
    improved: tuple[Class, ...]
    turned: tuple[Turned, ...]
    confusions: Mapping[str, Mapping[str, Confusion]]
    verdict: str
    better: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Comparison:
        """The comparison that `to_dict` gave. Raises KeyError and TypeError on anything else."""
        return cls(
            {
                part: {
                    task: Figures(_change(one["top1"]), _change(one["top5"]), tuple(one["calibration"]))
                    for task, one in tasks.items()
                }
                for part, tasks in values["figures"].items()
            },
            tuple(_class(one) for one in values["worse"]),
            tuple(_class(one) for one in values["improved"]),
            tuple(Turned(**{**one, "box": tuple(one["box"])}) for one in values["turned"]),
            {
                part: {
                    task: Confusion(tuple(one["names"]), *map(_counts, (one["before"], one["after"])))
                    for task, one in tasks.items()
                }
                for part, tasks in values["confusions"].items()
            },
            values["verdict"],
            values["better"],
        )


def compare(old: Heads, new: Heads, holdout: Examples, aside: Examples, shown: Sequence[Correction]) -> Comparison:
    """Measure both; a vehicle whose true name the heads do not know counts as wrong, one without a name not at all.

    Args:
        shown: the corrections behind the rows of `aside`.
    """
    figures: dict[str, dict[str, Figures]] = {}
    confusions: dict[str, dict[str, Confusion]] = {}
    classes: list[Class] = []
    turned: list[Turned] = []
    for part, examples in ((HOLDOUT, holdout), (ASIDE, aside)):
        figures[part], confusions[part] = {}, {}
        for task in TENSORS:
            said = np.flatnonzero(examples.truth[task] != "")
            known = examples.where(said)
            before, after = (_Named.by(heads, task, known) for heads in (old, new))
            figures[part][task] = Figures(
                _changed(before.right, after.right),
                _changed(before.listed, after.listed),
                (before.calibration, after.calibration),
            )
            truth = known.truth[task].tolist()
            confusions[part][task] = _confusion(truth, before.names, after.names)
            for name in sorted(set(truth)):
                rows = known.truth[task] == name
                classes.append(Class(part, task, name, _changed(before.right[rows], after.right[rows])))
            if part == ASIDE:
                for row in np.flatnonzero(before.right & ~after.right):
                    one = shown[said[row]]
                    turned.append(Turned(one.picture, tuple(one.box.to_list()), task, truth[row], after.names[row]))
    moved = sorted(classes, key=lambda one: one.change.gained - one.change.lost)
    fallen = [one for one in moved if one.change.value < 0]
    risen = [one for one in reversed(moved) if one.change.value > 0]
    verdict, better = _verdict(figures)
    return Comparison(
        figures, tuple(fallen[:_LISTED]), tuple(risen[:_LISTED]), tuple(turned), confusions, verdict, better
    )


@dataclass(frozen=True, eq=False)
class _Named:
    """What a head says of N vehicles: the best name, whether it is right, whether the right one is among five."""

    names: list[str]
    right: np.ndarray
    listed: np.ndarray
    calibration: float

    @classmethod
    def by(cls, heads: Heads, task: str, examples: Examples) -> _Named:
        if not len(examples):
            return cls([], np.zeros(0, bool), np.zeros(0, bool), 0.0)
        head = heads[task]
        logits = heads.logits(examples.features)[task] / head.temperature
        truth = examples.numbers(task, head.names)
        order = np.argsort(-logits, axis=1, kind="stable")[:, :5]
        listed = (order == truth[:, None]).any(axis=1)
        names = [head.names[best] for best in order[:, 0]]
        return cls(names, order[:, 0] == truth, listed, calibration_error(logits, truth))


def _confusion(truth: Sequence[str], before: Sequence[str], after: Sequence[str]) -> Confusion:
    involved = Counter[str]()
    for true, was, now in zip(truth, before, after, strict=True):
        if was != now:
            involved[true] += 1
        for name in (was, now):
            if name != true:
                involved.update((true, name))
    names = sorted(sorted(involved), key=lambda name: -involved[name])[:_CONFUSED]
    places = {name: place for place, name in enumerate(names)}

    def counted(named: Sequence[str]) -> tuple[tuple[int, ...], ...]:
        counts = np.zeros((len(names), len(names) + 1), int)
        for true, name in zip(truth, named, strict=True):
            if true in places:
                counts[places[true], places.get(name, len(names))] += 1
        return _counts(counts.tolist())

    return Confusion(tuple(names), counted(before), counted(after))


def _counts(rows: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(row) for row in rows)


def _class(values: Mapping[str, Any]) -> Class:
    return Class(values["part"], values["task"], values["name"], _change(values["change"]))


def _changed(before: np.ndarray, after: np.ndarray) -> Change:
    count = len(before)
    return Change(
        Share(int(before.sum()), count),
        Share(int(after.sum()), count),
        int((after & ~before).sum()),
        int((before & ~after).sum()),
    )


def _change(values: Mapping[str, Any]) -> Change:
    return Change(Share(**values["before"]), Share(**values["after"]), values["gained"], values["lost"])


def _verdict(figures: Mapping[str, Mapping[str, Figures]]) -> tuple[str, bool]:
    """Whether to promote, in a few sentences."""
    aside = {task: one.top1 for task, one in figures[ASIDE].items() if one.top1.before.count}
    held = {task: one.top1 for task, one in figures[HOLDOUT].items()}
    forgotten = {task: change for task, change in held.items() if change.value <= -TOLERATED}
    gained = {task: change for task, change in aside.items() if change.interval[0] > 0}
    lost = {task: change for task, change in aside.items() if change.interval[1] < 0}
    told = "; ".join(f"{task} {_told(change)}" for task, change in (aside or held).items())
    where = "On the corrections kept aside" if aside else "On the hold-out"
    kept = f"The hold-out moves by {max(held.values(), key=lambda c: abs(c.value)).value * 100:+.1f} points at most."
    if forgotten:
        task, change = min(forgotten.items(), key=lambda pair: pair[1].value)
        says = f"Do not promote: on the hold-out {task} falls by {-change.value * 100:.1f} points."
        return f"{says} {where}: {told}.", False
    if lost:
        return f"Do not promote: {' and '.join(lost)} got worse. {where}: {told}. {kept}", False
    if gained:
        return f"Promote: {' and '.join(gained)} got better. {where}: {told}. {kept}", True
    if not aside:
        return f"Nothing was kept aside, so whether it is better is not known. {where}: {told}.", False
    return f"No clear difference yet; more corrections will tell. {where}: {told}. {kept}", False


def _told(change: Change) -> str:
    low, high = change.interval
    before, after = change.before.value * 100, change.after.value * 100
    return f"{before:.1f} to {after:.1f} % ({change.value * 100:+.1f}, 95 % {low * 100:+.1f} to {high * 100:+.1f})"
