"""A map as a picture for a paper."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np

from vehicle_demo.ui.colouring import Colouring

_MARKERS = {"circle": "o", "diamond": "D", "square": "s", "triangle-up": "^"}
# As shapes, more points than this make a file that few programs open.
_SHAPES_UP_TO = 5000


def draw(coordinates: np.ndarray, colouring: Colouring, title: str, kind: Literal["png", "svg"]) -> bytes:
    """A PNG (300 dpi) or SVG file of points (N, 2) with the legend beside them."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), layout="constrained")
    axes = figure.add_subplot()
    size = float(np.clip(6000 / max(len(coordinates), 1), 2, 24))
    for code, entry in enumerate(colouring.entries):
        points = coordinates[colouring.codes == code]
        axes.scatter(
            points[:, 0],
            points[:, 1],
            s=size,
            c=entry.colour,
            marker=_MARKERS[entry.symbol],
            linewidths=0,
            # A name that begins with _ would be left out of the legend.
            label="\u200b" + _plain(f"{entry.label} ({entry.count})"),
            rasterized=len(coordinates) > _SHAPES_UP_TO,
        )
    axes.set(xticks=[], yticks=[], aspect="equal")
    axes.set_title(_plain(title), fontsize=9)
    figure.legend(loc="outside right upper", fontsize=7, frameon=False, markerscale=max(1.0, (24 / size) ** 0.5))
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=300)
    return buffer.getvalue()


def _plain(text: str) -> str:
    """Without what would begin a formula, and what no SVG file may hold."""
    return "".join(letter if letter.isprintable() else " " for letter in text).replace("$", r"\$")
