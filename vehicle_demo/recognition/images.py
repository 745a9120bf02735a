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
_READABLE = "JPEG, PNG, WebP, BMP, GIF, TIFF, HEIC and AVIF"
# The limits above are checked from the header, before anything is decoded, and are stricter than Pillow's own warning.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class ImageError(ValueError):
    """A picture that cannot be used; its message is a sentence for the visitor."""


def open_image(source: Image.Image | bytes | str | Path) -> Image.Image:
    """Open, check, turn upright and convert a picture.

    Args:
        source: encoded bytes, a file's path, or a Pillow image. Of animations the first frame counts.

    Returns:
        An RGB Pillow image, EXIF orientation applied, transparency laid over white, 16-bit values scaled to 8.

    Raises:
        ImageError: the file is missing, empty, too large, broken, or no picture of a kind we read.
    """
    if isinstance(source, Image.Image):
        _check_size(source)
        return _upright_rgb(source)
    with _open_file(source) as file:
        try:
            with Image.open(file, formats=FORMATS) as image:
                _check_size(image)
                return _upright_rgb(image)
        except ImageError:
            raise
        except Image.DecompressionBombError as error:
            raise ImageError(_too_many_pixels()) from error
        except Image.UnidentifiedImageError as error:
            raise ImageError(f"This file is not a picture we can read. Use one of {_READABLE}.") from error
        # Decoders raise all sorts on damaged files: OSError, SyntaxError, ValueError, EOFError, struct.error, ...
        except Exception as error:
            raise ImageError("This picture is damaged or cut short. Save it again and try once more.") from error


def _open_file(source: bytes | str | Path) -> BinaryIO:
    if isinstance(source, bytes):
        _check_bytes(len(source))
        return io.BytesIO(source)
    path = Path(source)
    try:
        _check_bytes(path.stat().st_size)
        return path.open("rb")
    except OSError as error:
        raise ImageError("The picture's file could not be opened. Choose it again.") from error


def _check_bytes(size: int) -> None:
    if size == 0:
        raise ImageError("This file is empty. Choose another picture.")
    if size > MAX_BYTES:
        raise ImageError(f"This file has {size / 2**20:.0f} MB; the limit is {MAX_BYTES // 2**20} MB. Save it smaller.")


def _too_many_pixels() -> str:
    return f"This picture has too many pixels; the limit is {MAX_PIXELS // 10**6} megapixels. Make it smaller."


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(_too_many_pixels())
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"This picture is {width} x {height} pixels; each side needs at least {MIN_SIDE}.")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise ImageError(f"This picture is too narrow: its sides may differ by a factor of {MAX_ASPECT} at most.")


def _upright_rgb(image: Image.Image) -> Image.Image:
    image.seek(0)
    return _to_rgb(ImageOps.exif_transpose(image))


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB":
        return image.copy()
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_to_8_bits(np.asarray(image)), "L").convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _to_8_bits(values: np.ndarray) -> np.ndarray:
    """Scale by the format's range: 16-bit integers by 257, floats in [0, 1] by 255, other values by their own range."""
    values = np.nan_to_num(values.astype(np.float32))
    top = float(values.max(initial=0))
    if top <= 1:
        scale = 255.0
    elif top <= 255:
        scale = 1.0
    else:
        scale = 255.0 / max(65535.0, top)
    return (values * scale).clip(0, 255).astype(np.uint8)
