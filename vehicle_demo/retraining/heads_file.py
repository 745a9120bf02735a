"""The file of a version's heads: layers by name as safetensors, the plate reader's last one among them where taught."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vehicle_demo.recognition.heads import TENSORS, Head, Heads
from vehicle_demo.recognition.plates import CHARACTERS

_PARTS = ("weight", "bias", "temperature", "of_model")
_READER = "characters"


def packed(heads: Mapping[str, Head], characters: Head | None) -> bytes:
    """The file's content: the heads by task, and the reader's last layer."""
    from safetensors.numpy import save

    layers = {task: heads[task] for task in TENSORS} | ({_READER: characters} if characters else {})
    parts = {f"{name}.{part}": getattr(layer, part) for name, layer in layers.items() for part in _PARTS}
    return save({name: np.asarray(values) for name, values in parts.items() if values is not None})


def unpacked(content: bytes, version: str, labels: Mapping[str, tuple[str, ...]]) -> Heads:
    """The heads of a file whose names by task are these.

    Raises:
        CheckpointError: names and layers do not belong together.
        KeyError, SafetensorError: a layer is missing, or this is no such file.
    """
    from safetensors.numpy import load

    tensors = load(content)

    def layer(name: str, names: tuple[str, ...]) -> Head:
        weight, bias = (tensors[f"{name}.{part}"].astype(np.float32, copy=False) for part in _PARTS[:2])
        return Head(names, weight, bias, float(tensors[f"{name}.temperature"]), tensors.get(f"{name}.of_model"))

    heads = {task: layer(task, labels[task]) for task in TENSORS}
    return Heads(version, heads, layer(_READER, CHARACTERS) if f"{_READER}.weight" in tensors else None)
