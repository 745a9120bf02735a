"""CLVR (Kanaci, Zhu, Gong, BMVC workshop 2017): a classifier of vehicle models whose feature re-identifies vehicles.

*Vehicle Re-Identification by Fine-Grained Cross-Level Deep Learning*: no identity is ever shown to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from vehicle_demo.models.backbones import Trunk
from vehicle_demo.models.embedder import Embedder


@dataclass(frozen=True)
class ClvrConfig:
    """Sizes; the defaults are the paper's: Inception-v3 at 299 px and a dense layer of 1,024 on its pooled feature."""

    backbone: str = "inception_v3.tf_in1k"
    image_size: int = 299
    dense: int = 1024
    options: Mapping[str, Any] = field(default_factory=dict)


class Clvr(Embedder):
    """Trunk and dense layer; the softmax over models that teaches them serves training alone."""

    def __init__(self, config: ClvrConfig, pretrained: bool = False) -> None:
        super().__init__(config, config.dense)
        self.trunk = Trunk(config.backbone, config.image_size, pretrained, config.options)
        self.dense = nn.Sequential(nn.Linear(self.trunk.width, config.dense), nn.ReLU())

    def features(self, images: Tensor) -> Tensor:
        """images as for `embed` -> (N, dense), of any length; the models' classifier reads these."""
        return self.dense(self.trunk(images))

    def embed(self, images: Tensor) -> Tensor:
        """See `Embedder.embed`; D = `dense`.

        The paper compares features by L2 distance as they are. Galleries hold vectors of unit length, on which L2
        distance and cosine rank alike.
        """
        return F.normalize(self.features(images), dim=-1)

    def backbones(self) -> list[nn.Module]:
        """The trunk's."""
        return [self.trunk.model]
