"""Whatever a visitor drops -> an upright RGB picture, or one sentence why not."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pillow_heif
from PIL import Image, ImageOps

pillow_heif.register_heif_opener()

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "HEIF", "AVIF")
MAX_BYTES = 32 * 1024 * 1024
MAX_PIXELS = 64_000_000
MIN_SIDE = 16
MAX_ASPECT = 20
# What a picture that was let in may call itself: MPO is a JPEG of several pictures, DIB a BMP without its file header.
_OPENED_AS = (None, *FORMATS, "MPO", "DIB")
_READABLE = "JPEG, PNG, WebP, BMP, GIF, TIFF, HEIC and AVIF"
# The limits above are checked from the header, before anything is decoded, and are stricter than Pillow's own warning.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class ImageError(ValueError):
    """A picture that cannot be used; its message is a sentence for the visitor."""


def open_image(source: Image.Image | bytes | bytearray | str | Path) -> Image.Image:
    """Open, check, turn upright and convert a picture.

    Args:
        source: encoded bytes, a file's path, or a Pillow image. Of an animated file the first frame counts.

    Returns:
        An RGB Pillow image, EXIF orientation applied, transparency laid over white, 16-bit values scaled to 8.

    Raises:
        ImageError: the file is missing, empty, too large, broken, or no picture of a kind we read.
    """
    try:
        if isinstance(source, Image.Image):
            return _checked_rgb(source)
        with _open_file(source) as file, Image.open(file, formats=FORMATS) as image:
            return _checked_rgb(image)
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(_too_many_pixels()) from error
    except Image.UnidentifiedImageError as error:
        raise ImageError(_unreadable()) from error
    # Decoders raise all sorts on damaged files: OSError, SyntaxError, ValueError, EOFError, struct.error, ...
    except Exception as error:
        raise ImageError("This picture is damaged or cut short. Save it again and try once more.") from error


def _open_file(source: bytes | bytearray | str | Path) -> BinaryIO:
    if isinstance(source, (bytes, bytearray)):
        _check_bytes(len(source))
        return io.BytesIO(source)
    if not isinstance(source, (str, Path)):
        raise ImageError(f"A picture is a file or an image, not {type(source).__name__}. Choose a picture first.")
    path = Path(source)
    try:
        _check_bytes(path.stat().st_size)
        return path.open("rb")
    # ValueError: a name with a NUL in it, or our own sentence about the size.
    except (OSError, ValueError) as error:
        if isinstance(error, ImageError):
            raise
        raise ImageError("The picture's file could not be opened. Choose it again.") from error


def _check_bytes(size: int) -> None:
    if size == 0:
        raise ImageError("This file is empty. Choose another picture.")
    if size > MAX_BYTES:
        raise ImageError(f"This file has {size / 2**20:.0f} MB; the limit is {MAX_BYTES // 2**20} MB. Save it smaller.")


def _too_many_pixels() -> str:
    return f"This picture has too many pixels; the limit is {MAX_PIXELS // 10**6} megapixels. Make it smaller."


def _unreadable() -> str:
    return f"This file is not a picture we can read. Use one of {_READABLE}."


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(_too_many_pixels())
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"This picture is {width} x {height} pixels; each side needs at least {MIN_SIDE}.")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageError(f"This picture is too narrow: its sides may differ by a factor of {MAX_ASPECT} at most.")


def _checked_rgb(image: Image.Image) -> Image.Image:
    # A Pillow image that was opened elsewhere, but not yet decoded, may be of a kind that is not let in.
    if image.format not in _OPENED_AS:
        raise ImageError(_unreadable())
    _check_size(image)
    return _to_rgb(ImageOps.exif_transpose(image))  # always a copy


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_to_8_bits(np.asarray(image), image.mode), "L").convert("RGB")
    if image.has_transparency_data:
        image = image.convert("LA" if image.mode == "La" else "RGBA").convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _to_8_bits(values: np.ndarray, mode: str) -> np.ndarray:
    """16-bit greys by their format's range; `I` and `F`, which have none, by the smallest usual one that holds them."""
    if mode.startswith("I;16"):
        return (values / np.float32(257)).round().astype(np.uint8)
    values = np.nan_to_num(values.astype(np.float32), posinf=0, neginf=0)
    low, top = min(0.0, float(values.min())), float(values.max())
    usual = (255.0, 65535.0) if mode == "I" else (1.0, 255.0, 65535.0)
    high = next((limit for limit in usual if top <= limit), top)
    return ((values - low) * (255 / (high - low))).round().astype(np.uint8)
