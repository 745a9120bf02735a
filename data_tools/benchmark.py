"""How fast, how large: recognise, start-up, memory, graph sizes, INT8 against FP32, ONNX against torch."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_RUNS = 15


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools benchmark`."""
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/vehicledino-nano"))
    parser.add_argument("--base", action="store_true", help="also the base preset with random weights at 560 px (2 GB)")
    parser.add_argument("--runs", type=int, default=_RUNS, help="rounds; every contender runs once in each")
    parser.add_argument("--output", type=Path, help="JSON file to write")


def run(args: argparse.Namespace) -> None:
    """Print a table and write the figures. Contenders take turns, so that ratios hold on a machine that drifts."""
    import tempfile

    from data_tools.serving import served_app

    with tempfile.TemporaryDirectory() as folder:
        contenders = _contenders(args.checkpoint, Path(folder) / "base.onnx" if args.base else None)
        # How much work recognise had: every box above the floor costs a pass over its crop.
        described = {name: len(work().vehicles) for name, work in contenders.items() if name.startswith("recognise")}
        figures: dict[str, Any] = {"milliseconds": in_turns(contenders, args.runs), "described": described}
    figures["graph_mb"] = {p.name: p.stat().st_size / 1e6 for p in sorted(args.checkpoint.glob("*.onnx"))}
    times = figures["milliseconds"]
    figures["ratios"] = _ratios({name: figure["median"] for name, figure in times.items()})
    with served_app(str(args.checkpoint)) as app:
        figures["app"] = {"start_s": app.start_seconds, "resident_mb": app.resident_mb()}
    for name, figure in times.items():
        print(f"{name:36} median {figure['median']:8.1f} ms   p95 {figure['p95']:8.1f} ms")
    for group in ("described", "graph_mb", "ratios", "app"):
        for name, value in figures[group].items():
            print(f"{group + '.' + name:48} {value:.2f}")
    if args.output:
        args.output.write_text(json.dumps(figures, indent=1) + "\n")


def in_turns(contenders: Mapping[str, Callable[[], object]], runs: int) -> dict[str, dict[str, float]]:
    """Median and p95 in ms of each, after one warm-up, over `runs` rounds in which each runs once."""
    import numpy as np

    spent: dict[str, list[float]] = {name: [] for name in contenders}
    for round_number in range(runs + 1):
        for name, work in contenders.items():
            start = time.perf_counter()
            work()
            if round_number:
                spent[name].append((time.perf_counter() - start) * 1000)
    return {
        name: {"median": float(np.median(values)), "p95": float(np.percentile(values, 95))}
        for name, values in spent.items()
    }


def _contenders(checkpoint: Path, base: Path | None) -> dict[str, Callable[[], Any]]:
    import io
    import itertools

    import torch

    from data_tools.drawing import UNSEEN, draw_scene
    from data_tools.export import export_preset, load_run
    from vehicle_demo.recognition import Recognizer
    from vehicle_demo.recognition.graph import Graph

    def encoded(vehicles: int) -> bytes:
        """The first unseen scene in which just this many vehicles are in view."""
        scenes = (draw_scene(seed, size=(1280, 960)) for seed in itertools.count(UNSEEN))
        scene = next(scene for scene in scenes if len(scene.boxes) == vehicles)
        buffer = io.BytesIO()
        scene.image.save(buffer, "JPEG", quality=90)
        return buffer.getvalue()

    full, small = (Recognizer.from_checkpoint(checkpoint, precision) for precision in ("fp32", "int8"))
    one, five = encoded(1), encoded(5)
    picture = [full.graph.prepare(draw_scene(UNSEEN).image)]
    model = load_run(checkpoint)[0].eval()

    @torch.no_grad()
    def torch_pass() -> object:
        return model(torch.from_numpy(picture[0])[None])

    contenders: dict[str, Callable[[], Any]] = {
        "recognise, 1 vehicle, FP32": lambda: full.recognize(one),
        "recognise, 1 vehicle, INT8": lambda: small.recognize(one),
        "recognise, 5 vehicles, FP32": lambda: full.recognize(five),
        "recognise, 5 vehicles, INT8": lambda: small.recognize(five),
        "one pass, FP32": lambda: full.run_graph(picture),
        "one pass, INT8": lambda: small.run_graph(picture),
        "one pass, torch": torch_pass,
    }
    if base is not None:
        export_preset("base", base)
        graph = Graph(base)
        large = [graph.prepare(draw_scene(UNSEEN).image)]
        contenders["one pass, base at 560 px"] = lambda: graph.run(large)
    return contenders


def _ratios(median: Mapping[str, float]) -> dict[str, float]:
    found = {
        "FP32 / INT8, one pass": median["one pass, FP32"] / median["one pass, INT8"],
        "FP32 / INT8, 1 vehicle": median["recognise, 1 vehicle, FP32"] / median["recognise, 1 vehicle, INT8"],
        "torch / ONNX, one pass": median["one pass, torch"] / median["one pass, FP32"],
    }
    if "one pass, base at 560 px" in median:
        found["base pass / nano 1 vehicle"] = median["one pass, base at 560 px"] / median["recognise, 1 vehicle, FP32"]
    return found
