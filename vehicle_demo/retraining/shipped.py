"""What ships with a checkpoint to retrain it from: its own heads, and features of what it was trained and measured on.

The features stand for pictures that are not shipped: `replay` keeps new heads from forgetting, and the frozen
`holdout`, which no correction ever enters, says whether they did.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vehicle_demo.models.files import WEIGHTS_FILE
from vehicle_demo.recognition.checkpoint import Checkpoint, CheckpointError
from vehicle_demo.recognition.heads import TENSORS, Head, Heads
from vehicle_demo.retraining.versions import BUILT_IN

BANK_FILE = "replay.safetensors"
_PARTS = ("replay", "holdout")


class RetrainError(RuntimeError):
    """Retraining cannot go on; the message is a sentence that says what to do."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Features (N, D) float32 of N vehicles, and by task their true names (N,), empty where nobody said."""

    features: np.ndarray
    truth: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.features)

    def where(self, chosen: np.ndarray) -> Examples:
        """Some of them, by a mask (N,) or by their numbers."""
        return Examples(self.features[chosen], {task: names[chosen] for task, names in self.truth.items()})

    def numbers(self, task: str, names: tuple[str, ...]) -> np.ndarray:
        """(N,) int64: the place of each true name among `names`, -1 where it is not there or nobody said."""
        return numbers_of(self.truth[task], names)


@dataclass(frozen=True, eq=False)
class Bank:
    """Examples of the training split to keep fresh, and those of the validation split to measure on."""

    replay: Examples
    holdout: Examples


def numbers_of(truth: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """(N,) int64: the place of each true name (N,) among `names`, -1 where it is not there or nobody said."""
    places = {name: place for place, name in enumerate(names)}
    return np.array([places.get(name, -1) for name in truth.tolist()], np.int64)


def write_bank(path: Path, checkpoint: Checkpoint, bank: Bank) -> None:
    """Write a bank for this checkpoint: features in half precision, and names by their number among its labels."""
    from safetensors.numpy import save_file

    names = {task: getattr(checkpoint.labels, f"{task}s") for task in TENSORS}
    tensors = {}
    for part, examples in zip(_PARTS, (bank.replay, bank.holdout), strict=True):
        tensors[f"{part}.features"] = examples.features.astype(np.float16)
        for task in TENSORS:
            tensors[f"{part}.{task}"] = examples.numbers(task, names[task]).astype(np.int16)
    save_file(tensors, path, {"graph": graph_sha256(checkpoint), "names": json.dumps(names)})


def read_bank(checkpoint: Checkpoint) -> Bank:
    """The bank that ships with a checkpoint.

    Raises:
        RetrainError: there is none, it is damaged, or it was made with another graph.
    """
    from safetensors import SafetensorError, safe_open

    path = checkpoint.folder / BANK_FILE
    make = f"Make it with `python -m data_tools replay-bank --checkpoint {checkpoint.folder} --data DIR`."
    if not path.exists():
        raise RetrainError(f"{checkpoint.name} comes without {BANK_FILE}, so new heads would forget. {make}")
    try:
        with safe_open(path, "np") as file:
            about = file.metadata() or {}
            if about.get("graph") != graph_sha256(checkpoint):
                raise RetrainError(f"{path} was made with another graph than {checkpoint.name} has now. {make}")
            names = {task: np.array([*kinds, ""]) for task, kinds in json.loads(about["names"]).items()}
            parts = []
            for part in _PARTS:
                features = file.get_tensor(f"{part}.features").astype(np.float32)
                # -1, nobody said, is the empty name at the end.
                truth = {task: names[task][file.get_tensor(f"{part}.{task}").astype(np.int64)] for task in TENSORS}
                parts.append(Examples(features, truth))
    except (OSError, SafetensorError, KeyError, IndexError, ValueError) as error:
        raise RetrainError(f"{path} cannot be read ({error}). {make}") from error
    return Bank(*parts)


def built_in_heads(checkpoint: Checkpoint) -> Heads:
    """The heads inside a checkpoint's graph, from its torch weights.

    Raises:
        RetrainError: the checkpoint comes without them, or names and weights do not belong together.
    """
    from safetensors import SafetensorError, safe_open

    path = checkpoint.folder / WEIGHTS_FILE
    try:
        with safe_open(path, "np") as file:

            def part(task: str, kind: str) -> np.ndarray:
                return file.get_tensor(f"attributes.{task}s.{kind}").astype(np.float32)

            def of_model(task: str) -> np.ndarray | None:
                name = f"attributes.{task}_of_model"
                return file.get_tensor(name) if name in file.keys() else None  # noqa: SIM118

            return Heads(
                BUILT_IN,
                {
                    task: Head(
                        getattr(checkpoint.labels, f"{task}s"),
                        part(task, "weight"),
                        part(task, "bias"),
                        getattr(checkpoint.temperatures, task),
                        of_model(task),
                    )
                    for task in TENSORS
                },
            )
    except (OSError, SafetensorError, CheckpointError) as error:
        raise RetrainError(
            f"The heads of {checkpoint.name} cannot be read from {path} ({error}). Retrain a checkpoint that ships its "
            "torch weights and label names."
        ) from error


def graph_sha256(checkpoint: Checkpoint) -> str:
    """The digest of a checkpoint's fp32 graph, which says what its features are worth to whom."""
    return hashlib.sha256(checkpoint.graph_path("fp32").read_bytes()).hexdigest()


def reader_sha256(checkpoint: Checkpoint) -> str:
    """The digest of a checkpoint's plate reader, which says for which one a last layer is; empty without a reader."""
    path = checkpoint.reader_path
    return hashlib.sha256(path.read_bytes()).hexdigest() if path else ""
