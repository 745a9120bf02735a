"""The picture with its boxes: SVG over a reduced picture, so that 12 megapixels cost no more than one."""

from __future__ import annotations

from html import escape

from PIL import Image

from vehicle_demo.recognition import Recognition, Vehicle
from vehicle_demo.ui.pictures import data_uri
from vehicle_demo.ui.theme import category_colour

_LONGEST = 1280


def stage_html(image: Image.Image, found: Recognition) -> str:
    """The picture and a box with a short label for every vehicle; coordinates are those of the upright picture."""
    width, height = found.width, found.height
    unit = max(width, height) / 100
    # Larger boxes come first, so smaller ones lie over them and can be reached.
    boxes = "".join(_box(index, vehicle, unit, width) for index, vehicle in enumerate(found.vehicles))
    return (
        '<div class="vd-stage"><div class="vd-canvas" '
        f'style="aspect-ratio:{width}/{height};--vd-aspect:{width / height:.4f}">'
        f'<img src="{data_uri(image, _LONGEST)}" alt="Your picture, {len(found.vehicles)} vehicles found">'
        f'<svg viewBox="0 0 {width} {height}" role="group" aria-label="Vehicles found">{boxes}</svg></div></div>'
    )


def short_label(vehicle: Vehicle) -> str:
    """What stands at the box: the category and how sure it is."""
    return f"{vehicle.category.label} {vehicle.category.score:.2f}"


def _box(index: int, vehicle: Vehicle, unit: float, width: int) -> str:
    box, label = vehicle.box, short_label(vehicle)
    text = unit * 2.0
    plate_width = min(len(label) * text * 0.56 + unit, width)
    left = min(box.x1, width - plate_width)
    top = box.y1 - text * 1.35 if box.y1 > text * 1.35 else box.y1
    colour = category_colour(vehicle.category.label)
    return (
        f'<g class="vd-box" tabindex="0" role="button" data-vehicle="{index}" '
        f'data-score="{vehicle.category.score:.4f}" '
        f'style="--vd-hue:{colour}" aria-label="{escape(label)}, open its card">'
        f'<rect class="vd-frame" x="{box.x1:.1f}" y="{box.y1:.1f}" width="{box.x2 - box.x1:.1f}" '
        f'height="{box.y2 - box.y1:.1f}" rx="{unit * 0.3:.1f}"/>'
        f'<rect class="vd-tag" x="{left:.1f}" y="{top:.1f}" width="{plate_width:.1f}" '
        f'height="{text * 1.35:.1f}" rx="{unit * 0.3:.1f}"/>'
        f'<text x="{left + unit * 0.5:.1f}" y="{top + text:.1f}" font-size="{text:.1f}">{escape(label)}</text></g>'
    )
