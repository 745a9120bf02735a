"""Charts of Benchmark and Retrain as inline SVG: letters and lines take the page's colour, for both themes."""

from __future__ import annotations

import io
import re
from functools import lru_cache
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from vehicle_demo.gallery.protocols import CURVE, Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    from vehicle_demo.retraining.compare import Confusion

# Stands for the page's own colour until the file is written.
_INK = "#010203"
# Seen on white and on black; told apart by colour-blind eyes, and by dashes and hatches.
_HUES = ("#2f86d1", "#c77700", "#1f9d76")
_BINS = 30
_LETTERS = 26
_LEGEND: dict[str, Any] = {"frameon": False, "labelcolor": _INK, "fontsize": 8}


def cmc_svg(tables: tuple[Table, ...]) -> str:
    """Share of queries with a match within rank 1 to 20: a line and its range for each table, dashed when re-ranked."""
    figure, axes = _chart("rank", "share of queries with a match")
    ranks = list(CURVE)
    for table, hue in zip(tables, _HUES, strict=False):
        for variant, figures in table.variants:
            curve = [figures[f"rank{rank}"] for rank in ranks]
            label = ", ".join(part for part in (table.name, variant or "cosine") if part)
            style = "--" if variant else "-"
            axes.plot(ranks, [point.value for point in curve], style, color=hue, linewidth=2, label=label)
            low, high = [point.low for point in curve], [point.high for point in curve]
            axes.fill_between(ranks, low, high, color=hue, alpha=0.12, linewidth=0)
    axes.set(xlim=(1, ranks[-1]), xticks=[1, 5, 10, 15, 20])
    # Figures near 1 are told apart only from near by.
    axes.set_ylim(top=1.005)
    axes.legend(loc="lower right", **_LEGEND)
    return _svg(figure, "CMC curve up to rank 20")


def novelty_svg(known: np.ndarray, unknown: np.ndarray) -> str:
    """How many known and unknown rows have which KNN+ score, each side as shares of its own."""
    figure, axes = _chart("distance to the k-th neighbour", "share of rows")
    edges = np.histogram_bin_edges(np.concatenate([known, unknown]), _BINS)
    sides: tuple[tuple[str, np.ndarray, dict[str, Any]], ...] = (
        ("known", known, {"facecolor": f"{_HUES[0]}66", "edgecolor": _HUES[0]}),
        ("unknown ?", unknown, {"facecolor": "none", "edgecolor": _HUES[1], "hatch": "////"}),
    )
    for name, scores, looks in sides:
        weights = np.full(len(scores), 1 / len(scores))
        axes.hist(scores, edges.tolist(), weights=weights, label=name, histtype="stepfilled", **looks)
    axes.legend(loc="upper left", **_LEGEND)
    return _svg(figure, "Histogram of KNN+ scores of known and unknown rows")


@lru_cache(maxsize=32)
def confusion_svg(confusion: Confusion, what: str) -> str:
    """Who was taken for whom before and after: right answers blue, wrong ones orange, by their share of the row."""
    figure = _figure((7.2, 0.9 + 0.3 * len(confusion.names)))
    names = [f"{_short(name)}\u2003{place + 1}" for place, name in enumerate(confusion.names)]
    columns = [*(str(place + 1) for place in range(len(names))), "other"]
    panels = figure.subplots(1, 2, sharey=True)
    for axes, title, counts in zip(
        panels,
        ("before", "after"),
        (confusion.before, confusion.after),
        strict=True,
    ):
        for row, values in enumerate(counts):
            for column, count in enumerate(values):
                hue = _HUES[0] if row == column else _HUES[1]
                share = count / max(sum(values), 1)
                axes.add_patch(_cell(column, row, f"{hue}{round(160 * share):02x}"))
                if count:
                    weight = "bold" if count != confusion.before[row][column] else "normal"
                    axes.text(column, row, str(count), color=_INK, fontsize=8, ha="center", va="center", weight=weight)
        _plain_axes(axes)
        axes.set_title(title, color=_INK, fontsize=9)
        axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(names) - 0.5, -0.5))
        axes.set_xticks(range(len(columns)), columns)
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("taken for", color=_INK, fontsize=8)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
    return _svg(figure, f"Confusion of {what} before and after")


def _cell(column: int, row: int, colour: str) -> Patch:
    from matplotlib.patches import Rectangle

    return Rectangle((column - 0.46, row - 0.44), 0.92, 0.88, facecolor=colour, edgecolor=f"{_INK}26", linewidth=0.6)


def _short(name: str) -> str:
    shown = name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}\u2026"
    # What would begin a formula.
    return shown.replace("$", r"\$")


def _chart(along: str, up: str) -> tuple[Figure, Axes]:
    figure = _figure((5.4, 3.4))
    axes = figure.add_subplot()
    _plain_axes(axes)
    axes.set_xlabel(along, color=_INK, fontsize=8)
    axes.set_ylabel(up, color=_INK, fontsize=8)
    axes.grid(color=_INK, alpha=0.15, linewidth=0.6)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set(color=_INK, visible=side in ("left", "bottom"))
    return figure, axes


def _figure(size: tuple[float, float]) -> Figure:
    # Costs half a second. Without pyplot: any number of threads may draw.
    from matplotlib import rcParams
    from matplotlib.figure import Figure

    # Letters stay letters, as in `rank_figure`: the same for every figure, so threads may set it at once.
    rcParams["svg.fonttype"] = "none"
    return Figure(figsize=size, layout="constrained", facecolor="none")


def _plain_axes(axes: Axes) -> None:
    axes.set_facecolor("none")
    axes.tick_params(colors=_INK, labelsize=8)


def _svg(figure: Figure, name: str) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].replace(_INK, "currentColor")
    # Its style would be the whole page's.
    svg = re.sub(r"<(metadata|style)\b.*?</\1>", "", svg, flags=re.DOTALL)
    return svg.replace("<svg", f'<svg role="img" aria-label="{escape(name)}"', 1)
