"""The running app answers by what another process promotes, and as before once that is rolled back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client, handle_file

from data_tools.serving import PROJECT, ServedApp, served_app
from vehicle_demo.annotation.store import Store
from vehicle_demo.recognition import Recognizer
from vehicle_demo.recognition.heads import Head
from vehicle_demo.recognition.results import RANKED
from vehicle_demo.retraining.retrain import versions_of
from vehicle_demo.retraining.shipped import built_in_heads
from vehicle_demo.retraining.versions import BUILT_IN, About, Versions
from vehicle_demo.ui.intake import new_vehicles

WAIT_S = 60


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of its own: nothing of other tests waits in its queue before what is looked for here."""
    return tmp_path_factory.mktemp("promoted")


@pytest.fixture(scope="module")
def app(home: Path) -> Iterator[ServedApp]:
    with served_app(home=home) as running:
        yield running


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer.from_checkpoint(PROJECT / "checkpoints" / "vehicledino-nano")


def turned(home: Path, recognizer: Recognizer) -> tuple[Versions, str]:
    """A version that says the opposite of the built-in heads, in names of its own."""
    heads = {
        task: Head(tuple(f"{task} {n}" for n in range(len(head.names))), -head.weight, -head.bias)
        for task, head in built_in_heads(recognizer.checkpoint).items()
    }
    versions = versions_of(home, recognizer)
    return versions, versions.add(heads, About(BUILT_IN, "", {}, {}, "ada")).name


def test_heads_version_follows_promotion_and_roll_back_without_a_restart(
    app: ServedApp, home: Path, photo: Path, recognizer: Recognizer
) -> None:
    client = Client(app.url, verbose=False)

    def answer() -> dict[str, Any]:
        found: dict[str, Any] = client.predict(handle_file(str(photo)), "", api_name="/recognize")
        del found["timings_ms"]
        return found

    versions, name = turned(home, recognizer)
    before = answer()
    assert before["heads_version"] == BUILT_IN
    versions.promote(name, "ada", BUILT_IN)
    try:
        after = answer()
    finally:
        versions.roll_back("ada", name)
    assert after["heads_version"] == name
    assert all(vehicle["model"][0]["label"].startswith("model ") for vehicle in after["vehicles"])
    assert np.allclose(after["vehicles"][0]["embedding"], before["vehicles"][0]["embedding"])
    assert answer() == before


def test_the_review_queue_follows_promotion_and_roll_back(
    app: ServedApp, home: Path, photo: Path, recognizer: Recognizer
) -> None:
    store = Store(home / "labels")
    found = recognizer.recognize(photo).vehicles
    numbers = store.add(new_vehicles(recognizer, photo.read_bytes(), found, None, "rescored"))

    def models() -> list[list[tuple[str, float]]]:
        return [[(one.label, one.score) for one in store.vehicle(number).model[:RANKED]] for number in numbers]

    def until(version: str) -> None:
        end = time.monotonic() + WAIT_S
        while {store.vehicle(number).heads_version for number in numbers} != {version}:
            assert time.monotonic() < end, "The queue was not predicted again."
            time.sleep(0.1)

    before = [[(one.label, one.score) for one in vehicle.model[:RANKED]] for vehicle in found]
    versions, name = turned(home, recognizer)
    versions.promote(name, "ada", BUILT_IN)
    try:
        until(name)
        assert all(label.startswith("model ") for ranked in models() for label, _ in ranked)
        answered = recognizer.with_heads(versions.current()).recognize(photo).vehicles
        assert [ranked[0][0] for ranked in models()] == [vehicle.model[0].label for vehicle in answered]
    finally:
        versions.roll_back("ada", name)
    until(BUILT_IN)
    for was, now in zip(before, models(), strict=True):
        assert [label for label, _ in now] == [label for label, _ in was]
        assert np.allclose(
            [score for _, score in now], [score for _, score in was], atol=1e-2
        )  # boxes are kept to a tenth of a pixel
    store.close()
