"""Weights that training goes on from."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

_ONLY, _SECOND = "backbone.", "attribute_backbone."
# What may have more outputs, or fewer channels, than the weights have.
_RESIZED = ("attributes.", "attribute_backbone.conv_head.", "attribute_backbone.norm_head.")


def start_from(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Load what fits of a network's weights into another, in place.

    Names that a network learns later come after those that it knows (see `labels.labels_of`): where it has more outputs
    than the weights have, the further ones stay random, where it has fewer channels it has the first ones. What it has
    no place for is left out, and an attribute backbone that the weights lack starts as their only backbone.

    Raises:
        RuntimeError: the weights are of another kind of network.
    """
    own = model.state_dict()
    if not any(name.startswith(_SECOND) for name in weights):
        second = {_SECOND + n.removeprefix(_ONLY): v for n, v in weights.items() if n.startswith(_ONLY)}
        weights = {**weights, **second}
    shared = {name: values for name, values in weights.items() if name in own}
    other = [n for n, v in shared.items() if v.shape != own[n].shape and not n.startswith(_RESIZED)]
    if other or not shared:
        raise RuntimeError(f"These are weights of another kind of network; differing: {', '.join(other[:3]) or 'all'}.")
    for name, values in shared.items():
        both = tuple(slice(min(sides)) for sides in zip(own[name].shape, values.shape, strict=True))
        own[name][both] = values[both].to(own[name].dtype)
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
