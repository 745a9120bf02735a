"""A small network that reads one plate close up, beside the unified graph whose own reading is coarse."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from vehicle_demo.models.heads import PlateHead
from vehicle_demo.models.neck import sinusoidal_positions

# Height and width in pixels to which a plate is stretched, whatever its shape: two-line plates count.
READER_SIZE = (48, 160)
_WIDTH = 96
_HEADS = 4


class PlateReader(nn.Module):
    """Residual convolutions, one self-attention layer over the 6 x 20 map, and the unified network's plate head.

    0.4 million parameters; it takes pixels as they are and normalises them itself.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(inplace=True))
        self.stages = nn.Sequential(_Residual(32, 64), _Residual(64, _WIDTH))
        self.look = nn.TransformerEncoderLayer(
            _WIDTH, _HEADS, 2 * _WIDTH, dropout=0.0, batch_first=True, norm_first=True
        )
        self.head = PlateHead(_WIDTH, _HEADS)

    def forward(self, plates: Tensor) -> Tensor:
        """plates (N, 48, 160, 3) uint8 RGB -> logits (N, 8, 37): 0-9, A-Z, blank."""
        pixels = plates.permute(0, 3, 1, 2).float() / 127.5 - 1
        return self.read(pixels)

    def read(self, pixels: Tensor) -> Tensor:
        """The same from (N, 3, 48, 160) float32 in [-1, 1]."""
        maps = self.stages(self.stem(pixels))
        rows, columns = maps.shape[-2:]
        places = sinusoidal_positions(rows, columns, _WIDTH, maps.device, maps.dtype)
        tokens = self.look(maps.flatten(2).transpose(1, 2) + places)
        maps = tokens.transpose(1, 2).reshape(maps.shape)
        return self.head(tokens.mean(dim=1), maps)


class _Residual(nn.Module):
    """Two 3 x 3 convolutions and a shortcut; halves the sides."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, width, 3, 2, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(width)
        self.shortcut = nn.Sequential(nn.Conv2d(channels, width, 1, 2, bias=False), nn.BatchNorm2d(width))

    def forward(self, maps: Tensor) -> Tensor:
        hidden = F.relu(self.first_norm(self.first(maps)))
        return F.relu(self.second_norm(self.second(hidden)) + self.shortcut(maps))
