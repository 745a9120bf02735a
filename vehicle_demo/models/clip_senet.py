"""CLIP-SENet (Lu, Fu et al., arXiv 2502.16815): what a vehicle looks like, with what a CLIP encoder knows about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vehicle_demo.models.backbones import Trunk, add_ibn_a
from vehicle_demo.models.embedder import Embedder


@dataclass(frozen=True)
class ClipSenetConfig:
    """Sizes; the defaults are the paper's: ResNeXt-101-IBN-a, TinyCLIP's image encoder, 32 groups, 320 px.

    Parts that the paper's ablations take away: without `groups` there is no AFEM, without a `semantic` encoder neither
    that nor the AFEM. `places` counts what may be told of a picture's camera and viewpoint (0: nothing is).
    """

    backbone: str = "resnext101_32x4d"
    semantic: str = "vit_medium_patch32_clip_224.tinyclip_laion400m"
    image_size: int = 320
    semantic_width: int = 512
    fused: int = 2048
    groups: int = 32
    places: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    semantic_options: Mapping[str, Any] = field(default_factory=dict)


class AFEM(nn.Module):
    """Adaptive fine-grained enhancement: the semantic vector again, its groups weighted anew.

    T_s' = f(T_s) + w * f(T_s), equation (4), where f is FC, BN, ReLU and w has a weight for each of the groups that
    the channels of f fall into. The paper writes a sum over groups; as each group has channels of its own, that is one
    product.

    Raises:
        ValueError: the channels cannot be shared out evenly.
    """

    def __init__(self, semantic_width: int, width: int, groups: int) -> None:
        super().__init__()
        if width % groups:
            raise ValueError(f"AFEM cannot share {width} channels out among {groups} groups evenly.")
        self.linear = nn.Sequential(nn.Linear(semantic_width, width), nn.BatchNorm1d(width), nn.ReLU())
        self.weights = nn.Parameter(torch.randn(groups, 1))

    def forward(self, semantic: Tensor) -> Tensor:
        """(N, semantic_width) -> (N, width)."""
        ungrouped = self.linear(semantic)
        grouped = ungrouped.unflatten(1, (len(self.weights), -1)) * self.weights
        return ungrouped + grouped.flatten(1)


class ClipSenet(Embedder):
    """Both encoders on the same picture, fused; what AFEM makes of the semantic vector is added."""

    def __init__(self, config: ClipSenetConfig, pretrained: bool = False) -> None:
        super().__init__(config, config.fused)
        self.appearance = Trunk(config.backbone, config.image_size, pretrained, config.options)
        add_ibn_a(self.appearance.model)
        self.semantic: Trunk | None = None
        self.enhance: AFEM | None = None
        joined = self.appearance.width
        if config.semantic:
            # timm keeps CLIP's projection as the classifier.
            options = {"num_classes": config.semantic_width, **config.semantic_options}
            self.semantic = Trunk(config.semantic, config.image_size, pretrained, options)
            joined += config.semantic_width
            self.enhance = AFEM(config.semantic_width, config.fused, config.groups) if config.groups else None
        self.fuse = nn.Linear(joined, config.fused)
        self.places = nn.Embedding(config.places, config.fused) if config.places else None
        if self.places is not None:
            nn.init.zeros_(self.places.weight)

    def features(self, images: Tensor, places: Tensor | None = None) -> Tensor:
        """images as for `embed`, places (N,) int64, -1 where none is told -> T (N, fused), of any length.

        The paper does not say where its camera and viewpoint come in; here they are added at the end.
        """
        appearance = self.appearance(images)
        if self.semantic is None:
            final = self.fuse(appearance)
        else:
            semantic = self.semantic(images)
            final = self.fuse(torch.cat([semantic, appearance], dim=1))  # T_u, equation (3)
            if self.enhance is not None:
                final = final + self.enhance(semantic)  # T = T_u + T_s', equation (5)
        if places is None or self.places is None:
            return final
        return final + self.places(places.clamp(min=0)) * (places >= 0).unsqueeze(1)

    def embed(self, images: Tensor) -> Tensor:
        """See `Embedder.embed`; D = `fused`. Nothing is told of the camera."""
        return F.normalize(self.features(images), dim=-1)

    def backbones(self) -> list[nn.Module]:
        """Those of both encoders."""
        return [encoder.model for encoder in (self.appearance, self.semantic) if encoder is not None]
