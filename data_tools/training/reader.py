"""What the plate reader learns by: every known slot's character, and what it reads surely where none is known."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from data_tools.training.loop import Losses
from data_tools.training.plates import PlateBatch
from vehicle_demo.models.plate_reader import PlateReader

# An unread plate teaches where the least sure of its slots is at least this sure.
_SURE = 0.8
_SMOOTHED = 0.05


class ReaderLosses(Losses):
    """Cross-entropy over the slots, a little smoothed: some crops cannot be read by anyone.

    On unread plates FixMatch (arXiv 2001.07685): what is surely read of the plain view is the label of the changed one.
    """

    def __init__(self, network: PlateReader) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: Any) -> dict[str, Tensor]:
        """batch: a `PlateBatch`."""
        known: PlateBatch = batch
        unread = len(known.plain)
        seen = torch.cat([known.pixels, known.changed])
        logits = self.network.read(seen.contiguous(memory_format=torch.channels_last))
        read, guessed = logits[: len(logits) - unread], logits[len(logits) - unread :]
        losses = {"characters": _per_slot(read, known.slots).mean()}
        if unread:
            labels, sure = self._read_plainly(known.plain)
            of_plates = _per_slot(guessed, labels).reshape(labels.shape).mean(dim=1)
            losses["unread"] = (of_plates * sure).sum() / unread
        return losses

    @torch.no_grad()
    def _read_plainly(self, plates: Tensor) -> tuple[Tensor, Tensor]:
        """Slots (M, 8) int64 as they are read, and (M,) whether every one of them is sure."""
        learning = self.network.training
        self.network.eval()
        best = self.network.read(plates.contiguous(memory_format=torch.channels_last)).softmax(dim=2).max(dim=2)
        self.network.train(learning)
        return best.indices, best.values.amin(dim=1) >= _SURE


def _per_slot(logits: Tensor, slots: Tensor) -> Tensor:
    """Losses of the known slots of (N, 8, 37); where slots (N, 8) are -1 there is none."""
    flat, wanted = logits.flatten(0, 1), slots.flatten()
    known = wanted >= 0
    return F.cross_entropy(flat[known], wanted[known], label_smoothing=_SMOOTHED, reduction="none")
