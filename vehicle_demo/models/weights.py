"""A network's weights and sizes in a folder."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import load_model, save_model

from vehicle_demo.models.files import RUN_FILE, WEIGHTS_FILE
from vehicle_demo.models.vehicledino import VehicleDINO, VehicleDINOConfig


def read_network(folder: Path) -> VehicleDINO:
    """The network of a checkpoint or of a run that has ended, in single precision.

    Raises:
        OSError: a file is missing.
        ValueError, RuntimeError: the settings, or the weights, are of another kind of network.
    """
    model = VehicleDINO(VehicleDINOConfig.from_dict(json.loads((folder / RUN_FILE).read_text())["model"]))
    load_model(model, str(folder / WEIGHTS_FILE))
    return as_kept(model)


def keep_weights(model: VehicleDINO, folder: Path) -> None:
    """Write the weights, to export or to train on from."""
    save_model(model.half(), str(folder / WEIGHTS_FILE))
    model.float()


def as_kept(model: VehicleDINO) -> VehicleDINO:
    """The network with weights rounded as they are kept, in place, so that a graph of it agrees with the file."""
    return model.half().float()
