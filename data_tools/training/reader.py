"""What the plate reader learns by: every known slot's character."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from data_tools.training.loop import Losses
from vehicle_demo.models.plate_reader import PlateReader


class ReaderLosses(Losses):
    """Cross-entropy over the slots, a little smoothed: some crops cannot be read by anyone."""

    def __init__(self, network: PlateReader) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: Any) -> dict[str, Tensor]:
        """batch: pixels (N, 3, 48, 160) in [-1, 1] and slots (N, 8), -1 where a character is not known."""
        pixels, slots = batch
        logits = self.network.read(pixels.contiguous(memory_format=torch.channels_last))
        loss = F.cross_entropy(logits.flatten(0, 1), slots.flatten(), ignore_index=-1, label_smoothing=0.05)
        return {"characters": loss}
