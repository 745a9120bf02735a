"""What the Retrain tab's script is told, who may ask, and that the app answers by what is promoted."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from tests.annotation.drawn_vehicles import new_vehicle
from tests.retraining.drawn_heads import ABOUT, heads
from tests.retraining.small import write_retrainable
from vehicle_demo.annotation.store import ANSWER, Said
from vehicle_demo.recognition.heads import TENSORS
from vehicle_demo.retraining.compare import compare
from vehicle_demo.retraining.job import Job, Point
from vehicle_demo.retraining.shipped import built_in_heads, read_bank
from vehicle_demo.retraining.versions import BUILT_IN, About
from vehicle_demo.ui.comparison import curve_svg, run_html
from vehicle_demo.ui.retrain import served
from vehicle_demo.ui.services import Services, find_services

VISITOR = SimpleNamespace(scope={})
GREY = Image.new("RGB", (200, 100), (90, 90, 90))
WAIT_S = 300
Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def services(tmp_path: Path) -> Services:
    write_retrainable(tmp_path / "checkpoints" / "nano")
    return find_services(tmp_path / "checkpoints", tmp_path, tmp_path / "home")


@pytest.fixture
def ask(services: Services) -> Ask:
    look, do = served(services)
    return lambda action, **more: look(more) if action == "look" else do({"action": action, **more}, VISITOR)


@pytest.fixture
def version(services: Services) -> str:
    """A version with a comparison, as a fit writes it."""
    versions, checkpoint = services.versions(), services.recognizer().checkpoint
    new, old, bank = heads(7, extra=1), built_in_heads(checkpoint), read_bank(checkpoint)
    name = versions.add(new, ABOUT).name
    found = compare(
        old,
        versions.load(name),
        bank.holdout,
        bank.holdout.where(bank.holdout.truth["make"] == "x"),
        dict.fromkeys(TENSORS, 1.0),
    )
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
    assert "Correct some vehicles in the Review tab first." in words(told["ready"]) and not told["can_start"]
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
    look, do = served(services)
    assert {look(sent)["says"], do(sent, VISITOR)["says"]} == {"This was not understood. Reload the page."}


def test_a_run_says_how_far_it_is_and_how_it_ended() -> None:
    job = Job("<b>ann</b>", "learning", time.monotonic() - 10, 50, 200, (Point(5, 2.0, 0.5), Point(10, 1.0, None)))
    said = run_html(job)
    assert "Fitting the heads 50 of 200, about 30 s left" in words(said) and "<b>" not in said
    assert "Cancel" in said and "models right, kept aside 50%" in words(said)
    assert "Gathering the corrections" in words(run_html(Job("ann")))
    assert curve_svg(()) == '<div class="vd-curve"></div>'
