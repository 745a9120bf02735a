"""A rank list as a figure for a paper: the query and its first results, framed by what the labels say."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import Image, ImageOps

from vehicle_demo.gallery.ranking import Ranked, Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = 10
_SIZE = (256, 192)
FORMATS = ("png", "svg", "pdf")
# Okabe and Ito's green and vermilion, and a grey; the sign in the title says the same without colour.
_FRAMES = {Verdict.SAME: ("#009e73", "\u2713"), Verdict.OTHER: ("#d55e00", "\u2715"), Verdict.UNKNOWN: ("#e69f00", "?")}
_NEUTRAL = "#555555"


def rank_figure(
    thumbnail: bytes, title: str, ranked: Sequence[Ranked], verdicts: Sequence[Verdict | None], kind: str
) -> bytes:
    """The file of a figure, 7.2 inches wide: a query's JPEG and title, then the first ten results.

    Raises ValueError when `kind` is not one of `FORMATS`.
    """
    if kind not in FORMATS:
        raise ValueError(f"A figure is one of {', '.join(FORMATS)}.")
    # Costs half a second and is seldom asked for. Without pyplot: any number of threads may draw.
    from matplotlib import rcParams
    from matplotlib.figure import Figure

    # Letters stay letters: journals refuse Type 3 fonts. The same for every figure, so threads may set it at once.
    rcParams["pdf.fonttype"], rcParams["svg.fonttype"] = 42, "none"
    shown = ranked[:SHOWN]
    figure = Figure(figsize=(7.2, 0.8), dpi=300)
    frames = figure.subplots(1, len(shown) + 1, squeeze=False, gridspec_kw={"left": 0, "right": 1, "wspace": 0.08})[0]
    _draw(frames[0], thumbnail, title, _NEUTRAL)
    for rank, (place, verdict) in enumerate(zip(shown, verdicts, strict=False), start=1):
        colour, sign = _FRAMES[verdict] if verdict else (_NEUTRAL, "")
        _draw(frames[rank], place.hit.item.thumbnail, f"{rank}  {place.hit.score:.3f} {sign}", colour)
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, bbox_inches="tight", pad_inches=0.02)
    return buffer.getvalue()


def _draw(axes: Axes, encoded: bytes, title: str, colour: str) -> None:
    axes.set(xticks=[], yticks=[])
    # Names come from people: a dollar sign is no formula.
    axes.set_title(title, color=colour, pad=2, fontsize=5, fontfamily="DejaVu Sans", parse_math=False)
    for spine in axes.spines.values():
        spine.set(color=colour, linewidth=1.5)
    if encoded:
        with Image.open(io.BytesIO(encoded)) as image:
            axes.imshow(ImageOps.pad(image.convert("RGB"), _SIZE, Image.Resampling.LANCZOS, color="#dddddd"))
