"""A quadrilateral of a picture -> the rectangle it would be seen from the front."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from vehicle_demo.recognition.images import ImageError
from vehicle_demo.recognition.results import Box, Corners

# A plate many times larger than what it is drawn to is drawn this much larger and averaged, or it would flicker.
FINEST = 8
FEWEST_PIXELS = 4


def checked_corners(values: Sequence[Sequence[float]], size: tuple[int, int]) -> Corners:
    """Four corners [x, y] in pixels, from the upper left on clockwise as the plate is read.

    Args:
        size: (width, height) of the picture; a corner may lie beyond it by its own size at most.

    Raises:
        ImageError: they are not four points around an area of some pixels, or they are in another order.
    """
    try:
        points = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        points = np.zeros(0)
    limits = np.array(size, np.float64)
    if points.shape != (4, 2) or not np.isfinite(points).all():
        raise ImageError("A plate has four corners, each as x and y in pixels.")
    if (points < -limits).any() or (points > 2 * limits).any():
        raise ImageError("The plate's corners lie far outside the picture. Give them in its pixels.")
    along, onwards = np.roll(points, -1, axis=0) - points, np.roll(points, -2, axis=0) - np.roll(points, -1, axis=0)
    turns = along[:, 0] * onwards[:, 1] - along[:, 1] * onwards[:, 0]
    if (turns < FEWEST_PIXELS).any():
        raise ImageError("The plate's corners go clockwise from the upper left, around at least a few pixels.")
    return tuple((float(x), float(y)) for x, y in points)


def corners_of(box: Box) -> Corners:
    """The four corners of a box, from the upper left on clockwise."""
    return ((box.x1, box.y1), (box.x2, box.y1), (box.x2, box.y2), (box.x1, box.y2))


def box_around(corners: Corners) -> Box:
    """The smallest box that holds these corners."""
    across, down = [x for x, _ in corners], [y for _, y in corners]
    return Box(min(across), min(down), max(across), max(down))


def seen_size(corners: Corners) -> tuple[float, float]:
    """Width and height in pixels of the quadrilateral: the longer of each pair of opposite sides."""
    upper, right, lower, left = (math.dist(corners[place], corners[(place + 1) % 4]) for place in range(4))
    return max(upper, lower), max(left, right)


def rectified(image: Image.Image, corners: Corners, size: tuple[int, int], margin: float) -> Image.Image:
    """The quadrilateral as a picture of `size` (width, height), with `margin` of its sides left around it.

    Beyond the picture it is black.
    """
    seen = seen_size(corners)
    finer = min(FINEST, max(1, *(math.ceil(had / wanted) for had, wanted in zip(seen, size, strict=True))))
    width, height = size[0] * finer, size[1] * finer
    rim = margin / (1 + 2 * margin)
    left, top, right, bottom = rim * width, rim * height, (1 - rim) * width, (1 - rim) * height
    drawn = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    (matrix,) = homographies(drawn, np.array([corners]))
    flat = tuple(float(value) for value in matrix.ravel()[:8])
    large = image.transform((width, height), Image.Transform.PERSPECTIVE, flat, Image.Resampling.BILINEAR)
    return large.reduce(finer) if finer > 1 else large


def homographies(source: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The (N, 3, 3) matrices that carry four points (4, 2) to each of (N, 4, 2), by their eight linear equations."""
    x, y = np.broadcast_to(source, targets.shape).transpose(2, 0, 1)
    u, v = targets.transpose(2, 0, 1)
    zero, one = np.zeros_like(x), np.ones_like(x)
    first = np.stack([x, y, one, zero, zero, zero, -u * x, -u * y], axis=-1)
    second = np.stack([zero, zero, zero, x, y, one, -v * x, -v * y], axis=-1)
    solved = np.linalg.solve(np.concatenate([first, second], axis=1), np.concatenate([u, v], axis=1)[..., None])[..., 0]
    return np.concatenate([solved, np.ones((len(solved), 1))], axis=1).reshape(-1, 3, 3)
