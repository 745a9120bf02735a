"""Fitting in a process of its own: one at a time, cancelled, killed, refused a full disk; the app goes on answering."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock
from PIL import Image

from data_tools import __main__ as commands
from tests.retraining.small import read_lines, write_retrainable, write_said
from vehicle_demo.recognition import Recognizer
from vehicle_demo.retraining.job import Job, Jobs, Order
from vehicle_demo.retraining.retrain import versions_of
from vehicle_demo.retraining.shipped import BANK_FILE, RetrainError, read_bank
from vehicle_demo.retraining.versions import Versions

PROJECT = Path(__file__).parents[2]
GREY = Image.new("RGB", (200, 100), (90, 90, 90))
WAIT_S = 300


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_retrainable(tmp_path_factory.mktemp("checkpoints") / "nano")


@pytest.fixture(scope="module")
def corrections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_said(tmp_path_factory.mktemp("corrections"))


def export(corrections: Path) -> Callable[[Path], object]:
    return lambda folder: shutil.copytree(corrections, folder, dirs_exist_ok=True)


def until(jobs: Jobs, true: Callable[[Job], object]) -> Job:
    """The job as soon as something is true of it."""
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        job = jobs.job
        if job is not None and true(job):
            return job
        time.sleep(0.02)
    raise AssertionError(f"It did not come to that: {jobs.job}")


def versions(home: Path, checkpoint: Path) -> Versions:
    return versions_of(home, Recognizer.from_checkpoint(checkpoint))


def test_a_fit_writes_a_version_that_nobody_answers_by_yet(checkpoint: Path, corrections: Path, tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    assert jobs.job is None
    jobs.start(Order(str(checkpoint), export(corrections), "ada"))
    with pytest.raises(RetrainError, match="ada is retraining already"):
        jobs.start(Order(str(checkpoint), export(corrections), "ada"))
    job = until(jobs, lambda job: not job.running)
    assert job.failure == "" and job.person == "ada" and job.curve[-1].loss < job.curve[0].loss
    found = versions(tmp_path, checkpoint)
    assert found.names() == [job.version] and found.current() is None
    about = found.about(job.version).about
    assert about.person == "ada" and about.parent == "built-in" and about.settings["seed"] == 0
    assert "Ember E1" in found.about(job.version).labels["model"] and "Ember" in found.about(job.version).labels["make"]


def test_a_killed_fit_harms_nothing_and_can_be_started_again(
    checkpoint: Path, corrections: Path, tmp_path: Path
) -> None:
    jobs = Jobs(tmp_path)
    recognizer = Recognizer.from_checkpoint(checkpoint)
    before = recognizer.recognize(GREY).vehicles[0].model
    jobs.start(Order(str(checkpoint), export(corrections), "ada"))
    until(jobs, lambda job: job.stage == "looking")
    child = jobs._child
    assert child is not None
    os.kill(child.pid, signal.SIGKILL)
    job = until(jobs, lambda job: not job.running)
    assert job.version == "" and "was killed" in job.failure and "Nothing was changed; start it" in job.failure
    found = versions(tmp_path, checkpoint)
    assert found.names() == [] and found.trouble == ""
    assert recognizer.with_heads(found.current()).recognize(GREY).vehicles[0].model == before
    jobs.start(Order(str(checkpoint), export(corrections), "ada"))
    assert until(jobs, lambda job: job.stage == "looking").running
    jobs.cancel()
    until(jobs, lambda job: not job.running)


def test_a_fit_can_be_cancelled(checkpoint: Path, corrections: Path, tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    jobs.start(Order(str(checkpoint), export(corrections), "ada"))
    until(jobs, lambda job: job.stage == "looking")
    jobs.cancel()
    assert until(jobs, lambda job: not job.running).failure == "Stopped. Nothing was changed."
    assert versions(tmp_path, checkpoint).names() == []


def test_what_cannot_be_exported_is_said_so(checkpoint: Path, tmp_path: Path) -> None:
    def broken(folder: Path) -> None:
        raise RuntimeError("The labels cannot be read. Mend them.")

    jobs = Jobs(tmp_path)
    jobs.start(Order(str(checkpoint), broken, "ada"))
    assert until(jobs, lambda job: not job.running).failure == "The labels cannot be read. Mend them."


def work(checkpoint: Path, corrections: Path, home: Path, code: str = "") -> list[dict]:
    """What the worker says, run to its end; `code` runs before it."""
    start = f"{code}\nfrom vehicle_demo.retraining.worker import main; main()"
    asked = {"checkpoint": checkpoint, "corrections": corrections, "home": home, "person": "ada"}
    command = [sys.executable, "-c", start, *(f"--{key}={value}" for key, value in asked.items())]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT)
    assert done.returncode == 0, done.stderr
    return read_lines(done.stdout)


def test_a_full_disk_is_said_so_and_leaves_no_version(checkpoint: Path, corrections: Path, tmp_path: Path) -> None:
    full = "import errno, os\ndef full(_): raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))\nos.fsync = full"
    *_, last = work(checkpoint, corrections, tmp_path, full)
    assert "No space left on device" in last["error"] and "Nothing was changed" in last["error"]
    assert versions(tmp_path, checkpoint).names() == []


def test_two_copies_of_the_app_do_not_fit_at_once(checkpoint: Path, corrections: Path, tmp_path: Path) -> None:
    folder = versions(tmp_path, checkpoint).folder
    folder.mkdir(parents=True)
    with FileLock(folder / "fitting"):
        assert work(checkpoint, corrections, tmp_path) == [
            {"error": "Another copy of this app is retraining. Wait until it has finished."}
        ]


def test_the_command_prints_the_comparison_and_promotes(
    checkpoint: Path, corrections: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = ["retrain", f"--checkpoint={checkpoint}", f"--home={tmp_path}", "--person=ada"]
    commands.main([*base, f"--corrections={corrections}", "--promote"])
    printed = capsys.readouterr().out
    found = versions(tmp_path, checkpoint)
    (name,) = found.names()
    assert "hold-out, model top-1: " in printed and "corrections kept aside, make top-5: " in printed
    assert f"{name} answers now; built-in did before." in printed
    heads = found.current()
    assert heads is not None and heads.version == name
    with pytest.raises(SystemExit, match="holds no corrections"):
        commands.main([*base, f"--corrections={tmp_path}"])


def test_a_bank_of_another_graph_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    other = write_retrainable(tmp_path / "other")
    (other / "model.onnx").write_bytes((other / "model.onnx").read_bytes() + b"\x00")
    loaded = Recognizer.from_checkpoint(checkpoint).checkpoint
    assert len(read_bank(loaded).replay) == 80
    with pytest.raises(RetrainError, match=r"made with another graph .*replay-bank --checkpoint"):
        read_bank(replace(loaded, folder=other))
    (other / BANK_FILE).unlink()
    with pytest.raises(RetrainError, match=r"comes without replay.safetensors"):
        read_bank(replace(loaded, folder=other))


def test_who_comes_later_waits_in_line_and_is_next(tmp_path: Path) -> None:
    """One fit at a time for everybody."""
    go: dict[str, threading.Event] = {name: threading.Event() for name in ("ada", "bob", "eve", "joe")}
    begun: list[str] = []

    def order(person: str) -> Order:
        def export(_: Path) -> None:
            begun.append(person)
            assert go[person].wait(WAIT_S)
            raise RuntimeError(f"{person} has nothing to learn from.")

        return Order("nowhere", export, person)

    jobs = Jobs(tmp_path)
    for person in go:
        jobs.start(order(person))
    assert jobs.waiting == ("bob", "eve", "joe")
    with pytest.raises(RetrainError, match="bob waits for a fit already"):
        jobs.start(order("bob"))
    jobs.leave("eve")
    assert jobs.waiting == ("bob", "joe")
    go["ada"].set()
    until(jobs, lambda job: job.person == "bob" and begun[-1] == "bob")
    assert jobs.waiting == ("joe",) and begun == ["ada", "bob"]
    jobs.cancel()
    go["bob"].set()
    until(jobs, lambda job: job.person == "joe")
    go["joe"].set()
    assert until(jobs, lambda job: not job.running).failure == "joe has nothing to learn from."
    assert jobs.waiting == () and "eve" not in begun
