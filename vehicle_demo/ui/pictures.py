"""Pictures inside the page: as data URIs, so that a visitor's photo never becomes a file that others could fetch."""

from __future__ import annotations

import base64
import io
from typing import Any

import gradio as gr
from PIL import Image

from vehicle_demo.recognition import Box


def data_uri(image: Image.Image, longest: int) -> str:
    """JPEG of the picture, at most `longest` pixels on its longer side."""
    small = image.copy()
    small.thumbnail((longest, longest), Image.Resampling.BILINEAR, reducing_gap=2.0)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=86)
    return jpeg_uri(buffer.getvalue())


def jpeg_uri(encoded: bytes) -> str:
    """A JPEG file as it is; empty when there is none."""
    return f"data:image/jpeg;base64,{base64.b64encode(encoded).decode()}" if encoded else ""


def crop_uri(image: Image.Image, box: Box, longest: int) -> str:
    """The same of a box (pixels) of the picture, at least one pixel wide and high."""
    left, top = int(box.x1), int(box.y1)
    return data_uri(image.crop((left, top, max(left + 1, round(box.x2)), max(top + 1, round(box.y2)))), longest)


def photo_field(label: str, height: int, elem_id: str) -> gr.Image:
    """Where a visitor drops, pastes or takes a photo; handlers get its path, whatever kind of file it is."""
    field = gr.Image(
        sources=["upload", "clipboard", "webcam"], type="filepath", label=label, height=height, elem_id=elem_id
    )
    # gr.Image opens what is uploaded; what is wrong with a file is for open_image to say.
    field.preprocess = _path_of  # type: ignore[method-assign]
    return field


def _path_of(payload: Any) -> str | None:
    return payload.path if payload is not None else None
