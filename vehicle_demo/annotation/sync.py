"""What people said, kept far away too: read back at start where the disk was emptied, and sent soon after it is said.

Each process writes shards of its own, `shards/PROCESS-NUMBER.jsonl`: the version of the schema, then a row a line.
Pictures lie beside them by their SHA-256. Rows are named, so whatever is read or sent twice counts once.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import Event, Lock, Thread

from sqlalchemy import Connection, create_engine

from vehicle_demo.annotation import schema
from vehicle_demo.annotation.remote import Remote, RemoteError
from vehicle_demo.annotation.rows import Row, count_rows, read_rows, write_rows
from vehicle_demo.annotation.store import Store, StoreError

EVERY_S = 60.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 5.0, 900.0
_LAST_WAIT_S = 10.0
_SHARDS, _PICTURES = "shards/", "pictures/"
_MOST_PICTURES, _LARGEST_SHARD, _AT_ONCE = 100, 4_000_000, 8


@dataclass(frozen=True)
class State:
    """How far it is. `at` is when everything was last sent (UTC, ISO 8601), empty before.

    `waiting` rows are here and not there; `problem` is a sentence, empty when the last attempt went well; `note` says
    what of the other side could not be used.
    """

    where: str
    at: str = ""
    waiting: int = 0
    problem: str = ""
    note: str = ""
    begun: bool = False


@dataclass
class Sync:
    """One store and one remote. `open_store` may raise StoreError. Safe to share between threads."""

    open_store: Callable[[], Store]
    remote: Remote
    every_s: float = EVERY_S
    _state: State = field(init=False)
    _known: set[tuple[str, str]] | None = None
    _sent: int = 0
    _pictures: set[str] = field(default_factory=set)
    _shard: _Shard = field(init=False)
    _turn: Lock = field(default_factory=Lock)
    _ends: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self._state = State(self.remote.name)
        self._shard = _Shard()

    def state(self) -> State:
        """How far it is now."""
        try:
            with self.open_store().reading() as connection:
                return replace(self._state, waiting=count_rows(connection) - self._sent)
        except StoreError:
            return self._state

    def start(self) -> Thread:
        """Sync in the background from now on, until `stop`."""
        thread = Thread(target=self._work, daemon=True, name="sync")
        thread.start()
        return thread

    def stop(self, thread: Thread) -> None:
        """Send what is left, if that can be done in a few seconds."""
        self._ends.set()
        thread.join(_LAST_WAIT_S)

    def once(self) -> State:
        """Read back what is there, the first time, and send what is not; what fails is in the state, and kept here."""
        with self._turn:
            try:
                store = self.open_store()
                if self._known is None:
                    self._known = self._read_back(store)
                if self._send(store, self._known) or not self._state.at:
                    self._state = replace(self._state, at=datetime.now(UTC).isoformat(timespec="seconds"))
                self._state = replace(self._state, problem="", begun=True)
            except (RemoteError, StoreError) as error:
                self._failed(str(error))
            except OSError as error:
                self._failed(f"The labels' folder cannot be used ({os.strerror(error.errno or 0)}).")
            # The thread's last line: whatever went wrong, those who rely on it must be told.
            except Exception:
                logging.getLogger(__name__).exception("Syncing failed")
                self._failed("Something went wrong; the server's log says what.")
        return self.state()

    def _failed(self, problem: str) -> None:
        # Whether it arrived nobody knows; under a new name what comes late replaces nothing newer.
        self._shard = _Shard()
        self._state = replace(self._state, problem=problem, begun=True)

    def _work(self) -> None:
        failures = 0
        while True:
            ends = self._ends.is_set()
            failures = failures + 1 if self.once().problem else 0
            if ends:
                return
            self._ends.wait(min(_FIRST_WAIT_S * 2**failures, _LONGEST_WAIT_S) if failures else self.every_s)

    def _read_back(self, store: Store) -> set[tuple[str, str]]:
        """Put into the store what the remote has and it has not. Returns the names of all that the remote has."""
        files = self.remote.files()
        shards = sorted(name for name in files if name.startswith(_SHARDS))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            contents = list(pool.map(self.remote.read, shards))
        rows, unread = _rows_of(contents)
        self._pictures = {name.rpartition("/")[2] for name in files if name.startswith(_PICTURES)}
        wanted = [row.name for row in rows if row.table == "pictures" and row.name in self._pictures]
        missing = [sha256 for sha256 in wanted if not store.pictures.path(sha256).exists()]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            spoilt = [
                sha256
                for sha256, whole in zip(missing, pool.map(self._fetch(store), missing), strict=True)
                if not whole
            ]
        with store.writing() as connection:
            left = write_rows(connection, rows)
        self._pictures -= set(spoilt)
        self._state = replace(self._state, note=_note(unread + len(left), len(spoilt)))
        return {(row.table, row.name) for row in rows}

    def _fetch(self, store: Store) -> Callable[[str], bool]:
        def fetch(sha256: str) -> bool:
            """Whether the picture came as it was sent."""
            content = self.remote.read(_path(sha256))
            if hashlib.sha256(content).hexdigest() != sha256:
                return False
            store.pictures.add(content)
            return True

        return fetch

    def _send(self, store: Store, known: set[tuple[str, str]]) -> bool:
        """Send what is not there; whether there was anything."""
        with store.reading() as connection:
            # Rows are only ever added, and reading them all takes a while where there are many.
            if count_rows(connection) == self._sent:
                return False
            every = list(read_rows(connection))
            version = schema.version_of(connection)
        rows = [row for row in every if (row.table, row.name) not in known]
        pictures = [row.name for row in rows if row.table == "pictures" and row.name not in self._pictures]
        for part in (pictures[i : i + _MOST_PICTURES] for i in range(0, len(pictures), _MOST_PICTURES)):
            files = {_path(name): path.read_bytes() for name in part if (path := store.pictures.path(name)).exists()}
            if files:
                self.remote.write(files, f"{len(files)} pictures")
            self._pictures |= set(part)
        if rows:
            if self._shard.size > _LARGEST_SHARD:
                self._shard = _Shard()
            longer = self._shard.with_rows(rows, version)
            self.remote.write({longer.path: longer.content}, f"{len(rows)} rows")
            self._shard = longer
            known |= {(row.table, row.name) for row in rows}
        self._sent = len(every)
        return bool(rows)


@dataclass(frozen=True)
class _Shard:
    """A file of rows that only this process writes; it grows, and is sent whole each time."""

    path: str = field(
        default_factory=lambda: f"{_SHARDS}{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(6)}.jsonl"
    )
    content: bytes = b""

    @property
    def size(self) -> int:
        return len(self.content)

    def with_rows(self, rows: Sequence[Row], version: int) -> _Shard:
        lines = [json.dumps([row.table, row.name, row.values], ensure_ascii=False) for row in rows]
        head = [] if self.content else [json.dumps({"schema": version})]
        return replace(self, content=self.content + "".join(f"{line}\n" for line in head + lines).encode())


def _rows_of(shards: Sequence[bytes]) -> tuple[list[Row], int]:
    """All rows of the shards as this version of the schema has them, and how many lines could not be used.

    Raises:
        RemoteError: a newer version of the app wrote one.
    """
    parsed = [_parsed(shard) for shard in shards]
    unread = sum(bad for _, _, bad in parsed)
    if any(version > len(schema.STEPS) for version, _, _ in parsed):
        raise RemoteError("A newer version of this app has written there. Update this one.")
    # Older rows grow up as an older database would: put into one of their own version, which then takes the steps.
    with _scratch() as scratch:
        for version in range(1, len(schema.STEPS) + 1):
            schema.upgrade(scratch, version)
            rows = [row for own, rows, _ in parsed if own == version for row in rows]
            unread += len(write_rows(scratch, rows))
        return list(read_rows(scratch)), unread


def _parsed(shard: bytes) -> tuple[int, list[Row], int]:
    """(version, rows, lines that make no sense)."""
    version, rows, bad = 0, [], 0
    for line in shard.splitlines():
        try:
            told = json.loads(line)
            if isinstance(told, dict):
                version = int(told["schema"])
            else:
                table, name, values = told
                rows.append(Row(str(table), str(name), dict(values)))
        except (ValueError, TypeError, KeyError):
            bad += 1
    return version, rows if version > 0 else [], bad if version > 0 else bad + len(rows)


@contextmanager
def _scratch() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def _path(sha256: str) -> str:
    return f"{_PICTURES}{sha256[:2]}/{sha256}"


def _note(rows: int, pictures: int) -> str:
    parts = [f"{count} {what}" for count, what in ((rows, "rows"), (pictures, "pictures")) if count]
    return f"{' and '.join(parts)} there could not be read." if parts else ""
