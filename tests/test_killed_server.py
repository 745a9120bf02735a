"""The running app killed while people answer: what it acknowledged is there after each restart, once and in order."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx

from data_tools.serving import ServedApp, served_app
from tests.annotation.drawn_vehicles import new_vehicle
from tests.graphs import write_checkpoint
from tests.ui.test_review import LABELS
from vehicle_demo.annotation.store import ANSWER, Store

VEHICLES, MODEL = 40, LABELS["models"][0]


class Visitor:
    """Answers one vehicle after the other as the page's outbox does: what is not acknowledged is sent again."""

    def __init__(self, numbers: list[int]) -> None:
        self.numbers = numbers
        self.acknowledged: list[str] = []
        self.stops = Event()

    def answer(self, app: ServedApp) -> None:
        """Until the server is gone, or it is told to stop."""
        with httpx.Client(base_url=f"{app.url}gradio_api/", timeout=20) as client:
            config = client.get("../config").json()
            (component,) = (one["id"] for one in config["components"] if "review_say" in _functions(one))
            try:
                while not self.stops.is_set():
                    turn = len(self.acknowledged)
                    item = self.numbers[turn % len(self.numbers)]
                    said = {"item": item, "kind": ANSWER, "client": f"answer-{turn}", "model": MODEL}
                    sent = {"data": {"holder": "visitor", "said": [said]}, "component_id": component}
                    call = {**sent, "fn_name": "review_say", "session_hash": "visitor"}
                    told = client.post("component_server/", json=call).raise_for_status().json()
                    assert told["taken"] == [f"answer-{turn}"], told
                    self.acknowledged += told["taken"]
            except httpx.TransportError:
                return


def _functions(component: dict[str, Any]) -> list[str]:
    return component.get("props", {}).get("server_fns") or []


def test_a_server_that_is_killed_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    """VEHICLE_DEMO_KILLS=20 kills it twenty times, which takes minutes; `-s` prints how many answers there were."""
    kills = int(os.environ.get("VEHICLE_DEMO_KILLS", "2"))
    chosen = random.Random(20261125)
    store = Store(tmp_path / "labels")
    visitor = Visitor(store.add([new_vehicle(number) for number in range(VEHICLES)]))
    store.close()
    checkpoint = str(write_checkpoint(tmp_path / "checkpoint", labels=LABELS))
    for _ in range(kills):
        before = len(visitor.acknowledged)
        with served_app(checkpoint, home=tmp_path) as app:
            thread = Thread(target=visitor.answer, args=(app,))
            thread.start()
            while len(visitor.acknowledged) == before and thread.is_alive():
                time.sleep(0.01)
            time.sleep(chosen.random())
            app.process.kill()
            thread.join()
        with sqlite3.connect(tmp_path / "labels" / "labels.sqlite") as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            kept = [client for (client,) in connection.execute("SELECT client FROM events ORDER BY id")]
        # The one that was on its way may be there too; it is sent again, and counts once.
        assert kept[: len(visitor.acknowledged)] == visitor.acknowledged and len(kept) <= len(visitor.acknowledged) + 1
        assert len(visitor.acknowledged) > before
    print(f"{len(visitor.acknowledged)} answers acknowledged, {kills} kills, none lost")
