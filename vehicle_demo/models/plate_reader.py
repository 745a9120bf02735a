"""A small network that reads one plate close up, beside the unified graph whose own reading is coarse."""

from __future__ import annotations

from torch import Tensor, nn

from vehicle_demo.models.heads import PlateHead
from vehicle_demo.models.plate_maps import HEADS, WIDTH, PlateMaps, from_bytes

# Height and width in pixels to which a plate is stretched, whatever its shape: two-line plates count.
READER_SIZE = (48, 160)


class PlateReader(PlateMaps):
    """Maps of the plate, a second look over them, and the unified network's plate head on what that gives.

    0.8 million parameters; it takes pixels as they are and normalises them itself.
    """

    def __init__(self) -> None:
        super().__init__(refined=(1, 1))
        self.again = nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, dropout=0.0, batch_first=True, norm_first=True)
        # At first it changes nothing, as the blocks do not: both can be put into a reader that has learnt without them.
        for last in (self.again.self_attn.out_proj, self.again.linear2):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.head = PlateHead(WIDTH, HEADS)

    def forward(self, plates: Tensor) -> Tensor:
        """plates (N, 48, 160, 3) uint8 RGB -> logits (N, 8, 37): 0-9, A-Z, blank."""
        return self.read(from_bytes(plates))

    def read(self, pixels: Tensor) -> Tensor:
        """The same from (N, 3, 48, 160) float32 in [-1, 1]."""
        maps = self.maps(pixels)
        tokens = self.again(maps.flatten(2).transpose(1, 2))
        return self.head(tokens.mean(dim=1), tokens.transpose(1, 2).reshape(maps.shape))
