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
        self._interpreter = Interpreter(str(path), num_threads=threads, experimental_preserve_all_tensors=True)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        maps = [t for t in self._interpreter.get_tensor_details() if tuple(t["shape"]) == (1, 7, 7, FEATURE_SIZE)]
        self._feature = maps[-1]["index"]
        self._scale, self._zero = maps[-1]["quantization"]

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


class StandardisedTeacher:
    """A teacher's features less their mean, over their spread, both measured on pictures given once."""

    def __init__(self, teacher: FeatureTeacher, sample: Tensor) -> None:
        features = teacher(sample)
        self._teacher = teacher
        self._mean, self._std = features.mean(dim=0), features.std(dim=0) + 1e-3

    def __call__(self, pictures: Tensor) -> Tensor:
        """pictures (N, 3, S, S) in [0, 1] -> (N, 1280) float32, about zero mean and unit variance."""
        return (self._teacher(pictures) - self._mean) / self._std
