"""From a network to its ONNX graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vehicle_demo.models.embedder import Embedder
from vehicle_demo.models.vehicledino import VehicleDINO

# ONNX Runtime Web runs this opset with WASM and WebGPU alike; GridSample needs 16 at least.
OPSET = 18
# What the exporter keeps with each node of the module that it comes from.
SCOPES = "name_scopes"
_ANY_SIZE = 2**31


def export_graph(model: VehicleDINO | Embedder, path: Path) -> None:
    """Write the model as one ONNX graph with the contract's tensors and a dynamic batch. Adapters are merged first.

    Of the contract's tensors an embedder has one, `reid_embeds`.
    """
    if isinstance(model, VehicleDINO):
        model.merge_adapters()
    size = model.config.image_size
    write_onnx(model, torch.zeros(2, 3, size, size), "images", path)


def write_onnx(model: nn.Module, example: Tensor, name: str, path: Path) -> None:
    """Write a network of one input called `name` as an ONNX graph with a dynamic batch; outputs keep their names.

    A network that answers with a tensor, not with a dictionary of them, gets the output name `logits`.
    """
    import onnx
    from onnx_ir.passes.common import DeduplicateInitializersPass
    from onnxscript.optimizer import optimize_ir

    model.eval()
    with torch.no_grad():
        answer = model(example)
        program = torch.onnx.export(
            model,
            (example,),
            dynamo=True,
            input_names=[name],
            output_names=list(answer) if isinstance(answer, dict) else ["logits"],
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None
    # Linear weights are turned once, here, not at every run: a quantiser takes only weights that are constants.
    optimize_ir(program.model, input_size_limit=_ANY_SIZE, output_size_limit=_ANY_SIZE)
    # Both kinds of query pass through the same layers, whose turned weights need to be kept once.
    DeduplicateInitializersPass(size_limit=_ANY_SIZE)(program.model)
    graph = program.model_proto
    for node in graph.graph.node:
        _keep_only_scopes(node.metadata_props)
    for value in graph.graph.value_info:
        del value.metadata_props[:]
    onnx.save(graph, path)


def _keep_only_scopes(properties: Any) -> None:
    """Drop the exporter's stack traces, which name files of the machine that exports, and keep the module scopes."""
    kept = [(entry.key, entry.value) for entry in properties if entry.key.endswith(SCOPES)]
    del properties[:]
    for key, value in kept:
        properties.add(key=key, value=value)
