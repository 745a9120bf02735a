"""Heads beside the graph: linear layers on its features that name type, make and model in place of the graph's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vehicle_demo.recognition.checkpoint import Checkpoint, CheckpointError, Temperatures

# What each head answers, and the graph's output in whose place that goes.
TENSORS: Mapping[str, str] = {"type": "vehicle_types", "make": "makes", "model": "models"}
# Probability of a type or make that no model tells of: what its own head says can still win.
UNTOLD = 0.01
_FEATURES, _ELSE = "attribute_features", "reid_embeds"


@dataclass(frozen=True, eq=False)
class Head:
    """One linear layer: `weight` (K, D) and `bias` (K,), float32, and the K `names` of its answers.

    Its logits are divided by `temperature` before the softmax, as in `checkpoint.Temperatures`. `of_model` (M,) says of
    each of the M models which of these names it is of, by number, or -1: what the models' probabilities add up to for
    a name is then added to what this layer says of it (see `Heads.logits`).

    Raises:
        CheckpointError: names and weights do not belong together, or a value is not finite.
    """

    names: tuple[str, ...]
    weight: np.ndarray
    bias: np.ndarray
    temperature: float = 1.0
    of_model: np.ndarray | None = None

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

    def own_logits(self, features: np.ndarray) -> np.ndarray:
        """What the layer alone says: features (N, D) -> logits (N, K) float32, not yet divided by the temperature.

        A row's do not depend on the other rows, to the last bit.
        """
        logits = np.empty((len(features), len(self.bias)), np.float32)
        for row, values in enumerate(features):
            logits[row] = self.weight @ values + self.bias
        return logits

    def implied_logits(self, models: np.ndarray) -> np.ndarray:
        """What the models' logits (N, M) say of these names: (N, K) float32, zeros without `of_model`."""
        logits = np.zeros((len(models), len(self.bias)), np.float32)
        if self.of_model is not None:
            told = self.of_model >= 0
            for row, values in enumerate(models):
                probabilities = np.exp(values - values.max())
                shares = np.bincount(self.of_model[told], probabilities[told], len(self.bias)) / probabilities.sum()
                logits[row] = np.log(shares + UNTOLD)
        return logits


@dataclass(frozen=True, eq=False)
class Heads:
    """A version of all heads of `TENSORS`, by task; with `characters`, the last layer of the plate reader too.

    That has a name for each character, in the reader's order; without it the reader's own layer answers.

    `checkpoint` is the folder of the checkpoint whose graph they read, None for that of whichever they are put on: a
    graph whose backbone was adapted gives other features, and has a folder of its own.

    Raises:
        CheckpointError: what the models imply is not said of every model, or of names that are not there.
    """

    version: str
    heads: Mapping[str, Head]
    characters: Head | None = None
    checkpoint: Path | None = None

    def __post_init__(self) -> None:
        models = len(self.heads["model"].names)
        for task, head in self.heads.items():
            of = head.of_model
            if of is not None and (of.shape != (models,) or of.max(initial=-1) >= len(head.names)):
                raise CheckpointError(f"What the {models} models imply of their {task} does not belong to these heads.")

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

    def logits(self, features: np.ndarray) -> dict[str, np.ndarray]:
        """Features (N, D) -> by task logits (N, K) float32, not yet divided by the temperatures.

        Types and makes are those of the models together with what their own heads say. A row's logits do not depend on
        the other rows, to the last bit.
        """
        models = self["model"].own_logits(features)
        return {task: head.own_logits(features) + head.implied_logits(models) for task, head in self.items()}

    def applied(self, outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The graph's outputs (N, 1, ...) with these heads' logits (N, 1, K) in place of its own."""
        features = outputs[features_of(tuple(outputs))][:, 0]
        return {**outputs, **{TENSORS[task]: logits[:, None] for task, logits in self.logits(features).items()}}


def features_of(outputs: Sequence[str]) -> str:
    """Which of a graph's outputs, given by name, heads read: the embedding where there are no `attribute_features`."""
    return _FEATURES if _FEATURES in outputs else _ELSE
