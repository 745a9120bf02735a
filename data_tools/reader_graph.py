"""The plate reader's graph with one output more: what its last layer reads, on which retraining fits a new one."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vehicle_demo.recognition.reader import FEATURES


def give_features(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Name the last layer's input among the outputs of a reader's graph, in place, unless that is done already.

    Returns:
        The layer itself: weight (37, F) and bias (37,), float32.

    Raises:
        ValueError: the graph does not end in a linear layer.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load(path)
    graph = model.graph
    makers = {output: node for node in graph.node for output in node.output}
    weights = {one.name: numpy_helper.to_array(one).astype(np.float32) for one in graph.initializer}
    # A compact graph widens its weights first.
    weights |= {n.output[0]: weights[n.input[0]] for n in graph.node if n.op_type == "Cast" and n.input[0] in weights}
    last = makers[graph.output[0].name]
    bias = next((weights[name] for name in last.input if name in weights), None)
    product = next((makers[name] for name in last.input if name in makers), None)
    if last.op_type != "Add" or bias is None or product is None or product.op_type != "MatMul":
        raise ValueError(f"{path} does not end in a linear layer, so its last layer cannot be taught.")
    features, name = product.input
    weight = weights[name]
    if FEATURES not in {output.name for output in graph.output}:
        graph.node.append(onnx.helper.make_node("Identity", [features], [FEATURES]))
        rows = [one.dim_param or one.dim_value for one in graph.output[0].type.tensor_type.shape.dim][:2]
        shape = [*rows, len(weight)]
        graph.output.append(onnx.helper.make_tensor_value_info(FEATURES, onnx.TensorProto.FLOAT, shape))
        onnx.checker.check_model(model)
        onnx.save(model, path)
    return np.ascontiguousarray(weight.T), bias
