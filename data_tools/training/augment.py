"""Augmentation of whole batches of uint8 pictures on the device that trains: geometry by one resampling, then light."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# A window that shrinks by more than this would alias.
_SHRUNK = 1.75


def normalise(pictures: Tensor) -> Tensor:
    """(N, 3, S, S) in [0, 1] -> ImageNet-normalised."""
    mean = pictures.new_tensor(IMAGENET_MEAN).view(1, 3, 1, 1)
    std = pictures.new_tensor(IMAGENET_STD).view(1, 3, 1, 1)
    return (pictures - mean) / std


def crop(pictures: Tensor, windows: Tensor, size: int) -> Tensor:
    """Resample a window of each picture to size x size.

    pictures (N, 3, H, W) float32; windows (N, 4) as x1, y1, x2, y2 in fractions of the picture, which may reach beyond
    it (grey there) and may run backwards (mirrored). Averages over a grid twice as fine where a window is shrunk.
    """
    sides = (windows[:, 2:] - windows[:, :2]).abs().amax(dim=1) * max(pictures.shape[-2:])
    shrunk = sides > _SHRUNK * size
    resampled = pictures.new_empty(len(pictures), 3, size, size)
    resampled[~shrunk] = _resample(pictures[~shrunk], windows[~shrunk], size)
    resampled[shrunk] = F.avg_pool2d(_resample(pictures[shrunk], windows[shrunk], 2 * size), 2)
    return resampled


def _resample(pictures: Tensor, windows: Tensor, size: int) -> Tensor:
    if len(pictures) == 0:
        return pictures.new_zeros(0, 3, size, size)
    x1, y1, x2, y2 = windows.unbind(1)
    theta = pictures.new_zeros(len(pictures), 2, 3)
    theta[:, 0, 0], theta[:, 0, 2] = x2 - x1, x1 + x2 - 1
    theta[:, 1, 1], theta[:, 1, 2] = y2 - y1, y1 + y2 - 1
    grid = F.affine_grid(theta, [len(pictures), 3, size, size], align_corners=False)
    # Grey outside the picture: sample around zero, then shift back.
    return F.grid_sample(pictures - 0.45, grid, mode="bilinear", padding_mode="zeros", align_corners=False) + 0.45


def mix(pictures: Tensor, rng: np.random.Generator) -> tuple[Tensor, np.ndarray, np.ndarray]:
    """Mix each picture with another one: half by mixup (arXiv 1710.09412), half by CutMix (arXiv 1905.04899).

    pictures (N, 3, S, S) -> the mixed ones, the row (N,) of each one's other, and the share (N,) that is its own.
    """
    count, size = len(pictures), pictures.shape[-1]
    other = rng.permutation(count)
    shown = torch.ones(count, 1, size, size)
    for row, share in enumerate(rng.beta(0.8, 0.8, count)):
        if rng.random() < 0.5:
            shown[row] = share
            continue
        side = round(size * float(np.sqrt(1 - share)))
        x, y = rng.integers(0, size - side + 1, 2)
        shown[row, :, y : y + side, x : x + side] = 0
    own = shown.mean(dim=(1, 2, 3)).numpy()
    return pictures * shown + pictures[torch.from_numpy(other)] * (1 - shown), other, own


def change_light(pictures: Tensor, generator: torch.Generator, strength: float) -> Tensor:
    """Brightness, contrast and saturation of each picture by up to `strength`, and now and then all colour taken out.

    pictures (N, 3, S, S) in [0, 1], and so is the answer.
    """

    def factors() -> Tensor:
        drawn = torch.rand(len(pictures), 1, 1, 1, generator=generator).to(pictures.device)
        return 1 + strength * (2 * drawn - 1)

    grey = pictures.mean(dim=1, keepdim=True)
    colour = factors() * (torch.rand(len(pictures), 1, 1, 1, generator=generator).to(pictures.device) > 0.2 * strength)
    pictures = grey + (pictures - grey) * colour
    middle = pictures.mean(dim=(1, 2, 3), keepdim=True)
    return (middle + (pictures - middle) * factors()).mul(factors()).clamp(0, 1)


def blur_some(pictures: Tensor, generator: torch.Generator, share: float) -> Tensor:
    """Shrink and enlarge a share of the pictures by up to 3: soft, far or badly compressed ones."""
    chosen = torch.rand(len(pictures), generator=generator) < share
    if not chosen.any():
        return pictures
    factor = 1 + 2 * torch.rand(1, generator=generator).item()
    small = F.interpolate(pictures[chosen], scale_factor=1 / factor, mode="area", recompute_scale_factor=True)
    pictures = pictures.clone()
    pictures[chosen] = F.interpolate(small, size=pictures.shape[-2:], mode="bilinear", align_corners=False)
    return pictures


def erase_some(pictures: Tensor, generator: torch.Generator, share: float) -> Tensor:
    """Random erasing (Zhong et al., arXiv 1708.04896): a grey rectangle over up to a quarter of a share of pictures."""
    pictures = pictures.clone()
    size = pictures.shape[-1]
    for index in torch.nonzero(torch.rand(len(pictures), generator=generator) < share).flatten().tolist():
        w, h = (torch.rand(2, generator=generator) * 0.4 + 0.1).mul(size).int().tolist()
        x, y = (torch.rand(2, generator=generator) * size).int().tolist()
        pictures[index, :, y : y + h, x : x + w] = 0.45
    return pictures
