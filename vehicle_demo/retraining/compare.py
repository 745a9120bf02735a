"""Old heads against new ones, on the frozen hold-out and on the corrections kept aside, with a verdict in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np

from vehicle_demo.recognition.heads import TENSORS, Heads
from vehicle_demo.retraining.calibration import calibration_error
from vehicle_demo.retraining.compare_plates import BLANK, PlatesToCompare, SaidOfPlates, named
from vehicle_demo.retraining.corrections import Correction
from vehicle_demo.retraining.plates import ReadPlate
from vehicle_demo.retraining.shares import Change, Share, changed
from vehicle_demo.retraining.shipped import Examples

HOLDOUT: Final = "hold-out"
ASIDE: Final = "corrections kept aside"
# What changes of plates are called beside the tasks of vehicles: whole ones, and single characters.
PLATE: Final = "plate"
CHARACTER: Final = "character"
# As much may be lost on the hold-out, in any head.
TOLERATED: Final = 0.01
_LISTED = 12
_CONFUSED = 8


@dataclass(frozen=True)
class Figures:
    """One head on one set of vehicles; `calibration` is the expected calibration error before and after."""

    top1: Change
    top5: Change
    calibration: tuple[float, float]


@dataclass(frozen=True)
class PlateFigures:
    """The plate reader on one set of plates: how many it reads exactly, and its character error rate before and after.

    That is the edits (Levenshtein) from what is read to what is true, for each true character.
    """

    exact: Change
    cer: tuple[float, float]


@dataclass(frozen=True)
class Class:
    """What became of one name, or of one character, on one set of vehicles (`part`)."""

    part: str
    task: str
    name: str
    change: Change


@dataclass(frozen=True)
class Turned:
    """A vehicle or plate kept aside that was right before (`truth`) and is taken for `after` now.

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
    new heads deserve to be promoted. `plates` are figures by set, where plates were learnt from.
    """

    figures: Mapping[str, Mapping[str, Figures]]
    worse: tuple[Class, ...]
    improved: tuple[Class, ...]
    turned: tuple[Turned, ...]
    confusions: Mapping[str, Mapping[str, Confusion]]
    verdict: str
    better: bool
    plates: Mapping[str, PlateFigures] = field(default_factory=dict)

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
            {
                part: PlateFigures(_change(one["exact"]), tuple(one["cer"]))
                for part, one in values.get("plates", {}).items()
            },
        )


@dataclass(frozen=True, eq=False)
class Measured:
    """Heads, with the frozen hold-out and the corrections kept aside as the graph that they read sees them."""

    heads: Heads
    holdout: Examples
    aside: Examples


def compare(
    old: Measured, new: Measured, shown: Sequence[Correction], plates: PlatesToCompare | None = None
) -> Comparison:
    """Measure both; a vehicle whose true name the heads do not know counts as wrong, one without a name not at all.

    Args:
        old, new: measured on the same vehicles, in the same order.
        shown: the corrections behind the rows of both sides' `aside`.
        plates: where the reader's last layer has been taught too.
    """
    figures: dict[str, dict[str, Figures]] = {}
    confusions: dict[str, dict[str, Confusion]] = {}
    read: dict[str, PlateFigures] = {}
    classes: list[Class] = []
    turned: list[Turned] = []
    for part, sides in ((HOLDOUT, (old.holdout, new.holdout)), (ASIDE, (old.aside, new.aside))):
        figures[part], confusions[part] = {}, {}
        for task in TENSORS:
            said = np.flatnonzero(sides[0].truth[task] != "")
            before, after = (
                _Named.by(side.heads, task, examples.where(said))
                for side, examples in zip((old, new), sides, strict=True)
            )
            figures[part][task] = Figures(
                changed(before.right, after.right),
                changed(before.listed, after.listed),
                (before.calibration, after.calibration),
            )
            truth = sides[0].truth[task][said].tolist()
            confusions[part][task] = _confusion(truth, before.names, after.names)
            classes += _classes(part, task, truth, before.right, after.right)
            if part == ASIDE:
                for row in np.flatnonzero(before.right & ~after.right):
                    one = shown[said[row]]
                    turned.append(Turned(one.picture, tuple(one.box.to_list()), task, truth[row], after.names[row]))
    if plates is not None:
        for part, some in ((HOLDOUT, plates.holdout), (ASIDE, plates.aside)):
            was, now = (SaidOfPlates.by(layer, some) for layer in (plates.old, plates.new))
            texts, truth = some.texts.tolist(), named(some.slots)
            read[part] = PlateFigures(changed(was.right, now.right), (was.cer(texts), now.cer(texts)))
            confusions[part][CHARACTER] = _confusion(truth, was.characters(), now.characters())
            rights = ((said.columns == some.slots).ravel() for said in (was, now))
            classes += (one for one in _classes(part, CHARACTER, truth, *rights) if one.name != BLANK)
            if part == ASIDE:
                turned += _turned(plates.shown, was, now)
    moved = sorted(classes, key=lambda one: one.change.gained - one.change.lost)
    fallen = [one for one in moved if one.change.value < 0]
    risen = [one for one in reversed(moved) if one.change.value > 0]
    verdict, better = _verdict(
        {
            part: {task: one.top1 for task, one in tasks.items()} | ({PLATE: read[part].exact} if read else {})
            for part, tasks in figures.items()
        }
    )
    return Comparison(
        figures, tuple(fallen[:_LISTED]), tuple(risen[:_LISTED]), tuple(turned), confusions, verdict, better, read
    )


def _turned(shown: Sequence[ReadPlate], before: SaidOfPlates, after: SaidOfPlates) -> Iterator[Turned]:
    for plate, was, now, text in zip(shown, before.right, after.right, after.texts, strict=True):
        if was and not now:
            yield Turned(plate.picture, tuple(plate.box.to_list()), PLATE, plate.text, text)


def _classes(part: str, task: str, truth: Sequence[str], before: np.ndarray, after: np.ndarray) -> Iterator[Class]:
    """What became of every name, by whether each example was and is right."""
    names = np.array(truth)
    for name in sorted(set(truth)):
        yield Class(part, task, name, changed(before[names == name], after[names == name]))


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


def _change(values: Mapping[str, Any]) -> Change:
    return Change(Share(**values["before"]), Share(**values["after"]), values["gained"], values["lost"])


def _verdict(changes: Mapping[str, Mapping[str, Change]]) -> tuple[str, bool]:
    """Whether to promote, in a few sentences, from what became of right answers by set and task."""
    aside = {task: change for task, change in changes[ASIDE].items() if change.before.count}
    held = changes[HOLDOUT]
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
