"""Which plate to ask about next: those that were read least surely first, each given to one person at a time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import TextClause, text

from vehicle_demo.annotation.items import PLATE, PlateItem, plate_of
from vehicle_demo.annotation.store import ANSWER, NO_PLATE, NOT_READABLE, Store
from vehicle_demo.annotation.work import LEASE_S, SKIPPED, Work


@dataclass(frozen=True)
class Filter:
    """Which plates are asked about; what is None allows everything. `length` is that of what was read."""

    source: str | None = None
    layout: str | None = None
    length: int | None = None

    def where(self) -> tuple[str, dict[str, Any]]:
        """A condition on the view `plate_items` named i, and its parameters."""
        wanted = {name: value for name in ("source", "layout", "length") if (value := getattr(self, name)) is not None}
        return " AND ".join(["1 = 1", *(f"i.{name} = :{name}" for name in wanted)]), wanted


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


class Queue(Work):
    """The plates of a store in the order in which they are asked."""

    def __init__(self, store: Store, lease_s: float = LEASE_S) -> None:
        """See `Work`."""
        super().__init__(store, PLATE, lease_s)

    def take(
        self, person: str, holder: str, count: int, chosen: Filter | None = None, first: Sequence[int] = ()
    ) -> list[PlateItem]:
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
            f"FROM plate_items i LEFT JOIN {_SETTLED} l ON l.item = i.id LEFT JOIN {SKIPPED} s ON s.item = i.id "
            "LEFT JOIN leases t ON t.item = i.id AND t.holder <> :holder AND t.until > :now "
            f"WHERE (({condition} AND l.item IS NULL) OR i.id IN ({places})) AND t.item IS NULL "
            "ORDER BY later, skips, i.confidence, i.id LIMIT :count"
        )
        now = time.time()
        parameters |= {"person": person, "holder": holder, "now": now, "count": count}
        with self._store.writing() as connection:
            items = {row.id: plate_of(row) for row in connection.execute(wanted, parameters)}
            return [items[number] for number in self._leased(connection, items, holder, now)]

    def progress(self, chosen: Filter | None = None) -> Progress:
        """How far the plates of this filter are."""
        condition, parameters = (chosen or Filter()).where()
        counted = text(
            "SELECT l.kind, count(*) FROM plate_items i LEFT JOIN labels l ON l.item = i.id AND l.field = 'text' "
            f"WHERE {condition} GROUP BY l.kind"
        )
        with self._store.reading() as connection:
            counts = {row[0]: int(row[1]) for row in connection.execute(counted, parameters)}
        settled = (counts.get(kind, 0) for kind in (ANSWER, NOT_READABLE, NO_PLATE))
        return Progress(sum(counts.values()), *settled)

    def choices(self) -> Choices:
        """The values that plates in the store have."""
        with self._store.reading() as connection:
            sources, layouts, lengths = (connection.execute(query).scalars().all() for query in _VALUES)
        return Choices(tuple(sources), tuple(layouts), tuple(lengths))


# Read once for all items, as `SKIPPED` is.
_SETTLED = "(SELECT item FROM labels WHERE field = 'text')"
_VALUES: tuple[TextClause, ...] = tuple(
    text(f"SELECT DISTINCT {name} FROM plate_items ORDER BY {name}") for name in ("source", "layout", "length")
)
