"""What several people together say of a vehicle, how certain that is, and how well they agree.

How certain a model is that several people named is said by cleanlab's CROWDLAB, see `cleaning.crowd_quality`; two who
agree are never less certain than the surer of them alone. Of all else, and where too few vehicles were named by
several people for it, each person is right as often as they agreed with the others so far, and where wrong, wrong in
any way alike: the model of Dawid and Skene (Applied Statistics 28, 1979) with one figure a person.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import prod
from typing import Any, Final

from sqlalchemy import text

from vehicle_demo.annotation.cleaning import crowd_quality
from vehicle_demo.annotation.items import PARTS, vehicle_of
from vehicle_demo.annotation.store import ANSWER, UNSURE, Event, Store, event_of

CONFLICT: Final = "conflict"
# Who, in which way, and with which names.
_Vote = tuple[str, str, Any]
# Who has not been compared with anybody counts as one who was right in four of five.
_PRIOR_RIGHT, _PRIOR_ALL = 4.0, 5.0
# Among so many names somebody may choose wrongly.
_WRONG_WAYS = 100


@dataclass(frozen=True)
class Consensus:
    """What holds of a vehicle: how it was answered (or `CONFLICT`), by part the name or None, and how certain.

    `weight` in [0, 1] is the probability of the narrowest name; 0 where nobody knows. `last` is the latest event it
    follows from, `people` how many have said something.
    """

    status: str
    names: Mapping[str, str | None]
    weight: float
    people: int
    last: Event


@dataclass(frozen=True)
class Agreement:
    """Of vehicles that two people named without knowing of each other: how many, and Cohen's kappa of each part.

    A kappa is None where too little was said to tell: no two names, or no pair.
    """

    pairs: int
    kappa: Mapping[str, float | None]


def consensus(store: Store) -> dict[int, Consensus]:
    """What holds of every vehicle that somebody has said something of, by its number. Raises StoreError."""
    opinions, decisions, conflicts = _read(store)
    right = _reliability(opinions)
    crowd = _crowd(store, {item: said for item, said in opinions.items() if item not in decisions})
    return {
        item: _decided(said, decisions[item], right)
        if item in decisions
        else _agreed(said, right, item in conflicts, crowd.get(item))
        for item, said in opinions.items()
    } | {item: _decided([], event, right) for item, event in decisions.items() if item not in opinions}


def agreement(store: Store) -> Agreement:
    """How well people agree, of all vehicles that two have answered; of more the first two count. Raises StoreError."""
    from sklearn.metrics import cohen_kappa_score  # takes a second, and only who asks for it needs it

    opinions, _, _ = _read(store)
    pairs = [said[:2] for said in opinions.values() if len(said) > 1 and said[0].kind == said[1].kind == ANSWER]
    kappa: dict[str, float | None] = {}
    for part in PARTS:
        named = [(one.value[part], other.value[part]) for one, other in pairs]
        named = [(one, other) for one, other in named if one and other]
        first, second = [one for one, _ in named], [other for _, other in named]
        kappa[part] = float(cohen_kappa_score(first, second)) if len({*first, *second}) > 1 else None
    return Agreement(len(pairs), kappa)


def _read(store: Store) -> tuple[dict[int, list[Event]], dict[int, Event], set[int]]:
    """Opinions of each vehicle, the first first; decisions; and the vehicles in conflict."""
    opinions: dict[int, list[Event]] = defaultdict(list)
    with store.reading() as connection:
        for row in connection.execute(text("SELECT * FROM opinions ORDER BY id")):
            opinions[row.item].append(event_of(row))
        rows = connection.execute(text("SELECT * FROM labels WHERE field = 'decision'"))
        decisions = {row.item: event_of(row) for row in rows}
        conflicts = set(connection.execute(text("SELECT item FROM conflicts")).scalars())
    return dict(opinions), decisions, conflicts


def _crowd(store: Store, opinions: Mapping[int, Sequence[Event]]) -> Mapping[int, float]:
    """What cleanlab says of vehicles whose model several people named, and nobody else said otherwise."""
    votes = {
        item: {event.person: str(event.value["model"]) for event in sure}
        for item, said in opinions.items()
        if len(sure := [event for event in said if event.kind != UNSURE]) > 1
        and all(event.kind == ANSWER and event.value["model"] for event in sure)
    }
    if not votes:
        return {}
    # In an order that does not depend on who came first in this database.
    with store.reading() as connection:
        rows = connection.execute(text(_VEHICLES.format(", ".join(map(str, votes)))))
        items = sorted(map(vehicle_of, rows), key=lambda item: (item.picture, item.box.to_list()))
    return crowd_quality({item.id: votes[item.id] for item in items}, {item.id: item.model for item in items}) or {}


def _reliability(opinions: Mapping[int, Sequence[Event]]) -> Mapping[str, float]:
    """How often each person is right, by how often they agreed with another."""
    agreed: Counter[str] = Counter()
    compared: Counter[str] = Counter()
    for said in opinions.values():
        for one, other in combinations([event for event in said if event.kind != UNSURE], 2):
            for event in (one, other):
                compared[event.person] += 1
                agreed[event.person] += not _contradict(one, other)
    people = {event.person for said in opinions.values() for event in said}
    return defaultdict(
        lambda: _PRIOR_RIGHT / _PRIOR_ALL,
        {who: (agreed[who] + _PRIOR_RIGHT) / (compared[who] + _PRIOR_ALL) for who in people},
    )


def _contradict(one: Event, other: Event) -> bool:
    if one.kind != other.kind:
        return True
    return one.kind == ANSWER and any(
        one.value[part] and other.value[part] and one.value[part] != other.value[part] for part in PARTS
    )


def _agreed(said: Sequence[Event], right: Mapping[str, float], conflict: bool, quality: float | None) -> Consensus:
    sure = [event for event in said if event.kind != UNSURE]
    if not sure:
        return Consensus(UNSURE, dict.fromkeys(PARTS), 0.0, len(said), said[-1])
    names: dict[str, str | None] = dict.fromkeys(PARTS)
    if all(event.kind == ANSWER for event in sure):
        for part in PARTS:
            told = {event.value[part] for event in sure} - {None}
            names[part] = told.pop() if len(told) == 1 else None
    votes = [(event.person, event.kind, event.value) for event in sure]
    if quality is None:
        likeliest = max(_certainty(votes, right, kind, value) for _, kind, value in votes)
    else:
        likeliest = quality if conflict else max(quality, *(right[event.person] for event in sure))
    return Consensus(CONFLICT if conflict else sure[-1].kind, names, likeliest, len(said), sure[-1])


def _decided(said: Sequence[Event], decision: Event, right: Mapping[str, float]) -> Consensus:
    status, names = str(decision.value["status"]), {part: decision.value[part] for part in PARTS}
    votes = [(event.person, event.kind, event.value) for event in said if event.kind != UNSURE]
    votes.append((decision.person, status, names))
    weight = 0.0 if status == UNSURE else _certainty(votes, right, status, names)
    return Consensus(status, names, weight, len({who for who, _, _ in votes}), decision)


def _certainty(votes: Sequence[_Vote], right: Mapping[str, float], kind: str, names: Any) -> float:
    """The probability of this answer's narrowest name, or of its kind where it names nothing, given all votes."""
    part = next((part for part in reversed(PARTS) if kind == ANSWER and names[part]), None)
    heard = [(right[who], _heard(kind_, value, part)) for who, kind_, value in votes]
    heard = [(share, name) for share, name in heard if name is not None]

    def likelihood(name: str | None) -> float:
        return prod(share if own == name else (1 - share) / _WRONG_WAYS for share, own in heard)

    claims = {name for _, name in heard}
    others = max(0, _WRONG_WAYS + 1 - len(claims)) * likelihood(None)
    return likelihood(_heard(kind, names, part)) / (sum(map(likelihood, claims)) + others)


def _heard(kind: str, names: Any, part: str | None) -> str | None:
    """What a vote says of this part; None where it says nothing of it."""
    return f"no name: {kind}" if kind != ANSWER else names[part] if part else None


_VEHICLES = "SELECT * FROM vehicle_items WHERE id IN ({})"
