"""Veri-Car (Muñoz et al., arXiv 2411.06864): an embedding in which the nearest known vehicles name a new one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from vehicle_demo.models.backbones import Trunk
from vehicle_demo.models.embedder import Embedder


@dataclass(frozen=True)
class VeriCarConfig:
    """Sizes. The defaults are the paper's best network: OpenCLIP's ViT-B/16, projected to 128 numbers.

    `hidden` are widths of layers before the embedding, each with batch normalisation, ReLU and dropout; `options` are
    further arguments of timm's.
    """

    backbone: str = "vit_base_patch16_clip_224.laion2b"
    image_size: int = 224
    embedding: int = 128
    hidden: tuple[int, ...] = ()
    dropout: float = 0.0
    options: Mapping[str, Any] = field(default_factory=dict)


# The lighter variant: ResNet-50 -> 512 -> 256.
RESNET50 = VeriCarConfig(backbone="resnet50.a1_in1k", embedding=256, hidden=(512,), dropout=0.2)


class VeriCar(Embedder):
    """Trunk, projection, unit length. Names come from neighbours, so new ones are learnt by adding embeddings."""

    def __init__(self, config: VeriCarConfig, pretrained: bool = False) -> None:
        super().__init__(config, config.embedding)
        self.trunk = Trunk(config.backbone, config.image_size, pretrained, config.options)
        layers: list[nn.Module] = []
        width = self.trunk.width
        for hidden in config.hidden:
            layers += [nn.Linear(width, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Dropout(config.dropout)]
            width = hidden
        self.projection = nn.Sequential(*layers, nn.Linear(width, config.embedding))

    def embed(self, images: Tensor) -> Tensor:
        """See `Embedder.embed`; D = `embedding`."""
        return F.normalize(self.projection(self.trunk(images)), dim=-1)

    def backbones(self) -> list[nn.Module]:
        """The trunk's."""
        return [self.trunk.model]
