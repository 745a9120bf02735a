"""What lens, sensor and encoder do to a rendered frame."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageFilter


def finish(image: Image.Image, roughness: float, rng: np.random.Generator) -> Image.Image:
    """The frame as a camera of that `roughness` in [0, 1] would store it: vignette, blur, noise, compression."""
    width, height = image.size
    if roughness > 0.35:
        factor = 1 + 1.2 * roughness * float(rng.random())
        small = image.resize((round(width / factor), round(height / factor)), Image.Resampling.BILINEAR)
        image = small.resize((width, height), Image.Resampling.BILINEAR)
    if rng.random() < 0.25 * roughness:
        image = _moved(image, int(rng.integers(3, 9)))
    image = image.filter(ImageFilter.GaussianBlur(0.25 + 0.6 * roughness * float(rng.random())))
    pixels = np.asarray(image, dtype=np.float32)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    pixels *= 1 - (0.05 + 0.12 * roughness) * ((x**2 + y**2) / 2)[..., None]
    pixels += rng.normal(0, 1.2 + 7 * roughness, pixels.shape) * (0.5 + 0.5 * (1 - pixels / 255))
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=int(93 - 45 * roughness * float(rng.random())))
    with Image.open(buffer) as stored:
        return stored.convert("RGB")


def _moved(image: Image.Image, pixels: int) -> Image.Image:
    """Sideways motion blur."""
    source = np.asarray(image, dtype=np.float32)
    shifted = [np.roll(source, shift, axis=1) for shift in range(-(pixels // 2), pixels - pixels // 2)]
    return Image.fromarray(np.mean(shifted, axis=0).astype(np.uint8))
