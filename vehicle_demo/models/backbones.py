"""timm's networks as trunks: any of them behind our pictures' normalisation, and IBN-a inside its ResNets."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

import timm
import torch
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from torch import Tensor, nn


def build_backbone(name: str, image_size: int, pretrained: bool, **options: Any) -> Any:
    """A timm model for square pictures of `image_size` pixels, without a classifier unless `num_classes` asks for one.

    `options` are further arguments of timm's. Raises RuntimeError for a name that timm does not have.
    """
    # Convolutional timm models take any picture size and refuse the argument.
    size = {"img_size": image_size} if name.startswith(("vit_", "deit", "eva")) else {}
    return timm.create_model(name, pretrained=pretrained, **{"num_classes": 0, **size, **options})


class Trunk(nn.Module):
    """A timm model from pictures to one vector each; `width` is its length and `model` the timm model itself."""

    scale: Tensor
    shift: Tensor

    def __init__(self, name: str, image_size: int, pretrained: bool, options: Mapping[str, Any]) -> None:
        super().__init__()
        self.model = build_backbone(name, image_size, pretrained, **options)
        pooled = getattr(self.model, "head_hidden_size", None) or self.model.num_features
        self.width: int = self.model.num_classes or pooled
        # Our pictures come as ImageNet's; CLIP and Inception learnt from pictures normalised by other numbers.
        own = self.model.pretrained_cfg
        mean, std, our_mean, our_std = (
            torch.tensor(values).view(1, 3, 1, 1)
            for values in (own["mean"], own["std"], IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD)
        )
        self.register_buffer("scale", our_std / std, persistent=False)
        self.register_buffer("shift", (our_mean - mean) / std, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """images (N, 3, S, S) float32, ImageNet-normalised -> (N, width)."""
        return self.model(images * self.scale + self.shift)


class IBN(nn.Module):
    """Half of the channels instance-normalised, the rest batch-normalised (Pan et al., ECCV 2018, arXiv 1807.09441)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.instanced = channels // 2
        self.instance = nn.InstanceNorm2d(self.instanced, affine=True)
        self.batch = nn.BatchNorm2d(channels - self.instanced)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, H, W) -> the same shape."""
        return torch.cat([self.instance(maps[:, : self.instanced]), self.batch(maps[:, self.instanced :])], dim=1)


def add_ibn_a(resnet: Any) -> None:
    """Put IBN-a into a timm ResNet, ResNeXt or SE-ResNet, in place.

    The first normalisation of every block of the first three stages becomes an IBN layer, which has as many parameters;
    the last stage keeps what tells appearances apart (figure 3 of the paper). Pretrained scales and shifts stay.

    Raises:
        ValueError: the network has not a ResNet's stages and blocks.
    """
    stages = [getattr(resnet, f"layer{number}", ()) for number in (1, 2, 3)]
    if not all(stages):
        raise ValueError("IBN-a belongs into ResNets: this backbone has not their stages.")
    for block in chain.from_iterable(stages):
        plain, ibn = block.bn1, IBN(block.bn1.num_features)
        with torch.no_grad():
            for name in ("weight", "bias"):
                values = getattr(plain, name)
                getattr(ibn.instance, name).copy_(values[: ibn.instanced])
                getattr(ibn.batch, name).copy_(values[ibn.instanced :])
            for name in ("running_mean", "running_var"):
                getattr(ibn.batch, name).copy_(getattr(plain, name)[ibn.instanced :])
        block.bn1 = ibn
