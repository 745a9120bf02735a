"""Plate close-ups to learn reading from: real crops and drawn plates, seen from elsewhere and lit anew every time."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from data_tools.drawing.plates import Layout, draw_text, random_layout, random_text
from data_tools.training.augment import blur_some, change_light
from data_tools.training.labels import plate_slots
from data_tools.training.pictures import training_pictures
from vehicle_demo.models.plate_reader import READER_SIZE
from vehicle_demo.recognition.rectify import homographies

# Height and width in pixels of the cached close-ups: a little more than the reader takes.
_CACHED = (64, 192)
# The drawn share of a batch; the rest is even among the real sources, whose styles and cameras differ.
_DRAWN_SHARE = 0.4


class PlateCloseUps:
    """Training close-ups with their texts, and the batch of any step, drawn from (seed, step) alone."""

    def __init__(self, folders: Sequence[Path], cache: Path, seed: int, drawn: int) -> None:
        """`drawn` plates are drawn once into `cache`. Raises FileNotFoundError without real crops in the folders."""
        pictures = training_pictures(folders, "plate_crops")
        if not pictures:
            raise FileNotFoundError(f"There are no training plates in {', '.join(map(str, folders))}.")
        real = np.stack([_stretched(picture.decode()) for picture in tqdm(pictures, desc="decoding plates")])
        drawn_pixels, drawn_texts = _drawn(cache, seed, drawn)
        self._pixels = np.concatenate([real, drawn_pixels])
        texts = [picture.plate_text for picture in pictures] + drawn_texts
        self._slots = torch.tensor([plate_slots(text) for text in texts])
        sources = np.array([picture.source for picture in pictures])
        self._groups = [np.arange(len(real), len(self._pixels))]
        self._groups += [np.flatnonzero(sources == source) for source in np.unique(sources)]
        self._shares = [_DRAWN_SHARE] + [(1 - _DRAWN_SHARE) / (len(self._groups) - 1)] * (len(self._groups) - 1)
        self._seed = seed

    def batch_at(self, step: int, count: int) -> tuple[Tensor, Tensor]:
        """Plates (count, 3, 48, 160) float32 in [-1, 1] and their slots (count, 8) int64, -1 where not known."""
        rng = np.random.default_rng((self._seed, step))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        groups = rng.choice(len(self._groups), size=count, p=self._shares)
        rows = np.array([rng.choice(self._groups[group]) for group in groups])
        pixels = torch.from_numpy(self._pixels[rows]).permute(0, 3, 1, 2).float() / 255
        pixels = seen_from_elsewhere(pixels, rng)
        pixels = lit(pixels, generator)
        return pixels * 2 - 1, self._slots[rows]


def seen_from_elsewhere(pixels: Tensor, rng: np.random.Generator) -> Tensor:
    """Each picture through a homography of its own: (N, 3, H, W) -> (N, 3, 48, 160).

    What the reader sees is a quadrilateral whose corners lie up to a seventh of a side beyond the picture's own, or a
    little inside: boxes from a detector are loose, and plates are seen at an angle. Beyond the picture its rim goes on.
    """
    count = len(pixels)
    own = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64)
    reach = rng.uniform(-0.04, 0.28, (count, 1, 2)) * rng.random((count, 1, 1))
    shift = rng.uniform(-1, 1, (count, 1, 2)) * reach.clip(0.02) * 0.7
    corners = own * (1 + reach) + shift + rng.normal(0, 1, (count, 4, 2)) * [0.02, 0.07]
    # Sheared, as a plate seen from the side is; the upright box round it then grows by as much.
    shear = rng.normal(0, 1, (count, 1)) * np.where(rng.random((count, 1)) < 0.5, 0.07, 0.28)
    corners[..., 1] += shear * own[:, 0] + np.abs(shear) * own[:, 1]
    theta = torch.from_numpy(homographies(own, corners)).float()
    height, width = READER_SIZE
    rows, columns = torch.meshgrid(
        (torch.arange(height) + 0.5) / height * 2 - 1, (torch.arange(width) + 0.5) / width * 2 - 1, indexing="ij"
    )
    places = torch.stack([columns, rows, torch.ones_like(rows)], dim=-1).reshape(1, -1, 3)
    mapped = places @ theta.transpose(1, 2)
    grid = (mapped[..., :2] / mapped[..., 2:]).reshape(count, height, width, 2)
    return F.grid_sample(pixels, grid, mode="bilinear", padding_mode="border", align_corners=False)


def lit(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """(N, 3, H, W) in [0, 1] under a tint, light, a shadow's edge, blur, darkness and grain; each its own."""
    count, _, height, width = pixels.shape

    def drawn(*shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=generator)

    tinted = pixels * (1 + (drawn(3, 1, 1) - 0.5) * 0.7 * (drawn(1, 1, 1) < 0.5))
    pixels = change_light(tinted.clamp(0, 1), generator, 0.45)
    across = torch.linspace(-1, 1, width).view(1, 1, 1, width) * (drawn(1, 1, 1) - 0.5)
    down = torch.linspace(-1, 1, height).view(1, 1, height, 1) * (drawn(1, 1, 1) - 0.5)
    pixels = pixels * (1 + 1.2 * (across + down) * (drawn(1, 1, 1) < 0.4)).clamp(0.2, 1.6)
    pixels = blur_some(blur_some(pixels, generator, 0.25), generator, 0.25)
    dark = (drawn(1, 1, 1) < 0.25) * drawn(1, 1, 1) * 0.8
    pixels = pixels * (1 - dark)
    grain = torch.randn(pixels.shape, generator=generator) * 0.06 * drawn(1, 1, 1) * (drawn(1, 1, 1) < 0.6)
    return (pixels + grain).clamp(0, 1)


def _drawn(cache: Path, seed: int, count: int) -> tuple[np.ndarray, list[str]]:
    """(count, 64, 192, 3) uint8 and texts, from the cache where they have been drawn before by the same code."""
    from data_tools.drawing import plates

    made_by = Path(plates.__file__).read_bytes() + Path(__file__).read_bytes()
    digest = hashlib.sha256(made_by + f"{seed} {count}".encode()).hexdigest()[:12]
    path = cache / f"drawn-plates-{digest}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        made = [close_up(np.random.default_rng((seed, row))) for row in tqdm(range(count), desc="drawing plates")]
        pixels, texts = np.stack([_stretched(image) for image, _ in made]), [text for _, text in made]
        unfinished = path.with_suffix(".part.npz")
        np.savez(unfinished, pixels=pixels, texts=texts)
        unfinished.rename(path)
    kept = np.load(path)
    return kept["pixels"], kept["texts"].tolist()


def drawn_views(layout: Layout, count: int, seed: int) -> tuple[np.ndarray, list[str]]:
    """Plates of one style as the reader learns from them, through homographies and light: (count, 48, 160, 3) uint8.

    With another seed than a config's these are plates that no reader of ours was taught.
    """
    made = [close_up(np.random.default_rng((seed, row)), layout) for row in range(count)]
    pixels = torch.from_numpy(np.stack([_stretched(image) for image, _ in made])).permute(0, 3, 1, 2).float() / 255
    seen = lit(seen_from_elsewhere(pixels, np.random.default_rng(seed)), torch.Generator().manual_seed(seed))
    return (seen * 255).round().byte().permute(0, 2, 3, 1).numpy(), [text for _, text in made]


def close_up(rng: np.random.Generator, layout: Layout | None = None) -> tuple[Image.Image, str]:
    """A drawn plate, of any style unless one is given, on a piece of bodywork, worn and compressed, and its text."""
    layout = layout or random_layout(rng)
    text = random_text(rng, layout.pattern)
    plate = draw_text(layout, text, height=96)
    margins = rng.uniform(0, 0.1, 4) * (plate.width, plate.height, plate.width, plate.height)
    left, top, right, bottom = margins.round().astype(int)
    paint = rng.integers(10, 230, 3)
    slope = np.linspace(rng.uniform(0.6, 1), rng.uniform(0.6, 1), plate.height + top + bottom)[:, None, None]
    body = np.broadcast_to(paint * slope, (len(slope), plate.width + left + right, 3)).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(body))
    image.paste(plate, (left, top))
    pen = ImageDraw.Draw(image, "RGBA")
    for _ in range(rng.integers(0, 12)):
        x, y, r = rng.uniform(0, image.width), rng.uniform(0, image.height), rng.uniform(1, 7)
        shade = (*rng.integers(20, 140, 3).tolist(), int(rng.integers(40, 170)))
        pen.ellipse((x - r, y - r, x + r, y + r), fill=shade)
    if rng.random() < 0.3:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 2.5)))
    squeezed = io.BytesIO()
    image.save(squeezed, "JPEG", quality=int(rng.integers(25, 95)))
    return Image.open(squeezed).convert("RGB"), text


def _stretched(image: Image.Image) -> np.ndarray:
    height, width = _CACHED
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
