"""VehicleDINO: one network that finds vehicles and plates and describes the vehicle it looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import RTDetrConfig
from transformers.models.rt_detr.modeling_rt_detr import RTDetrHybridEncoder

from vehicle_demo.models.backbones import build_backbone
from vehicle_demo.models.decoder import Detections, Memory, QueryDecoder
from vehicle_demo.models.heads import AttributeHeads, PlateHead
from vehicle_demo.models.lora import add_lora, merge_lora
from vehicle_demo.models.neck import ConvPyramid, SimpleFPN
from vehicle_demo.models.settings import settings_from


@dataclass(frozen=True)
class VehicleDINOConfig:
    """Sizes of one VehicleDINO. `width` counts the channels of neck, encoder and decoder; `image_size` in pixels.

    With an `attribute_backbone` the attributes are read by a second timm backbone, from the picture reduced to
    `attribute_size` pixels and from its mirror image, and its last layer is `attribute_channels` wide. A small backbone
    knows vehicles at about the size that it learnt them at, and names need many more pictures than boxes do: these are
    cheap at a small size.
    """

    backbone: str
    image_size: int
    width: int = 256
    feed_forward: int = 1024
    attention_heads: int = 8
    hidden_expansion: float = 1.0
    decoder_layers: int = 6
    queries: int = 300
    denoising_queries: int = 100
    attribute_features: int = 512
    attribute_backbone: str = ""
    attribute_size: int = 0
    attribute_channels: int = 0
    embedding: int = 256
    categories: int = 5
    types: int = 8
    makes: int = 42
    models: int = 323
    colours: int = 0
    lora_rank: int = 0

    @property
    def target_kinds(self) -> int:
        """Kinds of box a training target may have: the categories, plate, and two coarser ones; see `losses.py`."""
        return self.categories + 3

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> VehicleDINOConfig:
        """Raises ValueError on a key that is no field."""
        return settings_from(cls, values)

    def to_dict(self) -> dict[str, Any]:
        """The plain values, as `from_dict` takes them."""
        return asdict(self)


PRESETS = {
    "base": VehicleDINOConfig(backbone="vit_base_patch14_dinov2", image_size=560, lora_rank=16),
    "nano": VehicleDINOConfig(
        backbone="mobilenetv4_conv_small",
        image_size=320,
        width=128,
        feed_forward=512,
        hidden_expansion=0.5,
        decoder_layers=3,
        denoising_queries=60,
        attribute_backbone="mobilenetv4_conv_small",
        attribute_size=224,
        attribute_channels=1024,
        categories=6,
        types=12,
        makes=49,
        models=196,
    ),
}


@dataclass(frozen=True)
class Encoded:
    """A batch after backbone, neck and encoder.

    `maps` three (N, width, H_i, W_i), finest first; `pooled` (N, P), the summary that attributes are read from.
    """

    maps: list[Tensor]
    pooled: Tensor
    memory: Memory


class VehicleDINO(nn.Module):
    """Backbone (timm), neck, hybrid encoder, decoder with 300 + 1 queries, and the heads.

    The detector has one class more than `categories`: the plate. In the exported graph it becomes the plate box.
    """

    def __init__(self, config: VehicleDINOConfig, pretrained: bool = False) -> None:
        super().__init__()
        self.config = config
        # timm's models share no base class that has what we call: features, head, feature_info.
        self.backbone: Any = _adapted_backbone(config, pretrained)
        self.attribute_backbone: Any = None
        if config.attribute_backbone:
            _drop_summary(self.backbone)
            self.attribute_backbone = build_backbone(config.attribute_backbone, config.attribute_size, pretrained)
            _narrow_summary(self.attribute_backbone, config.attribute_channels)
        self._is_vit = hasattr(self.backbone, "patch_embed")
        stages = [info["num_chs"] for info in self.backbone.feature_info]
        self.neck = SimpleFPN(stages[-1], config.width) if self._is_vit else ConvPyramid(stages[-3:], config.width)
        detr = _detr_config(config)
        self.encoder = RTDetrHybridEncoder(detr)
        self.decoder = QueryDecoder(detr, config.target_kinds)
        _start_from_random(self.encoder)
        _start_from_random(self.decoder.decoder)
        named = self.named_backbone
        pooled = getattr(named, "head_hidden_size", None) or named.num_features
        self.attributes = AttributeHeads(
            0 if config.attribute_backbone else config.width, pooled, config.attribute_features, config.types,
            config.makes, config.models, config.colours, config.embedding,
        )  # fmt: skip
        self.plate = PlateHead(config.width, config.attention_heads)

    @property
    def named_backbone(self) -> Any:
        """The backbone that attributes are read from."""
        return self.attribute_backbone or self.backbone

    def encode(self, images: Tensor) -> Encoded:
        """images (N, 3, S, S) float32, ImageNet-normalised -> Encoded."""
        indices = [len(self.backbone.feature_info) - 1] if self._is_vit else [-3, -2, -1]
        final, stages = self.backbone.forward_intermediates(images, indices=indices, norm=self._is_vit)
        maps = self.encoder(self.neck(stages)).last_hidden_state
        if self.attribute_backbone is None:
            pooled = self.backbone.forward_head(final, pre_logits=True)
        else:
            # A vehicle is the same in the mirror; the mean of both views is surer than either.
            views = self._pooled(self.attribute_backbone, torch.cat([images, images.flip(3)]))
            pooled = views.unflatten(0, (2, -1)).mean(dim=0)
        return Encoded(maps, pooled, self.decoder.remember(maps))

    def detect(
        self, encoded: Encoded, rows: Tensor | slice = slice(None), targets: list[dict[str, Tensor]] | None = None
    ) -> Detections:
        """Object queries for some of the batch's pictures; see `QueryDecoder.detect`."""
        return self.decoder.detect(encoded.memory.rows(rows), targets)

    def describe(self, encoded: Encoded) -> dict[str, Tensor]:
        """Attribute tensors of the graph without their middle axis, and `ocr_logits` (N, 8, 37)."""
        query = self.decoder.describe(encoded.memory)
        described = self.attributes(query, encoded.pooled)
        described["ocr_logits"] = self.plate(query, encoded.maps[0])
        return described

    def summarise(self, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """images (N, 3, S, S) float32, ImageNet-normalised -> `Encoded.pooled` of this view, and what it alone tells.

        Neck, encoder and decoder stay out of it, and the attribute query's part of the features, if it has one, is
        blank: close-ups teach a backbone and the heads so at a third of the cost. No `ocr_logits`.
        """
        pooled = self._pooled(self.named_backbone, images)
        return pooled, self.attributes(pooled.new_zeros(len(pooled), self.config.width), pooled)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """images (N, 3, S, S) float32, ImageNet-normalised -> the tensors of the exported graph, by name."""
        encoded = self.encode(images)
        found = self.detect(encoded)
        logits, boxes = found.logits[-1], found.boxes[-1]
        plate_scores, best = logits[..., -1:].sigmoid().max(dim=1, keepdim=True)
        described = {name: values.unsqueeze(1) for name, values in self.describe(encoded).items()}
        return {
            "det_boxes": boxes,
            "det_classes": logits[..., :-1],
            **described,
            "plate_boxes": boxes.gather(1, best.expand(-1, -1, 4)),
            "plate_scores": plate_scores,
        }

    def _pooled(self, backbone: Any, images: Tensor) -> Tensor:
        size = self.config.attribute_size
        if size and images.shape[-1] > size:
            images = F.interpolate(images, size=(size, size), mode="bilinear")
        return backbone.forward_head(backbone.forward_features(images), pre_logits=True)

    def merge_adapters(self) -> None:
        """Fold LoRA adapters into the backbones' weights, in place; for export."""
        merge_lora(self)


def _adapted_backbone(config: VehicleDINOConfig, pretrained: bool) -> Any:
    backbone = build_backbone(config.backbone, config.image_size, pretrained)
    if config.lora_rank:
        add_lora(backbone, config.lora_rank)
    return backbone


def _drop_summary(backbone: Any) -> None:
    """Take out, in place, the layer after a MobileNet's last map: nothing reads it where a backbone only detects."""
    backbone.conv_head, backbone.norm_head = nn.Identity(), nn.Identity()


def _narrow_summary(backbone: Any, channels: int) -> None:
    """Give a MobileNet's layer after its last map this many channels, in place; timm has no setting for it."""
    backbone.conv_head = nn.Conv2d(backbone.conv_head.in_channels, channels, 1, bias=False)
    backbone.norm_head = type(backbone.norm_head)(channels)
    backbone.num_features = backbone.head_hidden_size = channels


def _detr_config(config: VehicleDINOConfig) -> RTDetrConfig:
    return RTDetrConfig(
        encoder_hidden_dim=config.width,
        encoder_in_channels=[config.width] * 3,
        encoder_ffn_dim=config.feed_forward,
        encoder_attention_heads=config.attention_heads,
        hidden_expansion=config.hidden_expansion,
        d_model=config.width,
        decoder_in_channels=[config.width] * 3,
        decoder_ffn_dim=config.feed_forward,
        decoder_attention_heads=config.attention_heads,
        decoder_layers=config.decoder_layers,
        num_queries=config.queries,
        num_denoising=config.denoising_queries,
        num_labels=config.categories + 1,  # type: ignore[call-arg]
    )


def _start_from_random(module: nn.Module) -> None:
    """Give transformers' modules ordinary starting weights, in place.

    Theirs (normalisation scales near zero, linear layers at 0.01) are meant to be overwritten by a checkpoint and
    hardly train from scratch. Deformable attention keeps its own start: sampling points spread over a star.
    """
    for name, child in module.named_modules():
        if isinstance(child, nn.Conv2d | nn.BatchNorm2d | nn.LayerNorm):
            child.reset_parameters()
        elif isinstance(child, nn.Linear) and "encoder_attn" not in name:
            nn.init.xavier_uniform_(child.weight)
            nn.init.zeros_(child.bias)


def parameters_in_millions(module: nn.Module) -> float:
    """All parameters, trained or frozen, in millions."""
    return sum(parameter.numel() for parameter in module.parameters()) / 1e6


@torch.no_grad()
def describe_size(model: VehicleDINO) -> str:
    """A line for logs: the backbone's name, picture size and parameters."""
    config = model.config
    return f"{config.backbone}, {config.image_size} px, {parameters_in_millions(model):.2f} M parameters"
