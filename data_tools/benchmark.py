"""How fast, how large: recognise, start-up, memory, graph sizes, INT8 against FP32, ONNX against torch, retraining."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from data_tools.benchmark_retraining import retraining_figures
from data_tools.profiling import operator_times

_RUNS = 15


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools benchmark`."""
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/vehicledino-nano"))
    parser.add_argument("--base", action="store_true", help="also the base preset with random weights at 560 px (2 GB)")
    parser.add_argument("--corrections", type=int, default=0, help="also retrain, with so many corrections")
    parser.add_argument("--runs", type=int, default=_RUNS, help="rounds; every contender runs once in each")
    parser.add_argument("--output", type=Path, help="JSON file to write")


def run(args: argparse.Namespace) -> None:
    """Print a table and write the figures. Contenders take turns, so that ratios hold on a machine that drifts."""
    import tempfile

    from vehicle_demo.recognition import load_checkpoint

    with tempfile.TemporaryDirectory() as folder:
        contenders = _contenders(args.checkpoint, Path(folder) / "base.onnx" if args.base else None)
        times = in_turns(contenders, args.runs)
    checkpoint = load_checkpoint(args.checkpoint)
    graphs = [checkpoint.graph_path(precision) for precision in checkpoint.graphs]
    files = [path for path in (*graphs, checkpoint.reader_path, checkpoint.corners_path) if path]
    groups: dict[str, dict[str, float]] = {
        "graph_mb": {path.name: path.stat().st_size / 1e6 for path in files},
        "ratios": _ratios({name: figure["median"] for name, figure in times.items()}),
        "app": _app_figures(args.checkpoint),
        **{f"operator_ms, {path.name}": _largest(operator_times(path, _blank(path), args.runs)) for path in graphs},
    }
    if args.corrections:
        groups["retraining"] = retraining_figures(args.checkpoint, args.corrections)
    for name, figure in times.items():
        print(f"{name:36} median {figure['median']:8.1f} ms   p95 {figure['p95']:8.1f} ms")
    for group, values in groups.items():
        for name, value in values.items():
            print(f"{group + '.' + name:48} {value:.2f}")
    if args.output:
        args.output.write_text(json.dumps({"milliseconds": times, **groups}, indent=1) + "\n")


def in_turns(contenders: Mapping[str, Callable[[], object]], runs: int) -> dict[str, dict[str, float]]:
    """Median and p95 in ms of each, after one warm-up, over `runs` rounds in which each runs once."""
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


def _app_figures(checkpoint: Path) -> dict[str, float]:
    """Start-up of the app in s, and its memory in MB when ready and at most while it answers a 12-megapixel photo."""
    import tempfile

    from gradio_client import Client, handle_file

    from data_tools.pictures import photos
    from data_tools.serving import served_app

    with tempfile.NamedTemporaryFile(suffix=".jpg") as file, served_app(str(checkpoint)) as app:
        resident = app.resident_mb()
        next(photos()).resize((4000, 3000)).save(file.name)
        Client(app.url, verbose=False).predict(handle_file(file.name), "", api_name="/recognize")
        return {"start_s": app.start_seconds, "resident_mb": resident, "peak_mb, one 12 MP photo": app.peak_mb()}


def _blank(graph: Path) -> Any:
    from vehicle_demo.recognition.graph import Graph

    size = Graph(graph).input_size
    return np.zeros((1, 3, size, size), np.float32)


def _largest(spent: dict[str, float], count: int = 8) -> dict[str, float]:
    """The first `count`, the rest together, and the sum."""
    rest = sum(list(spent.values())[count:])
    return {**dict(list(spent.items())[:count]), "others": rest, "all": sum(spent.values())}


def _contenders(checkpoint: Path, base: Path | None) -> dict[str, Callable[[], Any]]:
    import io

    import torch
    from PIL import Image

    from data_tools.drawing.plates import draw, make_up
    from data_tools.export import export_preset, load_run
    from data_tools.pictures import photo_with, photos
    from vehicle_demo.recognition import Recognizer
    from vehicle_demo.recognition.boxes import widen
    from vehicle_demo.recognition.corners import MARGIN, CornerFinder
    from vehicle_demo.recognition.graph import Graph
    from vehicle_demo.recognition.results import Box

    def opened(content: bytes) -> Image.Image:
        image = Image.open(io.BytesIO(content))
        image.load()
        return image

    full, small = (Recognizer.from_checkpoint(checkpoint, precision) for precision in ("fp32", "int8"))
    one, five = photo_with(full, 1), photo_with(full, 5)
    one_decoded, five_decoded = opened(one), opened(five)
    plate = draw(make_up(np.random.default_rng(0)))
    picture = [full.graph.prepare(next(photos()))]
    model = load_run(checkpoint)[0].eval()

    @torch.no_grad()
    def torch_pass() -> object:
        return model(torch.from_numpy(picture[0])[None])

    contenders: dict[str, Callable[[], Any]] = {
        "recognise, 1 vehicle, FP32": lambda: full.recognize(one),
        "recognise, 1 vehicle, INT8": lambda: small.recognize(one),
        "recognise, 1 vehicle, decoded, FP32": lambda: full.recognize(one_decoded),
        "recognise, 5 vehicles, FP32": lambda: full.recognize(five),
        "recognise, 5 vehicles, INT8": lambda: small.recognize(five),
        "recognise, 5 vehicles, decoded, FP32": lambda: full.recognize(five_decoded),
        "one pass, FP32": lambda: full.run_graph(picture),
        "one pass, INT8": lambda: small.run_graph(picture),
        "one pass, torch": torch_pass,
        "read one plate": lambda: full.read_plates([plate]),
    }
    if full.checkpoint.corners_path:
        finder = CornerFinder(full.checkpoint.corners_path)
        inside = widen(Box(0, 0, *plate.size), -MARGIN / 2, plate.size)
        contenders["find one plate's corners"] = lambda: finder.find([(plate, inside)])
    if base is not None:
        export_preset("base", base)
        graph = Graph(base)
        large = [graph.prepare(next(photos()))]
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
