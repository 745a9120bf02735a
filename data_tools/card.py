"""Measure a checkpoint in both precisions and write the figures, and its training curve, into its model card."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- figures: python -m data_tools card -->", "<!-- end of figures -->"
LOG, CURVE = "training.jsonl", "training.png"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools card`."""
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/vehicledino-nano"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of parquet files")
    parser.add_argument("--split", default="validation")


def run(args: argparse.Namespace) -> None:
    """Write `figures.json`, the table between the card's two markers and, where there is a log, `training.png`.

    Raises:
        FileNotFoundError: the checkpoint has no README.md with both markers.
    """
    from data_tools.evaluate import evaluate
    from vehicle_demo.recognition import Recognizer, load_checkpoint

    card = args.checkpoint / "README.md"
    text = card.read_text() if card.exists() else ""
    if BEGIN not in text or END not in text:
        raise FileNotFoundError(f"{card} must have the lines {BEGIN} and {END}: the table goes between them.")
    figures = {
        precision: evaluate(Recognizer.from_checkpoint(args.checkpoint, precision), args.data, args.split)
        for precision in load_checkpoint(args.checkpoint).graphs
    }
    (args.checkpoint / "figures.json").write_text(json.dumps({args.split: figures}, indent=1) + "\n")
    before, rest = text.split(BEGIN)
    table = figures_table(figures)
    card.write_text(f"{before}{BEGIN}\n\n{table}\n{END}{rest.split(END)[1]}")
    print(table)
    if (args.checkpoint / LOG).exists():
        draw_curve(args.checkpoint / LOG, args.checkpoint / CURVE)


def figures_table(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """A Markdown table with a row for every figure and a column for every precision."""
    from data_tools.evaluate import flattened

    columns = {precision: dict(flattened(values)) for precision, values in figures.items()}
    rows = [["figure", *(precision.upper() for precision in columns)], ["---"] * (len(columns) + 1)]
    for name in next(iter(columns.values())):
        values = (column.get(name) for column in columns.values())
        rows.append([f"`{name}`", *(f"{v:.3f}" if isinstance(v, float) else str(v) for v in values)])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def draw_curve(log: Path, path: Path) -> None:
    """Every loss over the steps of all phases, one small chart each. `log` is what `export` writes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    curves: dict[str, tuple[list[float], list[float]]] = {}
    ends: list[float] = []
    start = last = 0.0
    phase = None
    for line in map(json.loads, log.read_text().splitlines()):
        if line["phase"] != phase:
            start, phase = last, line["phase"]
            ends.append(start)
        last = start + line["step"]
        for name in line.keys() - {"phase", "step", "rate"}:
            steps, values = curves.setdefault(name, ([], []))
            steps.append(last)
            values.append(line[name])
    figure, charts = pyplot.subplots(3, 3, figsize=(9, 6), constrained_layout=True)
    for chart, (name, (steps, values)) in zip(charts.flat, sorted(curves.items()), strict=False):
        chart.plot(steps, values, linewidth=1, color="#2a5ea8")
        chart.set_title(name, fontsize=9)
        chart.tick_params(labelsize=7)
        for end in ends[1:]:
            chart.axvline(end, color="#bbbbbb", linewidth=0.8)
    for chart in charts.flat[len(curves) :]:
        chart.axis("off")
    figure.supxlabel("step; grey lines part the phases", fontsize=8)
    figure.savefig(path, dpi=90)
    pyplot.close(figure)
