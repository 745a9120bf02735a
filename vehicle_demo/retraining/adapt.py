"""A backbone adapted to corrections: LoRA adapters learn from their pictures, beside some of the training's.

Needs torch, timm and peft: whoever serves pictures must not import this.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vehicle_demo.models.heads import implied_logits
from vehicle_demo.models.lora import add_lora
from vehicle_demo.models.vehicledino import VehicleDINO
from vehicle_demo.recognition.graph import IMAGENET_MEAN, IMAGENET_STD
from vehicle_demo.recognition.heads import TENSORS, Heads
from vehicle_demo.retraining.shipped import numbers_of
from vehicle_demo.retraining.shown import Shown

_REPORTED = 5
# Of what replayed pictures are to be named, the share of the true name; the rest is what they were named before.
_TRUTH = 0.6


@dataclass(frozen=True)
class Recipe:
    """How adapters learn: `batch` corrections and as many replayed pictures a step.

    `keep` weighs that embeddings, and the maps that a detector reads of the same backbone, stay where they were.
    """

    rank: int = 8
    steps: int = 160
    batch: int = 16
    rate: float = 1e-3
    decay: float = 0.01
    replayed: float = 1.0
    keep: float = 2.0


RECIPE: Final = Recipe()


@dataclass(frozen=True, eq=False)
class AdaptStep:
    """How far it is, and the loss."""

    done: int
    total: int
    loss: float


def adapt(
    network: VehicleDINO, heads: Heads, replay: Shown, taught: Shown, seed: int, recipe: Recipe
) -> Iterator[AdaptStep]:
    """Adapt, in place, the backbone of a network that vehicles are named by; the adapters are merged at the end.

    They learn to have `heads`, which were fitted on the network as it is and know every name of `taught`, name those
    vehicles right: only so do they start from what is known (Kumar et al., arXiv 2202.10054). Replayed pictures hold on
    to the old names (Li and Hoiem, arXiv 1606.09282). The statistics of normalisation stay as they are. It runs on a
    GPU where there is one.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.merge_adapters()
    network.eval().to(device)
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    before = copy.deepcopy(network)
    torch.manual_seed(seed)
    add_lora(network.named_backbone, recipe.rank)
    naming = _Naming(heads).to(device)
    lessons = _Lessons(network, before, naming, replay, taught, recipe, seed)
    learnt = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learnt, lr=recipe.rate, weight_decay=recipe.decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / recipe.steps)
    for step in range(1, recipe.steps + 1):
        loss = lessons.loss()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % _REPORTED == 0 or step == recipe.steps:
            yield AdaptStep(step, recipe.steps, loss.item())
    network.merge_adapters()
    network.cpu()


class _Naming(nn.Module):
    """Heads that stay as they are, in torch."""

    def __init__(self, heads: Heads) -> None:
        super().__init__()
        self.names = {task: head.names for task, head in heads.items()}
        for task, head in heads.items():
            self.register_buffer(f"{task}_weight", torch.from_numpy(head.weight))
            self.register_buffer(f"{task}_bias", torch.from_numpy(head.bias))
            if head.of_model is not None:
                self.register_buffer(f"{task}_of_model", torch.from_numpy(head.of_model))

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """features (N, D) -> logits (N, K) by task, as `Heads.logits` has them."""
        parts = dict(self.named_buffers())
        logits = {task: F.linear(features, parts[f"{task}_weight"], parts[f"{task}_bias"]) for task in TENSORS}
        models = logits["model"]
        for task in TENSORS:
            if (of_model := parts.get(f"{task}_of_model")) is not None:
                logits[task] = logits[task] + implied_logits(models, of_model, logits[task].shape[1])
        return logits

    def numbers(self, shown: Shown, task: str) -> Tensor:
        """(N,) int64: the right answers' numbers, -1 where nobody said."""
        return torch.from_numpy(numbers_of(shown.truth[task], self.names[task]))


class _Lessons:
    """What a network is to say of some corrections and some replayed pictures, in views that never come twice."""

    def __init__(
        self,
        network: VehicleDINO,
        before: VehicleDINO,
        naming: _Naming,
        replay: Shown,
        taught: Shown,
        recipe: Recipe,
        seed: int,
    ) -> None:
        self._network, self._before, self._naming, self._recipe = network, before, naming, recipe
        self._replay, self._taught = replay, taught
        self._known = {task: naming.numbers(replay, task) for task in TENSORS}
        self._new = {task: naming.numbers(taught, task) for task in TENSORS}
        self._weight = {task: _weights(self._new[task], taught.weight) for task in TENSORS}
        self._chance = torch.Generator().manual_seed(seed)

    def loss(self) -> Tensor:
        """Of the next step."""
        count, device = self._recipe.batch, next(self._network.parameters()).device
        new, known = (
            torch.randperm(len(some), generator=self._chance)[:count] for some in (self._taught, self._replay)
        )
        pixels = np.concatenate([self._taught.pixels[new.numpy()], self._replay.pixels[known.numpy()]])
        images = normalised(_varied(torch.from_numpy(pixels).to(device).float() / 255, self._chance))
        with torch.no_grad():
            described, maps = _described(self._before, images)
            said = self._naming(described["attribute_features"][len(new) :])
        now, maps_now = _described(self._network, images)
        logits = self._naming(now["attribute_features"])
        loss = self._recipe.keep * (1 - (now["reid_embeds"] * described["reid_embeds"]).sum(dim=1).mean())
        for one, other in zip(maps_now, maps, strict=True):
            loss = loss + self._recipe.keep * F.mse_loss(one, other) / other.var()
        for task, answered in logits.items():
            weight = self._weight[task][new].to(device)
            each = F.cross_entropy(answered[: len(new)], self._new[task][new].clamp(min=0).to(device), reduction="none")
            loss = loss + (each * weight).sum() / weight.sum().clamp(min=1e-6)
            wanted = _mixed(said[task], self._known[task][known].to(device))
            loss = loss + self._recipe.replayed * F.cross_entropy(answered[len(new) :], wanted)
        return loss


def _described(network: VehicleDINO, images: Tensor) -> tuple[dict[str, Tensor], list[Tensor]]:
    """What a network says of vehicles; where it finds them by the same backbone, the maps that it does that by too."""
    if network.attribute_backbone is not None:
        return network.summarise(images)[1], []
    encoded = network.encode(images)
    return network.describe(encoded), encoded.maps


def normalised(pictures: Tensor) -> Tensor:
    """(N, 3, S, S) in [0, 1] -> as the network takes them."""
    mean, std = (torch.from_numpy(part).to(pictures.device).view(1, 3, 1, 1) for part in (IMAGENET_MEAN, IMAGENET_STD))
    return (pictures - mean) / std


def _varied(pictures: Tensor, chance: torch.Generator) -> Tensor:
    """Pictures (N, 3, S, S) in [0, 1] moved, magnified, mirrored, lighter or darker, each by another chance."""
    count = len(pictures)

    def drawn(low: float, high: float) -> Tensor:
        return (low + (high - low) * torch.rand(count, generator=chance)).to(pictures.device)

    sides = drawn(0.75, 1.05)
    way = torch.zeros(count, 2, 3, device=pictures.device)
    way[:, 0, 0] = sides * torch.where(drawn(-1, 1) < 0, -1.0, 1.0)
    way[:, 1, 1] = sides
    way[:, 0, 2], way[:, 1, 2] = ((1 - sides).abs() * drawn(-1, 1) for _ in range(2))
    grid = F.affine_grid(way, list(pictures.shape), align_corners=False)
    seen = F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    return (seen * drawn(0.7, 1.3).view(-1, 1, 1, 1)).clamp(0, 1)


def _weights(numbers: Tensor, certain: np.ndarray) -> Tensor:
    """(N,): certainty, and between a weight for each vehicle and one for each name; 0 where nobody said."""
    counts = torch.bincount(numbers[numbers >= 0], minlength=1).float()
    even = counts.clamp(min=1).rsqrt()[numbers.clamp(min=0)]
    return torch.from_numpy(certain).float() * even * (numbers >= 0)


def _mixed(said: Tensor, numbers: Tensor) -> Tensor:
    """(N, K) shares: of the true name where there is one, and of what was said (logits) before."""
    before = said.softmax(dim=1)
    truth = F.one_hot(numbers.clamp(min=0), said.shape[1]).to(before.dtype)
    return torch.where((numbers >= 0)[:, None], _TRUTH * truth + (1 - _TRUTH) * before, before)
