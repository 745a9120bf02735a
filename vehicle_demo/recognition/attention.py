"""What the network looked at: occlusion sensitivity (Zeiler and Fergus, ECCV 2014, arXiv 1311.2901).

A patch is moved over the vehicle's picture, and what covering each place costs the answer is what that place was worth
to it. That asks the graph itself, so it works with every checkpoint and needs neither gradients nor torch; and as every
pass answers for all heads, their maps come together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from vehicle_demo.recognition.recognizer import Recognizer, softmax
from vehicle_demo.recognition.results import Box, Recognition

HEADS = {"type": "vehicle_types", "make": "makes", "model": "models", "embedding": "reid_embeds"}
# The patch is two cells wide and moves by one, beyond the edge too: each cell is covered by four patches.
CELLS, PLACES = 7, 64
_BATCH = 8


@dataclass(frozen=True, eq=False)
class Attention:
    """What covering costs one answer of a vehicle.

    `window` is the part of the picture (pixels) that the network saw. `costs` (CELLS, CELLS) float32 is the mean cost
    of the patches over each cell, and `most` that of the costliest patch. The cost is by how much the probability of
    `label` falls from `score`; of the embedding, by how much its cosine with itself falls from 1, with no label.
    """

    window: Box
    label: str
    score: float
    costs: np.ndarray
    most: float


@dataclass(frozen=True)
class Step:
    """How many of the places have been covered; the last step has the answer for each of `HEADS`."""

    done: int
    total: int
    attention: Mapping[str, Attention] | None = None


def attend(recognizer: Recognizer, picture: Image.Image, found: Recognition, number: int) -> Iterator[Step]:
    """Cover the vehicle of this number in the recognition of a picture, place by place.

    Args:
        picture: upright RGB, the one that was recognised.

    Raises:
        CheckpointError: the graph failed.
    """
    vehicle = found.vehicles[number]
    window = recognizer.window(vehicle.box, picture.size, alone=len(found.vehicles) == 1)
    graphs = recognizer.graphs
    total, joined = PLACES * len(graphs), dict[str, np.ndarray]()
    for looker, graph in enumerate(graphs):
        plain = graph.prepare(picture, window)
        parts: list[Mapping[str, np.ndarray]] = []
        patches = list(_patches(graph.input_size))
        grey = plain.mean(axis=(1, 2), keepdims=True)
        for start in range(0, PLACES, _BATCH):
            yield Step(looker * PLACES + start, total)
            covered = [np.where(patch, grey, plain) for patch in patches[start : start + _BATCH]]
            seen = [plain, *covered] if start == 0 else covered
            parts.append(recognizer.run_graph(seen) if graph is recognizer.graph else graph.run(seen))
        # What a later one says of the embedding goes before what the first one says.
        joined |= {
            head: np.concatenate([part[tensor][:, 0] for part in parts])
            for head, tensor in HEADS.items()
            if tensor in graph.outputs
        }
    yield Step(total, total, {head: _attention(recognizer, window, head, answers) for head, answers in joined.items()})


def _patches(side: int) -> Iterator[np.ndarray]:
    """(S, S) bool for every place, row by row, True under the patch."""
    cell = np.arange(side) * CELLS // side
    for top in range(-1, CELLS):
        for left in range(-1, CELLS):
            rows, columns = (cell >= top) & (cell <= top + 1), (cell >= left) & (cell <= left + 1)
            yield rows[:, None] & columns


def _attention(recognizer: Recognizer, window: Box, head: str, answers: np.ndarray) -> Attention:
    label, score, lost = _lost(recognizer, answers, head)
    places = lost.reshape(CELLS + 1, CELLS + 1)
    costs = (places[:-1, :-1] + places[:-1, 1:] + places[1:, :-1] + places[1:, 1:]) / 4
    return Attention(window, label, score, costs.astype(np.float32), float(places.max()))


def _lost(recognizer: Recognizer, answers: np.ndarray, head: str) -> tuple[str, float, np.ndarray]:
    """The label, its score, and by how much that falls (PLACES,); `answers` (1 + PLACES, K), the plain one first."""
    if head == "embedding":
        units = answers / np.linalg.norm(answers, axis=1, keepdims=True)
        return "", 1.0, 1 - units[1:] @ units[0]
    scores = softmax(answers, getattr(recognizer.checkpoint.temperatures, head))
    best = int(scores[0].argmax())
    label = getattr(recognizer.checkpoint.labels, f"{head}s")[best]
    return label, float(scores[0, best]), scores[0, best] - scores[1:, best]
