"""Descriptions that strangers wrote, and graphs that keep only part of the contract."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from tests.graphs import write_checkpoint, write_graph
from vehicle_demo.recognition import CheckpointError, Recognizer

GREY = Image.new("RGB", (200, 100), (90, 90, 90))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"thresholds": {"detection_floor": "0.2"}}, "detection_floor must be a number"),
        ({"thresholds": [0.2]}, "thresholds must be an object"),
        ({"temperatures": {"make": 0}}, "above 0"),
        ({"max_vehicles": 0}, "max_vehicles must be a whole number"),
        ({"labels": None}, "labels must be an object"),
        ({"labels": {"categories": "abcdef"}}, "categories must be a list of names"),
        ({"labels": {"categories": [1, 2, 3, 4, 5, 6]}}, "categories must be a list of names"),
        ({"graphs": ["model.onnx"]}, "graphs must be an object"),
        ({"graphs": {"fp32": "../elsewhere/model.onnx"}}, "outside its own folder"),
    ],
)
def test_wrong_values_are_named_when_loading(tmp_path: Path, settings: dict, words: str) -> None:
    write_checkpoint(tmp_path / "elsewhere")
    with pytest.raises(CheckpointError, match=words):
        Recognizer.from_checkpoint(write_checkpoint(tmp_path / "given", **settings))


def test_everything_but_format_and_name_has_a_default(tmp_path: Path) -> None:
    folder = write_checkpoint(tmp_path)
    (folder / "checkpoint.json").write_text(json.dumps({"format": 1, "name": "bare"}))
    assert Recognizer.from_checkpoint(folder).recognize(GREY).vehicles[0].category.label == "category 1"


def test_a_description_does_not_move_its_own_folder(tmp_path: Path) -> None:
    description = write_checkpoint(tmp_path) / "checkpoint.json"
    description.write_text(json.dumps({**json.loads(description.read_text()), "folder": "/etc"}))
    with pytest.raises(CheckpointError, match="unknown settings folder"):
        Recognizer.from_checkpoint(tmp_path)


def test_a_description_that_is_no_object(tmp_path: Path) -> None:
    (write_checkpoint(tmp_path) / "checkpoint.json").write_text("[1]")
    with pytest.raises(CheckpointError, match="another format"):
        Recognizer.from_checkpoint(tmp_path)


@pytest.mark.parametrize(("labels", "words"), [("[1]", "must be an object"), ('{"x": []}', "unknown settings x")])
def test_odd_names_inside_a_graph_say_so(tmp_path: Path, labels: str, words: str) -> None:
    graph = write_graph(tmp_path / "m.onnx", [], [], metadata={"labels": labels})
    with pytest.raises(CheckpointError, match=words):
        Recognizer.from_checkpoint(graph)


def test_two_graphs_of_one_precision_are_not_chosen_between(tmp_path: Path) -> None:
    for name in ("a.onnx", "b.onnx"):
        write_graph(tmp_path / name, [], [])
    with pytest.raises(CheckpointError, match=r"a\.onnx, b\.onnx"):
        Recognizer.from_checkpoint(tmp_path)


def test_counts_that_the_file_does_not_declare_are_measured(tmp_path: Path) -> None:
    path = write_graph(tmp_path / "m.onnx", [(0.5, 0.5, 0.4, 0.4)], [0.9])
    model = onnx.load(path)
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    # A reshape by a value that is known only at run time hides the count from shape inference as well.
    hidden = next(node for node in model.graph.node if node.output[0] == "makes")
    hidden.output[0] = "makes_plain"
    model.graph.node.extend(
        [
            onnx.helper.make_node("Shape", ["makes_plain"], ["makes_size"]),
            onnx.helper.make_node("Cast", ["makes_size"], ["makes_float"], to=onnx.TensorProto.FLOAT),
            onnx.helper.make_node("Cast", ["makes_float"], ["makes_again"], to=onnx.TensorProto.INT64),
            onnx.helper.make_node("Reshape", ["makes_plain", "makes_again"], ["makes"]),
        ]
    )
    onnx.save(model, path)
    assert Recognizer.from_checkpoint(path).recognize(GREY).vehicles[0].make[0].label == "make 3"


def test_a_plate_box_without_its_score_is_not_used(tmp_path: Path) -> None:
    path = write_graph(tmp_path / "m.onnx", [(0.5, 0.5, 0.4, 0.4)], [0.9], plate=((0.5, 0.7, 0.3, 0.1), 0.8))
    model = onnx.load(path)
    model.graph.output.remove(next(o for o in model.graph.output if o.name == "plate_scores"))
    onnx.save(model, path)
    plate = Recognizer.from_checkpoint(path).recognize(GREY).vehicles[0].plate
    assert plate is not None and plate.text == "AB12" and plate.box is None


def test_a_graph_that_answers_nan_is_refused(tmp_path: Path) -> None:
    graph = write_graph(tmp_path / "m.onnx", [(0.5, 0.5, 0.4, 0.4)], [0.9])
    recognizer = Recognizer.from_checkpoint(graph)
    with pytest.raises(CheckpointError, match="not finite"):
        recognizer.run_graph(np.full((1, 3, 64, 64), np.nan, np.float32))


@pytest.mark.parametrize("shape", [(0, 3, 64, 64), (1, 3, 60, 64)])
def test_arrays_of_another_shape_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    recognizer = Recognizer.from_checkpoint(write_graph(tmp_path / "m.onnx", [], []))
    with pytest.raises(ValueError, match="pictures of shape"):
        recognizer.run_graph(np.zeros(shape, np.float32))
