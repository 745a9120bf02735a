"""A killed fit, a full disk, damaged heads and two who promote at once: the app answers on, and says what happened."""

from __future__ import annotations

import errno
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from tests.retraining.drawn_heads import ABOUT, heads
from tests.ui.retrainable import asking, new_app, opened
from tests.ui.test_retrain import WAIT_S, say, words
from vehicle_demo.retraining.job import Job
from vehicle_demo.retraining.versions import BUILT_IN
from vehicle_demo.ui.services import Services

GREY = Image.new("RGB", (200, 100), (90, 90, 90))
# Put before a child's own start: nothing that it writes reaches the disk.
_FULL = "import errno, os\ndef full(_): raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))\nos.fsync = full\n"


@pytest.fixture
def services(tmp_path: Path) -> Services:
    """An app that answers by its second version; the first one answered before."""
    services = new_app(tmp_path)
    versions = services.versions()
    for seed, seen in ((1, BUILT_IN), (2, "")):
        versions.promote(versions.add(heads(seed), ABOUT).name, "ada", seen or versions.state().answering)
    return services


def answer(services: Services) -> dict[str, Any]:
    """What the app says of a picture, and by which heads."""
    found = services.recognizer().recognize(GREY).to_dict()
    del found["timings_ms"]
    return found


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def ended(services: Services) -> Job:
    end = time.monotonic() + WAIT_S
    while (job := services.jobs.job) is None or job.running:
        assert time.monotonic() < end
        time.sleep(0.05)
    return job


def test_the_fit_is_killed(services: Services) -> None:
    ask, before, names = asking(services), answer(services), services.versions().names()
    say(services, 40)
    ask("start")
    end = time.monotonic() + WAIT_S
    while not (children := [one for one in psutil.Process().children() if "worker" in " ".join(one.cmdline())]):
        assert time.monotonic() < end
        time.sleep(0.02)
    os.kill(children[0].pid, signal.SIGKILL)
    assert answer(services) == before
    ended(services)
    told = ask("look", afresh=True)
    assert "The fit was killed" in words(told["run"]) and "Nothing was changed; start it again." in words(told["run"])
    assert answer(services) == before and services.versions().names() == names
    assert told["can_start"] and told["trouble"] == ""


def test_the_disk_fills_while_a_version_is_written(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, before, names = asking(services), answer(services), services.versions().names()
    say(services, 40)
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "sitecustomize.py").write_text(_FULL)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "python"))
    ask("start")
    ended(services)
    told = ask("look")
    assert "No space left on device" in words(told["run"]) and "Nothing was changed: free some room" in told["run"]
    assert answer(services) == before and services.versions().names() == names


def test_the_disk_fills_while_corrections_are_gathered(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    ask, before = asking(services), answer(services)
    say(services, 4)
    monkeypatch.setattr(Path, "write_bytes", full)
    assert "The disk is full. Nothing was changed: make room" in words(ask("look", afresh=True)["ready"])
    ask("start")
    ended(services)
    assert "The disk is full. Nothing was changed: make room" in words(ask("look")["run"])
    assert answer(services) == before


def test_the_disk_fills_while_somebody_promotes_or_rolls_back(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, before = asking(services), answer(services)
    second, first = services.versions().names()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        for asked in ({"action": "promote", "version": first}, {"action": "roll back"}):
            told = ask(**asked, seen=second)
            assert "No space left on device" in told["says"] and "free some room" in told["says"]
            assert told["heads"] == second and answer(services) == before
    assert ask("roll back", seen=second)["heads"] == first


@pytest.mark.parametrize("how", ["flipped", "cut", "gone"])
def test_a_heads_file_is_damaged(services: Services, tmp_path: Path, how: str) -> None:
    ask, before = asking(services), answer(services)
    second, first = services.versions().names()
    assert second in ask("look")["timeline"] and before["heads_version"] == second
    path = services.versions().folder / second / "heads.safetensors"
    content = path.read_bytes()
    if how == "flipped":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif how == "cut":
        path.write_bytes(content[:100])
    else:
        path.unlink()
    # The app that runs has it in memory, and says that it could not be read again.
    told = ask("look")
    assert answer(services) == before and told["heads"] == second
    said = "cannot be read" if how == "gone" else "is damaged: its checksum has changed"
    assert said in words(told["timeline"]) and f'data-version="{second}"' not in told["timeline"]
    # One that starts with it answers by the last that is whole.
    fresh = opened(tmp_path)
    told = asking(fresh)("look")
    assert said in told["trouble"] and f"The heads {first} go on answering." in told["trouble"]
    assert answer(fresh)["heads_version"] == first == told["heads"]
    assert "answers again" in asking(fresh)("roll back", seen=second)["says"]
    assert asking(fresh)("look")["trouble"] == "" and answer(fresh)["heads_version"] == first


def test_two_browsers_promote_at_once(services: Services, tmp_path: Path) -> None:
    versions = services.versions()
    seen = versions.state().answering
    names = [versions.add(heads(seed), ABOUT).name for seed in (5, 6)]
    copies = [asking(services), asking(opened(tmp_path))]  # and each may be served by a copy of its own
    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(lambda ask, name: ask("promote", version=name, seen=seen), copies, names))
    (winner,) = {name for name in names if any(one["says"].startswith(f"{name} answers now.") for one in told)}
    (second,) = [one["says"] for one in told if not one["says"].startswith(winner)]
    assert second.startswith(f"Meanwhile local chose otherwise: {winner} answers now, not {seen}.")
    assert {one["heads"] for one in told} == {winner} == {answer(services)["heads_version"]}
