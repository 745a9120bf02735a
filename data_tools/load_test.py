"""Many visitors at once: pictures in flight from several clients against the app, and what it costs."""

from __future__ import annotations

import argparse
from dataclasses import dataclass


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools load-test`."""
    parser.add_argument("--checkpoint", help="a folder, an .onnx file or a Hub model; the shipped one by default")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument(
        "--in-flight", type=int, default=16, help="pictures under way at any time, all clients together"
    )
    parser.add_argument("--seconds", type=float, default=60)


@dataclass(frozen=True)
class LoadFigures:
    """What a load test saw. Latencies in seconds; memory in MB, `settled` at a third of the time, `peak` after it."""

    answers: int
    errors: tuple[str, ...]
    median_s: float
    p95_s: float
    settled_mb: float
    peak_mb: float

    @property
    def growth(self) -> float:
        """Growth of memory after the first third, as a share."""
        return self.peak_mb / self.settled_mb - 1


def run(args: argparse.Namespace) -> None:
    """Print the figures. Raises ValueError when any picture failed."""
    figures = put_under_load(args.checkpoint, args.clients, args.in_flight, args.seconds)
    print(f"{figures.answers} pictures in {args.seconds:.0f} s, {len(figures.errors)} errors")
    print(f"median {figures.median_s:.2f} s, p95 {figures.p95_s:.2f} s")
    later = f"at most {figures.peak_mb:.0f} MB later ({figures.growth:+.1%})"
    print(f"memory {figures.settled_mb:.0f} MB after a third, {later}")
    if figures.errors:
        raise ValueError(f"Some pictures failed, the first with: {figures.errors[0]}")


def put_under_load(checkpoint: str | None, clients: int, in_flight: int, seconds: float) -> LoadFigures:
    """Keep `in_flight` drawn pictures going from `clients` clients for `seconds`; needs at least one answer."""
    import tempfile
    import time
    from concurrent.futures import ThreadPoolExecutor
    from itertools import islice
    from pathlib import Path

    import numpy as np
    from gradio_client import Client, handle_file

    from data_tools.pictures import windows
    from data_tools.serving import served_app

    with tempfile.TemporaryDirectory() as folder, served_app(checkpoint) as app:
        photos = []
        for number, picture in enumerate(islice(windows(), 0, None, 7)):
            path = Path(folder) / f"{number}.jpg"
            picture.save(path, quality=88)
            photos.append(str(path))
        connected = [Client(app.url, verbose=False) for _ in range(clients)]
        began = time.monotonic()
        latencies: list[float] = []
        errors: list[str] = []
        memory: list[tuple[float, float]] = []

        def send(lane: int) -> None:
            turn = lane
            while time.monotonic() - began < seconds:
                start = time.monotonic()
                try:
                    answer = connected[lane % clients].predict(
                        handle_file(photos[turn % len(photos)]), "", api_name="/recognize"
                    )
                    if set(answer) != {"checkpoint", "heads_version", "image", "timings_ms", "vehicles"}:
                        errors.append(f"an answer with the keys {sorted(answer)}")
                except Exception as error:  # whatever goes wrong is the finding
                    errors.append(repr(error))
                latencies.append(time.monotonic() - start)
                turn += 1

        def watch() -> None:
            while time.monotonic() - began < seconds:
                memory.append((time.monotonic() - began, app.resident_mb()))
                time.sleep(0.5)

        with ThreadPoolExecutor(in_flight + 1) as pool:
            jobs = [pool.submit(watch), *(pool.submit(send, lane) for lane in range(in_flight))]
            for job in jobs:
                job.result()
    third = seconds / 3
    settled = max(used for at, used in memory if at <= third)
    peak = max(used for at, used in memory if at >= third)
    p95 = float(np.percentile(latencies, 95))
    return LoadFigures(len(latencies), tuple(errors), float(np.median(latencies)), p95, settled, peak)
