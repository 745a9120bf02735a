"""The data set with its card, in a folder and at the Hub: private, complete, and sent once."""

from __future__ import annotations

from pathlib import Path

import pytest
from datasets import load_dataset
from huggingface_hub import DatasetCard

from tests.annotation.drawn_vehicles import new_vehicle
from tests.annotation.test_corrections import A5, NAMES, TT, named, say
from tests.fake_hub import FakeHub
from vehicle_demo.annotation.publishing import CARD, PublishingError, publish
from vehicle_demo.annotation.remote import FolderRemote, RemoteError
from vehicle_demo.annotation.store import ANSWER, BAD_PICTURE, UNDO, Said, Store
from vehicle_demo.annotation.sync import Sync
from vehicle_demo.retraining.corrections import read_corrections

LICENCE = "cc-by-4.0"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Twelve vehicles: two people agree on two and contradict each other on one; one picture is bad."""
    store = Store(tmp_path / "labels")
    numbers = store.add([new_vehicle(number, source="street | east") for number in range(12)])
    for place, number in enumerate(numbers[:11]):
        say(store, number, "ann", named(TT if place % 2 else A5))
    for number, model in zip(numbers[:3], (A5, TT, TT), strict=True):
        say(store, number, "bob", named(model))
    say(store, numbers[11], "ann", None, BAD_PICTURE)
    return store


def test_it_loads_in_one_line_and_trains_beside_the_shards_of_the_sync(store: Store, tmp_path: Path) -> None:
    remote = FolderRemote(tmp_path / "shared")
    assert Sync(lambda: store, remote).once().problem == ""
    shards = remote.files()
    assert publish(store, NAMES, LICENCE, remote) == 12
    assert shards < remote.files()
    loaded = load_dataset(str(remote.folder), cache_dir=str(tmp_path / "cache"))
    assert sum(map(len, loaded.values())) == 12
    assert loaded["train"].features["model"].names == [*NAMES["model"]]
    assert read_corrections(remote.folder).rows
    # And what is read back at a start is still read back.
    after = Store(tmp_path / "after")
    assert Sync(lambda: after, remote).once().note == ""
    assert len(after.events(1)) == 2


def test_the_card_says_what_it_is(store: Store, tmp_path: Path) -> None:
    remote = FolderRemote(tmp_path / "shared")
    publish(store, NAMES, LICENCE, remote)
    card = DatasetCard(remote.read(CARD).decode())
    about = card.data.to_dict()
    assert about["license"] == LICENCE and about["size_categories"] == "n<1K"
    (config,) = about["configs"]
    assert {one["path"] for one in config["data_files"]} == remote.files() - {CARD}
    assert "12 vehicles in 12 pictures" in card.text
    # Two vehicles on which two agree and one on which they do not: kappa of (A5, A5), (TT, TT), (TT, A5).
    assert "| answer | 10 |\n| bad picture | 1 |\n| conflict | 1 |" in card.text
    assert f"| {A5} | 5 |\n| {TT} | 5 |" in card.text
    assert "Two people named 3 vehicles" in card.text and "model 0.400" in card.text
    assert "| street / east | 12 |" in card.text and "nano 1, heads built-in" in card.text


@pytest.mark.parametrize("licence", ["", "CC BY 4.0", "mit\nfoo: bar"])
def test_without_a_licence_nothing_is_published(store: Store, tmp_path: Path, licence: str) -> None:
    with pytest.raises(PublishingError, match="Name the licence"):
        publish(store, NAMES, licence, FolderRemote(tmp_path / "shared"))
    assert not (tmp_path / "shared").exists()


def test_nothing_said_is_nothing_to_publish(tmp_path: Path) -> None:
    with pytest.raises(PublishingError, match="nothing to publish"):
        publish(Store(tmp_path / "labels"), NAMES, LICENCE, FolderRemote(tmp_path / "shared"))


def test_the_same_answers_are_sent_once_and_what_is_undone_is_taken_away(store: Store, hub: FakeHub) -> None:
    publish(store, NAMES, LICENCE, hub.remote())
    assert hub.private and hub.commits == 1
    before = dict(hub.files)
    publish(store, NAMES, LICENCE, hub.remote())
    assert hub.commits == 1 and hub.files == before
    of_test = [number for number in range(1, 13) if int(store.vehicle(number).picture[:8], 16) % 10 == 9]
    assert of_test and "data/test.parquet" in hub.files
    for number in of_test:
        for event in store.events(number):
            store.record(Said(number, event.person, UNDO, f"undo {event.client}", undoes=event.client))
    publish(store, NAMES, LICENCE, hub.remote())
    assert hub.commits == 2 and set(before) - set(hub.files) == {"data/test.parquet"}
    assert b"test.parquet" not in hub.files[CARD]


def test_a_public_dataset_gets_nothing(store: Store, hub: FakeHub) -> None:
    hub.created, hub.private = True, False
    with pytest.raises(RemoteError, match="is public"):
        publish(store, NAMES, LICENCE, hub.remote())
    assert hub.files == {}


def test_a_hub_that_fails_keeps_what_it_had_and_gets_everything_later(store: Store, hub: FakeHub) -> None:
    publish(store, NAMES, LICENCE, hub.remote())
    before = dict(hub.files)
    say(store, 12, "bob", named(A5), ANSWER)
    hub.status = 401
    with pytest.raises(RemoteError, match="does not let this app write"):
        publish(store, NAMES, LICENCE, hub.remote())
    assert hub.files == before
    hub.status = 200
    publish(store, NAMES, LICENCE, hub.remote())
    assert hub.commits == 2 and hub.files != before
