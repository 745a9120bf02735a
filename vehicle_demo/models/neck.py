"""From a timm backbone to the three maps, strides about 8, 16 and 32, that the hybrid encoder takes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ConvPyramid(nn.Module):
    """One 1 x 1 projection for each of a convolutional backbone's last three stages."""

    def __init__(self, in_channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.projections = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width)) for channels in in_channels
        )

    def forward(self, stages: Sequence[Tensor]) -> list[Tensor]:
        """stages: three (N, C_i, H_i, W_i) -> three (N, width, H_i, W_i)."""
        return [project(stage) for project, stage in zip(self.projections, stages, strict=True)]


class SimpleFPN(nn.Module):
    """The simple feature pyramid of ViTDet (Li et al., arXiv 2203.16527): three scales from a ViT's last map alone."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()

        def project(channels: int) -> list[nn.Module]:
            return [
                nn.Conv2d(channels, width, 1, bias=False),
                nn.BatchNorm2d(width),
                nn.Conv2d(width, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
            ]

        half = in_channels // 2
        self.finer = nn.Sequential(nn.ConvTranspose2d(in_channels, half, 2, stride=2), nn.GELU(), *project(half))
        self.same = nn.Sequential(*project(in_channels))
        self.coarser = nn.Sequential(nn.MaxPool2d(2), *project(in_channels))

    def forward(self, stages: Sequence[Tensor]) -> list[Tensor]:
        """stages: one (N, C, H, W) -> (N, width, 2H, 2W), (N, width, H, W), (N, width, H/2, W/2)."""
        (last,) = stages
        return [self.finer(last), self.same(last), self.coarser(last)]


# Cells a side that the position codes count, so that a place has one code at every picture size.
_CODED_SIDE = 40


def sinusoidal_positions(height: int, width: int, channels: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Sine and cosine codes of each cell's place, as if there were 40 rows and 40 columns: (height * width, channels).

    `channels` is a multiple of 4.
    """
    quarter = channels // 4
    omega = 10000 ** (-torch.arange(quarter, device=device, dtype=torch.float32) / quarter)
    rows, columns = torch.meshgrid(
        torch.arange(height, device=device, dtype=torch.float32) * (_CODED_SIDE / height),
        torch.arange(width, device=device, dtype=torch.float32) * (_CODED_SIDE / width),
        indexing="ij",
    )
    angles = torch.cat([rows.reshape(-1, 1) * omega, columns.reshape(-1, 1) * omega], dim=1)
    return torch.cat([angles.sin(), angles.cos()], dim=1).to(dtype)
