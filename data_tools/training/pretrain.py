"""First phase: the backbone alone learns names and a teacher's feature from small views, many of them, quickly."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from data_tools.readers import parquet
from data_tools.training.augment import change_light, normalise
from data_tools.training.loop import Losses, Schedule, fit
from data_tools.training.views import FEATURE_SIZE
from vehicle_demo.models.vehicledino import VehicleDINO

_FEATURE_WEIGHT = 4.0


@dataclass(frozen=True)
class ViewBatch:
    """images (N, 3, 160, 160) uint8, features (N, 1280) float32 standardised, names (N,) int64 with -1 for unknown."""

    images: Tensor
    features: Tensor
    names: Tensor
    seed: int


class ViewData:
    """The cached views of `views.prepare`, read where they lie."""

    def __init__(self, data: Path, cache: Path, batch_size: int, seed: int) -> None:
        self._views = np.load(cache / "views.npy", mmap_mode="r")
        self._features = np.load(cache / "features.npy", mmap_mode="r")
        some = np.asarray(self._features[:: max(1, len(self._features) // 5000)], dtype=np.float32)
        self._mean, self._std = some.mean(axis=0), some.std(axis=0) + 1e-3
        names = {("cars196", p.path): p.model for p in parquet.read(data, "cars196") if p.split == "train"}
        self.names = sorted({name for name in names.values() if name})
        number = {name: index for index, name in enumerate(self.names)}
        keys = [tuple(key) for key in json.loads((cache / "views.json").read_text())]
        self._labels = np.array([number.get(names.get(key) or "", -1) for key in keys])
        self._batch_size, self._seed = batch_size, seed
        self._epoch, self._order = -1, np.empty(0, dtype=np.int64)

    def batch_at(self, step: int) -> ViewBatch:
        """Batches without replacement; a new order each time all views have been seen."""
        per_epoch = len(self._views) // self._batch_size
        epoch, index = divmod(step, per_epoch)
        if epoch != self._epoch:
            self._order = np.random.default_rng((self._seed, epoch)).permutation(len(self._views))
            self._epoch = epoch
        rows = np.sort(self._order[index * self._batch_size : (index + 1) * self._batch_size])
        features = (self._features[rows].astype(np.float32) - self._mean) / self._std
        return ViewBatch(
            torch.from_numpy(self._views[rows]).permute(0, 3, 1, 2),
            torch.from_numpy(features),
            torch.from_numpy(self._labels[rows]),
            self._seed + step,
        )


class ViewLosses(Losses):
    """Smooth L1 to the teacher's standardised feature, and cross-entropy over the names."""

    def __init__(self, model: VehicleDINO, names: int) -> None:
        super().__init__()
        self.backbone: Any = model.backbone
        width = model.attributes.from_pooled.in_features
        self.feature = nn.Linear(width, FEATURE_SIZE)
        self.name = nn.Sequential(nn.Dropout(0.1), nn.Linear(width, names))

    def forward(self, batch: ViewBatch) -> dict[str, Tensor]:
        device = self.feature.weight.device
        generator = torch.Generator().manual_seed(batch.seed)
        pictures = change_light(batch.images.to(device).float() / 255, generator, 0.3)
        pictures = normalise(pictures).contiguous(memory_format=torch.channels_last)
        pooled = self.backbone.forward_head(self.backbone.forward_features(pictures), pre_logits=True)
        names = batch.names.to(device)
        return {
            "feature": _FEATURE_WEIGHT * F.smooth_l1_loss(self.feature(pooled), batch.features.to(device)),
            "name": F.cross_entropy(self.name(pooled), names, ignore_index=-1, label_smoothing=0.1),
        }


def pretrain(
    model: VehicleDINO, data: Path, cache: Path, folder: Path, schedule: Schedule, batch_size: int, seed: int
) -> None:
    """Train `model.backbone` in place; afterwards it holds the EMA weights."""
    views = ViewData(data, cache, batch_size, seed)
    losses = ViewLosses(model, len(views.names)).to(memory_format=torch.channels_last)
    averaged: Any = fit(losses, views.batch_at, schedule, folder)
    model.backbone.load_state_dict(averaged.backbone.state_dict())
