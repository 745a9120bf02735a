"""All tasks together on the whole network, and a teacher's feature on the backbone's summary."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from data_tools.training.data import Batch
from data_tools.training.loop import Losses
from data_tools.training.teacher import FEATURE_SIZE
from vehicle_demo.models.losses import DetectionLoss, TargetKinds, attribute_losses, identity_loss
from vehicle_demo.models.vehicledino import VehicleDINO

# Detection losses sum over every layer, the denoising groups and the proposals; the others are one term each.
_WEIGHTS = {
    "vfl": 0.5,
    "bbox": 2.5,
    "giou": 1.0,
    "type": 1.0,
    "make": 1.0,
    "model": 1.5,
    "colour": 0.5,
    "reid": 4.0,
    "identity": 1.0,
    "plate": 1.0,
    "feature": 4.0,
}


class JointLosses(Losses):
    """Detection on the batch's scenes, attributes on all of it, each where it is labelled.

    Vehicles alone, with neither scene nor plate among them, teach the backbone and the heads alone.
    """

    def __init__(self, model: VehicleDINO, kinds: TargetKinds) -> None:
        super().__init__()
        self.model = model
        self.detection = DetectionLoss(model.decoder.config, kinds)
        # Serves training alone, so it is no part of the network.
        self.feature = nn.Linear(model.attributes.from_pooled.in_features, FEATURE_SIZE)
        # Weights of the parts are set here, once, not also by the criterion.
        self.detection.weight_dict = dict.fromkeys(self.detection.weight_dict, 1.0)

    def backbones(self) -> list[nn.Module]:
        """The network's own."""
        own = self.model
        return [one for one in (own.backbone, own.attribute_backbone) if one is not None]

    def forward(self, batch: Any) -> dict[str, Tensor]:
        """batch: `data.Batch` -> weighted losses by task."""
        assert isinstance(batch, Batch)
        batch = batch.to(self.model.decoder.attribute_query.device)
        images = batch.images.contiguous(memory_format=torch.channels_last)
        losses: dict[str, Tensor] = {}
        if batch.scenes or (batch.labels["plate"] >= 0).any():
            encoded = self.model.encode(images)
            if batch.scenes:
                found = self.model.detect(encoded, slice(0, batch.scenes), batch.targets)
                losses |= self.detection.of(found, batch.targets)
            pooled, described = encoded.pooled, self.model.describe(encoded)
        else:
            pooled, described = self.model.summarise(images)
        losses |= attribute_losses(described, batch.labels)
        if (batch.labels["vehicle"] >= 0).any():
            losses["identity"] = identity_loss(described["reid_embeds"], batch.labels["vehicle"])
        known = batch.labels["feature"].abs().sum(dim=1) > 0
        if known.any():
            losses["feature"] = F.smooth_l1_loss(self.feature(pooled[known]), batch.labels["feature"][known])
        return {name: _WEIGHTS[name] * value for name, value in losses.items()}
