"""The label store: what was said stays, once, whatever happens to the process, the database or the disk."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, event, text

from tests.annotation.drawn_plates import new_item, picture, reading
from vehicle_demo.annotation import schema
from vehicle_demo.annotation import store as store_module
from vehicle_demo.annotation.items import NewItem
from vehicle_demo.annotation.queue import Queue
from vehicle_demo.annotation.store import (
    ANSWER,
    CORNERS,
    NO_PLATE,
    REDO,
    SKIP,
    UNDO,
    Said,
    Store,
    StoreBusyError,
    StoreError,
    StoreFullError,
    UnknownItemError,
)
from vehicle_demo.recognition import ImageError, open_image
from vehicle_demo.recognition.results import Box


def answered(store: Store, number: int, client: str, value: str, person: str = "ann") -> None:
    store.record(Said(number, person, ANSWER, client, value, 1.5))


def text_of(store: Store, number: int) -> object:
    label = store.labels(number).get("text")
    return label.value if label else None


def test_an_item_comes_back_as_it_was(store: Store) -> None:
    (number,) = store.add([new_item(1, "XY9", 0.25)])
    item = store.plate(number)
    wanted = reading("XY9", 0.25)
    assert item.reading is not None and item.reading.slots == wanted.slots and item.reading.score == wanted.score
    assert [c.character for c in item.reading.characters] == list("XY9")
    assert item.corners == new_item(1).corners and item.box == Box(10, 8, 51, 24) and item.around == Box(2, 2, 60, 30)
    assert (item.confidence, item.checkpoint, item.heads_version, item.source) == (0.25, "nano 1", "built-in", "drawn")
    assert store.pictures.path(item.picture).read_bytes() == picture(1)
    assert store.picture(item).size == (64, 32)


def test_the_same_plate_is_kept_once_and_its_picture_too(store: Store) -> None:
    first = store.add([new_item(1, "AAA", 0.3), new_item(1, "BBB", 0.4), new_item(2)])
    assert first[0] == first[1] != first[2]
    assert store.add([new_item(2)]) == first[2:]
    assert store.plate(first[0]).reading.text == "AAA"  # type: ignore[union-attr]
    assert sum(path.is_file() for path in store.pictures.folder.rglob("*")) == 2


def test_items_are_added_all_or_none(store: Store) -> None:
    bad = NewItem(b"no picture", new_item(1).corners, None, None, "nano", "built-in", "drawn")
    with pytest.raises(ImageError):
        store.add([new_item(1), bad])
    assert Queue(store).progress().total == 0


def test_an_answer_sent_again_counts_once(store: Store) -> None:
    (number,) = store.add([new_item(1)])
    first = store.record(Said(number, "ann", ANSWER, "c1", "AB12CDF", 2.0))
    again = store.record(Said(number, "ann", ANSWER, "c1", "ANOTHER", 9.0))
    assert again == first and first.before == "AB12CDE" and first.value == "AB12CDF"
    assert first.at.endswith("+00:00")
    answered(store, number, "c2", "AB12CDG")
    assert [(e.before, e.value) for e in store.events(number)] == [("AB12CDE", "AB12CDF"), ("AB12CDF", "AB12CDG")]
    assert text_of(store, number) == "AB12CDG"


def test_undo_and_redo_are_events_and_the_label_follows(store: Store) -> None:
    (number,) = store.add([new_item(1)])
    answered(store, number, "c1", "ONE")
    answered(store, number, "c2", "TWO")
    store.record(Said(number, "ann", UNDO, "u1", undoes="c2"))
    assert text_of(store, number) == "ONE"
    store.record(Said(number, "ann", UNDO, "u2", undoes="c1"))
    assert text_of(store, number) is None
    store.record(Said(number, "ann", REDO, "r1", undoes="c2"))
    assert text_of(store, number) == "TWO"
    store.record(Said(number, "ann", UNDO, "u3", undoes="c2"))
    store.record(Said(number, "ann", UNDO, "u3", undoes="c2"))
    assert text_of(store, number) is None
    assert [e.kind for e in store.events(number)] == [ANSWER, ANSWER, UNDO, UNDO, REDO, UNDO]


def test_only_ones_own_answer_of_this_item_is_undone(store: Store) -> None:
    one, two = store.add([new_item(1), new_item(2)])
    answered(store, one, "c1", "ONE")
    for said in (
        Said(one, "bob", UNDO, "u1", undoes="c1"),
        Said(two, "ann", UNDO, "u2", undoes="c1"),
        Said(one, "ann", UNDO, "u3", undoes="gone"),
    ):
        with pytest.raises(UnknownItemError):
            store.record(said)
    assert text_of(store, one) == "ONE" and len(store.events(one)) == 1


def test_corners_are_a_label_of_their_own(store: Store) -> None:
    (number,) = store.add([new_item(1)])
    value = {"corners": [[1, 1], [9, 1], [9, 9], [1, 9]], "reading": None}
    event = store.record(Said(number, "ann", CORNERS, "c1", value))
    assert event.before == {"corners": [list(corner) for corner in new_item(1).corners]}
    assert store.labels(number)["corners"].value == value and text_of(store, number) is None
    store.record(Said(number, "ann", NO_PLATE, "c2"))
    assert set(store.labels(number)) == {"corners", "text"} and store.labels(number)["text"].kind == NO_PLATE


def test_nonsense_is_refused(store: Store) -> None:
    with pytest.raises(UnknownItemError):
        store.record(Said(7, "ann", ANSWER, "c1", "X"))
    with pytest.raises(UnknownItemError):
        store.plate(7)
    (number,) = store.add([new_item(1)])
    for said in (Said(number, "ann", "shout", "c1"), Said(number, "ann", ANSWER, "")):
        with pytest.raises(StoreError, match="not understood"):
            store.record(said)


def test_no_event_is_ever_changed(store: Store) -> None:
    (number,) = store.add([new_item(1)])
    answered(store, number, "c1", "ONE")
    for statement in ("UPDATE events SET value = '0'", "DELETE FROM events"):
        with pytest.raises(StoreError, match="only ever added"), store.writing() as connection:
            connection.execute(text(statement))
    assert text_of(store, number) == "ONE"


def test_what_sqlite_promises_is_switched_on(in_sqlite: Store) -> None:
    with in_sqlite.reading() as connection:
        settings = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}


def test_a_locked_database_says_so_and_takes_the_answer_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "_BUSY_S", 0.1)
    store = Store(tmp_path)
    (number,) = store.add([new_item(1)])
    other = sqlite3.connect(tmp_path / "labels.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusyError, match="sent again"):
        answered(store, number, "c1", "ONE")
    assert Queue(store).progress().done == 0  # reading goes on
    other.execute("ROLLBACK")
    other.close()
    answered(store, number, "c1", "ONE")
    assert text_of(store, number) == "ONE"


def test_a_full_disk_says_so_and_keeps_what_is_there(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (number,) = store.add([new_item(1)])
    answered(store, number, "c1", "ONE")
    store.close()

    def shrink(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # as small as it is: any page more is one too many

    event.listen(Engine, "connect", shrink)
    try:
        with pytest.raises(StoreFullError, match="full"):
            store.record(Said(number, "ann", CORNERS, "c2", "x" * 100_000))
    finally:
        event.remove(Engine, "connect", shrink)
        store.close()
    assert [e.client for e in store.events(number)] == ["c1"]
    store.record(Said(number, "ann", CORNERS, "c2", "x" * 100_000))
    assert len(store.events(number)) == 2


def test_a_database_that_is_none_gets_a_sentence(tmp_path: Path) -> None:
    for url in ("nonsense", "mysql://a/b", "oddity://a"):
        with pytest.raises(StoreError):
            Store(tmp_path, url)
    (tmp_path / "labels.sqlite").write_bytes(b"this is no database, but it is long enough to look at" * 40)
    with pytest.raises(StoreError, match="cannot be used"):
        Store(tmp_path)


def test_another_database_by_its_address(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    Store(tmp_path / "home", url).add([new_item(1)])
    assert Queue(Store(tmp_path / "home", url)).progress().total == 1
    assert not (tmp_path / "home/labels.sqlite").exists()


def test_an_older_database_is_brought_up_to_date_with_everything_in_it(tmp_path: Path) -> None:
    old = create_engine(f"sqlite:///{tmp_path / 'labels.sqlite'}")
    with old.begin() as connection:
        schema.upgrade(connection, to=1)
        row: dict[str, object] = dict(
            name="a", kind="plate", picture="p", box="[0,0,9,9]", corners="[[0,0],[9,0],[9,9],[0,9]]"
        )
        row |= dict(around="[0,0,9,9]", prediction="null", reading="", layout="other", checkpoint="nano")
        row |= dict(heads_version="built-in", source="drawn", added="2026-01-01", length=0, confidence=0.0)
        connection.execute(text("INSERT INTO pictures VALUES ('p', 9, 9, '2026-01-01')"))
        names = ", ".join(row)
        values = ", ".join(f":{name}" for name in row)
        connection.execute(text(f"INSERT INTO items ({names}) VALUES ({values})"), row)
    old.dispose()
    store = Store(tmp_path)
    assert store.plate(1).corners == ((0, 0), (9, 0), (9, 9), (0, 9)) and store.plate(1).around == Box(0, 0, 9, 9)
    answered(store, 1, "c1", "ONE")
    assert text_of(store, 1) == "ONE"
    with store.reading() as connection:
        assert schema.version_of(connection) == len(schema.STEPS)


def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.writing() as connection:
        connection.execute(text("UPDATE schema_version SET version = 99"))
    with pytest.raises(StoreError, match="newer version"):
        Store(tmp_path)


_WRITER = """
import sys
import time
from pathlib import Path
from vehicle_demo.annotation.store import ANSWER, Said, Store
folder, url, name, count = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
store = Store(folder, url)
for turn in range(count):
    store.record(Said(1, name, ANSWER, f"{name}-{turn}", f"T{turn}"))
    print(turn, flush=True)
"""


def writer(folder: Path, url: str, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _WRITER, str(folder), url, name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": "."})


# Imports once, then for each name that it reads forks a process that writes and says so until it is killed.
_NURSERY = """
import os, sys
from pathlib import Path
from tests.annotation.drawn_plates import new_item
from vehicle_demo.annotation.store import ANSWER, Said, Store
for name in sys.stdin:
    name = name.strip()
    if child := os.fork():
        print("born", child, flush=True)
        os.waitpid(child, 0)
        print("dead", flush=True)
        continue
    store = Store(Path(sys.argv[1]))
    for turn in range(1_000_000):
        (item,) = store.add([new_item(turn)])
        store.record(Said(item, name, ANSWER, f"{name}-{turn}", f"T{turn}"))
        os.write(1, f"kept {name}-{turn}\\n".encode())  # whole, whatever PYTHONUNBUFFERED says
"""


def test_twenty_kills_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    chosen = random.Random(20261121)
    nursery = subprocess.Popen(
        [sys.executable, "-c", _NURSERY, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert nursery.stdin is not None and nursery.stdout is not None
    acknowledged: list[str] = []
    for turn in range(20):
        print(f"writer{turn}", file=nursery.stdin, flush=True)
        _, child = nursery.stdout.readline().split()
        # While it opens the store, or somewhere in what comes after one of its first answers.
        acknowledged += [nursery.stdout.readline().split()[1] for _ in range(chosen.randrange(9))]
        time.sleep(chosen.random() / 100)
        os.kill(int(child), signal.SIGKILL)
        while (line := nursery.stdout.readline()) != "dead\n":
            acknowledged.append(line.split()[1])
        with sqlite3.connect(tmp_path / "labels.sqlite") as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            kept = [client for (client,) in connection.execute("SELECT client FROM events ORDER BY id")]
        # At most the one that was being written when the end came is there without having been acknowledged.
        assert set(acknowledged) <= set(kept) and len(kept) <= len(acknowledged) + turn + 1
        assert [client for client in kept if client in set(acknowledged)] == acknowledged
    nursery.stdin.close()
    assert nursery.wait() == 0
    store = Store(tmp_path)
    with store.reading() as connection:
        pictures = connection.execute(text("SELECT sha256 FROM pictures")).scalars().all()
    assert all(open_image(store.pictures.path(sha256)).size == (64, 32) for sha256 in pictures)
    assert len(acknowledged) > 20


def test_processes_and_threads_write_side_by_side(store: Store, tmp_path: Path, database: str) -> None:
    store.add([new_item(1)])
    children = [writer(tmp_path, database, name, 40) for name in ("left", "right")]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda turn: answered(store, 1, f"own-{turn // 2}", "T"), range(80)))
    assert [child.wait() for child in children] == [0, 0]
    events = store.events(1)
    assert len(events) == 40 + 40 + 40 == len({event.client for event in events})
    for name in ("left", "right"):  # each writer's own order is kept
        own = [json.dumps(event.value) for event in events if event.person == name]
        assert own == [json.dumps(f"T{turn}") for turn in range(40)]


def test_several_processes_may_start_at_once(tmp_path: Path, database: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(lambda _: Store(tmp_path, database), range(4)))
    (number,) = stores[0].add([new_item(1)])
    assert [store.item(number).confidence for store in stores] == [0.5] * 4


def test_a_skip_is_no_label(store: Store) -> None:
    (number,) = store.add([new_item(1)])
    store.record(Said(number, "ann", SKIP, "c1"))
    assert store.labels(number) == {}
