"""The feature teacher: matching its feature of the same crop teaches more per picture than names alone.

The teacher only answers; its weights start nothing and are not shipped.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

FEATURE_SIZE = 1280
_SIDE = 224


class FeatureTeacher:
    """MobileNetV2 (ImageNet, int8 TensorFlow Lite): pictures -> its averaged last feature map.

    Raises FileNotFoundError without the teacher's file.
    """

    def __init__(self, path: Path, threads: int = 2) -> None:
        from ai_edge_litert.interpreter import Interpreter

        if not path.exists():
            raise FileNotFoundError(f"{path} is missing: distillation needs the teacher described in the data README.")
        self._interpreter = Interpreter(model_content=_without_classifier(path.read_bytes()), num_threads=threads)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        feature = self._interpreter.get_output_details()[0]
        self._feature = feature["index"]
        self._scale, self._zero = feature["quantization"]

    def __call__(self, pictures: Tensor) -> Tensor:
        """pictures (N, 3, S, S) in [0, 1] -> (N, 1280) float32."""
        if pictures.shape[-1] != _SIDE:
            pictures = F.interpolate(pictures, size=(_SIDE, _SIDE), mode="bilinear", antialias=True)
        answers = np.zeros((len(pictures), FEATURE_SIZE), dtype=np.float32)
        levels = (pictures.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()
        for row, picture in enumerate(levels):
            self._interpreter.set_tensor(self._input, picture[None])
            self._interpreter.invoke()
            raw = self._interpreter.get_tensor(self._feature).astype(np.float32)
            answers[row] = (raw.mean(axis=(0, 1, 2)) - self._zero) * self._scale
        return torch.from_numpy(answers)


def _without_classifier(stored: bytes) -> bytes:
    """The same network ending in its last feature map.

    Asked to keep every tensor instead, the interpreter does without its fast kernels and takes twice as long.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    network = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(stored, 0))
    (graph,) = network.subgraphs
    *_, last = (index for index, tensor in enumerate(graph.tensors) if tuple(tensor.shape) == (1, 7, 7, FEATURE_SIZE))
    graph.outputs = [last]
    builder = flatbuffers.Builder(len(stored))
    builder.Finish(network.Pack(builder), b"TFL3")
    return bytes(builder.Output())


class StandardisedTeacher:
    """A teacher's features less their mean, over their spread, both measured on pictures given once."""

    def __init__(self, teacher: FeatureTeacher, sample: Tensor) -> None:
        features = teacher(sample)
        self._teacher = teacher
        self._mean, self._std = features.mean(dim=0), features.std(dim=0) + 1e-3

    def __call__(self, pictures: Tensor) -> Tensor:
        """pictures (N, 3, S, S) in [0, 1] -> (N, 1280) float32, about zero mean and unit variance."""
        return (self._teacher(pictures) - self._mean) / self._std
