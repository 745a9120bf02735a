"""A gallery's folder: embeddings in one plain file that is memory-mapped, what each row is in SQLite, and the pictures.

Rows are appended in batches. A batch counts once SQLite has committed it; embeddings beyond that are left from a kill
and are written over.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from vehicle_demo.pictures import Pictures
from vehicle_demo.recognition import Box

_EMBEDDINGS, _ITEMS = "embeddings.f32", "items.sqlite"
_FORMAT = 1
# Rows that one statement asks for; SQLite has a limit.
_AT_ONCE = 500
# How long one that writes waits for another.
_BUSY_S = 30.0


class GalleryError(ValueError):
    """A gallery cannot be used; the message is a sentence that says what to do."""


class GalleryKeepingError(GalleryError):
    """Rows could not be written; those that were there before stay."""


@dataclass(frozen=True)
class Item:
    """What one row is. `picture` is the SHA-256 of its file and `part` the vehicle's number in it.

    What is not known is empty; `time` is ISO 8601. `thumbnail` is a small JPEG. `confidence` is the network's
    probability of the model name, where the name is its own; `told` names what its source said of it, with a blank
    between. `box` is where the vehicle is, in pixels of the upright
    picture; None in rows of earlier versions, which kept thumbnails alone.
    """

    picture: str
    part: int = 0
    thumbnail: bytes = b""
    vehicle_id: str = ""
    camera: str = ""
    time: str = ""
    type: str = ""
    make: str = ""
    model: str = ""
    colour: str = ""
    plate: str = ""
    source: str = ""
    confidence: float | None = None
    box: Box | None = None
    told: str = ""


_COLUMNS = tuple(field.name for field in fields(Item))
# What filters, menus and the header never ask for.
_APART = ("thumbnail", "box")
# What a source can tell of a vehicle.
FACTS = ("vehicle_id", "camera", "time", "type", "make", "model", "colour", "plate", "source")
FILTERED = ("vehicle_id", "camera", "type", "make", "model", "colour", "source")


@dataclass(frozen=True)
class Selection:
    """Which rows a search may answer with: those whose fields equal what is given, within the times, not left out."""

    vehicle_id: str | None = None
    camera: str | None = None
    type: str | None = None
    make: str | None = None
    model: str | None = None
    colour: str | None = None
    source: str | None = None
    since: str | None = None
    until: str | None = None
    not_camera: str | None = None

    @property
    def everything(self) -> bool:
        """Whether nothing is asked for."""
        return self == Selection()


@dataclass(frozen=True)
class Summary:
    """How much a gallery holds. `rows` are vehicles; `times` are its first and last, None where it has none."""

    rows: int
    pictures: int
    identities: int
    cameras: int
    times: tuple[str, str] | None


def filled_by(folder: Path) -> tuple[str, int] | None:
    """(checkpoint, length of an embedding) of the rows in a gallery folder; None where it has none."""
    path = folder / _ITEMS
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(path, timeout=_BUSY_S)) as connection:
            query = "SELECT checkpoint, dimension FROM about WHERE EXISTS (SELECT 1 FROM items)"
            about = connection.execute(query).fetchone()
    except sqlite3.DatabaseError:
        return None
    return (str(about[0]), int(about[1])) if about else None


class Storage:
    """One gallery folder, open. Any number of threads and processes may read while others add, one after the other."""

    def __init__(self, folder: Path, checkpoint: str, dimension: int) -> None:
        """Open the folder, or make it.

        Args:
            checkpoint: which checkpoint and version the embeddings come from.
            dimension: length of an embedding.

        Raises:
            GalleryError: the folder holds another checkpoint's embeddings, or is damaged.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.checkpoint, self.dimension = folder, checkpoint, dimension
        self.pictures = Pictures(folder / "pictures")
        self._writing = Lock()
        self._path = folder / _ITEMS
        try:
            with self._connected() as connection:
                self._set_up(connection, checkpoint)
        except sqlite3.DatabaseError as error:
            raise GalleryError(f"{self._path} is damaged ({error}). Build the gallery again.") from error
        held = self._bytes_held() // (4 * dimension)
        if held < self.count():
            raise GalleryError(f"{folder / _EMBEDDINGS} is cut short. Build the gallery again.")

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """A connection whose changes are committed at the end, or rolled back by an error."""
        with closing(sqlite3.connect(self._path, timeout=_BUSY_S)) as connection, connection:
            connection.execute("PRAGMA synchronous = FULL")
            yield connection

    def _set_up(self, connection: sqlite3.Connection, checkpoint: str) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        columns = ", ".join(_COLUMNS)
        connection.execute(f"CREATE TABLE IF NOT EXISTS items (number INTEGER PRIMARY KEY, {columns})")
        _grow(connection)
        connection.execute("CREATE UNIQUE INDEX IF NOT EXISTS pictures ON items (picture, part)")
        # So that filters, menus and the header need not read past the thumbnails.
        facts = ", ".join((*FILTERED, *(name for name in _COLUMNS if name not in (*FILTERED, *_APART))))
        connection.execute(f"CREATE INDEX IF NOT EXISTS facts ON items ({facts})")
        connection.execute("CREATE TABLE IF NOT EXISTS about (format, checkpoint, dimension)")
        about = connection.execute("SELECT format, checkpoint, dimension FROM about").fetchone()
        if about is None:
            connection.execute("INSERT INTO about VALUES (?, ?, ?)", (_FORMAT, checkpoint, self.dimension))
        elif about != (_FORMAT, checkpoint, self.dimension):
            raise GalleryError(
                f"The gallery in {self.folder} holds embeddings of {about[1]}, which cannot be compared with those of "
                f"{checkpoint}. Build it again with this checkpoint, or choose the other one."
            )

    def _bytes_held(self) -> int:
        path = self.folder / _EMBEDDINGS
        return path.stat().st_size if path.exists() else 0

    def count(self) -> int:
        """Rows that are there for good."""
        with self._connected() as connection:
            return self._count(connection)

    def _count(self, connection: sqlite3.Connection) -> int:
        # Numbers have no gaps, and the last one is found at once.
        return int(connection.execute("SELECT coalesce(max(number) + 1, 0) FROM items").fetchone()[0])

    def add(self, embeddings: np.ndarray, items: Sequence[Item]) -> int:
        """Append rows and return how many were new; a picture's part that is there already is passed over.

        Args:
            embeddings: (N, D) float32 with unit L2 norm.

        Raises:
            ValueError: shapes do not fit, or an embedding is not finite or not of unit length.
            GalleryKeepingError: the disk is full, or another program holds the gallery; nothing was added.
        """
        if embeddings.shape != (len(items), self.dimension):
            raise ValueError(f"Embeddings have shape {embeddings.shape}, not ({len(items)}, {self.dimension}).")
        if not np.allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-3):
            raise ValueError("Embeddings must be finite and of unit length.")
        with self._writing, _kept(), self._connected() as connection:
            # Before anything is read: another process may be adding to this gallery too.
            connection.execute("BEGIN IMMEDIATE")
            known = self._known(connection, items)
            fresh: dict[tuple[str, int], int] = {}
            for index, item in enumerate(items):
                if (item.picture, item.part) not in known:
                    fresh.setdefault((item.picture, item.part), index)
            chosen = list(fresh.values())
            start = self._count(connection)
            self._write(np.ascontiguousarray(embeddings[chosen], dtype=np.float32), start)
            marks = ", ".join("?" * (len(_COLUMNS) + 1))
            rows = [(start + place, *_values(items[index])) for place, index in enumerate(chosen)]
            connection.executemany(f"INSERT INTO items (number, {', '.join(_COLUMNS)}) VALUES ({marks})", rows)
        return len(chosen)

    def keep(self, content: bytes) -> str:
        """Keep a picture that rows come from, as it was encoded, and return its SHA-256.

        Raises:
            GalleryKeepingError: there is no room for it.
        """
        with _kept():
            return self.pictures.add(content)

    def count_of(self, picture: str) -> int:
        """How many rows come from the picture with this SHA-256."""
        with self._connected() as connection:
            asked = connection.execute("SELECT count(*) FROM items WHERE picture = ?", (picture,))
            return int(asked.fetchone()[0])

    def held(self, items: Iterable[Item]) -> set[tuple[str, int]]:
        """(picture, part) of those that are there."""
        with self._connected() as connection:
            return self._known(connection, items)

    def _known(self, connection: sqlite3.Connection, items: Iterable[Item]) -> set[tuple[str, int]]:
        asked = ((item.picture, item.part) for item in items)
        query = "SELECT picture, part FROM items WHERE picture = ? AND part = ?"
        return {found for key in asked if (found := connection.execute(query, key).fetchone())}

    def _write(self, embeddings: np.ndarray, start: int) -> None:
        path = self.folder / _EMBEDDINGS
        with path.open("r+b" if path.exists() else "w+b") as file:
            file.seek(start * 4 * self.dimension)
            file.write(embeddings.tobytes())
            file.flush()
            os.fsync(file.fileno())

    def embeddings(self) -> np.ndarray:
        """(count, D) float32, mapped from the file, for reading only."""
        count = self.count()
        if count == 0:
            return np.zeros((0, self.dimension), dtype=np.float32)
        return np.memmap(self.folder / _EMBEDDINGS, dtype=np.float32, mode="r", shape=(count, self.dimension))

    def items(self, numbers: Iterable[int]) -> list[Item]:
        """What these rows are, in their order. Raises KeyError for a row that is not there."""
        asked = [int(number) for number in numbers]
        columns = ", ".join(_COLUMNS)
        found: dict[int, Item] = {}
        with self._connected() as connection:
            for start in range(0, len(asked), _AT_ONCE):
                part = asked[start : start + _AT_ONCE]
                marks = ", ".join("?" * len(part))
                rows = connection.execute(f"SELECT number, {columns} FROM items WHERE number IN ({marks})", part)
                found |= {number: _item(values) for number, *values in rows}
        for number in asked:
            if number not in found:
                raise KeyError(f"The gallery has no row {number}.")
        return [found[number] for number in asked]

    def select(self, selection: Selection) -> np.ndarray:
        """Numbers of the rows that a selection allows, ascending int64."""
        values = asdict(selection)
        terms = [(f"{name} = ?", values[name]) for name in FILTERED if values[name] is not None]
        if selection.not_camera is not None:
            terms.append(("camera <> ?", selection.not_camera))
        for sign, limit in ((">=", selection.since), ("<=", selection.until)):
            if limit is not None:
                terms.append((f"time <> '' AND time {sign} ?", limit))
        where = " AND ".join(term for term, _ in terms) or "1"
        with self._connected() as connection:
            # Sorted here: asked for in order, SQLite would read the whole table instead of the index.
            rows = connection.execute(f"SELECT number FROM items WHERE {where}", [value for _, value in terms])
            return np.sort(np.array([number for (number,) in rows], dtype=np.int64))

    def values(self, column: str) -> list[str]:
        """What a column holds, each once, sorted; empty ones left out. Raises KeyError for no such column."""
        if column not in FILTERED:
            raise KeyError(f"There is no column {column} to filter by.")
        with self._connected() as connection:
            found = connection.execute(f"SELECT DISTINCT {column} FROM items WHERE {column} <> '' ORDER BY 1")
            return [value for (value,) in found]

    def summary(self) -> Summary:
        """What the header of a gallery says."""
        counted = "count(*), count(DISTINCT picture)"
        named = ", ".join(f"count(DISTINCT nullif({column}, ''))" for column in ("vehicle_id", "camera"))
        times = "min(nullif(time, '')), max(nullif(time, ''))"
        with self._connected() as connection:
            told = connection.execute(f"SELECT {counted}, {named}, {times} FROM items").fetchone()
        rows, pictures, identities, cameras, first, last = told
        return Summary(rows, pictures, identities, cameras, (first, last) if first else None)

    def columns(self, *names: str) -> list[tuple[Any, ...]]:
        """These fields of every row, in the rows' order. Raises KeyError for no such field."""
        if not set(names) <= set(_COLUMNS):
            raise KeyError(f"A gallery has the columns {', '.join(_COLUMNS)}.")
        with self._connected() as connection:
            return connection.execute(f"SELECT {', '.join(names)} FROM items ORDER BY number").fetchall()

    def plates(self) -> Iterator[tuple[int, str]]:
        """(row, plate text) of every row that has one."""
        with self._connected() as connection:
            yield from sorted(connection.execute("SELECT number, plate FROM items WHERE plate <> ''"))


def _values(item: Item) -> list[Any]:
    """An item as its row holds it, in the order of `_COLUMNS`."""
    told = {name: getattr(item, name) for name in _COLUMNS}
    return list({**told, "box": json.dumps(item.box.to_list()) if item.box else None}.values())


def _item(values: Sequence[Any]) -> Item:
    told = dict(zip(_COLUMNS, values, strict=True))
    return Item(**{**told, "box": Box(*json.loads(told["box"])) if told["box"] else None})


def _grow(connection: sqlite3.Connection) -> None:
    """Add the columns that a gallery of an earlier version lacks."""

    def lacking() -> list[str]:
        have = {name for _, name, *_ in connection.execute("PRAGMA table_info(items)")}
        return [name for name in _COLUMNS if name not in have]

    if lacking():
        # Another process may be at it as well.
        connection.execute("BEGIN IMMEDIATE")
        for name in lacking():
            connection.execute(f"ALTER TABLE items ADD COLUMN {name}")


@contextmanager
def _kept() -> Iterator[None]:
    """Failures to write as sentences."""
    try:
        yield
    except (sqlite3.OperationalError, OSError) as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            says = "The disk is full. Make room"
        elif code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            says = "Another program holds this gallery. Wait a minute"
        else:
            says = f"The gallery could not be written ({error}). Mend that"
        raise GalleryKeepingError(f"{says}, then fill it again: what was added stays, and is passed over.") from error
