"""Which vehicle to ask about next: what teaches most first, no class all day, what looks nearly the same together.

On some vehicles a second person is asked as well, without being told what the first said; where the two contradict
each other, the vehicle waits among the conflicts for somebody to decide. Apart from these wait answered vehicles whose
label looks wrong.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final, Literal

from sqlalchemy import Connection, Row, text

from vehicle_demo.annotation.cleaning import likely_errors
from vehicle_demo.annotation.items import PARTS, VEHICLE, VehicleItem, vehicle_of
from vehicle_demo.annotation.store import ANSWER, BAD_PICTURE, UNDO, UNSURE, Event, Store, event_of
from vehicle_demo.annotation.urgency import Urgency
from vehicle_demo.annotation.work import LEASE_S, SKIPPED, Work

# What a decision is asked about, in place of what waits for an answer.
CONFLICTS: Final = "conflicts"
ERRORS: Final = "likely label errors"
# Items that are asked about together at most, and labels that are doubted at once.
_TOGETHER, _DOUBTED = 12, 300


@dataclass(frozen=True)
class ReviewFilter:
    """Which vehicles are asked about; what is None allows everything. `make` is the one that was predicted.

    `decide` names those that wait for a decision, instead of those that wait for an answer.
    """

    source: str | None = None
    reason: str | None = None
    make: str | None = None
    decide: Literal["", "conflicts", "likely label errors"] = ""

    def where(self) -> tuple[str, dict[str, Any]]:
        """A condition on the view `vehicle_items` named i, and its parameters."""
        wanted = {name: value for name in ("source", "reason", "make") if (value := getattr(self, name)) is not None}
        return " AND ".join(["1 = 1", *(f"i.{name} = :{name}" for name in wanted)]), wanted


@dataclass(frozen=True, eq=False)
class Task:
    """A vehicle to ask about, and those that look nearly the same and wait for the same answer.

    `opinions` is what people say of it; to be shown only where somebody is to decide.
    """

    item: VehicleItem
    together: tuple[VehicleItem, ...] = ()
    opinions: tuple[Event, ...] = ()
    conflict: bool = False


@dataclass(frozen=True)
class Past:
    """What was said of a vehicle, the first first, each with whether it was undone; `hidden` events are left out."""

    events: tuple[tuple[Event, bool], ...]
    hidden: int


@dataclass(frozen=True)
class ReviewProgress:
    """How many vehicles of a filter there are, and how many have an answer, by kind; a vehicle counts once.

    `second` are those that wait for one more person, `conflicts` those that wait for a decision.
    """

    total: int
    answered: int
    unsure: int
    bad_picture: int
    second: int
    conflicts: int

    @property
    def done(self) -> int:
        """Those of which somebody has said something."""
        return self.answered + self.unsure + self.bad_picture


@dataclass(frozen=True)
class ReviewChoices:
    """What the vehicles in the store can be filtered by."""

    sources: tuple[str, ...]
    reasons: tuple[str, ...]
    makes: tuple[str, ...]


class Review(Work):
    """The vehicles of a store in the order in which they are asked."""

    def __init__(
        self, store: Store, lease_s: float = LEASE_S, doubts: Callable[[], Mapping[int, Urgency]] | None = None
    ) -> None:
        """See `Work`. `doubts` gives what `label_errors` does, which is work, perhaps from a while ago."""
        super().__init__(store, VEHICLE, lease_s)
        self._doubts = doubts or (lambda: label_errors(store))

    def take(
        self, person: str, holder: str, count: int, chosen: ReviewFilter | None = None, first: Sequence[int] = ()
    ) -> list[Task]:
        """Up to `count` tasks, leased to `holder` from now on, the most urgent first.

        Nobody is asked twice about the same vehicle. What the person has skipped comes last. Items in `first` come
        before all others, whatever was said of them and whatever the filter says.

        Args:
            holder: the page that shows them; what it holds already is given again, and held anew.

        Raises:
            StoreError: nothing was leased.
        """
        chosen = chosen or ReviewFilter()
        condition, parameters = chosen.where()
        now = time.time()
        parameters |= {"person": person, "holder": holder, "now": now, "count": count}
        doubts = self._doubts() if chosen.decide == ERRORS else {}
        free = _FREE.format(condition=condition, **_wanted(chosen, doubts))
        with self._store.writing() as connection:
            numbers = self._leased(connection, self._asked_for(connection, first, parameters), holder, now)
            ordered = connection.execute(text(free + _IN_ORDER), parameters).all()
            of_groups = {row.id: row.alike for row in ordered if row.id not in numbers}
            more = list(of_groups)[: count - len(numbers)]
            numbers += self._leased(connection, more, holder, now)
            together = {} if chosen.decide else self._together(connection, free, parameters, numbers, of_groups)
            return _tasks(connection, numbers, together, doubts)

    def progress(self, chosen: ReviewFilter | None = None) -> ReviewProgress:
        """How far the vehicles of this filter are."""
        condition, parameters = (chosen or ReviewFilter()).where()
        counted = text(f"SELECT l.kind, count(*) FROM vehicle_items i LEFT JOIN {_LATEST} WHERE {condition} GROUP BY 1")
        second = text(
            f"SELECT count(*) FROM vehicle_items i JOIN {PEOPLE} o ON o.item = i.id "
            f"WHERE {condition} AND o.people < i.opinions"
        )
        conflicts = text(
            "SELECT count(*) FROM vehicle_items i JOIN conflicts c ON c.item = i.id "
            f"LEFT JOIN {DECIDED} d ON d.item = i.id WHERE {condition} AND d.item IS NULL"
        )
        with self._store.reading() as connection:
            counts = {row[0]: int(row[1]) for row in connection.execute(counted, parameters)}
            waiting = [connection.execute(query, parameters).scalar_one() for query in (second, conflicts)]
        said = (counts.get(kind, 0) for kind in (ANSWER, UNSURE, BAD_PICTURE))
        return ReviewProgress(sum(counts.values()), *said, *waiting)

    def past(self, number: int, person: str) -> Past:
        """Everything that was said of a vehicle; to whom it waits for an opinion, their own part alone.

        Raises:
            StoreError: it cannot be read.
        """
        with self._store.reading() as connection:
            rows = connection.execute(_EVENTS, {"item": number}).all()
            blind = connection.execute(text(_WAITS), {"item": number, "person": person}).first() is not None
        every = [event_of(row) for row in rows]
        # The last of these says.
        reversed_by = {event.undoes: event.kind for event in every if event.undoes is not None}
        said = [event for event in every if event.undoes is None]
        shown = [event for event in said if event.person == person or not blind]
        return Past(tuple((event, reversed_by.get(event.id) == UNDO) for event in shown), len(said) - len(shown))

    def history_of(self, person: str, asking: str, count: int = 50) -> list[Event]:
        """As `history`, for somebody who asks: of vehicles that wait for their own opinion they are not told.

        Raises:
            StoreError: it cannot be read.
        """
        asked = {"of": person, "person": asking, "count": count}
        with self._store.reading() as connection:
            return [event_of(row) for row in connection.execute(_HISTORY_OF, asked)]

    def choices(self) -> ReviewChoices:
        """The values that vehicles in the store have."""
        with self._store.reading() as connection:
            sources, reasons, makes = (
                tuple(connection.execute(text(f"SELECT DISTINCT {name} FROM vehicle_items ORDER BY 1")).scalars())
                for name in ("source", "reason", "make")
            )
        return ReviewChoices(sources, reasons, makes)

    def names(self) -> dict[str, tuple[str, ...]]:
        """Every name that somebody has given, by part, sorted."""
        with self._store.reading() as connection:
            return {
                part: tuple(name for name in connection.execute(query).scalars() if name)
                for part, query in _SAID_NAMES.items()
            }

    def _asked_for(self, connection: Connection, first: Sequence[int], parameters: dict[str, Any]) -> list[int]:
        """Those of `first` that are vehicles nobody else is looking at, in their order."""
        if not first:
            return []
        free = connection.execute(text(_NOT_LEASED.format(numbers=_list(first))), parameters).scalars()
        there = set(free)
        return [number for number in dict.fromkeys(first) if number in there]

    def _together(
        self,
        connection: Connection,
        free: str,
        parameters: dict[str, Any],
        numbers: Sequence[int],
        of_groups: dict[int, int],
    ) -> dict[int, list[int]]:
        """What goes with each of these items; held, too."""
        groups = {of_groups[number]: number for number in numbers if number in of_groups}
        if not groups:
            return {}
        query = text(f"{free} SELECT id, alike FROM free WHERE alike IN ({_list(groups)}) ORDER BY id")
        found: dict[int, list[int]] = {number: [] for number in groups.values()}
        for row in connection.execute(query, parameters):
            others = found[groups[row.alike]]
            if row.id not in numbers and len(others) < _TOGETHER:
                others.append(row.id)
        return {
            number: self._leased(connection, others, parameters["holder"], parameters["now"])
            for number, others in found.items()
        }


def label_errors(store: Store) -> dict[int, Urgency]:
    """Vehicles whose narrowest name looks wrong, the worst first; see `likely_errors`. None in conflict or decided.

    Raises:
        StoreError: the labels cannot be read.
    """
    with store.reading() as connection:
        rows = connection.execute(text(_NAMED)).all()
    found: dict[int, Urgency] = {}
    for part in PARTS:
        named = {row.id: row for row in rows if _narrowest(row) == part}
        ranked = {number: getattr(vehicle_of(row), part) for number, row in named.items()}
        found |= likely_errors({number: getattr(row, f"said_{part}") for number, row in named.items()}, ranked)
    return dict(sorted(found.items(), key=lambda one: -one[1].score))


def opinions_wanted(content: bytes, share: float) -> int:
    """How many people are to be asked of a picture's vehicles: two of this share of all pictures, else one.

    Which it is depends on the picture's bytes alone, so that nobody can choose.
    """
    drawn = int(hashlib.sha256(b"second opinion" + content).hexdigest()[:8], 16)
    return 2 if drawn < share * 2**32 else 1


def _wanted(chosen: ReviewFilter, doubts: Mapping[int, Urgency]) -> dict[str, str]:
    """The parts of `_FREE` that say what is asked about, and how urgent each is."""
    if chosen.decide == CONFLICTS:
        return {"open": f"i.id IN (SELECT item FROM conflicts) AND {_UNDECIDED}", "urgency": "i.urgency"}
    if chosen.decide == ERRORS:
        worst = dict(islice(doubts.items(), _DOUBTED)) or {-1: Urgency(0, "", "")}
        cases = " ".join(f"WHEN {int(number)} THEN {doubt.score:.6f}" for number, doubt in worst.items())
        return {"open": f"i.id IN ({_list(worst)}) AND {_AGREED}", "urgency": f"CASE i.id {cases} END"}
    return {"open": _OPEN, "urgency": "i.urgency"}


def _narrowest(row: Row[Any]) -> str | None:
    """The part of the narrowest name that somebody gave."""
    return next((part for part in reversed(PARTS) if getattr(row, f"said_{part}")), None)


def _tasks(
    connection: Connection, numbers: Sequence[int], together: dict[int, list[int]], doubts: Mapping[int, Urgency]
) -> list[Task]:
    wanted = [*numbers, *(other for others in together.values() for other in others)]
    if not wanted:
        return []
    items = {
        row.id: vehicle_of(row)
        for row in connection.execute(text(f"SELECT * FROM vehicle_items WHERE id IN ({_list(wanted)})"))
    }
    opinions: dict[int, list[Event]] = {}
    for row in connection.execute(text(f"SELECT * FROM opinions WHERE item IN ({_list(numbers)}) ORDER BY id")):
        opinions.setdefault(row.item, []).append(event_of(row))
    conflicts = set(connection.execute(text("SELECT item FROM conflicts")).scalars())
    return [
        Task(
            replace(items[number], urgency=doubts[number]) if number in doubts else items[number],
            tuple(items[other] for other in together.get(number, ())),
            tuple(opinions.get(number, ())),
            number in conflicts,
        )
        for number in numbers
    ]


def _list(numbers: Iterable[int]) -> str:
    return ", ".join(str(int(number)) for number in numbers)


# Each read once for all items, as `SKIPPED` is.
PEOPLE = "(SELECT item, count(*) AS people FROM opinions GROUP BY item)"
_OWN = "(SELECT item FROM opinions WHERE person = :person)"
DECIDED = "(SELECT item FROM labels WHERE field = 'decision')"
_LATEST = "(SELECT item, kind FROM labels WHERE field = 'vehicle') l ON l.item = i.id"
_FREE = (
    "WITH free AS (SELECT i.id, i.alike, i.model, {urgency} AS urgency, coalesce(s.times, 0) AS skips, "
    "CASE WHEN m.item IS NULL THEN 1 ELSE 0 END AS later FROM vehicle_items i "
    f"LEFT JOIN {PEOPLE} o ON o.item = i.id LEFT JOIN {SKIPPED} s ON s.item = i.id "
    "LEFT JOIN leases m ON m.item = i.id AND m.holder = :holder "
    "LEFT JOIN leases t ON t.item = i.id AND t.holder <> :holder AND t.until > :now "
    "WHERE {condition} AND {open} AND t.item IS NULL)"
)
_UNDECIDED = f"i.id NOT IN {DECIDED}"
_OPEN = f"coalesce(o.people, 0) < i.opinions AND i.id NOT IN {_OWN} AND {_UNDECIDED}"
_AGREED = f"i.id NOT IN (SELECT item FROM conflicts) AND {_UNDECIDED}"
_WAITS = f"SELECT i.id FROM vehicle_items i LEFT JOIN {PEOPLE} o ON o.item = i.id WHERE i.id = :item AND {_OPEN}"
_HISTORY_OF = text(
    "SELECT e.* FROM live e JOIN vehicle_items i ON i.id = e.item "
    f"LEFT JOIN {PEOPLE} o ON o.item = i.id "
    f"WHERE e.person = :of AND (e.person = :person OR NOT ({_OPEN})) ORDER BY e.id DESC LIMIT :count"
)
_EVENTS = text("SELECT * FROM events WHERE item = :item ORDER BY id")
# Each with what was said last of it.
_NAMED = (
    "SELECT i.*, p.said_type, p.said_make, p.said_model FROM vehicle_items i JOIN opinions p ON p.item = i.id "
    "JOIN (SELECT max(id) AS latest FROM opinions GROUP BY item) l ON l.latest = p.id "
    f"WHERE p.kind = 'answer' AND {_AGREED} ORDER BY i.picture, i.box"
)
# One of each group; and of a class the second counts less than the first, the third less again, so that a class with
# many urgent vehicles shares the day with the others. What this page holds already stays with it.
_IN_ORDER = (
    ", firsts AS (SELECT free.*, row_number() OVER (PARTITION BY alike ORDER BY later, urgency DESC, id) AS place "
    "FROM free), turns AS (SELECT firsts.*, row_number() OVER (PARTITION BY model ORDER BY later, urgency DESC, id) "
    "AS turn FROM firsts WHERE place = 1) "
    "SELECT id, alike FROM turns ORDER BY later, skips, urgency * 4.0 / (3 + turn) DESC, id LIMIT :count"
)
_NOT_LEASED = (
    "SELECT i.id FROM vehicle_items i LEFT JOIN leases t ON t.item = i.id AND t.holder <> :holder AND t.until > :now "
    "WHERE i.id IN ({numbers}) AND t.item IS NULL"
)
_SAID_NAMES = {
    part: text(f"SELECT DISTINCT said_{part} AS name FROM opinions WHERE kind = 'answer' ORDER BY 1")
    for part in ("type", "make", "model")
}
