"""Boxes: from the graph's numbers to rectangles in pixels, one for each vehicle."""

from __future__ import annotations

import math

import numpy as np

from vehicle_demo.recognition.results import Box

# Crops begin and end at whole pixels; plates, which are small, at an eighth of one.
CROP_STEPS, PLATE_STEPS = 1, 8


def decode_boxes(
    boxes: np.ndarray, logits: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All queries of one picture, in the graph's order.

    Args:
        boxes: (Q, 4) cx, cy, w, h in [0, 1].
        logits: (Q, C).
        size: (width, height) of the picture in pixels.

    Returns:
        (Q, 4) x1, y1, x2, y2 in pixels, clipped to the picture; (Q,) sigmoid score of the best category; (Q,) its
        number.
    """
    corners = to_corners(boxes).clip(0, 1) * np.array([*size, *size])
    best = logits.argmax(axis=1)
    scores = 1 / (1 + np.exp(-logits.max(axis=1)))
    return corners, scores, best


def distinct(corners: np.ndarray, scores: np.ndarray, same_object: float) -> np.ndarray:
    """Numbers of the boxes that no better box covers, the best first.

    A DETR gives each object one query, but a small one that trained briefly gives some objects several.

    Args:
        corners: (Q, 4) x1, y1, x2, y2.
        scores: (Q,); of equal scores the earlier box counts as better.
        same_object: intersection over union from which two boxes are one object; above 1 nothing is dropped.

    Returns:
        (K,) int.
    """
    order = np.argsort(-scores, kind="stable")
    same = overlaps(corners[order], corners[order]) >= same_object
    kept = np.ones(len(order), dtype=bool)
    for place in range(len(order)):
        if kept[place]:
            kept[place + 1 :] &= ~same[place, place + 1 :]
    return order[kept]


def to_corners(boxes: np.ndarray) -> np.ndarray:
    """(N, 4) cx, cy, w, h -> (N, 4) x1, y1, x2, y2, in the same units."""
    centre, half = boxes[:, :2], boxes[:, 2:] / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def overlaps(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of corners (N, 4) with corners (M, 4) -> (N, M)."""
    start, end = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = (end - start).clip(0).prod(axis=2)
    areas = (a[:, 2:] - a[:, :2]).prod(axis=1)[:, None] + (b[:, 2:] - b[:, :2]).prod(axis=1)[None]
    return np.asarray(shared / np.maximum(areas - shared, np.finfo(float).tiny))


def widen(box: Box, margin: float, size: tuple[int, int]) -> Box:
    """The box with `margin` of its own sides added on each side, clipped to a picture of `size` (width, height)."""
    dx, dy = (box.x2 - box.x1) * margin, (box.y2 - box.y1) * margin
    return clip(Box(box.x1 - dx, box.y1 - dy, box.x2 + dx, box.y2 + dy), size)


def clip(box: Box, size: tuple[int, int]) -> Box:
    """The part of the box that lies in a picture of `size` (width, height)."""
    width, height = size
    return Box(max(0.0, box.x1), max(0.0, box.y1), min(float(width), box.x2), min(float(height), box.y2))


def snapped(box: Box, steps: int) -> Box:
    """The box with its sides at the nearest `steps`-th of a pixel.

    The same graph differs in its last digits from machine to machine. What it is then shown of the picture must not:
    an INT8 graph makes more of a few pixels that differ by one than of the box.
    """
    return Box(*(math.floor(side * steps + 0.5) / steps for side in (box.x1, box.y1, box.x2, box.y2)))
