"""Windows around plates to learn their corners from: photos with boxes, and drawn plates put over those in photos.

A photo's label is an upright box, so there only the box around the four corners is compared; drawn plates teach where
the corners themselves are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from data_tools.drawing.plates import draw_text, random_layout, random_text
from data_tools.readers.picture import Picture
from data_tools.training.augment import blur_some
from data_tools.training.loop import Losses
from data_tools.training.pictures import training_pictures
from data_tools.training.plates import lit
from vehicle_demo.models.plate_corners import WINDOW_SIZE, PlateCorners
from vehicle_demo.recognition.boxes import to_corners
from vehicle_demo.recognition.corners import MARGIN
from vehicle_demo.recognition.rectify import homographies

# A patch of a photo is cut this many times as wide and high as the plate in its middle, and kept at this size.
_AROUND, _CACHED = 4, (128, 256)
_TEXTURE = (64, 192)
_LEAST_PIXELS = 12
# Half of a batch are drawn plates on photos; of the photos' own, those with loose boxes count less.
_DRAWN_SHARE = 0.5
_TRUST = {"world": 0.4}
_OWN = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64)


class PlateWindows:
    """Patches of photos and drawn plates, and the batch of any step, drawn from (seed, step) alone."""

    def __init__(self, folders: Sequence[Path], cache: Path, seed: int, drawn: int) -> None:
        """`drawn` plates are drawn once into `cache`. Raises FileNotFoundError without plate photos in the folders."""
        pictures = training_pictures(folders, "plate_photos")
        if not pictures:
            raise FileNotFoundError(f"There are no training photos of plates in {', '.join(map(str, folders))}.")
        self._patches, self._trust = _patches(pictures, cache)
        self._textures = _textures(cache, seed, drawn)
        self._seed = seed

    def batch_at(self, step: int, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Windows (count, 3, 64, 128) float32 in [-1, 1], corners (count, 4, 2), and how far each is to be trusted.

        Corners run from -1 to 1 over the window. Trust is 0 where the plate is a drawn one and all four corners are
        known, else the weight of the box around them.
        """
        rng = np.random.default_rng((self._seed, step))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        rows = rng.integers(len(self._patches), size=count)
        drawn = rng.random(count) < _DRAWN_SHARE
        pixels = torch.from_numpy(self._patches[rows]).permute(0, 3, 1, 2).float() / 255
        mirrored = torch.from_numpy(rng.random(count) < 0.5)
        pixels = torch.where(mirrored[:, None, None, None], pixels.flip(3), pixels)
        corners = np.where(drawn[:, None, None], _quadrilaterals(rng, count), _OWN / _AROUND)
        middle, half = _seen(rng, corners)
        grid = _grid(middle, half)
        seen = F.grid_sample(pixels, grid, mode="bilinear", padding_mode="border", align_corners=False)
        textures = self._textures[rng.integers(len(self._textures), size=count)]
        plates = blur_some(torch.from_numpy(textures).permute(0, 3, 1, 2).float() / 255, generator, 0.5)
        covered = _covered(seen, lit(plates, generator), corners, grid)
        seen = torch.where(torch.from_numpy(drawn)[:, None, None, None], covered, seen)
        seen = lit(seen, generator)
        wanted = torch.from_numpy((corners - middle[:, None]) / half[:, None]).float()
        trust = torch.from_numpy(np.where(drawn, 0.0, self._trust[rows])).float()
        return seen * 2 - 1, wanted, trust


class CornerLosses(Losses):
    """Smooth L1 on the corners of drawn plates, and on the box around them where a photo's label is one."""

    def __init__(self, network: PlateCorners) -> None:
        super().__init__()
        self.network = network

    def forward(self, batch: Any) -> dict[str, Tensor]:
        """batch: what `PlateWindows.batch_at` gives."""
        pixels, corners, trust = batch
        found = self.network.locate(pixels.contiguous(memory_format=torch.channels_last))
        exact = F.smooth_l1_loss(found, corners, beta=0.05, reduction="none").mean(dim=(1, 2))
        boxed = F.smooth_l1_loss(_boxes(found), _boxes(corners), beta=0.05, reduction="none").mean(dim=1)
        known = trust == 0
        return {
            "corners": (exact * known).sum() / len(trust) * 10,
            "box": (boxed * trust).sum() / len(trust) * 10,
        }


def _boxes(corners: Tensor) -> Tensor:
    """(N, 4, 2) -> (N, 4), the least x and y and the greatest."""
    return torch.cat([corners.amin(dim=1), corners.amax(dim=1)], dim=1)


def _patches(pictures: Sequence[Picture], cache: Path) -> tuple[np.ndarray, np.ndarray]:
    """(N, 128, 256, 3) uint8 around every plate that is large enough, and how far its box is to be trusted."""
    digest = hashlib.sha256(repr([(p.source, p.path) for p in pictures]).encode()).hexdigest()[:12]
    path = cache / f"plate-patches-{digest}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        cut = [patch for picture in tqdm(pictures, desc="cutting plates out") for patch in _around(picture)]
        unfinished = path.with_suffix(".part.npz")
        np.savez(unfinished, pixels=np.stack([pixels for pixels, _ in cut]), trust=[trust for _, trust in cut])
        unfinished.rename(path)
    kept = np.load(path)
    return kept["pixels"], kept["trust"]


def _around(picture: Picture) -> Iterator[tuple[np.ndarray, float]]:
    image = picture.decode()
    height, width = _CACHED
    for label in picture.boxes:
        x1, y1, x2, y2 = to_corners(np.array([label.box]))[0] * [*image.size, *image.size]
        if x2 - x1 < _LEAST_PIXELS:
            continue
        x, y, reach_x, reach_y = (x1 + x2) / 2, (y1 + y2) / 2, (x2 - x1) * _AROUND / 2, (y2 - y1) * _AROUND / 2
        columns = (x - reach_x + (np.arange(width) + 0.5) / width * 2 * reach_x).clip(0, image.width - 1)
        rows = (y - reach_y + (np.arange(height) + 0.5) / height * 2 * reach_y).clip(0, image.height - 1)
        # The photo's rim goes on beyond it; pixels far apart are averaged first.
        finer = max(1.0, float(2 * reach_x / width))
        soft = image.filter(ImageFilter.BoxBlur((finer - 1) / 2)) if finer > 1 else image
        yield _sampled(np.asarray(soft), rows, columns), _TRUST.get(picture.source, 1.0)


def _sampled(pixels: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Bilinear samples of (H, W, 3) uint8 at the crossings of rows and columns (pixels, fractions allowed)."""
    height, width = pixels.shape[:2]
    y, x = np.meshgrid((rows + 0.5) / height * 2 - 1, (columns + 0.5) / width * 2 - 1, indexing="ij")
    grid = torch.from_numpy(np.stack([x, y], axis=-1)[None]).float()
    picture = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float()
    (sampled,) = F.grid_sample(picture, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return sampled.permute(1, 2, 0).round().byte().numpy()


def _textures(cache: Path, seed: int, count: int) -> np.ndarray:
    """Bare drawn plates up to their edges, (count, 64, 192, 3) uint8, from the cache where they have been drawn."""
    from data_tools.drawing import plates

    made_by = Path(plates.__file__).read_bytes()
    digest = hashlib.sha256(made_by + f"{seed} {count}".encode()).hexdigest()[:12]
    path = cache / f"bare-plates-{digest}.npy"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        height, width = _TEXTURE
        drawn = np.empty((count, height, width, 3), np.uint8)
        for row in tqdm(range(count), desc="drawing plates"):
            rng = np.random.default_rng((seed, row))
            layout = random_layout(rng)
            plate = draw_text(layout, random_text(rng, layout.pattern), height=96)
            drawn[row] = np.asarray(plate.convert("RGB").resize((width, height), Image.Resampling.BILINEAR))
        unfinished = path.with_suffix(".part.npy")
        np.save(unfinished, drawn)
        unfinished.rename(path)
    return np.load(path, mmap_mode="r")


def _quadrilaterals(rng: np.random.Generator, count: int) -> np.ndarray:
    """Corners (count, 4, 2) of plates that cover the one in the patch's middle, sheared and seen at an angle."""
    corners = _OWN / _AROUND * np.exp(rng.uniform(-0.02, 0.45, (count, 1, 2)))
    half = corners[:, 2:3]
    corners = (
        corners + half * rng.normal(0, 0.08, (count, 1, 2)) + half * rng.normal(0, 1, (count, 4, 2)) * [0.02, 0.05]
    )
    corners[..., 1] += half[..., 1] * rng.normal(0, 0.3, (count, 1)) * _OWN[:, 0]
    corners[..., 0] += half[..., 0] * rng.normal(0, 0.05, (count, 1)) * _OWN[:, 1]
    return corners


def _seen(rng: np.random.Generator, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Middles and half sides (count, 2) of the windows round boxes as a detector gives them: shifted, mostly loose."""
    low, high = corners.min(axis=1), corners.max(axis=1)
    count, half = len(corners), (high - low) / 2
    size = half * np.exp(rng.uniform(-0.3, 0.55, (count, 2)))
    middle = (low + high) / 2 + half * rng.normal(0, 0.3, (count, 2)).clip(-0.9, 0.9)
    return middle, size * (1 + 2 * MARGIN)


def _grid(middle: np.ndarray, half: np.ndarray) -> Tensor:
    """Where each pixel of the windows lies in the patch, (count, 64, 128, 2) from -1 to 1."""
    height, width = WINDOW_SIZE
    y, x = np.meshgrid(
        (np.arange(height) + 0.5) / height * 2 - 1, (np.arange(width) + 0.5) / width * 2 - 1, indexing="ij"
    )
    places = np.stack([x, y], axis=-1)[None]
    return torch.from_numpy(middle[:, None, None] + half[:, None, None] * places).float()


def _covered(seen: Tensor, plates: Tensor, corners: np.ndarray, grid: Tensor) -> Tensor:
    """The windows with a drawn plate (count, 3, h, w) over the quadrilateral with these corners in the patch."""
    back = torch.from_numpy(np.linalg.inv(homographies(_OWN, corners))).float()
    places = torch.cat([grid, torch.ones_like(grid[..., :1])], dim=-1).flatten(1, 2)
    mapped = places @ back.transpose(1, 2)
    on_plate = (mapped[..., :2] / mapped[..., 2:].clamp(min=1e-3)).reshape(grid.shape)
    drawn = F.grid_sample(plates, on_plate, mode="bilinear", padding_mode="border", align_corners=False)
    inside = ((1 - on_plate.abs()) * 12 + 0.5).clamp(0, 1).prod(dim=-1).unsqueeze(1)
    return drawn * inside + seen * (1 - inside)
