"""Weights that training goes on from."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn


def start_from(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load weights into a network, in place; where it has more outputs than they have, the further ones stay random.

    Names that a network learns later come after those that it knows (see `labels.labels_of`).

    Raises:
        RuntimeError: the weights are not those of such a network.
    """
    own = model.state_dict()
    for name, values in weights.items():
        if name in own and values.ndim and values.shape[1:] == own[name].shape[1:]:
            values = torch.cat([values, own[name][len(values) :].to(values.dtype)])
        own[name] = values
    model.load_state_dict(own)


def read_from_git(name: str) -> bytes:
    """A file as it was at a revision of this repository, by git's own name for it: `REVISION:PATH`.

    Raises:
        FileNotFoundError: git knows no such file (in a shallow clone, say).
    """
    shown = subprocess.run(["git", "show", name], cwd=Path(__file__).parent, capture_output=True, check=False)
    if shown.returncode:
        raise FileNotFoundError(
            f"Training starts from {name}, which git does not find here; in a shallow clone run "
            f"`git fetch --unshallow` first. ({shown.stderr.decode().strip()})"
        )
    return shown.stdout
