"""What the network looked at: the places that it was made to look at, and for the shipped one, what covering shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.graphs import write_graph
from vehicle_demo.recognition import Box, Recognizer
from vehicle_demo.recognition.attention import CELLS, HEADS, PLACES, Attention, attend


def bright_with_a_dark_part(size: int, dark: tuple[int, int, int, int]) -> Image.Image:
    image = Image.new("RGB", (size, size), "white")
    image.paste("black", dark)
    return image


def attended(recognizer: Recognizer, picture: Image.Image) -> dict[str, Attention]:
    *steps, last = attend(recognizer, picture, recognizer.recognize(picture), 0)
    assert [step.done for step in steps] == sorted({step.done for step in steps}) and steps[0].done == 0
    assert last.done == last.total == PLACES and all(step.attention is None for step in steps)
    assert last.attention is not None and list(last.attention) == list(HEADS)
    return dict(last.attention)


@pytest.mark.parametrize("batch", [None, 1])
def test_it_is_where_the_graph_looks_and_nowhere_else(tmp_path: Path, batch: int | None) -> None:
    """A graph whose type and embedding follow the cell in row 1, column 5; make and model follow nothing.

    That cell is dark: covered with the picture's mean it raises the logit of another type.
    """
    cell = 140 // CELLS
    corner = (5 * cell, cell, 6 * cell, 2 * cell)
    path = write_graph(
        tmp_path / "one.onnx",
        [(0.5, 0.5, 1.0, 1.0)],
        [0.9],
        size=140,
        batch=batch,
        looks_at=(cell, 5 * cell, 2 * cell, 6 * cell),
    )
    recognizer = Recognizer.from_checkpoint(path)
    picture = bright_with_a_dark_part(140, corner)
    found = attended(recognizer, picture)
    described = recognizer.recognize(picture).vehicles[0]
    assert (found["type"].label, found["type"].score) == (
        described.type[0].label,
        pytest.approx(described.type[0].score),
    )
    for head in ("type", "embedding"):
        costs = found[head].costs
        assert costs.dtype == np.float32 and costs.shape == (CELLS, CELLS)
        assert np.unravel_index(costs.argmax(), costs.shape) == (1, 5)
        assert found[head].most == pytest.approx(costs.max(), rel=1e-4) and found[head].most > 0
        near = np.zeros_like(costs, bool)
        near[0:3, 4:7] = True  # patches that cover the cell reach one cell farther
        assert np.abs(costs[~near]).max() == pytest.approx(0, abs=1e-6)
    assert found["embedding"].score == 1 and found["embedding"].label == ""
    for head in ("make", "model"):
        assert np.abs(found[head].costs).max() == 0 == found[head].most


@pytest.mark.parametrize(("side", "whole"), [(1.0, True), (0.5, False)])
def test_the_window_is_the_one_that_the_vehicle_was_described_from(tmp_path: Path, side: float, whole: bool) -> None:
    path = write_graph(tmp_path / "one.onnx", [(0.5, 0.5, side, side)], [0.9], size=56)
    recognizer = Recognizer.from_checkpoint(path)
    window = attended(recognizer, Image.new("RGB", (200, 100), "white"))["type"].window
    assert (window == Box(0, 0, 200, 100)) == whole
    margin = recognizer.checkpoint.crop_margin
    if not whole:
        assert window.to_list() == pytest.approx(
            [50 - 100 * margin, 25 - 50 * margin, 150 + 100 * margin, 75 + 50 * margin], abs=0.5
        )


def test_covering_what_it_looked_at_costs_the_shipped_network_more_than_covering_the_rest(photo: Path) -> None:
    """The deletion check of such maps: a sixth of the cells, the costliest against the cheapest, covered together."""
    recognizer = Recognizer.from_checkpoint("checkpoints/vehicledino-nano")
    with Image.open(photo) as opened:
        picture = opened.convert("RGB")
    found = attended(recognizer, picture)["embedding"]
    plain = recognizer.graph.prepare(picture, found.window)
    order = np.argsort(found.costs, axis=None)
    cell = np.arange(recognizer.input_size) * CELLS // recognizer.input_size
    number = cell[:, None] * CELLS + cell[None]
    grey = plain.mean(axis=(1, 2), keepdims=True)
    covered = [np.where(np.isin(number, part), grey, plain) for part in (order[-8:], order[:8])]
    own, *others = recognizer.run_graph([plain, *covered])["reid_embeds"][:, 0]
    costly, cheap = (1 - float(own @ other) for other in others)
    assert costly > cheap
