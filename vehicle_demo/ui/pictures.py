"""Pictures inside the page: as data URIs, so that a visitor's photo never becomes a file that others could fetch."""

from __future__ import annotations

import base64
import io

from PIL import Image

from vehicle_demo.recognition import Box


def data_uri(image: Image.Image, longest: int) -> str:
    """JPEG of the picture, at most `longest` pixels on its longer side."""
    small = image.copy()
    small.thumbnail((longest, longest), Image.Resampling.BILINEAR, reducing_gap=2.0)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=86)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def crop_uri(image: Image.Image, box: Box, longest: int) -> str:
    """The same of a box (pixels) of the picture, at least one pixel wide and high."""
    left, top = int(box.x1), int(box.y1)
    return data_uri(image.crop((left, top, max(left + 1, round(box.x2)), max(top + 1, round(box.y2)))), longest)
