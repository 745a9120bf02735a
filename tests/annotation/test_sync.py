"""Labels kept far away too: nothing lost with the disk, nothing counted twice, whatever the Hub answers."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from sqlalchemy import create_engine, text

from tests.annotation.drawn_plates import new_item, picture
from tests.annotation.drawn_vehicles import new_vehicle
from tests.fake_hub import FakeHub
from vehicle_demo.annotation import remote as remote_module
from vehicle_demo.annotation import schema
from vehicle_demo.annotation.queue import Queue
from vehicle_demo.annotation.remote import FolderRemote, HubRemote, RemoteError, remote_named
from vehicle_demo.annotation.review import Review
from vehicle_demo.annotation.rows import Row, count_rows, read_rows, write_rows
from vehicle_demo.annotation.store import ANSWER, REDO, SKIP, UNDO, Said, Store
from vehicle_demo.annotation.sync import Sync


@pytest.fixture
def remote(tmp_path: Path) -> FolderRemote:
    return FolderRemote(tmp_path / "remote")


def synced(store: Store, remote: Any) -> Sync:
    sync = Sync(lambda: store, remote)
    assert sync.once().problem == "" and sync.state().waiting == 0
    return sync


def said_everything(store: Store) -> list[int]:
    """Answers, an undo, a redo and a skip, by two people."""
    one, two, three = store.add([new_item(number) for number in range(3)])
    store.record(Said(one, "ann", ANSWER, "c1", "ONE", 1.5))
    store.record(Said(one, "ann", ANSWER, "c2", "UNO"))
    store.record(Said(one, "ann", UNDO, "c3", undoes="c2"))
    store.record(Said(two, "bob", ANSWER, "c4", "ZW\u00d6I"))
    store.record(Said(two, "bob", UNDO, "c5", undoes="c4"))
    store.record(Said(two, "bob", REDO, "c6", undoes="c4"))
    store.record(Said(three, "ann", SKIP, "c7"))
    Queue(store).take("ann", "page", 3)
    return [one, two, three]


def contents(store: Store) -> list[Row]:
    with store.reading() as connection:
        return list(read_rows(connection))


def shards(remote: FolderRemote) -> list[str]:
    return sorted(name for name in remote.files() if name.startswith("shards/"))


def test_an_emptied_disk_gets_everything_back(tmp_path: Path, remote: FolderRemote, database: str) -> None:
    before = Store(tmp_path / "before")
    said_everything(before)
    synced(before, remote)
    # Numbers differ here, as another plate was first.
    after = Store(tmp_path / "after", database)
    after.add([new_item(9)])
    synced(after, remote)
    events = {event.client: event for number in range(1, 5) for event in after.events(number)}
    assert list(events) == ["c1", "c2", "c3", "c4", "c5", "c6", "c7"]
    assert events["c3"].undoes == events["c2"].id and events["c1"].seconds == 1.5
    item = after.item(events["c4"].item)
    assert after.picture(item).size == (64, 32) and after.pictures.path(item.picture).read_bytes() == picture(1)
    assert after.labels(item.id)["text"].value == "ZW\u00d6I" and after.labels(events["c1"].item)["text"].value == "ONE"
    assert {str(row) for row in contents(before)} < {str(row) for row in contents(after)}
    assert Queue(after).progress().total == 4
    with after.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM leases")).scalar_one() == 0
    again = Store(tmp_path / "again")  # and out of this database into another
    synced(after, FolderRemote(tmp_path / "other"))
    synced(again, FolderRemote(tmp_path / "other"))
    assert sorted(map(str, contents(again))) == sorted(map(str, contents(after)))
    after.close()


def test_reading_back_again_changes_nothing_and_sends_nothing(tmp_path: Path, remote: FolderRemote) -> None:
    store = Store(tmp_path / "labels")
    said_everything(store)
    synced(store, remote)
    was, there = contents(store), {name: remote.read(name) for name in remote.files()}
    for _ in range(2):
        synced(store, remote).once()
    assert contents(store) == was and {name: remote.read(name) for name in remote.files()} == there


def test_each_process_writes_a_shard_of_its_own_which_grows(tmp_path: Path, remote: FolderRemote) -> None:
    store = Store(tmp_path / "labels")
    one, *_ = said_everything(store)
    first, second = synced(store, remote), synced(store, remote)
    assert len(shards(remote)) == 1
    for turn, sync in enumerate((first, second, second)):
        store.record(Said(one, "ann", ANSWER, f"n{turn}", "X"))
        assert sync.state().waiting == 1 or sync is second
        assert sync.once().waiting == 0
    lines = [json.loads(line) for name in shards(remote) for line in remote.read(name).splitlines()]
    assert len(shards(remote)) == 2 and lines.count({"schema": len(schema.STEPS)}) == 2
    assert {"n0", "n1", "n2"} <= {line[1] for line in lines if isinstance(line, list)}


def test_what_two_hosts_said_comes_together_in_the_order_in_which_it_was_said(
    tmp_path: Path, remote: FolderRemote
) -> None:
    stores = [Store(tmp_path / name) for name in ("left", "right")]
    for turn, store in enumerate(stores):
        (number,) = store.add([new_item(1)])
        store.record(Said(number, f"person {turn}", ANSWER, f"c{turn}", f"SAID{turn}"))
    synced(stores[1], remote)  # the later answer is there first
    synced(stores[0], remote)
    third = Store(tmp_path / "third")
    synced(third, remote)
    assert [event.client for event in third.events(1)] == ["c0", "c1"]
    assert third.labels(1)["text"].value == "SAID1"


def test_rows_of_an_older_version_grow_up(tmp_path: Path, remote: FolderRemote) -> None:
    old = create_engine("sqlite://")
    with old.begin() as connection:
        schema.upgrade(connection, 1)
        item: dict[str, object] = dict(name="a", kind="plate", picture="p", box="[0,0,9,9]")
        item |= dict(
            corners="[[0,0],[9,0],[9,9],[0,9]]",
            around="[0,0,9,9]",
            prediction="null",
            reading="",
            layout="other",
            checkpoint="nano",
        )
        item |= dict(heads_version="built-in", source="drawn", added="2026-01-01", length=0, confidence=0.0)
        rows = [
            Row("pictures", "p", {"sha256": "p", "width": 9, "height": 9, "added": "2026-01-01"}),
            Row("items", "a", item),
        ]
        assert write_rows(connection, rows) == []
        lines = [json.dumps({"schema": 1}), *(json.dumps([r.table, r.name, r.values]) for r in read_rows(connection))]
    remote.write({"shards/old.jsonl": "\n".join(lines).encode()}, "old")
    store = Store(tmp_path / "labels")
    synced(store, remote)
    store.record(Said(1, "ann", ANSWER, "c1", "ONE"))
    assert store.labels(1)["text"].value == "ONE"


def test_damage_there_is_counted_and_passed_over(tmp_path: Path, remote: FolderRemote) -> None:
    store = Store(tmp_path / "labels")
    said_everything(store)
    synced(store, remote)
    (name,) = shards(remote)
    lines = remote.read(name).splitlines(keepends=True)
    remote.write({name: b"".join(line[:40] + b"\n" if b'"c7"' in line else line for line in lines)}, "cut off")
    broken = next(name for name in remote.files() if name.startswith("pictures/"))
    remote.write({broken: b"something else", "shards/empty.jsonl": b"", "README.md": b"notes"}, "broken")
    after = Store(tmp_path / "after")
    sync = synced(after, remote)
    assert sync.state().note == "1 rows and 1 pictures there could not be read."
    assert Queue(after).progress().total == 3 and Queue(after).progress().answered == 2
    # Whoever still has them sends them again.
    synced(store, remote)
    whole = Store(tmp_path / "whole")
    assert synced(whole, remote).state().note.startswith("1 rows")
    # Not in this order: what was said in one millisecond comes by shards, whose names are drawn by lot.
    assert {row.name for row in contents(whole)} == {row.name for row in contents(store)}


def test_a_row_whose_item_is_nowhere_is_left_out(tmp_path: Path) -> None:
    store = Store(tmp_path)
    stray = Row("events", "c1", {"item": "gone", "client": "c1"})
    with store.writing() as connection:
        assert write_rows(connection, [stray]) == [stray]
        assert count_rows(connection) == 0


def test_what_a_newer_version_wrote_is_left_alone(tmp_path: Path, remote: FolderRemote) -> None:
    remote.write({"shards/new.jsonl": b'{"schema": 99}\n'}, "new")
    store = Store(tmp_path / "labels")
    store.add([new_item(1)])
    sync = Sync(lambda: store, remote)
    assert "newer version" in sync.once().problem and sync.state().waiting > 0
    assert shards(remote) == ["shards/new.jsonl"]


def test_a_folder_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    store = Store(tmp_path / "labels")
    store.add([new_item(1)])
    sync = Sync(lambda: store, FolderRemote(tmp_path / "file" / "remote"))
    assert "cannot be used: Not a directory" in sync.once().problem and sync.state().waiting > 0


def test_what_the_setting_names() -> None:
    assert isinstance(remote_named("/mnt/labels"), FolderRemote) and isinstance(remote_named("./labels"), FolderRemote)
    assert isinstance(remote_named("owner/name"), HubRemote)
    with pytest.raises(RemoteError, match="Write owner/name"):
        remote_named("no/such/name").files()


def test_the_hub_keeps_everything_in_a_private_dataset(tmp_path: Path, hub: FakeHub) -> None:
    store = Store(tmp_path / "labels")
    said_everything(store)
    synced(store, hub.remote())
    assert hub.created and hub.private and hub.commits == 2  # pictures, then rows
    synced(store, hub.remote()).once()
    assert hub.commits == 2
    after = Store(tmp_path / "after")
    synced(after, hub.remote())
    assert contents(after) == contents(store) and len(list(after.pictures.folder.rglob("*/*"))) == 3


# The Hub's library itself tries again for half a minute after some kinds of failure, but not after this one.
def test_a_hub_that_refuses_is_told_of_and_gets_everything_later(tmp_path: Path, hub: FakeHub) -> None:
    store = Store(tmp_path / "labels")
    one, *_ = said_everything(store)
    sync = synced(store, hub.remote())
    hub.status = 401
    store.record(Said(one, "ann", ANSWER, "late", "LATE"))
    state = sync.once()
    assert "does not let this app write" in state.problem and state.waiting == 1 and state.at
    assert store.labels(one)["text"].value == "LATE"
    hub.status = 200
    state = sync.once()
    assert state.problem == "" and state.waiting == 0
    after = Store(tmp_path / "after")
    synced(after, hub.remote())
    assert contents(after) == contents(store)


@pytest.mark.parametrize(("status", "says"), [(500, "failed with error 500"), (429, "called less often")])
def test_a_hub_that_fails_at_the_start_is_read_back_later(tmp_path: Path, hub: FakeHub, status: int, says: str) -> None:
    store = Store(tmp_path / "labels")
    said_everything(store)
    synced(store, hub.remote())
    hub.status = status
    after = Store(tmp_path / "after")
    after.add([new_item(9)])
    sync = Sync(lambda: after, hub.remote())
    assert says in sync.once().problem and sync.state().waiting == len(contents(after))
    hub.status = 200
    assert sync.once().problem == "" and Queue(after).progress().total == 4


def test_a_hub_that_does_not_answer_holds_up_nobody(
    tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_module, "_PATIENCE_S", 0.5)
    store = Store(tmp_path / "labels")
    one, *_ = said_everything(store)
    sync = Sync(lambda: store, hub.remote())
    hub.open.clear()
    working = Thread(target=sync.once)
    working.start()
    store.record(Said(one, "ann", ANSWER, "meanwhile", "MEANWHILE"))
    assert store.labels(one)["text"].value == "MEANWHILE" and sync.state().problem == ""
    working.join()
    assert sync.state().problem == "The Hub does not answer." and sync.state().waiting > 0
    hub.open.set()
    monkeypatch.setattr(remote_module, "_PATIENCE_S", 30)
    assert sync.once().problem == "" and sync.state().waiting == 0


def test_a_public_dataset_gets_nothing(tmp_path: Path, hub: FakeHub) -> None:
    hub.created, hub.private = True, False
    store = Store(tmp_path / "labels")
    store.add([new_item(1)])
    assert "is public. Make it private" in Sync(lambda: store, hub.remote()).once().problem
    assert hub.commits == 0


def test_it_goes_on_in_the_background_and_sends_the_rest_at_the_end(tmp_path: Path, remote: FolderRemote) -> None:
    store = Store(tmp_path / "labels")
    one, *_ = said_everything(store)
    sync = Sync(lambda: store, remote, every_s=3600)
    thread = sync.start()
    store.record(Said(one, "ann", ANSWER, "last", "LAST"))
    sync.stop(thread)
    assert not thread.is_alive() and sync.state().waiting == 0
    assert any(b'"last"' in remote.read(name) for name in shards(remote))


def test_vehicles_come_back_with_what_was_said_of_them(tmp_path: Path, remote: FolderRemote, database: str) -> None:
    store = Store(tmp_path / "labels")
    first, second = store.add([new_vehicle(1, alike=3, opinions=2), new_vehicle(2, alike=3)])
    value = {"type": None, "make": "Audi", "model": None}
    store.record(Said(first, "ann", ANSWER, "c1", value))
    synced(store, remote)
    after = Store(tmp_path / "after", database)
    synced(after, remote)
    came, other = after.vehicle(first), after.vehicle(second)
    assert came.model == store.vehicle(first).model and came.opinions == 2 and other.alike == first
    assert np.array_equal(came.embedding, store.vehicle(first).embedding)
    assert after.labels(first)["vehicle"].value == value
    assert [task.item.id for task in Review(after).take("ann", "page", 9)] == [second]
    after.close()
