"""The model card's charts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np

from vehicle_demo.recognition.plates import ALPHABET

matplotlib.use("Agg")
from matplotlib import pyplot


def draw_curve(log: Path, path: Path) -> None:
    """Every loss over the steps of all phases, one small chart each. `log` is what the training loop writes."""
    curves: dict[str, tuple[list[float], list[float]]] = {}
    ends: list[float] = []
    start = last = 0.0
    phase: str | None = None
    for line in map(json.loads, log.read_text().splitlines()):
        if not ends or line.get("phase") != phase:
            start, phase = last, line.get("phase")
            ends.append(start)
        last = start + line["step"]
        for name in line.keys() - {"phase", "step", "rate"}:
            steps, values = curves.setdefault(name, ([], []))
            steps.append(last)
            values.append(line[name])
    wide = min(3, len(curves))
    high = -(-len(curves) // wide)
    size = max(7, 3 * wide), max(3, 2 * high)
    figure, charts = pyplot.subplots(high, wide, figsize=size, constrained_layout=True, squeeze=False)
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


def draw_confusion(counts: Mapping[tuple[str, str], int], path: Path) -> None:
    """How often each character (rows) was read as each (columns); `counts` by (truth, read), "" for none.

    Shades are shares of the row; numbers are counts, of mistakes alone.
    """
    signs = [*ALPHABET, ""]
    table = np.array([[counts.get((truth, read), 0) for read in signs] for truth in signs])
    figure, chart = pyplot.subplots(figsize=(9, 9), constrained_layout=True)
    chart.imshow(table / table.sum(axis=1, keepdims=True).clip(1), cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(table):
        if row != column:
            chart.text(column, row, table[row, column], ha="center", va="center", fontsize=7, color="#b02a1e")
    names = [*ALPHABET, "none"]
    chart.set_xticks(range(len(signs)), names, fontsize=7)
    chart.set_yticks(range(len(signs)), names, fontsize=7)
    chart.set_xlabel("read as", fontsize=9)
    chart.set_ylabel("is", fontsize=9)
    figure.savefig(path, dpi=90)
    pyplot.close(figure)
