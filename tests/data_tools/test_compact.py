"""Graphs in fewer bytes."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from data_tools.compact import compact
from data_tools.pictures import photos
from vehicle_demo.recognition import load_checkpoint
from vehicle_demo.recognition.graph import Graph

CHECKPOINT = Path("checkpoints/vehicledino-nano")


def write_layers(path: Path, weights: dict[str, np.ndarray]) -> None:
    """x (N, I) through a MatMul, a Gemm that turns its weight, and an Add; each as its weight is there."""
    taken = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", weights["first"].shape[0]])
    given = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", weights["second"].shape[0]])
    nodes = [
        helper.make_node("MatMul", ["x", "first"], ["h"], doc_string="made on somebody's machine"),
        helper.make_node("Gemm", ["h", "second"], ["g"], transB=1),
        helper.make_node("Add", ["g", "shift"], ["y"]),
    ]
    nodes[0].metadata_props.add(key="stack", value="/home/somebody" * 100)
    stored = [numpy_helper.from_array(values, name) for name, values in weights.items()]
    graph = helper.make_graph(nodes, "layers", [taken], [given], stored)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)


def answers(path: Path, x: np.ndarray) -> np.ndarray:
    return ort.InferenceSession(str(path)).run(None, {"x": x})[0]


def test_a_compact_graph_gives_the_same_in_half_the_bytes_or_fewer(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    sizes = {"first": (640, 256), "second": (900, 256), "shift": (900,)}
    weights = {name: draw.normal(size=size).astype(np.float32) for name, size in sizes.items()}
    write_layers(tmp_path / "layers.onnx", weights)
    x = draw.normal(size=(3, 640)).astype(np.float32)
    whole, size = answers(tmp_path / "layers.onnx", x), (tmp_path / "layers.onnx").stat().st_size
    compact(tmp_path / "layers.onnx")
    again = (tmp_path / "layers.onnx").read_bytes()
    assert len(again) < 0.4 * size and b"somebody" not in again
    assert np.abs(answers(tmp_path / "layers.onnx", x) - whole).max() < 0.01 * np.abs(whole).max()
    compact(tmp_path / "layers.onnx")
    assert (tmp_path / "layers.onnx").read_bytes() == again


def test_weights_too_large_for_half_precision_stay_as_they_are(tmp_path: Path) -> None:
    weights = {
        "first": np.full((64, 64), 1e5, np.float32),
        "second": np.ones((64, 64), np.float32),
        "shift": np.ones(64, np.float32),
    }
    write_layers(tmp_path / "layers.onnx", weights)
    x = np.ones((1, 64), np.float32)
    whole = answers(tmp_path / "layers.onnx", x)
    compact(tmp_path / "layers.onnx")
    assert np.array_equal(answers(tmp_path / "layers.onnx", x), whole)


def test_the_shipped_graph_stays_below_ten_megabytes_and_those_for_plates_below_two_and_a_half(tmp_path: Path) -> None:
    checkpoint = load_checkpoint(CHECKPOINT)
    beside = [path for path in (checkpoint.reader_path, checkpoint.corners_path) if path]
    assert checkpoint.graph_path("int8").stat().st_size <= 10_000_000
    assert sum(path.stat().st_size for path in beside) <= 2_500_000
    shutil.copy(checkpoint.graph_path("int8"), tmp_path / "model_int8.onnx")
    compact(tmp_path / "model_int8.onnx")
    full, small = Graph(checkpoint.graph_path("int8")), Graph(tmp_path / "model_int8.onnx")
    picture = [full.prepare(next(photos()))]
    before, after = full.run(picture), small.run(picture)
    assert np.vdot(before["reid_embeds"], after["reid_embeds"]) > 0.995
    assert np.abs(before["models"] - after["models"]).max() < 0.3
