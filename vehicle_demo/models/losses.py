"""Training losses for pictures of which only a part is labelled: a mask for every task, a set of classes for a box."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import RTDetrConfig
from transformers.image_transforms import center_to_corners_format
from transformers.loss.loss_for_object_detection import box_iou
from transformers.loss.loss_rt_detr import RTDetrLoss

from vehicle_demo.models.decoder import Detections

# Each target is learnt by this many proposals (Jia et al., "DETRs with hybrid matching", arXiv 2207.13080): from random
# weights the decoder has nothing to refine until the proposals are near.
_PROPOSALS_PER_TARGET = 4


class TargetKinds:
    """What a labelled box may be called, and which of the detector's columns that leaves open.

    Kinds 0 .. C - 1 are the detection categories and C is the plate, the detector's own columns. Two coarser kinds
    follow: `car or alike` (a publisher whose `car` takes in SUVs and vans) and `vehicle` (kind unknown). A coarse kind
    counts through the best of its columns, and the others of them are left out of the loss.
    """

    def __init__(self, categories: tuple[str, ...]) -> None:
        self.names = (*categories, "plate", "car or alike", "vehicle")
        self.columns = len(categories) + 1
        alike = [name in ("car", "suv", "van") for name in categories] + [False]
        any_vehicle = [True] * len(categories) + [False]
        self.members = torch.tensor([alike, any_vehicle])

    def number(self, name: str) -> int:
        """Raises ValueError for a name that is no kind."""
        return self.names.index(name)

    def extend(self, logits: Tensor) -> Tensor:
        """(..., columns) -> (..., kinds): each coarse kind's logit is the largest among its members."""
        members = self.members.to(logits.device)
        coarse = [logits.masked_fill(~member, -1e4).max(dim=-1).values for member in members]
        return torch.stack([*logits.unbind(-1), *coarse], dim=-1)

    def counted(self) -> Tensor:
        """(kinds + 1, kinds) bool: which columns count where the target is of that kind; the last row is background."""
        kinds = len(self.names)
        table = torch.ones(kinds + 1, kinds, dtype=torch.bool)
        table[:, self.columns :] = False
        for offset, member in enumerate(self.members):
            coarse = self.columns + offset
            table[coarse, : self.columns] = ~member
            table[coarse, coarse] = True
        return table


class DetectionLoss(RTDetrLoss):
    """RT-DETR's losses with targets of coarse kinds and pictures in which only some kinds are labelled.

    A target is a dict of `class_labels` (B,) int64 kinds, `boxes` (B, 4) as cx, cy, w, h, and `labelled` (kinds,) bool:
    the columns in which a place without a box is known to be background.
    """

    def __init__(self, config: RTDetrConfig, kinds: TargetKinds) -> None:
        super().__init__(config)
        self.num_classes = len(kinds.names)
        self.kinds = kinds
        self.counted: Tensor
        self.register_buffer("counted", kinds.counted(), persistent=False)

    def loss_labels_vfl(
        self,
        outputs: dict[str, Tensor],
        targets: list[dict[str, Tensor]],
        indices: Any,
        num_boxes: float,
        log: bool = True,
    ) -> dict[str, Tensor]:
        """Varifocal loss (Zhang et al., arXiv 2008.13367) over the columns that count for each query."""
        logits = outputs["logits"]
        where = self._get_source_permutation_idx(indices)
        boxes = torch.cat([t["boxes"][chosen] for t, (_, chosen) in zip(targets, indices, strict=True)])
        kinds = torch.cat([t["class_labels"][chosen] for t, (_, chosen) in zip(targets, indices, strict=True)])
        found: Any = center_to_corners_format(outputs["pred_boxes"][where].detach())  # type: ignore[arg-type]
        overlaps = torch.diag(box_iou(found, center_to_corners_format(boxes))[0])  # type: ignore[arg-type]
        target = torch.zeros_like(logits)
        target[(*where, kinds)] = overlaps.to(logits.dtype)
        kind_of_query = torch.full(logits.shape[:2], self.num_classes, device=logits.device)
        kind_of_query[where] = kinds
        labelled = torch.stack([t["labelled"] for t in targets]).unsqueeze(1)
        counts = self.counted[kind_of_query] & (labelled | (kind_of_query < self.num_classes).unsqueeze(-1))
        background = self.alpha * logits.detach().sigmoid().pow(self.gamma)
        weight = torch.where(target > 0, target, background) * counts
        loss = F.binary_cross_entropy_with_logits(logits, target, weight=weight, reduction="none")
        return {"loss_vfl": loss.sum() / num_boxes}

    def of(self, found: Detections, targets: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        """Sums over layers, denoising and proposals: `vfl`, `bbox` and `giou`."""
        logits = self.kinds.extend(found.logits)
        outputs: dict[str, Any] = {}
        boxes = found.boxes
        if found.denoising is not None:
            parts = found.denoising["dn_num_split"]
            noisy_logits, logits = logits.split(parts, dim=2)
            noisy_boxes, boxes = boxes.split(parts, dim=2)
            outputs["dn_auxiliary_outputs"] = _by_layer(noisy_logits, noisy_boxes)
            outputs["denoising_meta_values"] = found.denoising
        *earlier, last = _by_layer(logits, boxes)
        losses = self.forward({**last, "auxiliary_outputs": earlier, **outputs}, targets)
        proposals = {"logits": self.kinds.extend(found.proposal_logits), "pred_boxes": found.proposal_boxes}
        repeated = [_repeat(target) for target in targets]
        losses |= {f"{name}_proposals": value for name, value in self.forward(proposals, repeated).items()}
        return {
            part: torch.stack([value for name, value in losses.items() if name.startswith(f"loss_{part}")]).sum()
            for part in ("vfl", "bbox", "giou")
        }


def attribute_losses(
    described: dict[str, Tensor], labels: dict[str, Tensor], smoothing: float = 0.1
) -> dict[str, Tensor]:
    """Cross-entropy of type, make, model and colour, cosine distance to the teachers' embedding, plate characters.

    `described` as `VehicleDINO.describe` gives it, or `summarise`: then there is no `plate`. `labels` has `type`,
    `make`, `model`, `colour` (N,) int64 with -1 for unknown, `teacher` (N, 256) with zeros for unknown and `plate`
    (N, 8) int64 with -1 for slots that do not count; `other` (N,) int64, the row with which each picture is mixed
    (itself where it is not), and `own` (N,) float32, the share of its own name in the loss. A task of which nothing is
    labelled gives zero.
    """
    names = {"type": "vehicle_types", "make": "makes", "model": "models", "colour": "colours"}
    losses = {}
    for task, tensor in names.items():
        if tensor not in described:
            continue
        target = labels[task]
        parts = ((target, labels["own"]), (target[labels["other"]], 1 - labels["own"]))
        losses[task] = torch.stack(
            [_cross_entropy(described[tensor], wanted, smoothing, weight) for wanted, weight in parts]
        ).sum()
    known = labels["teacher"].abs().sum(1) > 0
    distance = 1 - (described["reid_embeds"] * labels["teacher"]).sum(1)
    losses["reid"] = (distance * known).sum() / known.sum().clamp(min=1)
    if "ocr_logits" in described:
        slots = labels["plate"].flatten()
        losses["plate"] = _cross_entropy(described["ocr_logits"].flatten(0, 1), slots, 0.0, torch.ones_like(slots))
    return losses


def identity_loss(embeddings: Tensor, vehicles: Tensor, temperature: float = 0.1) -> Tensor:
    """Supervised contrastive loss (Khosla et al., arXiv 2004.11362) over the pictures whose vehicle is known.

    `embeddings` (N, D) are L2-normalised, `vehicles` (N,) int64 numbers with -1 for unknown. A vehicle seen once only
    tells the others from itself. Zero when no vehicle is seen twice.
    """
    known = vehicles >= 0
    numbers, itself = vehicles[known], torch.eye(int(known.sum()), dtype=torch.bool, device=vehicles.device)
    similarity = embeddings[known] @ embeddings[known].T / temperature
    likelihood = similarity.masked_fill(itself, -torch.inf).log_softmax(dim=1)
    same = (numbers[:, None] == numbers) & ~itself
    own = likelihood.masked_fill(~same, 0).sum(dim=1) / same.sum(dim=1).clamp(min=1)
    return -own.sum() / same.any(dim=1).sum().clamp(min=1)


def _cross_entropy(logits: Tensor, target: Tensor, smoothing: float, weight: Tensor) -> Tensor:
    each = F.cross_entropy(logits, target, ignore_index=-1, label_smoothing=smoothing, reduction="none")
    return (weight * each).sum() / (target >= 0).sum().clamp(min=1)


def _by_layer(logits: Tensor, boxes: Tensor) -> list[dict[str, Tensor]]:
    return [{"logits": a, "pred_boxes": b} for a, b in zip(logits, boxes, strict=True)]


def _repeat(target: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        "class_labels": target["class_labels"].repeat(_PROPOSALS_PER_TARGET),
        "boxes": target["boxes"].repeat(_PROPOSALS_PER_TARGET, 1),
        "labelled": target["labelled"],
    }
