"""RT-DETR's decoder with its query selection, and one more query that looks at the whole picture.

Layers, prediction heads and denoising are those of `transformers` (Zhao et al., arXiv 2304.08069). Ours is the global
attribute query: it passes through the same layers with the whole picture as its box, apart from the object queries, so
pictures that only teach attributes skip the three hundred.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import RTDetrConfig
from transformers.models.rt_detr.modeling_rt_detr import (
    RTDetrDecoder,
    RTDetrMLPPredictionHead,
    get_contrastive_denoising_training_group,
    inverse_sigmoid,
)

# Side of a box proposed on the finest map, as a fraction of the picture; doubled on each coarser map.
_ANCHOR_SIDE = 0.05
_PRIOR = 0.01


@dataclass(frozen=True)
class Memory:
    """Encoder maps flattened for the decoder: tokens (N, T, width) and the (height, width) of each map."""

    tokens: Tensor
    shapes: tuple[tuple[int, int], ...]

    def rows(self, index: Tensor | slice) -> Memory:
        """The memory of some of the batch's pictures."""
        return Memory(self.tokens[index], self.shapes)


@dataclass(frozen=True)
class Detections:
    """What the object queries say, layer by layer; boxes are cx, cy, w, h in [0, 1].

    Shapes: `logits` (L, N, Q, C), `boxes` (L, N, Q, 4), `proposal_logits` (N, Q, C), `proposal_boxes` (N, Q, 4). In
    training the first queries of `logits` and `boxes` are the denoising ones described by `denoising`.
    """

    logits: Tensor
    boxes: Tensor
    proposal_logits: Tensor
    proposal_boxes: Tensor
    denoising: dict[str, Any] | None


class QueryDecoder(nn.Module):
    """Query selection and decoder layers: 300 object queries and the global attribute query."""

    def __init__(self, config: RTDetrConfig, target_kinds: int) -> None:
        super().__init__()
        self.config = config
        width, classes = config.d_model, int(config.num_labels or 0)
        self.projections = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width))
            for channels in config.decoder_in_channels
        )
        self.proposal_features = nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width))
        self.proposal_classes = nn.Linear(width, classes)
        self.proposal_boxes = RTDetrMLPPredictionHead(width, width, 4, num_layers=3)
        self.decoder = RTDetrDecoder(config)
        self.class_heads = nn.ModuleList(nn.Linear(width, classes) for _ in range(config.decoder_layers))
        self.box_heads = nn.ModuleList(
            RTDetrMLPPredictionHead(width, width, 4, num_layers=3) for _ in range(config.decoder_layers)
        )
        # Training targets may be coarser than the classes (`vehicle`), so they have kinds of their own.
        self.denoising_kinds = nn.Embedding(target_kinds + 1, width, padding_idx=target_kinds)
        self.attribute_query = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        for head in (self.proposal_classes, *self.class_heads):
            nn.init.constant_(head.bias, -torch.log(torch.tensor((1 - _PRIOR) / _PRIOR)).item())
        for boxes in (self.proposal_boxes, *self.box_heads):
            nn.init.zeros_(boxes.layers[-1].weight)
            nn.init.zeros_(boxes.layers[-1].bias)

    def remember(self, maps: list[Tensor]) -> Memory:
        """Encoder maps, three (N, width, H_i, W_i) -> Memory."""
        projected = [project(level) for project, level in zip(self.projections, maps, strict=True)]
        shapes = tuple((level.shape[-2], level.shape[-1]) for level in projected)
        return Memory(torch.cat([level.flatten(2).transpose(1, 2) for level in projected], dim=1), shapes)

    def detect(self, memory: Memory, targets: list[dict[str, Tensor]] | None = None) -> Detections:
        """Object queries over the memory; with `targets` (training) denoising queries run before them.

        A target has `class_labels` (B,) int64 below the number of target kinds and `boxes` (B, 4).
        """
        features = self.proposal_features(memory.tokens)
        proposal_logits = self.proposal_classes(features)
        proposal_boxes = self.proposal_boxes(features) + _anchor_logits(memory.shapes, features)
        best = proposal_logits.max(-1).values.topk(self.config.num_queries, dim=1).indices.unsqueeze(-1)
        proposal_logits = proposal_logits.gather(1, best.expand(-1, -1, proposal_logits.shape[-1]))
        box_logits = proposal_boxes.gather(1, best.expand(-1, -1, 4))
        queries = features.gather(1, best.expand(-1, -1, features.shape[-1])).detach()
        references = box_logits.detach()
        mask = denoising = None
        if targets is not None:
            noisy, noisy_boxes, mask, denoising = get_contrastive_denoising_training_group(
                targets,
                self.denoising_kinds.num_embeddings - 1,
                self.config.num_queries,
                self.denoising_kinds,
                self.config.num_denoising,
                self.config.label_noise_ratio,
                self.config.box_noise_scale,
            )
            if noisy is not None:
                queries = torch.cat([noisy, queries], dim=1)
                references = torch.cat([noisy_boxes, references], dim=1)
        logits, boxes = self._refine(queries, references.sigmoid(), memory, mask)
        return Detections(logits, boxes, proposal_logits, box_logits.sigmoid(), denoising)

    def describe(self, memory: Memory) -> Tensor:
        """The global attribute query after the last layer: (N, width)."""
        hidden = self.attribute_query.expand(memory.tokens.shape[0], -1, -1)
        whole = hidden.new_tensor([0.5, 0.5, 1.0, 1.0]).expand(hidden.shape[0], 1, 4)
        for layer in self.decoder.layers:
            hidden = self._layer(layer, hidden, whole, memory, None)
        return hidden[:, 0]

    def _refine(self, hidden: Tensor, boxes: Tensor, memory: Memory, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        all_logits, all_boxes = [], []
        heads = zip(self.decoder.layers, self.class_heads, self.box_heads, strict=True)
        for layer, class_head, box_head in heads:
            hidden = self._layer(layer, hidden, boxes, memory, mask)
            refined = (box_head(hidden) + inverse_sigmoid(boxes)).sigmoid()
            all_logits.append(class_head(hidden))
            all_boxes.append(refined)
            boxes = refined.detach()
        return torch.stack(all_logits), torch.stack(all_boxes)

    def _layer(self, layer: nn.Module, hidden: Tensor, boxes: Tensor, memory: Memory, mask: Tensor | None) -> Tensor:
        shapes = torch.tensor(memory.shapes, device=hidden.device)
        starts = torch.cat([shapes.new_zeros(1), shapes.prod(1).cumsum(0)[:-1]])
        return layer(
            hidden,
            object_queries_position_embeddings=self.decoder.query_pos_head(boxes),
            reference_points=boxes.unsqueeze(2),
            spatial_shapes=shapes,
            spatial_shapes_list=list(memory.shapes),
            level_start_index=starts,
            encoder_hidden_states=memory.tokens,
            encoder_attention_mask=mask,
        )


def _anchor_logits(shapes: tuple[tuple[int, int], ...], like: Tensor) -> Tensor:
    """A box for every cell of every map, before the sigmoid: (1, T, 4).

    RT-DETR drops cells at the rim by an infinite logit; clamping keeps them and keeps the graph's numbers small enough
    to quantise.
    """
    anchors = []
    for level, (height, width) in enumerate(shapes):
        rows, columns = torch.meshgrid(
            (torch.arange(height, device=like.device, dtype=torch.float32) + 0.5) / height,
            (torch.arange(width, device=like.device, dtype=torch.float32) + 0.5) / width,
            indexing="ij",
        )
        sides = torch.full_like(rows, _ANCHOR_SIDE * 2.0**level)
        anchors.append(torch.stack([columns, rows, sides, sides], dim=-1).reshape(-1, 4))
    return torch.logit(torch.cat(anchors).clamp(0.01, 0.99)).to(like.dtype).unsqueeze(0)
