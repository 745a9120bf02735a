"""What each published system learns by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from pytorch_metric_learning.losses import SupConLoss
from torch import Tensor, nn
from torch.nn import functional as F

from data_tools.training.loop import Losses
from data_tools.training.system_data import SystemBatch
from vehicle_demo.models.clip_senet import ClipSenet
from vehicle_demo.models.clvr import Clvr
from vehicle_demo.models.embedder import Embedder
from vehicle_demo.models.hierarchy import HiMSMin
from vehicle_demo.models.vericar import VeriCar

_SMOOTHING = 0.1


class SystemLosses(Losses):
    """A network's answer in whatever precision the run has, compared in full."""

    def __init__(self, network: Embedder) -> None:
        super().__init__()
        self.network = network

    def backbones(self) -> list[nn.Module]:
        """The network's own."""
        return self.network.backbones()

    def answer(self, batch: SystemBatch) -> Tensor:
        """What the network says of a batch: (N, D)."""
        raise NotImplementedError

    def compared(self, answer: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Losses by name of an answer (N, D) float32 and labels (N, L) int64."""
        raise NotImplementedError

    def forward(self, batch: Any) -> dict[str, Tensor]:
        """batch: a `SystemBatch` -> losses by name."""
        assert isinstance(batch, SystemBatch)
        batch = batch.to(next(self.network.parameters()).device)
        answer = self.answer(batch)
        # Similarities times 50 in an exponent leave nothing of bfloat16's eight bits.
        with torch.autocast(answer.device.type, enabled=False):
            return self.compared(answer.float(), batch.labels)


class VeriCarLosses(SystemLosses):
    """HiMS-Min over the levels; with one level that is Multi-Similarity."""

    def __init__(self, network: VeriCar, classes: int) -> None:
        super().__init__(network)
        self.loss = HiMSMin()

    def answer(self, batch: SystemBatch) -> Tensor:
        return self.network.embed(batch.images)

    def compared(self, answer: Tensor, labels: Tensor) -> dict[str, Tensor]:
        return {"similarity": self.loss(answer, labels)}


class ClipSenetLosses(SystemLosses):
    """Label-smoothed cross-entropy and SupCon (arXiv 2004.11362) with equal weights, equation (8).

    The temperature, which the paper does not say, is 0.1, as pytorch-metric-learning has it.
    """

    network: ClipSenet

    def __init__(self, network: ClipSenet, classes: int) -> None:
        super().__init__(network)
        self.classifier = nn.Linear(network.width, classes)
        self.contrast = SupConLoss()

    def answer(self, batch: SystemBatch) -> Tensor:
        """Raises ValueError for a camera beyond the network's places."""
        places = self.network.places
        if places is not None and int(batch.places.max()) >= places.num_embeddings:
            raise ValueError(
                f"The config has {places.num_embeddings} places, the pictures have more cameras: set network.places."
            )
        return self.network.features(batch.images, batch.places)

    def compared(self, answer: Tensor, labels: Tensor) -> dict[str, Tensor]:
        numbers = labels[:, -1]
        names = F.cross_entropy(self.classifier(answer), numbers, label_smoothing=_SMOOTHING)
        return {"names": names, "contrast": self.contrast(answer, numbers)}


class ClvrLosses(SystemLosses):
    """Softmax over the models of vehicles, of which this is all that it is told."""

    network: Clvr

    def __init__(self, network: Clvr, classes: int) -> None:
        super().__init__(network)
        self.classifier = nn.Linear(network.width, classes)

    def answer(self, batch: SystemBatch) -> Tensor:
        return self.network.features(batch.images)

    def compared(self, answer: Tensor, labels: Tensor) -> dict[str, Tensor]:
        return {"names": F.cross_entropy(self.classifier(answer), labels[:, -1])}


_LOSSES: dict[str, Callable[[Any, int], SystemLosses]] = {
    "vericar": VeriCarLosses,
    "clip_senet": ClipSenetLosses,
    "clvr": ClvrLosses,
}


def losses_of(system: str, network: Embedder, classes: int) -> SystemLosses:
    """What a system's network learns by, told of so many classes."""
    return _LOSSES[system](network, classes)
