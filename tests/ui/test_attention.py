"""The maps of what the network looked at, as a card shows them."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from vehicle_demo.recognition import Box
from vehicle_demo.recognition.attention import CELLS, Attention
from vehicle_demo.ui.attention import _shade_uri, described, figure_html


def looked(row: int, column: int, label: str = "van", score: float = 0.8, most: float = 0.5) -> Attention:
    costs = np.full((CELLS, CELLS), -0.1, np.float32)
    costs[row, column] = most
    return Attention(Box(10, 10, 110, 60), label, score, costs, most)


@pytest.mark.parametrize(
    ("row", "column", "where"),
    [(0, 0, "top left"), (3, 6, "middle right"), (6, 3, "bottom centre"), (1, 2, "top centre")],
)
def test_the_sentence_says_where_and_what_it_costs(row: int, column: int, where: str) -> None:
    said = described("type", looked(row, column))
    assert said == f"Type van, 80%, hangs most on the {where}: with a patch there covered, it falls to 30%."
    embedding = described("embedding", looked(row, column, "", 1.0, 0.125))
    assert (
        embedding == f"The embedding hangs most on the {where}: with a patch there covered, its cosine falls to 0.875."
    )


def test_what_hangs_on_nothing_says_so_and_has_no_shade() -> None:
    nothing = looked(2, 2, most=0.01)
    assert "hangs on no single part" in described("make", nothing)
    assert figure_html(Image.new("RGB", (200, 100)), {"make": nothing}).count("data:image/png") == 0


def test_the_shade_is_clear_at_the_costliest_cell_and_dark_where_covering_helps() -> None:
    encoded = _shade_uri(looked(3, 3).costs).partition("base64,")[2]
    shade = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))))
    middle, corner = shade[len(shade) // 2, len(shade) // 2], shade[2, 2]
    assert middle[1] < 20 and tuple(corner) == (0, 190)
    assert (shade[..., 0] == 255).any()  # the line at half


def test_one_head_is_shown_and_labels_bring_no_markup() -> None:
    html = figure_html(
        Image.new("RGB", (200, 100)), {"type": looked(0, 0, "<b>van</b>"), "embedding": looked(1, 1, "", 1.0)}
    )
    assert "<b>van" not in html and "&lt;b&gt;van" in html
    assert html.count('aria-pressed="true"') == 1 and html.count(" hidden>") == 1
    assert 'alt="Type &lt;b&gt;van' in html
