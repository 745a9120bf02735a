"""Make an ONNX file smaller without changing what its graph takes and gives: for downloads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

# Below this many numbers a cast costs more bytes than it saves.
_FEWEST = 1024
# From this many on a layer's weights are rounded to eight bits, a scale for each output: a matrix of this size has
# hundreds of inputs for each output, among which the rounding errors cancel. Only `Gemm` computes in float with them:
# ONNX Runtime rounds the inputs of a `MatMul` with such weights too.
_LARGE = 2**17
# What reads weights as plain numbers. Other operators (Resize, QuantizeLinear, ...) want constants that stand as such.
_READERS = {"MatMul", "Gemm", "Conv", "Add", "Sub", "Mul", "Div", "Concat", "Split", "LayerNormalization", "Gather"}
_LARGEST_HALF = 65504.0


def compact(path: Path) -> None:
    """Rewrite a graph in place with its float weights in half precision, and its largest in eight bits.

    They are widened again by nodes that ONNX Runtime folds when it loads the graph, so it computes in float as before.
    What only people who read the file need (scopes, names, shapes between the nodes) is dropped. Weights too large for
    half precision stay as they are; a graph that is compact already does not change.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load(path)
    graph = model.graph
    for node in graph.node:
        del node.metadata_props[:]
        node.ClearField("doc_string")
        node.ClearField("name")
    del graph.value_info[:]
    used: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            used.setdefault(name, []).append(node)
    kept, widening = [], []
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        nodes = used.get(weight.name, [])
        if values.dtype != "float32" or values.size < _FEWEST or any(node.op_type not in _READERS for node in nodes):
            kept.append(weight)
            continue
        stored, node = _in_eight_bits(weight.name, values, nodes) or _in_half(weight.name, values) or ([weight], None)
        kept.extend(stored)
        if node is not None:
            widening.append(node)
    nodes = [*widening, *graph.node]
    del graph.initializer[:], graph.node[:]
    graph.initializer.extend(kept)
    graph.node.extend(nodes)
    _shorten_names(graph)
    onnx.save(model, path)


def _shorten_names(graph: Any) -> None:
    """Number everything between the graph's inputs and outputs."""
    public = {value.name for value in (*graph.input, *graph.output)}
    written = (*(weight.name for weight in graph.initializer), *(name for node in graph.node for name in node.output))
    inner = [name for name in written if name and name not in public]
    short = {name: f"{number:x}" for number, name in enumerate(inner)}
    for weight in graph.initializer:
        weight.name = short.get(weight.name, weight.name)
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [short.get(name, name) for name in names]


def _in_half(name: str, values: np.ndarray) -> tuple[list[Any], Any] | None:
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    if np.abs(values).max() > _LARGEST_HALF:
        return None
    stored = numpy_helper.from_array(values.astype(np.float16), f"{name}_half")
    return [stored], helper.make_node("Cast", [stored.name], [name], to=TensorProto.FLOAT)


def _in_eight_bits(name: str, values: np.ndarray, nodes: list[Any]) -> tuple[list[Any], Any] | None:
    """int8 with a scale for each output, for a large weight of linear layers that all turn it the same way."""
    import numpy as np
    from onnx import helper, numpy_helper

    axes = {_output_axis(node, name) for node in nodes}
    axis = axes.pop() if len(axes) == 1 else None
    if values.size < _LARGE or axis is None:
        return None
    scale = np.maximum(np.abs(values).max(axis=1 - axis), np.finfo(np.float32).tiny) / 127
    rounded = np.round(values / np.expand_dims(scale, 1 - axis)).astype(np.int8)
    stored = [
        numpy_helper.from_array(rounded, f"{name}_eighths"),
        numpy_helper.from_array(scale.astype(np.float32), f"{name}_steps"),
    ]
    inputs = [tensor.name for tensor in stored]
    return stored, helper.make_node("DequantizeLinear", inputs, [name], axis=axis)


def _output_axis(node: Any, name: str) -> int | None:
    """The axis of a linear layer's weight (2-D) that counts its outputs; None where `name` is no such weight."""
    if node.op_type != "Gemm" or list(node.input).index(name) != 1:
        return None
    return 0 if any(attribute.name == "transB" and attribute.i for attribute in node.attribute) else 1
