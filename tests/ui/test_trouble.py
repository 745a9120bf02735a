"""A full disk and a locked database, as the page meets them: a sentence, and nothing is lost."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from PIL import Image
from sqlalchemy import Engine, event

from tests.ui.conftest import jpeg
from vehicle_demo.annotation import store as store_module
from vehicle_demo.gallery import storage as storage_module
from vehicle_demo.ui import filling, plates, recognise
from vehicle_demo.ui.services import Services

VISITOR = SimpleNamespace(scope={}, client=None)
LOCKED, FULL = "Another program holds", "is full. Make room"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program writes to this database, for longer than anybody waits."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()


@contextmanager
def full(services: Services) -> Iterator[None]:
    """No database of labels may grow."""

    def shrink(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")

    services.labels.store().close()
    event.listen(Engine, "connect", shrink)
    try:
        yield
    finally:
        event.remove(Engine, "connect", shrink)
        services.labels.store().close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, services: Services) -> None:
    monkeypatch.setattr(store_module, "_BUSY_S", 0.1)
    services.labels.store().close()


@pytest.fixture
def ask(services: Services, impatient: None) -> Callable[..., Any]:
    functions = {function.__name__: function for function in plates.served(services)}
    return lambda name, **sent: functions[name](sent, VISITOR)


def handler(build: Callable[[], Any], name: str) -> Callable[..., Any]:
    """A handler of a tab, as the page calls it."""
    with gr.Blocks() as page, gr.Tabs():
        build()
    (found,) = (one.fn for one in page.fns.values() if one.fn is not None and one.fn.__name__ == name)
    return found


def said(numbers: list[int], text: str = "AB1") -> list[dict[str, Any]]:
    return [{"item": number, "kind": "answer", "client": f"c{number}", "text": text} for number in numbers]


def test_answers_given_while_another_program_writes(
    ask: Callable[..., Any], services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = ask("plates_take", holder="page")["leased"]
    with locked(services.labels.folder / "labels.sqlite"):
        told = ask("plates_say", holder="page", said=said(numbers))
        assert LOCKED in told["error"] and told["taken"] == []
        assert LOCKED in ask("plates_take", holder="page")["error"]
        assert ask("plates_history") == []  # reading goes on
        assert ask("plates_look", item=numbers[0], corners=[[10, 10], [90, 10], [90, 60], [10, 60]])["text"]
    assert ask("plates_say", holder="page", said=said(numbers))["taken"] == [f"c{number}" for number in numbers]
    assert services.labels.queue().progress().answered == 3


def test_answers_given_while_the_disk_is_full(ask: Callable[..., Any], services: Services) -> None:
    numbers = ask("plates_take", holder="page")["leased"]
    # Enough to need a page more than there is.
    batches = [[{**one, "client": f"{turn} {one['client']}"} for one in said(numbers)] for turn in range(60)]
    clients = [one["client"] for batch in batches for one in batch]
    taken = []
    with full(services):
        for batch in batches:
            told = ask("plates_say", holder="page", said=batch)
            taken += told["taken"]
            if "error" in told:
                break
        assert FULL in told["error"] and len(taken) < len(clients)
        assert {one["client"] for one in ask("plates_history", count=200)} == set(taken)
    for batch in batches:  # the page sends again what was not taken; what was counts once
        assert len(ask("plates_say", holder="page", said=batch)["taken"]) == 3
    kept = [event.client for number in numbers for event in services.labels.store().events(number)]
    assert sorted(kept) == sorted(clients)


def test_a_plate_is_sent_to_the_queue_while_another_program_writes(
    impatient: None, services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(jpeg((400, 300)))
    (vehicle,) = services.recognizer().recognize(photo.read_bytes()).vehicles
    put = handler(lambda: recognise.build(services), "on_plate")
    asked = {"box": vehicle.box.to_list()}, str(photo), services.default_choice, VISITOR
    with locked(services.labels.folder / "labels.sqlite"):
        assert LOCKED in put(*asked)["error"]
    assert put(*asked)["item"] == 4


def test_a_gallery_is_filled_while_another_program_writes(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage_module, "_BUSY_S", 0.1)
    files = []
    for number in range(2):
        path = tmp_path / f"{number}.png"
        content = io.BytesIO()
        Image.new("RGB", (80, 60), (number, 0, 0)).save(content, "PNG")
        path.write_bytes(content.getvalue())
        files.append(str(path))

    def build() -> None:
        filling.build(services, gr.Dropdown())

    fill = handler(build, "on_fill")
    folder = services.galleries.gallery(services.recognizer(), "mine").storage.folder
    with locked(folder / "items.sqlite"):
        *_, (told, _) = fill("mine", files, "", VISITOR)
        assert LOCKED in told and "alert" in told
    *_, (told, _) = fill("mine", files, "", VISITOR)
    assert "2 vehicles added to mine" in told
