"""HiMS-Min: Veri-Car's loss over a hierarchy of names (arXiv 2411.06864, section on hierarchical metric learning)."""

from __future__ import annotations

import math

import torch
from pytorch_metric_learning.losses import MultiSimilarityLoss
from pytorch_metric_learning.reducers import DoNothingReducer
from torch import Tensor, nn


class HiMSMin(nn.Module):
    """Multi-Similarity (Wang et al., CVPR 2019, equation 9) on every level of a hierarchy, coarse to fine.

    L = 1/|L| sum over levels l of exp(1/l) mean over pictures i of m_l(i), where the finest level has
    m_|L|(i) = MS_|L|(i) and every coarser one m_l(i) = min(MS_l(i), m_l+1(i)): a coarse level, whose pairs are easier,
    never costs a picture more than a finer one. Level 1 is the coarsest; exp(1/l) is the weighting of Zhang et al.
    (arXiv 2204.13207), whose hierarchical loss this is the pair-based form of. With one level it is e times
    Multi-Similarity.
    """

    def __init__(self, alpha: float = 2.0, beta: float = 50.0, base: float = 0.5) -> None:
        super().__init__()
        self.similarity = MultiSimilarityLoss(alpha, beta, base, reducer=DoNothingReducer())

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """embeddings (N, D), labels (N, L) int64 with a number for each level, coarsest first -> a scalar.

        Two pictures are the same on a level when all their numbers up to it are.
        """
        levels = labels.shape[1]
        least: Tensor | None = None
        parts = []
        for level in range(levels, 0, -1):
            path = labels[:, :level].unique(dim=0, return_inverse=True)[1]
            own = self._by_picture(embeddings, path)
            least = own if least is None else torch.minimum(own, least)
            parts.append(math.exp(1 / level) * least.mean())
        return torch.stack(parts).sum() / levels

    def _by_picture(self, embeddings: Tensor, path: Tensor) -> Tensor:
        """Each picture's loss (N,); nothing where it has neither its like nor another in the batch."""
        found = self.similarity(embeddings, path)["loss"]
        # With no pair in all of the batch the library answers with a plain number.
        return found["losses"] + embeddings.sum(dim=1) * 0
