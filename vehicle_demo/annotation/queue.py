"""What to ask next: the plates that were read least surely first, each given to one person at a time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, TextClause, text

from vehicle_demo.annotation.store import ANSWER, NO_PLATE, NOT_READABLE, PLATE, Event, Item, Store, event_of, item_of

# How long a person keeps an item that they do not answer; the page asks again for what it shows before that.
LEASE_S = 180.0


@dataclass(frozen=True)
class Filter:
    """Which plates are asked about; what is None allows everything. `length` is that of what was read."""

    source: str | None = None
    layout: str | None = None
    length: int | None = None

    def where(self) -> tuple[str, dict[str, Any]]:
        """A condition on the table `items` named i, and its parameters."""
        wanted = {name: value for name in ("source", "layout", "length") if (value := getattr(self, name)) is not None}
        return " AND ".join(["i.kind = :kind", *(f"i.{name} = :{name}" for name in wanted)]), {"kind": PLATE, **wanted}


@dataclass(frozen=True)
class Progress:
    """How many plates of a filter there are, how many are settled, and how."""

    total: int
    answered: int
    not_readable: int
    no_plate: int

    @property
    def done(self) -> int:
        """Those that need nobody any more."""
        return self.answered + self.not_readable + self.no_plate


@dataclass(frozen=True)
class Choices:
    """What the plates in the store can be filtered by."""

    sources: tuple[str, ...]
    layouts: tuple[str, ...]
    lengths: tuple[int, ...]


@dataclass(frozen=True)
class Pace:
    """A person's answers that hold, skips not counted, and the median seconds they took; None before the first."""

    answers: int
    median_s: float | None


class Queue:
    """The plates of a store in the order in which they are asked."""

    def __init__(self, store: Store, lease_s: float = LEASE_S) -> None:
        """`lease_s`: seconds after which an item that was taken and not answered is free for others."""
        self._store = store
        self._lease_s = lease_s

    def take(
        self, person: str, holder: str, count: int, chosen: Filter | None = None, first: Sequence[int] = ()
    ) -> list[Item]:
        """Up to `count` open items, leased to `holder` from now on, the least sure first.

        What the person has skipped comes last. Items in `first` come before all others, settled or not and whatever
        the filter says.

        Args:
            holder: the page that shows them; what it holds already is given again, and held anew.

        Raises:
            StoreError: nothing was leased.
        """
        condition, parameters = (chosen or Filter()).where()
        places = ", ".join(str(int(number)) for number in first) or "-1"
        wanted = text(
            f"SELECT i.*, CASE WHEN i.id IN ({places}) THEN 0 ELSE 1 END AS later, coalesce(s.times, 0) AS skips "
            f"FROM items i LEFT JOIN {_SETTLED} l ON l.item = i.id LEFT JOIN {_SKIPPED} s ON s.item = i.id "
            "LEFT JOIN leases t ON t.item = i.id AND t.holder <> :holder AND t.until > :now "
            f"WHERE (({condition} AND l.item IS NULL) OR i.id IN ({places})) AND t.item IS NULL "
            "ORDER BY later, skips, i.confidence, i.id LIMIT :count"
        )
        now = time.time()
        parameters |= {"person": person, "holder": holder, "now": now, "until": now + self._lease_s, "count": count}
        with self._store.writing() as connection:
            rows = connection.execute(wanted, parameters).all()
            return [item_of(row) for row in rows if self._leased(connection, row.id, parameters)]

    def release(self, holder: str) -> None:
        """Give back what `holder` has taken and not answered. Raises StoreError."""
        with self._store.writing() as connection:
            connection.execute(text("DELETE FROM leases WHERE holder = :holder"), {"holder": holder})

    def _leased(self, connection: Connection, number: int, parameters: dict[str, Any]) -> bool:
        """Whether the lease is ours now; on PostgreSQL another may have been faster."""
        return connection.execute(_LEASE, {**parameters, "item": number}).rowcount == 1

    def progress(self, chosen: Filter | None = None) -> Progress:
        """How far the plates of this filter are."""
        condition, parameters = (chosen or Filter()).where()
        counted = text(
            "SELECT l.kind, count(*) FROM items i LEFT JOIN labels l ON l.item = i.id AND l.field = 'text' "
            f"WHERE {condition} GROUP BY l.kind"
        )
        with self._store.reading() as connection:
            counts = {row[0]: int(row[1]) for row in connection.execute(counted, parameters)}
        settled = (counts.get(kind, 0) for kind in (ANSWER, NOT_READABLE, NO_PLATE))
        return Progress(sum(counts.values()), *settled)

    def choices(self) -> Choices:
        """The values that plates in the store have."""
        with self._store.reading() as connection:
            sources, layouts, lengths = (
                connection.execute(query, {"kind": PLATE}).scalars().all() for query in _VALUES
            )
        return Choices(tuple(sources), tuple(layouts), tuple(lengths))

    def history(self, person: str, count: int = 50) -> list[Event]:
        """What a person said last and has not undone, the latest first."""
        with self._store.reading() as connection:
            return [event_of(row) for row in connection.execute(_HISTORY, {"person": person, "count": count})]

    def pace(self, person: str) -> Pace:
        """How many answers a person gave, and how fast."""
        with self._store.reading() as connection:
            spent = connection.execute(_SPENT, {"person": person}).scalars().all()
        timed = sorted(seconds for seconds in spent if seconds is not None)
        return Pace(len(spent), timed[len(timed) // 2] if timed else None)


# Each read once for all items: a condition that looks into the views for every item takes a hundred times as long.
_SETTLED = "(SELECT item FROM labels WHERE field = 'text')"
_SKIPPED = "(SELECT item, count(*) AS times FROM live WHERE kind = 'skip' AND person = :person GROUP BY item)"
_LEASE = text(
    "INSERT INTO leases (item, holder, until) VALUES (:item, :holder, :until) ON CONFLICT (item) DO UPDATE "
    "SET holder = excluded.holder, until = excluded.until WHERE leases.holder = excluded.holder OR leases.until <= :now"
)
_VALUES: tuple[TextClause, ...] = tuple(
    text(f"SELECT DISTINCT {name} FROM items WHERE kind = :kind ORDER BY {name}")
    for name in ("source", "layout", "length")
)
_HISTORY = text("SELECT * FROM live WHERE person = :person ORDER BY id DESC LIMIT :count")
_SPENT = text("SELECT seconds FROM live WHERE person = :person AND field = 'text'")
