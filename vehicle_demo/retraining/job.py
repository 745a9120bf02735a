"""The one fit that may run at a time, and the line of those that wait: started, watched, stopped, done by `worker`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from vehicle_demo.retraining.settings import Wishes
from vehicle_demo.retraining.shipped import RetrainError
from vehicle_demo.retraining.trouble import disk_said, ending_said

_PROJECT = Path(__file__).resolve().parents[2]
_PATIENCE_S = 5.0

# Writes the corrections data set into a folder that is there; a RuntimeError's message says why it could not.
Export = Callable[[Path], object]


@dataclass(frozen=True)
class Point:
    """A point of the learning curve of a stage; `accuracy` as in `fit.Step` or, of plates, `CharacterStep`."""

    step: int
    loss: float
    accuracy: float | None
    stage: str = "learning"


@dataclass(frozen=True)
class Job:
    """A fit as it stands. `stage` as in `retrain.Step`, `exporting` before; `since` when that began (monotonic, s).

    When it has ended, `version` names what it wrote, or `failure` says in a sentence why it wrote nothing.
    """

    person: str
    stage: str = "exporting"
    since: float = field(default_factory=time.monotonic)
    done: int = 0
    total: int = 0
    curve: tuple[Point, ...] = ()
    running: bool = True
    version: str = ""
    bad: tuple[str, ...] = ()
    failure: str = ""

    @property
    def seconds_left(self) -> float | None:
        """What the stage may still take; None before that can be told."""
        if not self.done or not self.running:
            return None
        return (time.monotonic() - self.since) / self.done * (self.total - self.done)


@dataclass(frozen=True)
class Order:
    """A fit that a person wants, of the checkpoint at this place (a folder or a Hub model).

    With `data`, the folder of the training's pictures, the backbone is adapted too.
    """

    checkpoint: str
    export: Export
    person: str
    wishes: Wishes = field(default_factory=Wishes)
    data: Path | None = None


class Jobs:
    """Fits of one app, one at a time; who comes later waits in line. Safe to share between threads."""

    def __init__(self, home: Path) -> None:
        """`home` is where versions are kept."""
        self._home = home
        self._lock = Lock()
        self._job: Job | None = None
        self._line: tuple[Order, ...] = ()
        self._child: subprocess.Popen[str] | None = None
        self._cancelled = False

    @property
    def job(self) -> Job | None:
        """The fit that runs, or the last one; None before the first."""
        return self._job

    @property
    def waiting(self) -> tuple[str, ...]:
        """Who waits, in their order."""
        return tuple(order.person for order in self._line)

    def start(self, order: Order) -> None:
        """Begin a fit, or wait in line for it; it goes on by itself.

        Raises:
            RetrainError: a fit of this person runs or waits already.
        """
        with self._lock:
            if order.person in self.waiting:
                raise RetrainError(f"{order.person} waits for a fit already. It begins by itself.")
            if self._job is not None and self._job.running:
                if order.person == self._job.person:
                    raise RetrainError(f"{order.person} is retraining already. Wait until that has finished.")
                self._line = (*self._line, order)
                return
            self._job, self._cancelled = Job(order.person), False
        Thread(target=self._work, args=(order,), daemon=True, name="retraining").start()

    def leave(self, person: str) -> None:
        """Wait no longer."""
        with self._lock:
            self._line = tuple(order for order in self._line if order.person != person)

    def cancel(self) -> None:
        """Stop the fit that runs, if one does; nothing is written by it then. The next in line begins."""
        with self._lock:
            self._cancelled = True
            if self._child is not None:
                _stop(self._child)

    def _work(self, order: Order) -> None:
        following: Order | None = order
        while following is not None:
            ended = self._done(following)
            with self._lock:
                assert self._job is not None
                self._job = replace(self._job, running=False, **ended)
                following, self._line = (self._line[0], self._line[1:]) if self._line else (None, ())
                if following is not None:
                    self._job, self._cancelled = Job(following.person), False

    def _done(self, order: Order) -> dict[str, Any]:
        """Do one, and say how it ended."""
        try:
            with tempfile.TemporaryDirectory(prefix="corrections-") as folder:
                order.export(Path(folder))
                ended = self._watch(order, folder)
        except RuntimeError as error:
            ended = {"failure": str(error)}
        except OSError as error:
            ended = {"failure": disk_said(error)}
        return {"failure": "Stopped. Nothing was changed."} if self._cancelled and "version" not in ended else ended

    def _watch(self, order: Order, folder: str) -> dict[str, Any]:
        """Run the worker to its end and say how the job ended."""
        asked = {
            "checkpoint": order.checkpoint,
            "corrections": folder,
            "home": str(self._home),
            "person": order.person,
            "wishes": json.dumps(order.wishes.given()),
            **({"data": str(order.data)} if order.data else {}),
        }
        command = [sys.executable, "-m", f"{__package__}.worker", *(f"--{key}={value}" for key, value in asked.items())]
        with tempfile.TemporaryFile("w+") as complaints:
            with self._lock:
                if self._cancelled:
                    return {}
                self._child = subprocess.Popen(
                    command, stdout=subprocess.PIPE, stderr=complaints, text=True, cwd=_PROJECT
                )
            ended: dict[str, Any] = {}
            assert self._child.stdout is not None
            for line in self._child.stdout:
                try:
                    said = json.loads(line)
                except ValueError:  # killed in the middle of a word
                    break
                if "stage" in said:
                    self._move(said)
                elif "version" in said:
                    ended = {"version": said["version"], "bad": tuple(said["bad"])}
                else:
                    ended = {"failure": said["error"]}
            code = self._child.wait()
            with self._lock:
                self._child = None
            if not ended:
                complaints.seek(0)
                last = complaints.read().strip().splitlines()[-1:]
                print(f"Retraining broke off with code {code}: {' '.join(last)}", file=sys.stderr)
                ended = {"failure": ending_said(code)}
            return ended

    def _move(self, said: dict[str, Any]) -> None:
        job = self._job
        assert job is not None
        since = job.since if said["stage"] == job.stage else time.monotonic()
        curve = job.curve
        if said["loss"] is not None:
            curve = (*curve, Point(said["done"], said["loss"], said["accuracy"], said["stage"]))
        self._set(stage=said["stage"], since=since, done=said["done"], total=said["total"], curve=curve)

    def _set(self, **values: Any) -> None:
        with self._lock:
            assert self._job is not None
            self._job = replace(self._job, **values)


def _stop(child: subprocess.Popen[str]) -> None:
    child.terminate()
    try:
        child.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        child.kill()
