"""Plate close-ups to learn reading from: real crops, drawn plates, and photos' plates, read by eye or by nobody.

Each is seen from elsewhere, lit anew and photographed again, from afar and badly, every time.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from data_tools.drawing import fonts, plates, pressed
from data_tools.drawing.plates import Layout, draw_text, random_layout, random_text
from data_tools.training.augment import blur_some, change_light
from data_tools.training.labels import plate_slots
from data_tools.training.photo_plates import MARGIN, photo_plates
from data_tools.training.pictures import training_pictures
from vehicle_demo.models.plate_reader import READER_SIZE
from vehicle_demo.recognition.rectify import homographies

# What a drawn plate follows from.
_DRAWN_BY = (fonts.__file__, plates.__file__, pressed.__file__, __file__)
# Height and width in pixels of the cached close-ups: a little more than the reader takes.
_CACHED = (64, 192)
# The drawn share of a batch, and that of photos' plates; the rest is even among the sources of real crops, whose styles
# and cameras differ.
_DRAWN_SHARE, _PHOTO_SHARE = 0.45, 0.3
# Of the drawn ones, those as North America presses them; beside them every style in the world.
_PRESSED_SHARE = 0.6
# A batch has one plate that nobody has read to so many whose text is known.
_KNOWN_TO_UNREAD = 7
# The share that stays as sharp as it is: photos' plates are small already.
_SPARED_CLOSE_UP, _SPARED_PHOTO = 0.3, 0.6


@dataclass(frozen=True)
class PlateBatch:
    """`pixels` (N, 3, 48, 160) float32 in [-1, 1] and their `slots` (N, 8) int64, -1 where not known.

    `plain` and `changed` are M unread plates, each seen twice: about as the reader in use sees them, and as `pixels`
    are. M may be 0.
    """

    pixels: Tensor
    slots: Tensor
    plain: Tensor
    changed: Tensor


class PlateCloseUps:
    """Training close-ups with their texts, and the batch of any step, drawn from (seed, step) alone."""

    def __init__(self, folders: Sequence[Path], cache: Path, seed: int, drawn: int) -> None:
        """`drawn` plates are drawn once into `cache`. Raises FileNotFoundError without real crops in the folders."""
        pictures = training_pictures(folders, "plate_crops")
        if not pictures:
            raise FileNotFoundError(f"There are no training plates in {', '.join(map(str, folders))}.")
        decoded = [picture.decode() for picture in tqdm(pictures, desc="decoding plates")]
        drawn_pixels, drawn_texts, drawn_shapes = _drawn(cache, seed, drawn)
        photos = photo_plates(folders, cache, _CACHED)
        read, self._unread = photos[photos.read], photos[~photos.read].pixels
        crops = np.stack([_stretched(image) for image in decoded])
        self._pixels = np.concatenate([crops, drawn_pixels, read.pixels])
        self._shapes = np.concatenate([[image.width / image.height for image in decoded], drawn_shapes, read.shapes])
        texts = [picture.plate_text for picture in pictures] + drawn_texts
        self._slots = torch.tensor([plate_slots(text) for text in texts] + read.slots.tolist())
        sources = np.array([picture.source for picture in pictures] + ["drawn"] * drawn + ["photos"] * len(read))
        self._of_photos = sources == "photos"
        self._groups = [np.flatnonzero(sources == source) for source in np.unique(sources)]
        shares = {"drawn": _DRAWN_SHARE, "photos": _PHOTO_SHARE}
        crop_share = (1 - _DRAWN_SHARE - _PHOTO_SHARE) / len({picture.source for picture in pictures})
        weights = np.array([shares.get(source, crop_share) for source in np.unique(sources)])
        self._shares = weights / weights.sum()
        self._seed = seed

    def batch_at(self, step: int, count: int) -> PlateBatch:
        """A batch of `count` plates, of which an eighth is unread where the folders have such."""
        rng = np.random.default_rng((self._seed, step))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        unread = count // (_KNOWN_TO_UNREAD + 1) if len(self._unread) else 0
        groups = rng.choice(len(self._groups), size=count - unread, p=self._shares)
        rows = np.array([rng.choice(self._groups[group]) for group in groups])
        of_photos = self._of_photos[rows]
        known = seen_from_elsewhere(_floats(self._pixels[rows]), rng, np.where(of_photos, MARGIN, 0.0))
        spared = np.where(of_photos, _SPARED_PHOTO, _SPARED_CLOSE_UP)
        pixels = photographed(lit(known, generator), self._shapes[rows], rng, spared)
        if not unread:
            nothing = pixels[:0]
            return PlateBatch(pixels * 2 - 1, self._slots[rows], nothing, nothing)
        photos = _floats(self._unread[rng.integers(len(self._unread), size=unread)])
        plain = as_in_use(photos, rng)
        elsewhere = lit(seen_from_elsewhere(photos, rng, np.full(unread, MARGIN)), generator)
        changed = photographed(elsewhere, np.full(unread, 3.0), rng, np.full(unread, _SPARED_CLOSE_UP))
        return PlateBatch(pixels * 2 - 1, self._slots[rows], plain * 2 - 1, changed * 2 - 1)


def seen_from_elsewhere(pixels: Tensor, rng: np.random.Generator, margins: np.ndarray) -> Tensor:
    """Each picture through a homography of its own: (N, 3, H, W) -> (N, 3, 48, 160).

    What the reader sees is a quadrilateral whose corners lie up to a seventh of a side beyond the plate's own, or a
    little inside: boxes from a detector are loose, and plates are seen at an angle. Each plate fills its picture but
    for `margins` (N,) of its own sides around it; beyond the picture its rim goes on.
    """
    count = len(pixels)
    own = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64)
    reach = rng.uniform(-0.04, 0.28, (count, 1, 2)) * rng.random((count, 1, 1))
    shift = rng.uniform(-1, 1, (count, 1, 2)) * reach.clip(0.02) * 0.7
    corners = own * (1 + reach) + shift + rng.normal(0, 1, (count, 4, 2)) * [0.02, 0.07]
    # Sheared, as a plate seen from the side is; the upright box round it then grows by as much.
    shear = rng.normal(0, 1, (count, 1)) * np.where(rng.random((count, 1)) < 0.5, 0.07, 0.28)
    corners[..., 1] += shear * own[:, 0] + np.abs(shear) * own[:, 1]
    return _through(pixels, corners / (1 + 2 * margins.reshape(-1, 1, 1)))


def as_in_use(pixels: Tensor, rng: np.random.Generator) -> Tensor:
    """Pictures of boxes with `MARGIN` of their sides around them as the reader in use sees them, give or take."""
    own = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64)
    corners = own * rng.uniform(1.0, 1.2, (len(pixels), 1, 2)) + rng.normal(0, 0.02, (len(pixels), 1, 2))
    return _through(pixels, corners / (1 + 2 * MARGIN))


def _through(pixels: Tensor, corners: np.ndarray) -> Tensor:
    """The quadrilaterals (N, 4, 2), from -1 to 1 over each picture, as (N, 3, 48, 160)."""
    count = len(pixels)
    own = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], np.float64)
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


def photographed(pixels: Tensor, shapes: np.ndarray, rng: np.random.Generator, spared: np.ndarray) -> Tensor:
    """Most of (N, 3, H, W) in [0, 1] as a camera far away keeps them: few pixels, sharpened, compressed as JPEG.

    `shapes` (N,) are the plates' widths over their heights, which say how many rows of pixels so many columns have;
    `spared` (N,) are how likely each is to stay as it is.
    """
    height, width = pixels.shape[2:]
    kept = (pixels * 255).round().byte().permute(0, 2, 3, 1).numpy()
    for row, shape in enumerate(shapes):
        if rng.random() < spared[row]:
            continue
        columns = round(float(np.exp(rng.uniform(np.log(36), np.log(150)))))
        rows = max(9, round(columns / shape * rng.uniform(0.85, 1.3)))
        image = Image.fromarray(kept[row])
        image = image.resize((columns, rows), Image.Resampling.BOX if rng.random() < 0.5 else Image.Resampling.BICUBIC)
        if rng.random() < 0.4:
            image = image.filter(ImageFilter.UnsharpMask(rng.uniform(0.5, 2), int(rng.integers(50, 250)), 0))
        image = _squeezed(image, int(rng.integers(35, 96)))
        kept[row] = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
    return _floats(kept)


def _squeezed(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def _floats(pixels: np.ndarray) -> Tensor:
    """(N, H, W, 3) uint8 -> (N, 3, H, W) float32 in [0, 1]."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


def _drawn(cache: Path, seed: int, count: int) -> tuple[np.ndarray, list[str], np.ndarray]:
    """(count, 64, 192, 3) uint8, texts, shapes; from the cache where they have been drawn before by the same code."""
    made_by = b"".join(Path(str(module)).read_bytes() for module in _DRAWN_BY)
    digest = hashlib.sha256(made_by + f"{seed} {count}".encode()).hexdigest()[:12]
    path = cache / f"drawn-plates-{digest}.npz"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        made = [close_up(np.random.default_rng((seed, row))) for row in tqdm(range(count), desc="drawing plates")]
        pixels, texts = np.stack([_stretched(image) for image, _ in made]), [text for _, text in made]
        shapes = [image.width / image.height for image, _ in made]
        unfinished = path.with_suffix(".part.npz")
        np.savez(unfinished, pixels=pixels, texts=texts, shapes=shapes)
        unfinished.rename(path)
    kept = np.load(path)
    return kept["pixels"], kept["texts"].tolist(), kept["shapes"]


def drawn_views(layout: Layout, count: int, seed: int) -> tuple[np.ndarray, list[str]]:
    """Plates of one style as the reader learns from them, through homographies and light: (count, 48, 160, 3) uint8.

    With another seed than a config's these are plates that no reader of ours was taught.
    """
    made = [close_up(np.random.default_rng((seed, row)), layout) for row in range(count)]
    pixels = _floats(np.stack([_stretched(image) for image, _ in made]))
    seen = lit(
        seen_from_elsewhere(pixels, np.random.default_rng(seed), np.zeros(count)), torch.Generator().manual_seed(seed)
    )
    return (seen * 255).round().byte().permute(0, 2, 3, 1).numpy(), [text for _, text in made]


def close_up(rng: np.random.Generator, layout: Layout | None = None) -> tuple[Image.Image, str]:
    """A drawn plate, of any style unless one is given, on a piece of bodywork, worn and compressed, and its text."""
    plate, text = _any_plate(rng) if layout is None else _of_style(rng, layout)
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
    return _squeezed(image, int(rng.integers(25, 95))), text


def _any_plate(rng: np.random.Generator) -> tuple[Image.Image, str]:
    if rng.random() < _PRESSED_SHARE:
        return pressed.random_plate(rng, height=96)
    layout = random_layout(rng)
    made_up = layout.name not in {own.name for own in plates.LAYOUTS}
    return _of_style(rng, layout, **({"letters": ascii_uppercase} if made_up else {}))


def _of_style(rng: np.random.Generator, layout: Layout, **letters: str) -> tuple[Image.Image, str]:
    text = random_text(rng, layout.pattern, **letters)
    return draw_text(layout, text, height=96), text


def _stretched(image: Image.Image) -> np.ndarray:
    height, width = _CACHED
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
