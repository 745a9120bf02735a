"""The label store: pictures, what was predicted of them, and what people said, in a database that several may share."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image
from sqlalchemy import Connection, Engine, Row, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from vehicle_demo.annotation import schema
from vehicle_demo.annotation.items import (
    PARTS,
    PLATE,
    VEHICLE,
    Item,
    NewItem,
    NewVehicle,
    PlateItem,
    VehicleItem,
    embedding_of,
    plate_of,
    vehicle_of,
)
from vehicle_demo.pictures import Pictures
from vehicle_demo.recognition import Box, ImageError, open_image

ANSWER: Final = "answer"
UNDO: Final = "undo"
REDO: Final = "redo"
SKIP: Final = "skip"
NOT_READABLE: Final = "not readable"
NO_PLATE: Final = "no plate"
CORNERS: Final = "corners"
UNSURE: Final = "unsure"
BAD_PICTURE: Final = "bad picture"
BOX: Final = "box"
DECISION: Final = "decision"
_ABOUT_EVENTS: Mapping[str, str] = {SKIP: "", UNDO: "", REDO: ""}
# By kind of item: what a kind of event says something about; an empty field is no label.
FIELDS: Mapping[str, Mapping[str, str]] = {
    PLATE: {ANSWER: "text", NOT_READABLE: "text", NO_PLATE: "text", CORNERS: "corners", **_ABOUT_EVENTS},
    VEHICLE: {
        **dict.fromkeys((ANSWER, UNSURE, BAD_PICTURE), "vehicle"),
        BOX: "box",
        DECISION: "decision",
        **_ABOUT_EVENTS,
    },
}
# The field whose label says that a person is done with an item of this kind; and all that end a lease.
SETTLING: Mapping[str, str] = {PLATE: "text", VEHICLE: "vehicle"}
_ENDS_LEASE = {*SETTLING.values(), "decision"}
# Cosine from which two vehicles are asked about together, and how many of the latest are looked at: pictures that are
# nearly the same come one soon after the other.
_NEARLY_THE_SAME, _LATEST = 0.97, 2000
_BUSY_S = 10.0
_LOCKED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_LOCKED_STATES = {"55P03", "40001", "40P01"}
_FULL_STATE = "53100"


class StoreError(RuntimeError):
    """The store cannot do what was asked; the message is a sentence that says what to do."""


class StoreBusyError(StoreError):
    """Another program held the database for too long. Nothing was written; the same call may be made again."""


class StoreFullError(StoreError):
    """There is no room left on the disk. Nothing was written; the same call may be made again."""


class UnknownItemError(StoreError):
    """The item, its picture, or the event to undo is not in the store."""


@dataclass(frozen=True)
class Said:
    """Something a person said, before the store has it.

    Args:
        kind: one of `FIELDS` of the item's kind.
        client: an identity that the page gave it; the store takes each once, however often it is sent.
        value: of a plate the text for an answer, corners with their reading for corners; of a vehicle the names of
            `PARTS` for an answer (None where nothing is said), [x1, y1, x2, y2] for a box, for a decision the names and
            as `status` the kind of answer that holds; else None.
        seconds: how long the person took.
        undoes: for undo and redo the client identity of what is undone.
    """

    item: int
    person: str
    kind: str
    client: str
    value: Any = None
    seconds: float | None = None
    undoes: str = ""


@dataclass(frozen=True)
class Event:
    """What the store has of something said. `at` is UTC, ISO 8601; `before` is what held then, the prediction at first.

    `undoes` is the number of the event that is undone.
    """

    id: int
    item: int
    person: str
    at: str
    kind: str
    field: str
    before: Any
    value: Any
    seconds: float | None
    client: str
    undoes: int | None


class Store:
    """One database with its folder of pictures. Any number of threads and processes may use it at once."""

    def __init__(self, folder: Path, url: str = "") -> None:
        """Open the store, make it, or bring it up to date.

        Args:
            folder: where pictures are kept, and the database unless `url` names another.
            url: a database as SQLAlchemy writes it, `sqlite:///FILE` or `postgresql+DRIVER://...`.

        Raises:
            StoreError: the database cannot be reached, is damaged, or was made by a newer version of the app.
        """
        self.pictures = Pictures(folder / "pictures")
        with _sentences():
            folder.mkdir(parents=True, exist_ok=True)
            self._engine = _engine(url or f"sqlite:///{folder / 'labels.sqlite'}")
        # In SQLite all transactions do; PostgreSQL's usual ones see what others write in between.
        sees = {} if self._engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
        self._reads = self._engine.execution_options(**sees)
        with self.writing() as connection:
            if schema.version_of(connection) > len(schema.STEPS):
                raise StoreError("The labels were written by a newer version of this app. Update the app.")
            schema.upgrade(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that sees one state of the database. Raises StoreError."""
        with _sentences(), self._reads.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection whose changes are on the disk once the block has ended, or undone by an error in it.

        Raises:
            StoreBusyError, StoreFullError, StoreError: nothing was written.
        """
        engine = self._engine.execution_options(vehicle_demo_writes=True)
        with _sentences(), engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                # One after the other, as in SQLite: who gives out items must see what was given out just before.
                connection.execute(_IN_TURN)
            yield connection

    def close(self) -> None:
        """Give the connections back; the store may be used again."""
        self._engine.dispose()

    def add(self, items: Sequence[NewItem | NewVehicle]) -> list[int]:
        """Keep items, all or none, and return their numbers; what is there already keeps its first prediction.

        Raises:
            StoreError: nothing was added.
            ImageError: a picture cannot be used.
        """
        rows = [self._row(item) for item in items]
        with self.writing() as connection:
            looks = _Looks(connection)
            return [_added(connection, looks, *row) for row in rows]

    def item(self, number: int) -> Item:
        """The item of this number. Raises UnknownItemError."""
        with self.reading() as connection:
            kind = connection.execute(_KIND, {"id": number}).scalar_one_or_none()
            if kind is None:
                raise UnknownItemError(_GONE)
            view, item_of = _VIEWS[kind]
            # Of what was read back from far away a part may be missing there.
            row = connection.execute(text(f"SELECT * FROM {view} WHERE id = :id"), {"id": number}).one_or_none()
        if row is None:
            raise UnknownItemError(_GONE)
        return item_of(row)

    def plate(self, number: int) -> PlateItem:
        """The plate of this number. Raises UnknownItemError."""
        item = self.item(number)
        if not isinstance(item, PlateItem):
            raise UnknownItemError(_GONE)
        return item

    def vehicle(self, number: int) -> VehicleItem:
        """The vehicle of this number. Raises UnknownItemError."""
        item = self.item(number)
        if not isinstance(item, VehicleItem):
            raise UnknownItemError(_GONE)
        return item

    def holds_vehicles(self, sha256: str) -> bool:
        """Whether vehicles of the picture with this digest are here."""
        with self.reading() as connection:
            asked = {"picture": sha256, "kind": VEHICLE}
            return connection.execute(_OF_PICTURE, asked).first() is not None

    def looked_through(self, sha256: str, how: str) -> bool:
        """Whether the picture with this digest was looked through this way, and had no vehicle to ask about."""
        with self.reading() as connection:
            return connection.execute(_LOOKED_THROUGH, {"picture": sha256, "how": how}).first() is not None

    def remember_looked_through(self, pictures: Sequence[str], how: str) -> None:
        """Keep that these pictures, by their digests, had no vehicle to ask about. Raises StoreError."""
        with self.writing() as connection:
            for sha256 in pictures:
                connection.execute(_LOOK_THROUGH, {"picture": sha256, "how": how})

    def holds_vehicle(self, sha256: str, box: Box) -> bool:
        """Whether the vehicle of that picture with this box is here."""
        with self.reading() as connection:
            return connection.execute(_NUMBER, {"name": _name_of(VEHICLE, sha256, box)}).first() is not None

    def picture(self, item: Item) -> Image.Image:
        """The item's picture, upright. Raises UnknownItemError when its file is gone."""
        try:
            return open_image(self.pictures.path(item.picture))
        except ImageError as error:
            raise UnknownItemError("The picture of this item is missing or damaged. Skip it.") from error

    def record(self, said: Said, holder: str = "") -> Event:
        """Write down what a person said; it is on the disk when this returns.

        The same `client` again changes nothing and returns the first event. A lease that has lapsed is no obstacle; a
        lease of `holder` ends with an answer or a skip.

        Raises:
            UnknownItemError: there is no such item, or nothing of this person's to undo on it.
            StoreError: nothing was written.
        """
        if not any(said.kind in fields for fields in FIELDS.values()) or not said.client:
            raise StoreError(_NOT_UNDERSTOOD)
        with self.writing() as connection:
            if known := connection.execute(_BY_CLIENT, {"client": said.client}).one_or_none():
                return event_of(known)
            field = _field_of(connection, said)
            before = _held(connection, said.item, field)
            row = {
                "item": said.item,
                "person": said.person,
                "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "kind": said.kind,
                "field": field,
                "before": json.dumps(before),
                "value": json.dumps(said.value),
                "seconds": said.seconds,
                "client": said.client,
                "undoes": _undone(connection, said) if said.kind in (UNDO, REDO) else None,
            }
            connection.execute(_ADD_EVENT, row)
            if field in _ENDS_LEASE or said.kind == SKIP:
                connection.execute(_END_LEASE, {"item": said.item, "holder": holder})
            return event_of(connection.execute(_BY_CLIENT, {"client": said.client}).one())

    def labels(self, number: int) -> dict[str, Event]:
        """What holds of an item now, by field: the latest that was said and not undone."""
        with self.reading() as connection:
            rows = connection.execute(text("SELECT * FROM labels WHERE item = :item"), {"item": number}).all()
        return {row.field: event_of(row) for row in rows}

    def last_event(self) -> int:
        """The number of the latest event of all, 0 before the first. Raises StoreError."""
        with self.reading() as connection:
            return int(connection.execute(text("SELECT coalesce(max(id), 0) FROM events")).scalar_one())

    def events(self, number: int) -> list[Event]:
        """Everything that was ever said of an item, the first first."""
        with self.reading() as connection:
            rows = connection.execute(text("SELECT * FROM events WHERE item = :item ORDER BY id"), {"item": number})
            return [event_of(row) for row in rows]

    def _row(self, item: NewItem | NewVehicle) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Its picture, and what the table of all items and that of its kind hold of it."""
        size = open_image(item.content).size
        with _sentences():
            sha256 = self.pictures.add(item.content)
        added = datetime.now(UTC).isoformat(timespec="milliseconds")
        picture = {"sha256": sha256, "width": size[0], "height": size[1], "added": added}
        row = {
            "name": _name_of(item.kind, sha256, item.box),
            "kind": item.kind,
            "picture": sha256,
            "box": json.dumps(item.box.to_list()),
            "prediction": json.dumps(item.prediction()),
            "confidence": item.confidence,
            "checkpoint": item.checkpoint,
            "heads_version": item.heads_version,
            "source": item.source,
            "added": added,
        }
        return picture, row, item.own_columns(size)


def _name_of(kind: str, sha256: str, box: Box) -> str:
    """What tells an item from all others, in every database."""
    return " ".join((kind, sha256, *(str(round(side)) for side in box.to_list())))


def event_of(row: Row[Any]) -> Event:
    """An event from its row in the database."""
    before, value = json.loads(row.value_before), json.loads(row.value)
    return Event(
        row.id, row.item, row.person, row.at, row.kind, row.field, before, value, row.seconds, row.client, row.undoes
    )


def _added(
    connection: Connection, looks: _Looks, picture: dict[str, Any], row: dict[str, Any], own: dict[str, Any]
) -> int:
    """The number of the item, which is added unless it is there."""
    connection.execute(_ADD_PICTURE, picture)
    new = connection.execute(_ADD_ITEM, row).rowcount == 1
    number = int(connection.execute(_NUMBER, {"name": row["name"]}).scalar_one())
    if new:
        if row["kind"] == VEHICLE:
            own = {**own, "alike": looks.group_of(number, row["checkpoint"], own["embedding"])}
        names = ("item", *own)
        values = ", ".join(f":{name}" for name in names)
        table = _TABLES[row["kind"]]
        connection.execute(text(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({values})"), {"item": number, **own})
    return number


class _Looks:
    """The vehicles that were added last, to find those that look nearly the same."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[tuple[str, int], tuple[list[int], list[np.ndarray]]] = {}

    def group_of(self, number: int, checkpoint: str, stored: bytes) -> int:
        """The first item of the vehicles that look nearly like this one; its own number where none does."""
        groups, looks = self._of(checkpoint, len(stored))
        own, group = embedding_of(stored), number
        if looks:
            cosines = np.stack(looks[-_LATEST:]) @ own
            best = int(cosines.argmax())
            group = groups[-_LATEST:][best] if cosines[best] >= _NEARLY_THE_SAME else number
        groups.append(group)
        looks.append(own)
        return group

    def _of(self, checkpoint: str, size: int) -> tuple[list[int], list[np.ndarray]]:
        if (checkpoint, size) not in self._known:
            asked = {"checkpoint": checkpoint, "size": size, "count": _LATEST}
            rows = self._connection.execute(_LATEST_VEHICLES, asked).all()[::-1]
            self._known[checkpoint, size] = [row.alike for row in rows], [embedding_of(row.embedding) for row in rows]
        return self._known[checkpoint, size]


def _field_of(connection: Connection, said: Said) -> str:
    kind = connection.execute(_KIND, {"id": said.item}).scalar_one_or_none()
    if kind is None:
        raise UnknownItemError(_GONE)
    if said.kind not in FIELDS[kind]:
        raise UnknownItemError(_NOT_UNDERSTOOD)
    return FIELDS[kind][said.kind]


def _held(connection: Connection, item: int, field: str) -> Any:
    """What holds of the field before the new event; the prediction where nothing was said."""
    if not field:
        return None
    label = connection.execute(_LABEL, {"item": item, "field": field}).one_or_none()
    if label is not None:
        return json.loads(label.value)
    query, value = _PREDICTED[field]
    return value(connection.execute(text(query), {"id": item}).one())


def _undone(connection: Connection, said: Said) -> int:
    row = connection.execute(_BY_CLIENT, {"client": said.undoes}).one_or_none()
    if row is None or row.item != said.item or row.person != said.person or row.undoes is not None:
        raise UnknownItemError("There is nothing of yours to undo here.")
    return int(row.id)


_IN_TURN = text("SELECT pg_advisory_xact_lock(7306093)")
_GONE = "This item is not in the store. Reload the page."
_NOT_UNDERSTOOD = "This was not understood. Reload the page."
_TABLES = {PLATE: "plates", VEHICLE: "vehicles"}
_VIEWS: Mapping[str, tuple[str, Callable[[Row[Any]], Item]]] = {
    PLATE: ("plate_items", plate_of),
    VEHICLE: ("vehicle_items", vehicle_of),
}
# What a field held before anybody said anything of it.
_PREDICTED: Mapping[str, tuple[str, Callable[[Row[Any]], Any]]] = {
    "text": ("SELECT reading FROM plates WHERE item = :id", lambda row: row.reading),
    "corners": ("SELECT corners FROM plates WHERE item = :id", lambda row: {"corners": json.loads(row.corners)}),
    "vehicle": (
        f"SELECT {', '.join(PARTS)} FROM vehicles WHERE item = :id",
        lambda row: {part: getattr(row, part) for part in PARTS},
    ),
    "box": ("SELECT box FROM items WHERE id = :id", lambda row: json.loads(row.box)),
    "decision": ("SELECT id FROM items WHERE id = :id", lambda row: None),
}
_KIND = text("SELECT kind FROM items WHERE id = :id")
_OF_PICTURE = text("SELECT id FROM items WHERE picture = :picture AND kind = :kind LIMIT 1")
_LOOKED_THROUGH = text("SELECT 1 FROM looked_through WHERE picture = :picture AND how = :how")
_LOOK_THROUGH = text("INSERT INTO looked_through VALUES (:picture, :how) ON CONFLICT DO NOTHING")
_LATEST_VEHICLES = text(
    "SELECT alike, embedding FROM vehicle_items WHERE checkpoint = :checkpoint AND length(embedding) = :size "
    "ORDER BY id DESC LIMIT :count"
)
_ADD_PICTURE = text("INSERT INTO pictures VALUES (:sha256, :width, :height, :added) ON CONFLICT (sha256) DO NOTHING")
_ITEM_COLUMNS = (
    *("name", "kind", "picture", "box", "prediction", "confidence", "checkpoint", "heads_version", "source", "added"),
)
_ADD_ITEM = text(
    f"INSERT INTO items ({', '.join(_ITEM_COLUMNS)}) VALUES ({', '.join(f':{name}' for name in _ITEM_COLUMNS)}) "
    "ON CONFLICT (name) DO NOTHING"
)
_NUMBER = text("SELECT id FROM items WHERE name = :name")
_ADD_EVENT = text(
    "INSERT INTO events (item, person, at, kind, field, value_before, value, seconds, client, undoes) "
    "VALUES (:item, :person, :at, :kind, :field, :before, :value, :seconds, :client, :undoes) "
    "ON CONFLICT (client) DO NOTHING"
)
_BY_CLIENT = text("SELECT * FROM events WHERE client = :client")
_LABEL = text("SELECT value FROM labels WHERE item = :item AND field = :field")
_END_LEASE = text("DELETE FROM leases WHERE item = :item AND holder = :holder")


def _engine(url: str) -> Engine:
    try:
        dialect = make_url(url).get_dialect().name
        if dialect not in schema.DIALECTS:
            raise StoreError(f"Labels are kept in SQLite or PostgreSQL, not in {dialect}.")
        # A server may have been started again since a connection was last used.
        engine = create_engine(
            url, pool_size=8, max_overflow=32, pool_timeout=_BUSY_S, pool_pre_ping=dialect != "sqlite"
        )
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise StoreError(f"VEHICLE_DEMO_DATABASE_URL names no database that can be opened here: {error}") from error
    if dialect == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "connect", _prepare_postgresql)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    # Transactions begin where SQLAlchemy says so, see below, not where Python's driver guesses.
    connection.isolation_level = None
    for setting in (
        f"busy_timeout = {int(_BUSY_S * 1000)}",
        "journal_mode = WAL",
        "synchronous = FULL",  # what is acknowledged survives a power cut
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {setting}")


def _prepare_postgresql(connection: Any, _: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {int(_BUSY_S * 1000)}")
    connection.commit()


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once when another has written in between; one that
    # takes the write lock first waits for its turn.
    writes = connection.get_execution_options().get("vehicle_demo_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _sentences() -> Iterator[None]:
    """Failures of the database and the disk as exceptions with a sentence."""
    try:
        yield
    except DBAPIError as error:
        raise _said(error) from error
    except PoolTimeout as error:
        raise StoreBusyError("Too many are writing labels at once. Your answer is kept; it is sent again.") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreFullError(_FULL) from error
        raise StoreError(f"The labels' folder cannot be used ({os.strerror(error.errno or 0)}).") from error


_FULL = "The disk with the labels is full. Make room; what you said is kept in this page and sent again."


def _said(error: DBAPIError) -> StoreError:
    code = getattr(error.orig, "sqlite_errorcode", None)
    state = getattr(error.orig, "sqlstate", None)
    # The lower byte is the kind of failure, the upper ones say more of it.
    if (code is not None and code & 0xFF in _LOCKED) or state in _LOCKED_STATES:
        return StoreBusyError("Another program holds the labels' database. Your answer is kept; it is sent again.")
    if (code is not None and code & 0xFF == sqlite3.SQLITE_FULL) or state == _FULL_STATE:
        return StoreFullError(_FULL)
    return StoreError(f"The labels' database cannot be used: {error.orig}.")
