"""A small network that reads one plate close up, beside the unified graph whose own reading is coarse."""

from __future__ import annotations

from torch import Tensor

from vehicle_demo.models.heads import PlateHead
from vehicle_demo.models.plate_maps import HEADS, WIDTH, PlateMaps, from_bytes

# Height and width in pixels to which a plate is stretched, whatever its shape: two-line plates count.
READER_SIZE = (48, 160)


class PlateReader(PlateMaps):
    """Maps of the plate, and the unified network's plate head on them.

    0.4 million parameters; it takes pixels as they are and normalises them itself.
    """

    def __init__(self) -> None:
        super().__init__()
        self.head = PlateHead(WIDTH, HEADS)

    def forward(self, plates: Tensor) -> Tensor:
        """plates (N, 48, 160, 3) uint8 RGB -> logits (N, 8, 37): 0-9, A-Z, blank."""
        return self.read(from_bytes(plates))

    def read(self, pixels: Tensor) -> Tensor:
        """The same from (N, 3, 48, 160) float32 in [-1, 1]."""
        maps = self.maps(pixels)
        return self.head(maps.flatten(2).mean(dim=2), maps)
