"""What a network that embeds one vehicle close up is to everything else."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from torch import Tensor, nn


class EmbedderConfig(Protocol):
    """Settings that every such network has: a frozen dataclass with the side of its pictures in pixels."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def image_size(self) -> int:
        """Side of the square pictures."""
        ...


class Embedder(nn.Module):
    """A network from one vehicle's picture to a vector that is near those of its like.

    Trainer and exporter know this much and nothing of the kinds. Exported, it is a graph whose one output is the
    contract's `reid_embeds`; which names it was taught stands in the labels of its checkpoint.
    """

    def __init__(self, config: EmbedderConfig, width: int) -> None:
        """`width`: D, the length of the vectors."""
        super().__init__()
        self.config = config
        self.width = width

    def embed(self, images: Tensor) -> Tensor:
        """images (N, 3, S, S) float32, ImageNet-normalised -> (N, D) float32 with unit L2 norm."""
        raise NotImplementedError

    def backbones(self) -> list[nn.Module]:
        """The timm models in it."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """The same as the exported graph says it: `reid_embeds` (N, 1, D)."""
        return {"reid_embeds": self.embed(images).unsqueeze(1)}
