"""Heads beside the graph: linear layers on its features that name type, make and model in place of the graph's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vehicle_demo.recognition.checkpoint import Checkpoint, CheckpointError, Temperatures

# What each head answers, and the graph's output in whose place that goes.
TENSORS: Mapping[str, str] = {"type": "vehicle_types", "make": "makes", "model": "models"}
_FEATURES, _ELSE = "attribute_features", "reid_embeds"


@dataclass(frozen=True, eq=False)
class Head:
    """One linear layer: `weight` (K, D) and `bias` (K,), float32, and the K `names` of its answers.

    Its logits are divided by `temperature` before the softmax, as in `checkpoint.Temperatures`.

    Raises:
        CheckpointError: names and weights do not belong together, or a value is not finite.
    """

    names: tuple[str, ...]
    weight: np.ndarray
    bias: np.ndarray
    temperature: float = 1.0

    def __post_init__(self) -> None:
        count = len(self.names)
        if not count or self.weight.ndim != 2 or len(self.weight) != count or self.bias.shape != (count,):
            raise CheckpointError(
                f"A head has {count} names for weights of {self.weight.shape} and {self.bias.shape}. "
                "Names and weights do not belong together."
            )
        if not all(np.isfinite(part).all() for part in (self.weight, self.bias, self.temperature)):
            raise CheckpointError("A head has weights that are not finite. Its file is damaged or badly trained.")

    @property
    def features(self) -> int:
        """D, the length of the features that it reads."""
        return int(self.weight.shape[1])

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Features (N, D) -> logits (N, K) float32, not yet divided by the temperature.

        A row's do not depend on the other rows, to the last bit.
        """
        logits = np.empty((len(features), len(self.bias)), np.float32)
        for row, values in enumerate(features):
            logits[row] = self.weight @ values + self.bias
        return logits


@dataclass(frozen=True, eq=False)
class Heads:
    """A version of all heads of `TENSORS`, by task; with `characters`, the last layer of the plate reader too.

    That has a name for each character, in the reader's order; without it the reader's own layer answers.
    """

    version: str
    heads: Mapping[str, Head]
    characters: Head | None = None

    def __getitem__(self, task: str) -> Head:
        return self.heads[task]

    def items(self) -> Iterator[tuple[str, Head]]:
        """Every task with its head, in the order of `TENSORS`."""
        return ((task, self.heads[task]) for task in TENSORS)

    def described(self, checkpoint: Checkpoint) -> Checkpoint:
        """The checkpoint as it answers with these heads: their names, their temperatures and their version."""
        names = {f"{task}s": head.names for task, head in self.items()}
        return replace(
            checkpoint,
            labels=replace(checkpoint.labels, **names),
            temperatures=Temperatures(**{task: head.temperature for task, head in self.items()}),
            heads_version=self.version,
        )

    def applied(self, outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The graph's outputs (N, 1, ...) with these heads' logits (N, 1, K) in place of its own."""
        features = outputs[features_of(tuple(outputs))][:, 0]
        return {**outputs, **{TENSORS[task]: head.logits(features)[:, None] for task, head in self.items()}}


def features_of(outputs: Sequence[str]) -> str:
    """Which of a graph's outputs, given by name, heads read: the embedding where there are no `attribute_features`."""
    return _FEATURES if _FEATURES in outputs else _ELSE
