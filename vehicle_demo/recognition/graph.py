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

EMBEDDING = "reid_embeds"
REQUIRED = ("det_boxes", "det_classes", "vehicle_types", "makes", "models", EMBEDDING, "ocr_logits")
IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)
IMAGENET_STD = np.array([0.229, 0.224, 0.225], dtype=np.float32)
# Pictures run together. A fixed ceiling keeps the session's memory from growing with the number of vehicles.
CHUNK = 4
# A picture much larger than what the graph takes is first averaged down to this many times that.
REDUCING_GAP = 2.0


class Graph:
    """The session with its sizes.

    `path` of its file, `threads` as they were asked for, name of its `input`, `input_size` S in pixels, names of its
    `outputs`, `metadata`.
    """

    def __init__(self, path: Path, threads: int | None = None, required: Sequence[str] = REQUIRED) -> None:
        """Load a graph.

        Args:
            path: an ONNX file with the contract's tensors.
            threads: CPU threads of one run; by default as many as this process may use.
            required: the outputs that it must have.

        Raises:
            CheckpointError: the file is no graph, lacks a tensor, or its picture size is not fixed.
        """
        self.path, self.threads = path, threads
        self._session = open_session(path, threads)
        self.outputs = [output.name for output in self._session.get_outputs()]
        self.require(required)
        pictures = self._session.get_inputs()[0]
        batch, channels, height, width = pictures.shape if len(pictures.shape) == 4 else (None, None, None, None)
        if channels != 3 or not isinstance(height, int) or height != width or pictures.type != "tensor(float)":
            raise CheckpointError(
                f"{path.name} must take pictures as (N, 3, S, S) float32 with a fixed S, "
                f"not {pictures.shape} {pictures.type}."
            )
        self.input = pictures.name
        self._batch = batch if isinstance(batch, int) else None
        self.input_size: int = height
        self.metadata = dict(self._session.get_modelmeta().custom_metadata_map)

    def require(self, outputs: Sequence[str]) -> None:
        """Raises CheckpointError, naming them, when the graph lacks some of these outputs."""
        missing = [name for name in outputs if name not in self.outputs]
        if missing:
            raise CheckpointError(f"{self.path.name} is no VehicleDINO graph: it lacks {', '.join(missing)}.")

    def counts(self, tensors: Sequence[str]) -> list[int]:
        """The last dimension of these outputs; where the file does not declare one, a run on a blank picture tells."""
        declared = {output.name: output.shape[-1] if output.shape else None for output in self._session.get_outputs()}
        known = [size for name in tensors if isinstance(size := declared[name], int)]
        if len(known) == len(tensors):
            return known
        answers = self.run(np.zeros((1, 3, self.input_size, self.input_size), np.float32))
        return [answers[name].shape[-1] for name in tensors]

    def prepare(self, image: Image.Image, box: Box | None = None) -> np.ndarray:
        """Stretch a picture, or a box of it, to the graph's size: (3, S, S) float32, ImageNet-normalised."""
        pixels = stretched(image, (self.input_size, self.input_size), box).astype(np.float32) / 255
        return ((pixels - IMAGENET_MEAN) / IMAGENET_STD).transpose(2, 0, 1)

    def run(self, pictures: Sequence[np.ndarray] | np.ndarray) -> dict[str, np.ndarray]:
        """(N, 3, S, S) float32 -> every output by name, N along the first axis; N >= 1.

        Raises:
            ValueError: the pictures have another shape, or there are none.
            CheckpointError: the graph failed, or answered with values that are not finite.
        """
        side = self.input_size
        if len(pictures) == 0 or any(np.shape(picture) != (3, side, side) for picture in pictures):
            raise ValueError(f"The graph takes one or more pictures of shape (3, {side}, {side}).")
        parts = []
        step = self._batch or CHUNK
        for start in range(0, len(pictures), step):
            chunk = np.stack(list(pictures[start : start + step])).astype(np.float32, copy=False)
            short = (self._batch or len(chunk)) - len(chunk)
            if short:
                chunk = np.concatenate([chunk, np.repeat(chunk[-1:], short, axis=0)])
            try:
                answers = self._session.run(self.outputs, {self.input: chunk})
            except Exception as error:
                raise CheckpointError(f"The graph could not be run: {error}") from error
            parts.append([answer[: len(chunk) - short] for answer in answers])
        joined = {name: np.concatenate([part[i] for part in parts]) for i, name in enumerate(self.outputs)}
        for name, values in joined.items():
            if not np.isfinite(values).all():
                raise CheckpointError(
                    f"The graph gave values in {name} that are not finite. Its file is damaged or badly trained."
                )
        return joined


def stretched(image: Image.Image, size: tuple[int, int], box: Box | None) -> np.ndarray:
    """A picture, or a box of it (pixels), stretched to (width, height): (height, width, 3) uint8."""
    window = (box.x1, box.y1, box.x2, box.y2) if box else None
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR, box=window, reducing_gap=REDUCING_GAP))


def open_session(path: Path, threads: int | None) -> ort.InferenceSession:
    """A session on `threads` CPU threads, or on as many as this process may use.

    Raises:
        CheckpointError: the file is no graph.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads or usable_cores()
    # Waiting threads would spin on the cores that the other visitors' pictures need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_mem_pattern = False
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise CheckpointError(f"{path.name} is not a graph that ONNX Runtime can load: {error}") from error


def usable_cores() -> int:
    """Cores that this process may use: its CPU affinity, and in a container no more than its cgroup v2 quota."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(cores, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no cgroup v2 here, or "max": no quota
        return cores
