"""The label store: pictures, what was predicted of them, and what people said, in a database that several may share."""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from PIL import Image
from sqlalchemy import Connection, Engine, Row, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from vehicle_demo.annotation import schema
from vehicle_demo.annotation.layouts import layout_of
from vehicle_demo.annotation.pictures import Pictures
from vehicle_demo.recognition import ImageError, open_image
from vehicle_demo.recognition.rectify import box_around
from vehicle_demo.recognition.results import Box, Character, Corners, PlateReading

ANSWER: Final = "answer"
UNDO: Final = "undo"
REDO: Final = "redo"
SKIP: Final = "skip"
NOT_READABLE: Final = "not readable"
NO_PLATE: Final = "no plate"
CORNERS: Final = "corners"
# What a kind of event says something about; an empty field is no label.
FIELDS: Mapping[str, str] = {
    ANSWER: "text",
    NOT_READABLE: "text",
    NO_PLATE: "text",
    CORNERS: "corners",
    SKIP: "",
    UNDO: "",
    REDO: "",
}
PLATE: Final = "plate"
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
class Item:
    """One plate in a picture (the SHA-256 of its file), with what was read of it.

    `box` and `corners` are where it was found, in pixels of the upright picture; `around` is the vehicle's box, or the
    whole picture. `reading` is None where nothing was read. `confidence` is that of its least sure character.
    """

    id: int
    picture: str
    box: Box
    corners: Corners
    around: Box
    reading: PlateReading | None
    layout: str
    confidence: float
    checkpoint: str
    heads_version: str
    source: str
    added: str


@dataclass(frozen=True)
class NewItem:
    """An item before the store has it; its fields are those of `Item`, `content` the encoded picture."""

    content: bytes
    corners: Corners
    around: Box | None
    reading: PlateReading | None
    checkpoint: str
    heads_version: str
    source: str


@dataclass(frozen=True)
class Said:
    """Something a person said, before the store has it.

    Args:
        kind: one of `FIELDS`.
        client: an identity that the page gave it; the store takes each once, however often it is sent.
        value: the plate's text for an answer, corners with their reading for corners, else None.
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

    def add(self, items: Sequence[NewItem]) -> list[int]:
        """Keep items, all or none, and return their numbers; a plate that is there already keeps its first prediction.

        Raises:
            StoreError: nothing was added.
            ImageError: a picture cannot be used.
        """
        rows = [self._row(item) for item in items]
        numbers = []
        with self.writing() as connection:
            for picture, row in rows:
                connection.execute(_ADD_PICTURE, picture)
                connection.execute(_ADD_ITEM, row)
                numbers.append(int(connection.execute(_NUMBER, {"name": row["name"]}).scalar_one()))
        return numbers

    def item(self, number: int) -> Item:
        """The item of this number. Raises UnknownItemError."""
        with self.reading() as connection:
            row = connection.execute(text("SELECT * FROM items WHERE id = :id"), {"id": number}).one_or_none()
        if row is None:
            raise UnknownItemError(_GONE)
        return item_of(row)

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
        if said.kind not in FIELDS or not said.client:
            raise StoreError("This was not understood. Reload the page.")
        field = FIELDS[said.kind]
        with self.writing() as connection:
            if known := connection.execute(_BY_CLIENT, {"client": said.client}).one_or_none():
                return event_of(known)
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
            if field == "text" or said.kind == SKIP:
                connection.execute(_END_LEASE, {"item": said.item, "holder": holder})
            return event_of(connection.execute(_BY_CLIENT, {"client": said.client}).one())

    def labels(self, number: int) -> dict[str, Event]:
        """What holds of an item now, by field: the latest that was said and not undone."""
        with self.reading() as connection:
            rows = connection.execute(text("SELECT * FROM labels WHERE item = :item"), {"item": number}).all()
        return {row.field: event_of(row) for row in rows}

    def events(self, number: int) -> list[Event]:
        """Everything that was ever said of an item, the first first."""
        with self.reading() as connection:
            rows = connection.execute(text("SELECT * FROM events WHERE item = :item ORDER BY id"), {"item": number})
            return [event_of(row) for row in rows]

    def _row(self, item: NewItem) -> tuple[dict[str, Any], dict[str, Any]]:
        image = open_image(item.content)
        with _sentences():
            sha256 = self.pictures.add(item.content)
        added = datetime.now(UTC).isoformat(timespec="milliseconds")
        box = box_around(item.corners)
        reading = item.reading
        around = item.around or Box(0, 0, *image.size)
        picture = {"sha256": sha256, "width": image.width, "height": image.height, "added": added}
        return picture, {
            "name": " ".join((PLATE, sha256, *(str(round(side)) for side in box.to_list()))),
            "kind": PLATE,
            "picture": sha256,
            "box": json.dumps(box.to_list()),
            "corners": json.dumps(item.corners),
            "around": json.dumps(around.to_list()),
            "prediction": json.dumps(reading_values(reading)),
            "reading": reading.text if reading else "",
            "layout": layout_of(reading.text if reading else ""),
            "length": len(reading.text) if reading else 0,
            "confidence": lowest(reading),
            "checkpoint": item.checkpoint,
            "heads_version": item.heads_version,
            "source": item.source,
            "added": added,
        }


def lowest(reading: PlateReading | None) -> float:
    """The score of the least sure slot, blanks included; 0 where nothing was read."""
    return min((slot[0].score for slot in reading.slots), default=reading.score) if reading else 0.0


def item_of(row: Row[Any]) -> Item:
    """An item from its row in the database."""
    corners: Corners = tuple((x, y) for x, y in json.loads(row.corners))
    return Item(
        id=row.id,
        picture=row.picture,
        box=Box(*json.loads(row.box)),
        corners=corners,
        around=Box(*json.loads(row.around)),
        reading=_reading_of(json.loads(row.prediction), corners),
        layout=row.layout,
        confidence=row.confidence,
        checkpoint=row.checkpoint,
        heads_version=row.heads_version,
        source=row.source,
        added=row.added,
    )


def event_of(row: Row[Any]) -> Event:
    """An event from its row in the database."""
    before, value = json.loads(row.value_before), json.loads(row.value)
    return Event(
        row.id, row.item, row.person, row.at, row.kind, row.field, before, value, row.seconds, row.client, row.undoes
    )


def reading_values(reading: PlateReading | None) -> dict[str, Any] | None:
    """What was read as plain values, all slots with their scores unrounded; None where nothing was."""
    if reading is None:
        return None
    slots = [[asdict(character) for character in slot] for slot in reading.slots]
    return {"text": reading.text, "score": reading.score, "slots": slots}


def _reading_of(values: dict[str, Any] | None, corners: Corners) -> PlateReading | None:
    if values is None:
        return None
    slots = tuple(tuple(Character(**character) for character in slot) for slot in values["slots"])
    characters = tuple(slot[0] for slot in slots if slot[0].character)
    return PlateReading(values["text"], values["score"], box_around(corners), characters, slots, corners)


def _held(connection: Connection, item: int, field: str) -> Any:
    """What holds of the field before the new event; the prediction where nothing was said."""
    row = connection.execute(text("SELECT reading, corners FROM items WHERE id = :id"), {"id": item}).one_or_none()
    if row is None:
        raise UnknownItemError(_GONE)
    if not field:
        return None
    label = connection.execute(_LABEL, {"item": item, "field": field}).one_or_none()
    if label is not None:
        return json.loads(label.value)
    return row.reading if field == "text" else {"corners": json.loads(row.corners)}


def _undone(connection: Connection, said: Said) -> int:
    row = connection.execute(_BY_CLIENT, {"client": said.undoes}).one_or_none()
    if row is None or row.item != said.item or row.person != said.person or row.undoes is not None:
        raise UnknownItemError("There is nothing of yours to undo here.")
    return int(row.id)


_IN_TURN = text("SELECT pg_advisory_xact_lock(7306093)")
_GONE = "This item is not in the store. Reload the page."
_ADD_PICTURE = text("INSERT INTO pictures VALUES (:sha256, :width, :height, :added) ON CONFLICT (sha256) DO NOTHING")
_ITEM_COLUMNS = (
    *("name", "kind", "picture", "box", "corners", "around", "prediction", "reading", "layout", "length", "confidence"),
    *("checkpoint", "heads_version", "source", "added"),
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
