"""What the small ONNX graphs for plates have in common: pictures of one size in, one array for each out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vehicle_demo.recognition.checkpoint import CheckpointError
from vehicle_demo.recognition.graph import open_session

# Pictures run together: a fixed ceiling keeps the session's memory from growing.
CHUNK = 16


class PlateGraph:
    """One session that any number of threads may share; `size` is the (width, height) in pixels that it takes."""

    def __init__(self, path: Path, threads: int | None, what: str, takes: str, answer: tuple[int, int]) -> None:
        """Load a graph that takes (N, H, W, 3) uint8 RGB and answers with (N, *answer).

        Args:
            path: the ONNX file.
            threads: CPU threads of one run; by default as many as this process may use.
            what: the graph and, as `takes`, its pictures, as messages call them.
            takes: see `what`.
            answer: the shape of each picture's answer.

        Raises:
            CheckpointError: the file is no such graph.
        """
        self._session = open_session(path, threads)
        taken, given = self._session.get_inputs()[0], self._session.get_outputs()[0]
        _, height, width, channels = taken.shape if len(taken.shape) == 4 else (None,) * 4
        fits = channels == 3 and taken.type == "tensor(uint8)" and given.shape[1:] == list(answer)
        if not fits or not isinstance(height, int) or not isinstance(width, int):
            raise CheckpointError(
                f"{path.name} must take {takes} as (N, H, W, 3) uint8 and answer with (N, {answer[0]}, {answer[1]}), "
                f"not {taken.shape} {taken.type} and {given.shape}."
            )
        self._input, self._what, self._answer = taken.name, what, answer
        self._given = given.name
        self.size = (width, height)

    def width_of(self, output: str) -> int:
        """The last dimension of an output; 0 where there is none of that name."""
        return next((int(one.shape[-1]) for one in self._session.get_outputs() if one.name == output), 0)

    def run(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Pictures (H, W, 3) uint8 -> their answers (N, *answer) float32, a few in memory at a time.

        Raises:
            CheckpointError: the graph answered with values that are not finite.
        """
        return self.answers(pictures, self._given, self._answer)

    def answers(self, pictures: Sequence[np.ndarray], output: str, shape: tuple[int, int]) -> np.ndarray:
        """The same by an output of that name, which gives (N, *shape). Raises CheckpointError as `run` does."""
        if not pictures:
            return np.zeros((0, *shape), np.float32)
        parts = [
            self._session.run([output], {self._input: np.stack(pictures[start : start + CHUNK])})[0]
            for start in range(0, len(pictures), CHUNK)
        ]
        answers = np.concatenate(parts)
        if not np.isfinite(answers).all():
            raise CheckpointError(f"The {self._what} gave values that are not finite. Its file is damaged.")
        return answers
