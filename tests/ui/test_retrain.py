"""What the Retrain tab's script is told, who may ask, and that the app answers by what is promoted."""

from __future__ import annotations

import base64
import io
import re
import threading
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.annotation.drawn_plates import new_item
from tests.annotation.drawn_vehicles import new_vehicle
from tests.retraining.clusters import shown
from tests.retraining.drawn_heads import ABOUT, heads
from tests.ui.retrainable import VISITOR, Ask, asking, new_app, opened
from vehicle_demo.annotation.store import ANSWER, Said
from vehicle_demo.recognition import Box
from vehicle_demo.recognition.heads import Head
from vehicle_demo.recognition.plates import CHARACTERS
from vehicle_demo.retraining.compare import Measured, compare
from vehicle_demo.retraining.compare_plates import PlatesToCompare
from vehicle_demo.retraining.job import Job, Point
from vehicle_demo.retraining.plates import PlateExamples, ReadPlate
from vehicle_demo.retraining.shipped import built_in_heads, read_bank
from vehicle_demo.retraining.versions import BUILT_IN, About
from vehicle_demo.ui import retrain
from vehicle_demo.ui.comparison import curve_svg, run_html
from vehicle_demo.ui.people import Standing
from vehicle_demo.ui.retrain import served
from vehicle_demo.ui.services import Services

GREY = Image.new("RGB", (200, 100), (90, 90, 90))
WAIT_S = 300


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return new_app(tmp_path)


@pytest.fixture
def ask(services: Services) -> Ask:
    return asking(services)


@pytest.fixture
def version(services: Services) -> str:
    """A version with a comparison, as a fit writes it."""
    versions, checkpoint = services.versions(), services.recognizer().checkpoint
    new, old, bank = heads(7, extra=1), built_in_heads(checkpoint), read_bank(checkpoint)
    name = versions.add(new, ABOUT).name
    none = bank.holdout.where(bank.holdout.truth["make"] == "x")
    before, after = (Measured(one, bank.holdout, none) for one in (old, versions.load(name)))
    found = compare(before, after, [])
    return versions.add(new, About(BUILT_IN, "0", {}, found.to_dict(), "ada")).name


def say(services: Services, count: int) -> None:
    """People said of so many vehicles what they are: every other one of them is of a new model."""
    store = services.labels.store()
    for place, number in enumerate(store.add([new_vehicle(5000 + place) for place in range(count)])):
        truth = {"type": "type a", "make": "Ember", "model": "Ember <E1>" if place % 2 else "model b"}
        store.record(Said(number, "ann", ANSWER, f"client {place}", truth))


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", html))


def test_without_corrections_there_is_nothing_to_start(ask: Ask) -> None:
    told = ask("look", afresh=True)
    first = "There are no corrections yet. Correct some vehicles in the Review tab, or plates in the Plates tab, first."
    assert words(told["ready"]).strip() == first
    assert not told["can_start"]
    assert not told["busy"] and "built-in answers" in words(told["timeline"]) and told["heads"] == BUILT_IN


def test_from_corrections_in_the_label_store_to_a_version_that_answers(services: Services, ask: Ask) -> None:
    say(services, 40)
    told = ask("look", afresh=True)
    ready = words(told["ready"])
    assert "40 corrections" in ready and "model: 2 names, 1 new" in ready and "<E1>" not in told["ready"]
    assert told["can_start"]
    assert ask("start")["busy"]
    assert "local is retraining already" in ask("start")["says"]
    end = time.monotonic() + WAIT_S
    while (told := ask("look"))["busy"] and time.monotonic() < end:
        time.sleep(0.05)
    (name,) = services.versions().names()
    assert f"Done: {name} by local" in words(told["run"]) and "Learning curve" in told["run"]
    assert "hold-out" in told["verdict"] and f'data-version="{name}"' in told["verdict"]
    assert told["heads"] == BUILT_IN and services.recognizer().recognize(GREY).heads_version == BUILT_IN

    told = ask("promote", version=name, seen=BUILT_IN)
    assert told["says"] == f"{name} answers now." and told["heads"] == name
    assert services.recognizer().recognize(GREY).to_dict()["heads_version"] == name
    assert "Ember <E1>" in services.recognizer().checkpoint.labels.models


def test_promoting_and_rolling_back_switch_what_answers(services: Services, ask: Ask, version: str) -> None:
    def answer() -> dict[str, Any]:
        found = services.recognizer().recognize(GREY).to_dict()
        del found["timings_ms"]
        return found

    before = answer()
    assert ask("promote", version=version, seen=BUILT_IN)["heads"] == version
    after = answer()
    assert after["heads_version"] == version and after["vehicles"][0]["model"] != before["vehicles"][0]["model"]
    told = ask("roll back", seen=version)
    assert told["says"] == "built-in answers again." and answer() == before


def test_of_two_pages_the_second_is_told_what_the_first_did(services: Services, ask: Ask, version: str) -> None:
    other = next(name for name in services.versions().names() if name != version)
    ask("promote", version=version, seen=BUILT_IN)
    told = ask("promote", version=other, seen=BUILT_IN)
    assert told["says"].startswith(f"Meanwhile local chose otherwise: {version} answers now, not built-in.")
    assert told["heads"] == version


def test_pinned_and_discarded_are_seen(ask: Ask, version: str) -> None:
    told = ask("discard", version=version)
    assert "may still be promoted" in told["says"] and f"{version} discarded" in words(told["timeline"])
    assert 'data-retrain="discard"' not in told["verdict"]
    told = ask("pin", seen=BUILT_IN)
    assert "built-in answers (pinned)" in words(told["timeline"])
    assert "built-in is pinned. Unpin it" in ask("promote", version=version, seen=BUILT_IN)["says"]
    assert "no longer pinned" in ask("unpin", seen=BUILT_IN)["says"]


def test_a_damaged_version_is_said_and_the_last_good_one_answers(services: Services, ask: Ask, version: str) -> None:
    versions = services.versions()
    first = next(name for name in versions.names() if name != version)
    ask("promote", version=first, seen=BUILT_IN)
    path = versions.folder / version / "heads.safetensors"
    good = path.read_bytes()
    ask("promote", version=version, seen=first)
    ask("roll back", seen=version)
    path.write_bytes(good[:-4])
    assert "its checksum has changed" in ask("promote", version=version, seen=first)["says"]
    path.write_bytes(good)
    ask("promote", version=version, seen=first)
    path.write_bytes(b"")
    (versions.folder / first / "version.json").write_text("{}")
    told = ask("look")
    assert "cannot be read" in told["timeline"] and told["heads"] == version
    assert services.recognizer().recognize(GREY).heads_version == version


def test_whoever_is_not_signed_in_may_only_look(ask: Ask, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "someone/demo")
    for action in ("start", "cancel", "promote", "discard", "roll back", "pin", "unpin"):
        told = ask(action, version=version, seen=BUILT_IN)
        assert "Sign in" in told["says"] and told["heads"] == BUILT_IN and not told["busy"]
    assert ask("look")["says"] == ""


@pytest.mark.parametrize("sent", [None, [], {"action": "delete"}, {"action": "promote", "version": 3}, {"more": 1}])
def test_nonsense_is_answered_with_a_sentence(services: Services, sent: Any) -> None:
    look, do, _ = served(services)
    assert {look(sent, VISITOR)["says"], do(sent, VISITOR)["says"]} == {"This was not understood. Reload the page."}


@pytest.fixture
def kept_aside(services: Services) -> str:
    """A version that names wrongly what was right, compared on vehicles of the label store."""
    store = services.labels.store()
    numbers = store.add([new_vehicle(7000 + place) for place in range(6)])
    checkpoint = services.recognizer().checkpoint
    old, bank = built_in_heads(checkpoint), read_bank(checkpoint)
    aside = bank.holdout.where(np.arange(6))
    rows = [replace(one, picture=store.vehicle(n).picture) for one, n in zip(shown(aside), numbers, strict=True)]
    turned = {task: replace(head, weight=-head.weight, bias=-head.bias) for task, head in old.items()}
    new = replace(old, heads=turned)
    found = compare(Measured(old, bank.holdout, aside), Measured(new, bank.holdout, aside), rows)
    assert len(found.turned) == 18
    return services.versions().add(turned, About(BUILT_IN, "0", {}, found.to_dict(), "ada")).name


def test_what_got_worse_comes_first_with_pictures(ask: Ask, kept_aside: str) -> None:
    told = ask("look")["comparison"]
    assert told.count('<img src="data:image/jpeg') == 6  # one for each vehicle, whatever of it is wrong
    said = words(told)
    assert said.index("Got worse") < said.index("Got better") and "of those kept aside" in said
    assert "points (" in said and "Who is taken for whom: model" in said and 'aria-label="Confusion of model' in told


def test_pictures_are_for_those_who_may_write(ask: Ask, kept_aside: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "someone/demo")
    told = ask("look")["comparison"]
    assert "<img" not in told and "wrong now: 6" in words(told)


def test_any_version_can_be_compared(ask: Ask, kept_aside: str, version: str) -> None:
    assert f"{version} against built-in" in words(ask("look")["comparison"])
    assert f"{kept_aside} against built-in" in words(ask("look", shown=kept_aside)["comparison"])
    assert f"{version} against built-in" in words(ask("look", shown="v99-000000")["comparison"])


def test_only_parts_that_have_changed_are_sent(services: Services, version: str) -> None:
    look, do, _ = served(services)
    first = look({}, VISITOR)
    assert set(first["parts"]) == {"ready", "run", "verdict", "comparison", "timeline"}
    assert look({"have": first["marks"]}, VISITOR)["parts"] == {}
    told = do({"action": "pin", "seen": BUILT_IN, "have": first["marks"]}, VISITOR)
    assert set(told["parts"]) == {"timeline"}


def test_a_run_says_how_far_it_is_and_how_it_ended() -> None:
    job = Job("<b>ann</b>", "learning", time.monotonic() - 10, 50, 200, (Point(5, 2.0, 0.5), Point(10, 1.0, None)))
    said = run_html(job)
    assert "Fitting the heads 50 of 200, about 30 s left" in words(said) and "<b>" not in said
    assert "Cancel" in said and "models right, kept aside 50%" in words(said)
    assert "Gathering the corrections" in words(run_html(Job("ann")))
    assert curve_svg(()) == '<div class="vd-curve"></div>'


def test_a_version_can_be_downloaded_and_pushed(
    tmp_path: Path, version: str, monkeypatch: pytest.MonkeyPatch, services: Services
) -> None:
    look, do, file = served(services)
    sent = {"action": "push", "version": version, "seen": BUILT_IN}
    assert (
        "Set VEHICLE_DEMO_MODEL" in do(sent, VISITOR)["says"]
        and "Push to" not in look({}, VISITOR)["parts"]["timeline"]
    )
    told = file({"version": version}, VISITOR)
    assert told["name"] == f"heads-{version}.zip"
    assert zipfile.ZipFile(io.BytesIO(base64.b64decode(told["content"]))).namelist()[0].startswith(f"{version}/")
    assert "There are no heads" in file({"version": "../secret"}, VISITOR)["says"]

    monkeypatch.setenv("VEHICLE_DEMO_MODEL", str(tmp_path / "far"))
    look, do, file = served(opened(tmp_path))
    assert f"Push to {tmp_path / 'far'}" in look({}, VISITOR)["parts"]["timeline"]
    assert do(sent, VISITOR)["says"] == f"{version} is in {tmp_path / 'far'}."
    assert list((tmp_path / "far").glob(f"*/{version}/heads.safetensors"))
    monkeypatch.setenv("SPACE_ID", "someone/demo")
    assert "Sign in" in file({"version": version}, VISITOR)["says"] and "Sign in" in do(sent, VISITOR)["says"]


def test_who_comes_second_waits_in_line_and_sees_where(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    say(services, 4)
    look, do, _ = served(services)
    look({"afresh": True}, VISITOR)
    go = threading.Event()

    def gathered(folder: Path) -> None:
        assert go.wait(WAIT_S)
        raise RuntimeError("Nothing to learn from.")

    monkeypatch.setattr(Services, "corrections", lambda self, folder: gathered(folder))
    who = ["ann"]
    monkeypatch.setattr(retrain, "person_of", lambda _: who[0])
    monkeypatch.setattr(retrain, "standing_of", lambda _: Standing(who[0]))

    def shown(person: str, action: str = "") -> tuple[str, bool, str]:
        who[0] = person
        told = do({"action": action}, VISITOR) if action else look({}, VISITOR)
        return words(told["parts"]["run"]), told["can_start"], told["start"]

    assert shown("ann", "start")[1:] == (False, "Retrain")
    assert shown("bob")[2] == "Wait in line"
    said, can_start, _ = shown("bob", "start")
    assert "You are number 1 of 1 in line" in said and "by ann" in said and not can_start
    assert "You are number 2 of 2 in line" in shown("eve", "start")[0]
    assert "Waiting: bob, eve." in shown("ann")[0]
    assert "Waiting: eve." in shown("bob", "leave")[0] and "You are number 1 of 1" in shown("eve")[0]
    go.set()


@pytest.mark.parametrize("wishes", [{"rate": 5}, {"decay": -1}, {"corrections": float("nan")}])
def test_a_wish_outside_of_its_limits_is_refused(ask: Ask, wishes: dict[str, float]) -> None:
    told = ask("start", wishes=wishes)
    assert f"The {next(iter(wishes))} is to be from" in told["says"] and not told["busy"]


def test_plates_are_counted_and_it_is_said_where_they_teach_nothing(services: Services, ask: Ask) -> None:
    store = services.labels.store()
    for place, number in enumerate(store.add([new_item(place, "AB12CDE") for place in range(30)])):
        store.record(Said(number, "ann", ANSWER, f"plate {place}", "AB12CDE" if place % 3 else "AB12CDF"))
    ready = words(ask("look", afresh=True)["ready"])
    assert "0 corrections of vehicles, 30 of plates" in ready and "plates misread before 10" in ready
    assert "drawn-nano has no plate reader of its own, so plates teach nothing." in ready


def test_what_became_of_plates_is_shown_beside_vehicles(services: Services) -> None:
    own = built_in_heads(services.recognizer().checkpoint)
    shades = np.arange(60) % 2
    features = np.repeat(np.eye(2, dtype=np.float32)[shades][:, None], 8, axis=1)
    some = PlateExamples(features, np.where(shades, "AAAAAAAA", "BBBBBBBB"))
    layers = []
    for pair in ("BB", "BA"):
        weight = np.zeros((37, 2), np.float32)
        weight[[CHARACTERS.index(one) for one in pair], [0, 1]] = 9
        layers.append(Head(CHARACTERS, weight, np.zeros(37, np.float32)))
    none = read_bank(services.recognizer().checkpoint).holdout.where(np.arange(0))
    rows = [ReadPlate("test", f"{row:064x}", Box(0, 0, 9, 9), text, "") for row, text in enumerate(some.texts)]
    vehicles = Measured(own, none, none)
    found = compare(vehicles, vehicles, [], PlatesToCompare(layers[0], layers[1], some, some, rows))
    name = services.versions().add(heads(1), About(BUILT_IN, "0", {}, found.to_dict(), "ada")).name
    told = asking(services)("look")
    assert "Promote: plate got better." in words(told["verdict"]) and "60 plates" in words(told["verdict"])
    said = words(told["comparison"])
    assert "plate read exactly 50.0% 100.0% +50.0" in said and "character error rate 0.500 0.000 -0.500" in said
    assert "Who is taken for whom: character, corrections kept aside" in said
    assert f"{name}" in words(told["timeline"]) and "plates 100.0% (+50.0)" in words(told["timeline"])


def test_each_stage_of_a_run_has_its_curve() -> None:
    points = (Point(5, 2.0, 0.5), Point(10, 1.0, 0.7), Point(5, 3.0, 0.1, "reading"), Point(10, 2.0, 0.9, "reading"))
    said = words(curve_svg(points))
    assert "heads, loss 1.00 models right, kept aside 70%" in said
    assert "plate reader, loss 2.00 plates read, kept aside 90%" in said
