"""An ONNX graph of the VehicleDINO contract, run in one session that any number of threads may share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime as ort
from PIL import Image

from vehicle_demo.recognition.checkpoint import CheckpointError
from vehicle_demo.recognition.results import Box

REQUIRED = ("det_boxes", "det_classes", "vehicle_types", "makes", "models", "reid_embeds", "ocr_logits")
_IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
_IMAGENET_STD = np.array([0.229, 0.224, 0.225], dtype=np.float32)
# Pictures run together. A fixed ceiling keeps the session's memory from growing with the number of vehicles.
_CHUNK = 4


class Graph:
    """The session with its sizes: `input_size` S in pixels, `outputs` by name, `metadata` kept in the file."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        """Load a graph.

        Args:
            path: an ONNX file with the contract's tensors.
            threads: CPU threads of one run; by default as many as this process may use.

        Raises:
            CheckpointError: the file is no graph, lacks a tensor, or its picture size is not fixed.
        """
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
        # Waiting threads would spin on the cores that the other visitors' pictures need.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.enable_mem_pattern = False
        try:
            self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise CheckpointError(f"{path.name} is not a graph that ONNX Runtime can load: {error}") from error
        self.outputs = [output.name for output in self._session.get_outputs()]
        missing = [name for name in REQUIRED if name not in self.outputs]
        if missing:
            raise CheckpointError(f"{path.name} is no VehicleDINO graph: it lacks {', '.join(missing)}.")
        pictures = self._session.get_inputs()[0]
        batch, channels, height, width = pictures.shape
        if channels != 3 or not isinstance(height, int) or height != width:
            raise CheckpointError(f"{path.name} must take pictures as (N, 3, S, S) with a fixed S, not {pictures.shape}.")
        self._input = pictures.name
        self._batch = batch if isinstance(batch, int) else None
        self.input_size: int = height
        self.metadata = dict(self._session.get_modelmeta().custom_metadata_map)

    def count(self, tensor: str) -> int | None:
        """The last dimension of an output, as the file declares it."""
        (shape,) = [output.shape for output in self._session.get_outputs() if output.name == tensor]
        return shape[-1] if isinstance(shape[-1], int) else None

    def prepare(self, image: Image.Image, box: Box | None = None) -> np.ndarray:
        """Stretch a picture, or a box of it, to the graph's size: (3, S, S) float32, ImageNet-normalised."""
        size = (self.input_size, self.input_size)
        window = (box.x1, box.y1, box.x2, box.y2) if box else None
        small = image.resize(size, Image.Resampling.BILINEAR, box=window, reducing_gap=2.0)
        pixels = np.asarray(small, dtype=np.float32) / 255
        return ((pixels - _IMAGENET_MEAN) / _IMAGENET_STD).transpose(2, 0, 1)

    def run(self, pictures: Sequence[np.ndarray] | np.ndarray) -> dict[str, np.ndarray]:
        """(N, 3, S, S) float32 -> every output by name, N along the first axis; N >= 1.

        Raises:
            CheckpointError: the graph answered with values that are not finite.
        """
        parts = []
        step = self._batch or _CHUNK
        for start in range(0, len(pictures), step):
            chunk = np.stack(pictures[start : start + step])
            short = (self._batch or len(chunk)) - len(chunk)
            if short:
                chunk = np.concatenate([chunk, np.repeat(chunk[-1:], short, axis=0)])
            answers = self._session.run(self.outputs, {self._input: chunk})
            parts.append([answer[: len(chunk) - short] for answer in answers])
        joined = {name: np.concatenate([part[i] for part in parts]) for i, name in enumerate(self.outputs)}
        for name, values in joined.items():
            if not np.isfinite(values).all():
                raise CheckpointError(f"The graph gave values in {name} that are not finite. Its file is damaged or badly trained.")
        return joined
