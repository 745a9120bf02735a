"""Heads beside the graph name type, make and model in its place; without them the graph answers as it did."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.graphs import write_checkpoint, write_graph
from tests.retraining.drawn_heads import heads
from vehicle_demo.recognition import Box, CheckpointError, Recognizer
from vehicle_demo.recognition.heads import Head, Heads
from vehicle_demo.recognition.recognizer import softmax

GREY = Image.new("RGB", (200, 100), (90, 90, 90))


@pytest.fixture
def recognizer(tmp_path: Path) -> Recognizer:
    return Recognizer.from_checkpoint(write_checkpoint(tmp_path))


def test_heads_answer_in_the_graphs_place_with_names_of_their_own(recognizer: Recognizer) -> None:
    drawn = heads(1, extra=1)
    new = recognizer.with_heads(Heads("v1-abcdef", drawn))
    found = new.recognize(GREY)
    assert found.to_dict()["heads_version"] == new.checkpoint.heads_version == "v1-abcdef"
    (vehicle,) = found.vehicles
    for task in ("type", "make", "model"):
        head = drawn[task]
        scores = softmax(head.weight @ np.ones(32, np.float32) + head.bias, 1.0)
        best = getattr(vehicle, task)[0]
        assert best.label == head.names[int(scores.argmax())] and best.score == pytest.approx(float(scores.max()))
    assert new.describe_batch([GREY])[0].model[0] == vehicle.model[0]
    assert new.checkpoint.labels.models[-1] == "new model 0" and new.checkpoint.labels.categories


def test_a_heads_temperature_takes_the_place_of_the_checkpoints(tmp_path: Path) -> None:
    own = Recognizer.from_checkpoint(write_checkpoint(tmp_path, temperatures={"model": 3.0}))
    drawn = heads(1)
    warm = {**drawn, "model": replace(drawn["model"], temperature=2.0)}
    plain, warmer = (own.with_heads(Heads("v1-abcdef", one)) for one in (drawn, warm))
    logits = drawn["model"].own_logits(np.ones((1, 32), np.float32))[0]
    for recognizer, heat in ((plain, 1.0), (warmer, 2.0)):
        best = recognizer.recognize(GREY).vehicles[0].model[0]
        assert best.score == pytest.approx(float(softmax(logits, heat).max()))
    assert warmer.checkpoint.temperatures.make == 1.0 and warmer.with_heads(None).checkpoint.temperatures.model == 3.0


def test_taking_them_away_gives_the_old_answers_to_the_last_bit(recognizer: Recognizer) -> None:
    def answer(one: Recognizer) -> dict:
        found = one.recognize(GREY).to_dict()
        del found["timings_ms"]
        return found

    before = answer(recognizer)
    new = recognizer.with_heads(Heads("v1-abcdef", heads(1)))
    assert answer(new) != before
    assert answer(new.with_heads(None)) == before and before["heads_version"] == "built-in"


def test_a_rows_logits_do_not_depend_on_the_other_rows() -> None:
    features = np.random.default_rng(0).normal(size=(5, 32)).astype(np.float32)
    head = heads(0)["model"]
    np.testing.assert_array_equal(head.own_logits(features)[3:4], head.own_logits(features[3:4]))
    np.testing.assert_allclose(head.own_logits(features), features @ head.weight.T + head.bias, rtol=1e-4, atol=1e-5)


def test_what_models_imply_is_added_to_what_a_head_says_itself() -> None:
    """Worked by hand: two models of 0.6 and 0.1 are of make b, one of 0.3 is of make a, none is of make c."""
    weight, bias = np.zeros((3, 2), np.float32), np.zeros(3, np.float32)
    model = Head(("b1", "b2", "a1"), weight, np.log(np.array([0.6, 0.1, 0.3], np.float32)))
    make = Head(("a", "b", "c"), weight, bias, of_model=np.array([1, 1, 0]))
    of_none = Head(("x", "y", "z"), weight, bias, of_model=np.array([-1, -1, -1]))
    logits = Heads("v1", {"type": of_none, "make": make, "model": model}).logits(np.ones((2, 2), np.float32))
    np.testing.assert_allclose(np.exp(logits["make"]), [[0.31, 0.71, 0.01]] * 2, rtol=1e-5)
    np.testing.assert_allclose(logits["type"], np.full((2, 3), np.log(0.01)), rtol=1e-5)
    np.testing.assert_array_equal(logits["model"], model.own_logits(np.ones((2, 2), np.float32)))


@pytest.mark.parametrize("of_model", [np.array([0, 1]), np.array([0, 1, 2])])
def test_implied_names_that_are_not_there_are_refused(of_model: np.ndarray) -> None:
    blank = {count: (np.zeros((count, 2), np.float32), np.zeros(count, np.float32)) for count in (2, 3)}
    make = Head(("a", "b"), *blank[2], of_model=of_model)
    with pytest.raises(CheckpointError, match="does not belong to these heads"):
        Heads("v1", {"type": make, "make": make, "model": Head(("m", "n", "o"), *blank[3])})


def test_heads_of_another_graph_are_refused(recognizer: Recognizer) -> None:
    with pytest.raises(CheckpointError, match="another graph's features"):
        recognizer.with_heads(Heads("v1-abcdef", heads(1, features=16)))


def test_a_graph_without_attribute_features_has_heads_on_its_embedding(tmp_path: Path) -> None:
    plain = Recognizer.from_checkpoint(write_graph(tmp_path / "m.onnx", [(0.5, 0.5, 0.5, 0.5)], [0.9]))
    drawn = heads(2, features=256)
    (vehicle,) = plain.with_heads(Heads("v1-abcdef", drawn)).recognize(GREY).vehicles
    scores = drawn["make"].own_logits(vehicle.embedding[None])[0]
    assert vehicle.make[0].label == drawn["make"].names[int(scores.argmax())]


@pytest.mark.parametrize(
    ("names", "weight", "bias"),
    [
        (("a",), np.zeros((2, 3), np.float32), np.zeros(2, np.float32)),
        (("a", "b"), np.zeros((2, 3), np.float32), np.zeros(3, np.float32)),
        (("a", "b"), np.full((2, 3), np.nan, np.float32), np.zeros(2, np.float32)),
        ((), np.zeros((0, 3), np.float32), np.zeros(0, np.float32)),
    ],
)
def test_layers_that_do_not_hold_together_are_refused(
    names: tuple[str, ...], weight: np.ndarray, bias: np.ndarray
) -> None:
    with pytest.raises(CheckpointError, match=r"do not belong together|not finite"):
        Head(names, weight, bias)


@pytest.mark.parametrize("side", [0.5, 0.95])
def test_a_box_is_described_as_recognition_describes_it(tmp_path: Path, side: float) -> None:
    """A box in the middle of a picture, and one that nearly fills it and is seen as the whole picture."""
    graph = write_graph(tmp_path / "m.onnx", [(0.5, 0.5, side, side)], [0.9], plate=((0.5, 0.5, 0.1, 0.1), 0.1))
    recognizer = Recognizer.from_checkpoint(graph)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (100, 200, 3), np.uint8))
    (vehicle,) = recognizer.recognize(picture).vehicles
    (outputs,) = recognizer.describe_boxes(picture, [vehicle.box])
    np.testing.assert_array_equal(outputs["reid_embeds"][0], vehicle.embedding)


def test_several_boxes_of_one_picture_are_described_in_their_order(recognizer: Recognizer) -> None:
    halves = Image.new("RGB", (200, 100), (0, 0, 0))
    halves.paste((255, 255, 255), (100, 0, 200, 100))
    dark, light = recognizer.describe_boxes(halves, [Box(0, 0, 80, 100), Box(120, 0, 200, 100)])
    assert dark["reid_embeds"][0, 0] < 0 < light["reid_embeds"][0, 0]
