"""The app as a separate process on 127.0.0.1, for what measures it from outside."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

PROJECT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class ServedApp:
    """A running app: its address, its process, and the seconds from the command to the first page."""

    url: str
    process: psutil.Process
    start_seconds: float

    def resident_mb(self) -> float:
        """Resident memory of the process in MB."""
        return self.process.memory_info().rss / 1e6

    def peak_mb(self) -> float:
        """The most resident memory that the process has had so far, in MB. Linux only."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024 / 1e6


@contextmanager
def served_app(
    checkpoint: str | None = None, wait_s: float = 180, home: Path | None = None, port: int | None = None
) -> Iterator[ServedApp]:
    """Start `python app.py` on `port`, by default a free one, wait for its page, and stop it afterwards.

    Galleries and labels are in `home`; without one it gets an empty home of its own.

    Raises:
        RuntimeError: the process ended or gave no page in time; the message has its last output.
    """
    port = port or _free_port()
    url = f"http://127.0.0.1:{port}/"
    # What it says goes to a file and no pipe: nobody reads along, and before a full pipe the app would stand still.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as kept, tempfile.TemporaryFile() as said:
        environment = {
            **os.environ,
            "GRADIO_SERVER_NAME": "127.0.0.1",
            "GRADIO_SERVER_PORT": str(port),
            "VEHICLE_DEMO_HOME": str(home or kept),
        }
        if checkpoint:
            environment["VEHICLE_DEMO_CHECKPOINT"] = checkpoint
        began = time.monotonic()
        child = subprocess.Popen(
            [sys.executable, "app.py"], cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL, stderr=said
        )
        try:
            while not _answers(url):
                if child.poll() is not None or time.monotonic() - began > wait_s:
                    said.seek(0)
                    raise RuntimeError(f"The app did not start: {said.read().decode()[-1000:]}")
                time.sleep(0.1)
            yield ServedApp(url, psutil.Process(child.pid), time.monotonic() - began)
        finally:
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False
