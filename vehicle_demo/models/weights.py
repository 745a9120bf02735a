"""A network's weights and sizes in a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_model, save_model
from torch import nn

from vehicle_demo.models.embedder import Embedder
from vehicle_demo.models.files import RUN_FILE, WEIGHTS_FILE
from vehicle_demo.models.systems import build_system
from vehicle_demo.models.vehicledino import VehicleDINO, VehicleDINOConfig


def build_network(settings: Mapping[str, Any]) -> VehicleDINO | Embedder:
    """The network that the settings in a `RUN_FILE` tell of, with random weights.

    Raises:
        ValueError: the settings are of another kind of network.
    """
    if "system" in settings:
        return build_system(settings["system"], settings["model"])
    return VehicleDINO(VehicleDINOConfig.from_dict(settings["model"]))


def read_network(folder: Path) -> VehicleDINO | Embedder:
    """The network of a checkpoint or of a run that has ended, in single precision.

    Raises:
        OSError: a file is missing.
        ValueError, RuntimeError: the settings, or the weights, are of another kind of network.
    """
    model = build_network(json.loads((folder / RUN_FILE).read_text()))
    load_model(model, str(folder / WEIGHTS_FILE))
    return as_kept(model)


def keep_weights(model: nn.Module, folder: Path) -> None:
    """Write the weights, to export or to train on from."""
    save_model(model.half(), str(folder / WEIGHTS_FILE))
    model.float()


def as_kept(model: VehicleDINO | Embedder) -> VehicleDINO | Embedder:
    """The network with weights rounded as they are kept, in place, so that a graph of it agrees with the file."""
    return model.half().float()
