"""What a frame shows of each vehicle: its box and the box of its visible part, how much is visible, its plates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np

from data_tools.render.camera import Camera
from data_tools.render.vehicle import Built


@dataclass(frozen=True)
class Seen:
    """One vehicle of a frame; boxes are x1, y1, x2, y2 in pixels, plate corners (4, 2) run as the plate is read.

    `box` is projected from all its points and clipped to the frame, `visible_box` encloses the pixels that show it, and
    `visible` is the share of its own pixels in the frame that nothing hides.
    """

    identity: int
    box: tuple[float, float, float, float]
    visible_box: tuple[float, float, float, float]
    visible: float
    viewpoint: float
    plate: tuple[tuple[float, float], ...] | None


def look(camera: Camera, vehicles: Sequence[Built], least: float = 0.25, smallest: float = 10.0) -> list[Seen]:
    """All vehicles of which at least `least` is visible and whose visible box is `smallest` pixels or more each way."""
    bpy.context.view_layer.update()
    boxes = {}
    for number, vehicle in enumerate(vehicles):
        box = _projected_box(camera, vehicle)
        if box is not None:
            boxes[number] = box
    index, alone = index_pass(camera, vehicles, boxes)
    found = []
    for number, box in boxes.items():
        pixels = np.argwhere(index == number)
        if len(pixels) == 0:
            continue
        visible = len(pixels) / max(1, alone[number])
        (y1, x1), (y2, x2) = pixels.min(axis=0), pixels.max(axis=0) + 1
        if visible < least or x2 - x1 < smallest or y2 - y1 < smallest:
            continue
        vehicle = vehicles[number]
        found.append(
            Seen(
                vehicle.identity.number,
                box,
                (float(x1), float(y1), float(x2), float(y2)),
                visible,
                _viewpoint(camera, vehicle),
                _plate(camera, vehicle, index == number),
            )
        )
    return found


def index_pass(
    camera: Camera, vehicles: Sequence[Built], boxes: dict[int, tuple[float, float, float, float]]
) -> tuple[np.ndarray, dict[int, int]]:
    """Which vehicle each pixel shows, (height, width) int, -1 for none; and how many pixels each would have alone."""
    from mathutils import Vector

    scene, graph = bpy.context.scene, bpy.context.evaluated_depsgraph_get()
    owner = {thing.name: number for number, vehicle in enumerate(vehicles) for thing in vehicle.objects}
    index = np.full((camera.height, camera.width), -1)
    alone: dict[int, int] = {}
    wanted = np.zeros_like(index, dtype=bool)
    areas = {}
    for number, (x1, y1, x2, y2) in boxes.items():
        area = slice(max(0, int(y1)), int(np.ceil(y2))), slice(max(0, int(x1)), int(np.ceil(x2)))
        areas[number] = area
        wanted[area] = True
    rows, columns = np.nonzero(wanted)
    origin = Vector(camera.at)
    for row, column, ray in zip(rows, columns, camera.rays(columns + 0.5, rows + 0.5), strict=True):
        hit, _, _, _, thing, _ = scene.ray_cast(graph, origin, Vector(ray))
        if hit:
            index[row, column] = owner.get(thing.name, -1)
    for number, (down, across) in areas.items():
        mine = index[down, across] == number
        if not mine.any():
            alone[number] = 0
            continue
        alone[number] = int(mine.sum()) + _hidden(camera, vehicles[number], (down, across), ~mine)
    return index, alone


def _hidden(camera: Camera, vehicle: Built, area: tuple[slice, slice], others: np.ndarray) -> int:
    """Pixels of the area where others are seen but the vehicle would be, were it alone; sampled on every second one."""
    from mathutils import Vector
    from mathutils.bvhtree import BVHTree

    down, across = area
    rows, columns = np.nonzero(others)
    chosen = (rows % 2 == 0) & (columns % 2 == 0)
    rows, columns = rows[chosen] + down.start, columns[chosen] + across.start
    if len(rows) == 0:
        return 0
    trees = [
        (BVHTree.FromObject(o, bpy.context.evaluated_depsgraph_get()), o.matrix_world.inverted())
        for o in vehicle.objects
    ]
    count = 0
    for ray in camera.rays(columns + 0.5, rows + 0.5):
        for tree, inverse in trees:
            at = inverse @ Vector(camera.at)
            if tree.ray_cast(at, inverse.to_3x3() @ Vector(ray))[0] is not None:
                count += 1
                break
    return count * 4


def in_world(vehicle: Built, points: np.ndarray) -> np.ndarray:
    """Points of the vehicle's own frame (N, 3) in the scene's."""
    matrix = np.array(vehicle.root.matrix_world)
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def _projected_box(camera: Camera, vehicle: Built) -> tuple[float, float, float, float] | None:
    pixels, depth = camera.project(in_world(vehicle, vehicle.points))
    if (depth <= 0.3).any():
        return None
    x1, y1 = pixels.min(axis=0).clip(0, [camera.width, camera.height])
    x2, y2 = pixels.max(axis=0).clip(0, [camera.width, camera.height])
    if x2 - x1 < 4 or y2 - y1 < 4:
        return None
    return float(x1), float(y1), float(x2), float(y2)


def _viewpoint(camera: Camera, vehicle: Built) -> float:
    """Degrees round the vehicle from which it is seen: 0 from the front, 90 from its right, 180 from behind."""
    seen_from = np.array(vehicle.root.matrix_world.inverted() @ _vector(camera.at))
    middle = vehicle.points.mean(axis=0)
    return float(np.degrees(np.arctan2(seen_from[1] - middle[1], -(seen_from[0] - middle[0]))) % 360)


def _vector(values: tuple[float, float, float]) -> Any:
    from mathutils import Vector

    return Vector(values)


def _plate(camera: Camera, vehicle: Built, mask: np.ndarray) -> tuple[tuple[float, float], ...] | None:
    """Corners of the plate that faces the camera, if most of it is in view and in the frame."""
    for quad in vehicle.plates:
        world = in_world(vehicle, quad)
        normal = np.cross(world[1] - world[0], world[3] - world[0])
        towards = np.array(camera.at) - world.mean(axis=0)
        if -(normal @ towards) <= 0.25 * np.linalg.norm(normal) * np.linalg.norm(towards):
            continue
        pixels, _ = camera.project(world)
        inside = (pixels >= 0).all() and (pixels < [camera.width, camera.height]).all()
        if not inside:
            continue
        shares = np.array([(a, b) for a in (0.15, 0.5, 0.85) for b in (0.25, 0.75)])
        points = pixels[0] + shares[:, :1] * (pixels[1] - pixels[0]) + shares[:, 1:] * (pixels[3] - pixels[0])
        if np.mean([mask[int(y), int(x)] for x, y in points]) >= 0.8:
            return tuple((float(x), float(y)) for x, y in pixels)
    return None
