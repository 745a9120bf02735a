"""Whatever a person hands in -> an upright RGB picture, or one sentence why not.

Bytes and pixels are limited before anything is decoded, so that a small file cannot unfold into gigabytes.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile
from pillow_heif import register_heif_opener

MAX_BYTES = 32 * 1024 * 1024
MAX_PIXELS = 64_000_000
MIN_SIDE = 16
MAX_ASPECT = 20

Source = Image.Image | bytes | bytearray | memoryview | str | Path

_READABLE = "JPEG, PNG, WebP, BMP, GIF, TIFF, HEIC and AVIF"
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "HEIF", "AVIF")
_OPENED_AS = {*_FORMATS, "MPO", "DIB"}  # a JPEG of several pictures calls itself MPO

_EXIF_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Thumbnails and depth maps of a HEIC are never looked at. All plugins are loaded now, while one thread runs.
register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
Image.init()
# Our own limit is the tighter one; Pillow's would only put a second, puzzling line into the log.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class ImageError(ValueError):
    """A picture that is not let in; the message is a sentence for the person who sent it."""


def open_image(source: Source) -> Image.Image:
    """Opens a picture, turns it upright by its EXIF orientation and makes it RGB.

    Transparency is laid over white; 16-bit and floating-point greys are scaled, not clipped; of an animation the first
    frame is taken. What comes back carries no metadata, so opening it again changes nothing.

    Args:
        source: the bytes of a file, its path, or a Pillow image (limited and converted like the rest).

    Returns:
        A loaded Pillow image of mode RGB.

    Raises:
        ImageError: over 32 MB or 64 megapixels, a side under 16 pixels, one side over 20 times the other, a format that
            is not read, or a file that is damaged or cannot be found.
    """
    image = source if isinstance(source, Image.Image) else _identify(_read(source))
    if image.format is not None and image.format not in _OPENED_AS:
        raise ImageError(f"{image.format} pictures are not read here. Please use one of {_READABLE}.")
    _check_size(*image.size)
    try:
        image.load()
        _check_size(*image.size)  # a HEIC tells its true size only now
        upright = _turn_upright(image)
        rgb = _to_rgb(upright)
    except ImageError:
        raise
    except MemoryError:
        raise ImageError("The picture needs more memory than there is. Please send a smaller one.") from None
    except Exception:  # a damaged file makes a decoder fail in many ways, none of which helps the visitor
        raise ImageError("The picture is damaged or incomplete. Please save it again or send another one.") from None
    if rgb is image:
        return image
    rgb.info = {}
    return rgb


def _read(source: bytes | bytearray | memoryview | str | Path) -> bytes:
    if isinstance(source, (bytes, bytearray, memoryview)):
        _check_bytes(len(source))
        return bytes(source)
    if not isinstance(source, (str, Path)):
        raise ImageError(f"A picture is a file, its bytes or an image, not a {type(source).__name__}.")
    path = Path(source)
    try:
        if not path.is_file():
            raise ImageError(f"There is no picture file named {path.name!r}.")
        _check_bytes(path.stat().st_size)
        return path.read_bytes()
    except (OSError, ValueError):
        if isinstance(error := _current_error(), ImageError):
            raise
        raise ImageError(f"The picture file {path.name!r} cannot be read.") from error
