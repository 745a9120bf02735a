"""Small ONNX graphs with the contract's tensors, whose answers are chosen by the test."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Length of what `write_embedder`'s graph says.
EMBEDDED = 7
PUBLISHED = {"categories": 5, "types": 8, "makes": 42, "models": 323}


def slots_of(text: str) -> np.ndarray:
    """Logits (8, 37) float32 that say this text."""
    slots = np.zeros((8, 37), np.float32)
    for index in range(8):
        slots[index, ALPHABET.index(text[index]) if index < len(text) else 36] = 8.0
    return slots


def write_reader(path: Path, text: str, size: tuple[int, int] = (160, 48), features: int = 0) -> Path:
    """Write a plate reader for plates of this (width, height) that always reads this text.

    It tells that its last layer reads so many `features` of each slot, all of them 1.
    """
    _write_by_light(path, ("plates", "logits"), size, slots_of(text), np.zeros((8, 37), np.float32))
    if features:
        model = onnx.load(path)
        ones, nothing = np.ones((1, 8, features), np.float32), np.zeros((1, 8, features), np.float32)
        model.graph.initializer.extend(numpy_helper.from_array(v, n) for v, n in ((ones, "ones"), (nothing, "nothing")))
        model.graph.node.append(helper.make_node("Mul", ["column", "nothing"], ["column_of_nothing"]))
        model.graph.node.append(helper.make_node("Add", ["column_of_nothing", "ones"], ["features"]))
        shape: list[str | int | None] = ["N", 8, features]
        model.graph.output.append(helper.make_tensor_value_info("features", TensorProto.FLOAT, shape))
        onnx.save(model, path)
    return path


def write_doubting_reader(path: Path, text: str) -> Path:
    """Write a plate reader that always reads this text, the surer the lighter the plate is."""
    return _write_by_light(path, ("plates", "logits"), (160, 48), np.zeros((8, 37), np.float32), slots_of(text) / 255)


def write_corners(path: Path, corners: Sequence[Sequence[float]], size: tuple[int, int] = (128, 64)) -> Path:
    """Write a corner finder for windows of this (width, height) that always finds these, in fractions of the window."""
    answer = np.array(corners, np.float32)
    return _write_by_light(path, ("windows", "corners"), size, answer, np.zeros_like(answer))


def _write_by_light(
    path: Path, names: tuple[str, str], size: tuple[int, int], answer: np.ndarray, slope: np.ndarray
) -> Path:
    """Write a graph that answers pictures of this (width, height) with (R, C) `answer` + `slope` x their mean level."""
    taken, given = names
    width, height = size
    one = numpy_helper.from_array(answer[None], "one")
    slopes = numpy_helper.from_array(slope, "slopes")
    shape = numpy_helper.from_array(np.array([-1, 1, 1], np.int64), "shape")
    nodes = [
        helper.make_node("Cast", [taken], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Reshape", ["mean", "shape"], ["column"]),
        helper.make_node("Mul", ["column", "slopes"], ["more"]),
        helper.make_node("Add", ["more", "one"], [given]),
    ]
    pictures = helper.make_tensor_value_info(taken, TensorProto.UINT8, ["N", height, width, 3])
    answers = helper.make_tensor_value_info(given, TensorProto.FLOAT, ["N", *answer.shape])
    graph = helper.make_graph(nodes, "by light", [pictures], [answers], [one, slopes, shape])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def write_graph(
    path: Path,
    boxes: Sequence[tuple[float, float, float, float]],
    scores: Sequence[float],
    *,
    size: int = 64,
    batch: int | None = None,
    counts: Mapping[str, int] = PUBLISHED,
    plate: tuple[tuple[float, float, float, float], float] | None = None,
    text: str = "AB12",
    metadata: Mapping[str, str] | None = None,
    looks_at: tuple[int, int, int, int] | None = None,
) -> Path:
    """Write a graph that always finds these boxes (cx, cy, w, h) in category 1 and reads this plate text.

    The first value of `reid_embeds` and the logit of the first type follow the picture's mean, so that a test can see
    which pictures went through. `batch` fixes N; with `plate` (box, score) the graph has our own extra tensors. With
    `looks_at` (top, left, bottom, right) the mean is that of these pixels alone.
    """
    logits = np.full((300, counts["categories"]), -12.0, np.float32)
    placed = np.full((300, 4), 0.5, np.float32)
    for index, (box, score) in enumerate(zip(boxes, scores, strict=True)):
        placed[index] = box
        logits[index, 1] = np.log(score / (1 - score))
    embedding = np.zeros((1, 256), np.float32)
    embedding[0, 1] = 1.0
    constants = {
        "det_boxes": placed,
        "det_classes": logits,
        "vehicle_types": np.eye(1, counts["types"], 2, dtype=np.float32) * 6,
        "makes": np.eye(1, counts["makes"], 3, dtype=np.float32) * 6,
        "models": np.eye(1, counts["models"], 4, dtype=np.float32) * 6,
        "reid_embeds": embedding,
        "ocr_logits": slots_of(text)[None],
    }
    if "colours" in counts:
        constants["colours"] = np.eye(1, counts["colours"], 1, dtype=np.float32) * 6
    if plate is not None:
        constants |= {
            "attribute_features": np.ones((1, 32), np.float32),
            "plate_boxes": np.array([plate[0]], np.float32),
            "plate_scores": np.array([[plate[1]]], np.float32),
        }
    first = {name: np.eye(1, value.shape[-1], dtype=np.float32) for name, value in constants.items()}
    nodes = [
        helper.make_node("Slice", ["images", "first", "last", "axes"], ["seen"]),
        helper.make_node("ReduceMean", ["seen"], ["mean"], axes=[1, 2, 3], keepdims=0),
    ]
    top, left, bottom, right = looks_at or (0, 0, size, size)
    slices = {"first": [top, left], "last": [bottom, right], "axes": [2, 3]}
    initializers = [numpy_helper.from_array(np.array(places, np.int64), name) for name, places in slices.items()]
    outputs = []
    for name, value in constants.items():
        follows = name in ("vehicle_types", "reid_embeds")
        initializers.append(numpy_helper.from_array(value[None], f"{name}_value"))
        weight = first[name] if follows else np.zeros_like(first[name])
        initializers.append(numpy_helper.from_array(weight.reshape((1,) * value.ndim + (-1,)), f"{name}_weight"))
        initializers.append(numpy_helper.from_array(np.array([-1] + [1] * value.ndim, np.int64), f"{name}_shape"))
        nodes += [
            helper.make_node("Reshape", ["mean", f"{name}_shape"], [f"{name}_mean"]),
            helper.make_node("Mul", [f"{name}_mean", f"{name}_weight"], [f"{name}_shift"]),
            helper.make_node("Add", [f"{name}_value", f"{name}_shift"], [name]),
        ]
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch or "N", *value.shape]))
    pictures = helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch or "N", 3, size, size])
    model = helper.make_model(
        helper.make_graph(nodes, "vehicledino", [pictures], outputs, initializers),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    helper.set_model_props(model, dict(metadata or {}))
    onnx.save(model, path)
    return path


def write_checkpoint(folder: Path, **settings: object) -> Path:
    """A checkpoint folder of our own kind: one vehicle in the middle with a plate, and names for everything."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = {"categories": 6, "types": 4, "makes": 5, "models": 7, "colours": 3}
    write_graph(
        folder / "model.onnx",
        boxes=[(0.5, 0.5, 0.5, 0.5)],
        scores=[0.9],
        counts=counts,
        plate=((0.5, 0.7, 0.3, 0.1), 0.8),
    )
    categories = ["car", "suv", "truck", "bus", "van", "motorcycle"]
    values = {
        "format": 1,
        "name": "drawn-nano",
        "graphs": {"fp32": "model.onnx"},
        "labels": {
            "categories": categories,
            **{
                kind: [f"{kind[:-1]} {chr(97 + i)}" for i in range(n)]
                for kind, n in counts.items()
                if kind != "categories"
            },
        },
        **settings,
    }
    (folder / "checkpoint.json").write_text(json.dumps(values))
    return folder


def write_embedder(folder: Path, size: int = 32, **settings: object) -> Path:
    """A checkpoint whose graph says of each picture its mean and six ones, as (N, 1, 7)."""
    folder.mkdir(parents=True)
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Reshape", ["mean", "shape"], ["column"]),
        helper.make_node("Mul", ["column", "first"], ["shift"]),
        helper.make_node("Add", ["shift", "ones"], ["reid_embeds"]),
    ]
    constants: dict[str, np.ndarray] = {
        "shape": np.array([-1, 1, 1], np.int64),
        "first": np.eye(1, EMBEDDED, dtype=np.float32)[None],
        "ones": 1 - np.eye(1, EMBEDDED, dtype=np.float32)[None],
    }
    graph = helper.make_graph(
        nodes,
        "embedder",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, size, size])],
        [helper.make_tensor_value_info("reid_embeds", TensorProto.FLOAT, ["N", 1, EMBEDDED])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / "e.onnx")
    values = {"format": 1, "name": "looker", "version": "2", "graphs": {"fp32": "e.onnx"}, **settings}
    (folder / "checkpoint.json").write_text(json.dumps(values))
    return folder
