"""A small network that finds a plate's four corners around where the detector roughly saw it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vehicle_demo.models.plate_maps import WIDTH, PlateMaps, from_bytes

# Height and width in pixels to which the window around a plate is stretched.
WINDOW_SIZE = (64, 128)
# Corners may lie this many times as far from the window's middle as its sides do.
_REACH = 1.2


class PlateCorners(PlateMaps):
    """A heat map for each corner, and its centre of mass (the spatial-to-numerical transform of arXiv 1801.07372).

    0.3 million parameters; it takes pixels as they are and normalises them itself.
    """

    def __init__(self) -> None:
        super().__init__()
        self.heat = nn.Conv2d(WIDTH, 4, 1)
        # The map is coarse; a corner's offset from the centre of mass is read off the whole window.
        self.offset = nn.Linear(WIDTH, 8)

    def forward(self, windows: Tensor) -> Tensor:
        """windows (N, 64, 128, 3) uint8 RGB -> corners (N, 4, 2) float32.

        From the upper left on clockwise as the plate is read, x and y as fractions of the window's sides.
        """
        return (self.locate(from_bytes(windows)) + 1) / 2

    def locate(self, pixels: Tensor) -> Tensor:
        """The same from (N, 3, 64, 128) float32 in [-1, 1], and from -1 to 1 over the window."""
        maps = self.maps(pixels)
        rows, columns = maps.shape[-2:]
        heat = self.heat(maps).flatten(2).softmax(dim=2)
        y, x = torch.meshgrid(_centres(rows, maps), _centres(columns, maps), indexing="ij")
        places = torch.stack([x, y], dim=-1).reshape(1, rows * columns, 2)
        return heat @ places + self.offset(maps.flatten(2).mean(dim=2)).reshape(-1, 4, 2)


def _centres(count: int, like: Tensor) -> Tensor:
    return _REACH * ((torch.arange(count, device=like.device, dtype=like.dtype) + 0.5) / count * 2 - 1)
