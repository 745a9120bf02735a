"""What the queues of all kinds of items share: leases, and what a person has done so far."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, text

from vehicle_demo.annotation.store import SETTLING, Event, Store, event_of

# How long a person keeps an item that they do not answer; the page asks again for what it shows before that.
LEASE_S = 180.0


@dataclass(frozen=True)
class Pace:
    """A person's answers that hold, skips not counted, and the median seconds they took; None before the first."""

    answers: int
    median_s: float | None


class Work:
    """The items of one kind in a store, given out one person at a time."""

    def __init__(self, store: Store, kind: str, lease_s: float = LEASE_S) -> None:
        """`lease_s`: seconds after which an item that was taken and not answered is free for others."""
        self._store = store
        self._lease_s = lease_s
        self._kind = kind

    def release(self, holder: str) -> None:
        """Give back what `holder` has taken and not answered. Raises StoreError."""
        with self._store.writing() as connection:
            connection.execute(text("DELETE FROM leases WHERE holder = :holder"), {"holder": holder})

    def history(self, person: str, count: int = 50) -> list[Event]:
        """What a person said last of this kind of items and has not undone, the latest first."""
        asked = {"person": person, "count": count, "kind": self._kind}
        with self._store.reading() as connection:
            return [event_of(row) for row in connection.execute(_HISTORY, asked)]

    def people(self) -> list[str]:
        """Everybody who ever said something of this kind of items, by name."""
        with self._store.reading() as connection:
            return list(connection.execute(_PEOPLE, {"kind": self._kind}).scalars())

    def pace(self, person: str) -> Pace:
        """How many answers a person gave, and how fast."""
        with self._store.reading() as connection:
            asked = {"person": person, "field": SETTLING[self._kind]}
            spent = connection.execute(_SPENT, asked).scalars().all()
        timed = sorted(seconds for seconds in spent if seconds is not None)
        return Pace(len(spent), timed[len(timed) // 2] if timed else None)

    def _leased(self, connection: Connection, numbers: Iterable[int], holder: str, now: float) -> list[int]:
        """Those that are the holder's now; on PostgreSQL another may have been faster."""
        asked = {"holder": holder, "now": now, "until": now + self._lease_s}
        return [number for number in numbers if connection.execute(_LEASE, {**asked, "item": number}).rowcount == 1]


# Read once for all items: a condition that looks into the view for every item takes a hundred times as long.
SKIPPED = "(SELECT item, count(*) AS times FROM live WHERE kind = 'skip' AND person = :person GROUP BY item)"
_LEASE = text(
    "INSERT INTO leases (item, holder, until) VALUES (:item, :holder, :until) ON CONFLICT (item) DO UPDATE "
    "SET holder = excluded.holder, until = excluded.until WHERE leases.holder = excluded.holder OR leases.until <= :now"
)
_HISTORY = text(
    "SELECT e.* FROM live e JOIN items i ON i.id = e.item WHERE e.person = :person AND i.kind = :kind "
    "ORDER BY e.id DESC LIMIT :count"
)
_PEOPLE = text("SELECT DISTINCT e.person FROM events e JOIN items i ON i.id = e.item WHERE i.kind = :kind ORDER BY 1")
_SPENT = text("SELECT seconds FROM live WHERE person = :person AND field = :field")
