"""Whenever other heads answer, what waits in the review queue is predicted again; what was answered stays as asked."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from tests.annotation.drawn_plates import new_item
from tests.graphs import write_reader
from tests.retraining.drawn_heads import ABOUT, heads
from tests.retraining.small import write_retrainable
from tests.ui.conftest import jpeg
from tests.ui.retrainable import new_app, opened
from vehicle_demo.annotation.items import VehicleItem
from vehicle_demo.annotation.queue import Filter
from vehicle_demo.annotation.store import ANSWER, BOX, Said
from vehicle_demo.recognition import Recognizer
from vehicle_demo.recognition.heads import Head
from vehicle_demo.recognition.plates import CHARACTERS
from vehicle_demo.retraining.cache import Cache
from vehicle_demo.retraining.corrections import read_corrections
from vehicle_demo.retraining.features import described
from vehicle_demo.retraining.versions import BUILT_IN
from vehicle_demo.ui import rescoring
from vehicle_demo.ui.intake import new_vehicles
from vehicle_demo.ui.services import Services

WAIT_S = 60
TRUTH = {"type": "type a", "make": "make b", "model": "model c"}


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return new_app(tmp_path)


@pytest.fixture
def version(services: Services) -> str:
    return services.versions().add(heads(7, extra=1), ABOUT).name


def queued(services: Services, count: int) -> list[int]:
    """So many vehicles in the queue, as the app itself puts them there."""
    recognizer = services.recognizer()
    new = []
    for place in range(count):
        content = jpeg((200, 100), 10 * place)
        new += new_vehicles(recognizer, content, recognizer.recognize(content).vehicles[:1], None, "drawn")
    return services.labels.store().add(new)


def items(services: Services, numbers: list[int]) -> list[VehicleItem]:
    return [services.labels.store().vehicle(number) for number in numbers]


def answer(services: Services, number: int) -> None:
    services.labels.store().record(Said(number, "ann", ANSWER, f"client {number}", TRUTH))


def test_what_waits_is_predicted_again_on_promotion_and_on_roll_back(services: Services, version: str) -> None:
    numbers = queued(services, 10)
    answered, *waiting = numbers
    answer(services, answered)
    before = items(services, numbers)
    services.versions().promote(version, "ada", BUILT_IN)
    assert rescoring.count_waiting(services) == (9, 0)
    assert rescoring.rescore(services)
    now = services.recognizer().recognize(jpeg((200, 100), 10)).vehicles[0]
    for item in items(services, waiting):
        assert item.heads_version == version
        # Names with next to no score are not kept.
        for part in ("type", "make", "model"):
            kept = getattr(item, part)
            assert kept and kept == getattr(now, part)[: len(kept)]
        assert item.confidence == now.model[0].score
        assert f"margin {now.model[0].score - now.model[1].score:.2f}" in item.urgency.why
    assert {item.urgency.score for item in items(services, waiting)} != {item.urgency.score for item in before}
    # What was asked then is what was answered.
    assert items(services, [answered])[0].model == before[0].model
    assert items(services, [answered])[0].heads_version == BUILT_IN
    assert rescoring.count_waiting(services) == (0, 0)

    services.versions().roll_back("ada", version)
    assert rescoring.rescore(services)
    assert {item.heads_version for item in items(services, waiting)} == {BUILT_IN}
    assert items(services, waiting)[0].model != now.model


def test_a_vehicle_is_looked_at_once_however_often_heads_change(
    services: Services, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = queued(services, 3)
    services.versions().promote(version, "ada", BUILT_IN)
    rescoring.rescore(services)
    services.versions().roll_back("ada", version)
    monkeypatch.setattr(Recognizer, "describe_boxes", lambda *_: pytest.fail("seen again"))
    assert rescoring.rescore(services)
    assert {item.heads_version for item in items(services, numbers)} == {BUILT_IN}


def test_what_is_answered_meanwhile_stays_as_it_was_asked(
    services: Services, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = queued(services, 2)
    services.versions().promote(version, "ada", BUILT_IN)
    looked = Recognizer.describe_boxes

    def answered_first(self: Recognizer, *asked: object) -> object:
        answer(services, first)
        return looked(self, *asked)  # type: ignore[arg-type]

    monkeypatch.setattr(Recognizer, "describe_boxes", answered_first)
    assert rescoring.rescore(services)
    assert [item.heads_version for item in items(services, [first, second])] == [BUILT_IN, version]
    assert (
        services.labels.store().labels(first)["vehicle"].before["model"] == items(services, [first])[0].best()["model"]
    )


def test_a_vehicle_that_waits_for_a_second_opinion_is_predicted_again(
    services: Services, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VEHICLE_DEMO_SECOND_OPINIONS", "1")
    numbers = queued(services, 1)
    answer(services, numbers[0])
    services.versions().promote(version, "ada", BUILT_IN)
    rescoring.rescore(services)
    assert items(services, numbers)[0].heads_version == version


def test_a_picture_that_is_gone_holds_up_nobody(services: Services, version: str) -> None:
    numbers = queued(services, 12)
    store = services.labels.store()
    store.pictures.path(store.vehicle(numbers[0]).picture).unlink()
    services.versions().promote(version, "ada", BUILT_IN)
    assert rescoring.rescore(services)
    assert [item.heads_version for item in items(services, numbers)] == [BUILT_IN, *[version] * 11]


def test_the_queue_follows_by_itself_whoever_promotes(services: Services, version: str) -> None:
    numbers = queued(services, 3)

    def until(true: Callable[[], bool]) -> None:
        end = time.monotonic() + WAIT_S
        while not true():
            assert time.monotonic() < end
            time.sleep(0.05)

    ends = Event()
    thread = rescoring.start(services, ends)
    try:
        for other, seen in ((version, BUILT_IN), (BUILT_IN, version)):
            services.versions().promote(other, "ada", seen)
            until(lambda: {item.heads_version for item in items(services, numbers)} == {other})  # noqa: B023
    finally:
        ends.set()
        thread.join(WAIT_S)


def test_what_was_corrected_is_looked_at_before_a_fit_asks(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = queued(services, 3)
    store, own = services.labels.store(), services.recognizer()
    for number in numbers:
        answer(services, number)
    moved = Said(numbers[0], "ann", BOX, "another box", [10.0, 5.0, 150.5, 90.0])
    store.record(moved)
    last = rescoring.look_ahead(services, 0)
    assert last == store.last_event() == 4
    services.corrections(tmp_path / "corrections")
    monkeypatch.setattr(Recognizer, "prepare_boxes", lambda *_: pytest.fail("seen again"))
    cache = Cache.beside(services.versions().folder, own.checkpoint)
    *_, step = described(own, read_corrections(tmp_path / "corrections"), cache)
    assert len(step.kept) == 3
    assert rescoring.look_ahead(services, last) == last


def test_looking_ahead_makes_way_for_a_promotion(
    services: Services, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in queued(services, 3):
        answer(services, number)
    looked, asked_of = rescoring.seen, []

    def promoted(*asked: object) -> object:
        asked_of.append(asked)
        if len(asked_of) == 1:
            services.versions().promote(version, "ada", BUILT_IN)
        return looked(*asked)  # type: ignore[arg-type]

    monkeypatch.setattr(rescoring, "seen", promoted)
    assert rescoring.look_ahead(services, 0) == 0
    assert len(asked_of) == 1
    assert rescoring.look_ahead(services, 0) == services.labels.store().last_event()
    assert len(asked_of) == 4


def test_a_promotion_in_between_begins_anew(services: Services, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = queued(services, 12)
    versions = services.versions()
    versions.promote(version, "ada", BUILT_IN)
    written = rescoring.predict_again

    def rolled_back(*asked: object) -> None:
        written(*asked)  # type: ignore[arg-type]
        if versions.state().answering == version:
            versions.roll_back("bob", version)

    monkeypatch.setattr(rescoring, "predict_again", rolled_back)
    assert not rescoring.rescore(services)
    assert rescoring.rescore(services)
    assert {item.heads_version for item in items(services, numbers)} == {BUILT_IN}


def test_plates_that_wait_are_read_again_where_the_reader_was_taught(tmp_path: Path) -> None:
    folder = write_retrainable(tmp_path / "checkpoints" / "nano")
    write_reader(folder / "reader.onnx", "READER1", features=4)
    described = json.loads((folder / "checkpoint.json").read_text()) | {"reader": "reader.onnx"}
    (folder / "checkpoint.json").write_text(json.dumps(described))
    services = opened(tmp_path)
    store, versions, title = services.labels.store(), services.versions(), services.recognizer().checkpoint.title
    numbers = store.add([replace(new_item(number, "READER1"), checkpoint=title) for number in range(3)])
    store.record(Said(numbers[0], "ann", ANSWER, "c", "AB1"))
    only_q = np.zeros((37, 4), np.float32)
    only_q[CHARACTERS.index("Q")] = 2
    taught = versions.add(heads(1), ABOUT, Head(CHARACTERS, only_q, np.zeros(37, np.float32))).name
    plain, other = (versions.add(heads(seed), ABOUT).name for seed in (2, 3))

    def read() -> list[tuple[str, int, str]]:
        assert rescoring.rescore(services)
        found = [store.plate(number) for number in numbers]
        return [(one.reading.text, len(one.reading.slots), one.heads_version) for one in found if one.reading]

    versions.promote(taught, "ada", BUILT_IN)
    assert rescoring.count_waiting(services) == (0, 2)
    answered, *waiting = read()
    assert answered[0] == "READER1" and answered[2] == BUILT_IN
    assert waiting == [("QQQQQQQQ", 8, taught)] * 2
    (first, *_) = services.labels.queue().take("ann", "page", 1, Filter(length=8))
    assert first.id == numbers[1] and first.confidence > 0.9
    versions.promote(plain, "ada", taught)
    assert [(text, by) for text, _, by in read()[1:]] == [("READER1", plain)] * 2
    versions.promote(other, "ada", plain)  # neither of them has taught the reader
    assert rescoring.count_waiting(services) == (0, 0)
    assert [by for *_, by in read()[1:]] == [plain] * 2
