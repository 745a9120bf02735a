"""What the small networks for plates close up have in common: convolutions, then one look over the whole map."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from vehicle_demo.models.neck import sinusoidal_positions

WIDTH, HEADS = 96, 4


class PlateMaps(nn.Module):
    """Residual convolutions down to an eighth of each side, and one self-attention layer over that map.

    After each of the two stages come as many `refined` blocks, which keep the sides and at first change nothing.
    """

    def __init__(self, refined: Sequence[int] = (0, 0)) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(inplace=True))
        self.stages = nn.Sequential(_Residual(32, 64), _Residual(64, WIDTH))
        self.refine = nn.ModuleList(
            nn.Sequential(*(_Refinement(width) for _ in range(count)))
            for width, count in zip((64, WIDTH), refined, strict=True)
        )
        self.look = nn.TransformerEncoderLayer(WIDTH, HEADS, 2 * WIDTH, dropout=0.0, batch_first=True, norm_first=True)

    def maps(self, pixels: Tensor) -> Tensor:
        """pixels (N, 3, H, W) float32 in [-1, 1] -> (N, 96, H / 8, W / 8)."""
        maps = self.stem(pixels)
        for stage, refine in zip(self.stages, self.refine, strict=True):
            maps = refine(stage(maps))
        rows, columns = maps.shape[-2:]
        places = sinusoidal_positions(rows, columns, WIDTH, maps.device, maps.dtype)
        tokens = self.look(maps.flatten(2).transpose(1, 2) + places)
        return tokens.transpose(1, 2).reshape(maps.shape)


def from_bytes(plates: Tensor) -> Tensor:
    """(N, H, W, 3) uint8 RGB -> (N, 3, H, W) float32 in [-1, 1]."""
    return plates.permute(0, 3, 1, 2).float() / 127.5 - 1


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


class _Refinement(nn.Module):
    """Two 3 x 3 convolutions beside the maps as they are, which they leave as they are until they have learnt."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(width)
        nn.init.zeros_(self.second_norm.weight)

    def forward(self, maps: Tensor) -> Tensor:
        hidden = F.relu(self.first_norm(self.first(maps)))
        return F.relu(self.second_norm(self.second(hidden)) + maps)
