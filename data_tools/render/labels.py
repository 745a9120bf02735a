"""What a frame shows of each vehicle: its box and the box of its visible part, how much is visible, its plates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from mathutils.bvhtree import BVHTree

from data_tools.render.camera import Camera
from data_tools.render.vehicle import Built

Box = tuple[float, float, float, float]


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


class Eye:
    """Looks at the scene as it stands when it is made: what moves afterwards is seen where it was."""

    def __init__(self, vehicles: Sequence[Built]) -> None:
        bpy.context.view_layer.update()
        self._vehicles = vehicles
        owner = {thing.name: number for number, vehicle in enumerate(vehicles) for thing in vehicle.objects}
        graph = bpy.context.evaluated_depsgraph_get()
        meshes = [thing for thing in bpy.context.scene.objects if thing.type == "MESH"]
        self._things = [_Thing.of(thing, owner.get(thing.name, -1), graph) for thing in meshes]

    def look(self, camera: Camera, least: float = 0.25, smallest: float = 10.0) -> list[Seen]:
        """All vehicles of which at least `least` is visible and whose visible box is `smallest` pixels each way."""
        boxes = {}
        for number, vehicle in enumerate(self._vehicles):
            box = _projected_box(camera, vehicle)
            if box is not None:
                boxes[number] = box
        index, alone = self.index_pass(camera, boxes)
        found = []
        for number, box in boxes.items():
            pixels = np.argwhere(index == number)
            if len(pixels) == 0:
                continue
            visible = len(pixels) / alone[number]
            (y1, x1), (y2, x2) = pixels.min(axis=0), pixels.max(axis=0) + 1
            if visible < least or x2 - x1 < smallest or y2 - y1 < smallest:
                continue
            vehicle = self._vehicles[number]
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

    def index_pass(self, camera: Camera, boxes: dict[int, Box]) -> tuple[np.ndarray, dict[int, int]]:
        """Which vehicle each pixel shows, (height, width) int, -1 for none; and how many pixels each would have alone.

        Only what lies in `boxes` (by the vehicle's number) is looked at: elsewhere the answer is -1.
        """
        size = camera.height, camera.width
        wanted = np.zeros(size, dtype=bool)
        for box in boxes.values():
            wanted[_area(box)] = True
        index, nearest = np.full(size, -1), np.full(size, np.inf)
        alone = {number: np.zeros(size, dtype=bool) for number in boxes}
        for thing in self._things:
            if thing.owner >= 0 and thing.owner not in boxes:
                continue  # it reaches behind the camera, or is too small to see
            rows, columns, distance = thing.cast(camera, wanted)
            if thing.owner >= 0:
                alone[thing.owner][rows, columns] = True
            nearer = distance < nearest[rows, columns]
            rows, columns = rows[nearer], columns[nearer]
            nearest[rows, columns], index[rows, columns] = distance[nearer], thing.owner
        return index, {number: int(mask.sum()) for number, mask in alone.items()}


@dataclass(frozen=True)
class _Thing:
    """A mesh to cast rays at: its tree in its own frame, its rotation and place in the scene, its bounds' corners."""

    owner: int
    tree: BVHTree
    turn: np.ndarray
    at: np.ndarray
    corners: np.ndarray

    @classmethod
    def of(cls, thing: Any, owner: int, graph: Any) -> _Thing:
        matrix = np.array(thing.matrix_world)
        turn, at = matrix[:3, :3], matrix[:3, 3]
        return cls(owner, BVHTree.FromObject(thing, graph), turn, at, np.array(thing.bound_box) @ turn.T + at)

    def cast(self, camera: Camera, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows, columns and distances in m of the wanted pixels whose rays meet it."""
        pixels, depth = camera.project(self.corners)
        if (depth > 0.01).all():
            area = _area((*pixels.min(axis=0).clip(0), *pixels.max(axis=0).clip(0)))
        else:
            area = slice(None), slice(None)
        rows, columns = np.nonzero(wanted[area])
        rows, columns = rows + (area[0].start or 0), columns + (area[1].start or 0)
        origin = tuple((np.array(camera.at) - self.at) @ self.turn)
        rays = (camera.rays(columns + 0.5, rows + 0.5) @ self.turn).tolist()
        met = [self.tree.ray_cast(origin, ray)[3] for ray in rays]
        distance = np.array([np.inf if one is None else one for one in met])
        hit = np.isfinite(distance)
        return rows[hit], columns[hit], distance[hit]


def _area(box: Box) -> tuple[slice, slice]:
    x1, y1, x2, y2 = box
    return slice(int(y1), int(np.ceil(y2))), slice(int(x1), int(np.ceil(x2)))


def in_world(vehicle: Built, points: np.ndarray) -> np.ndarray:
    """Points of the vehicle's own frame (N, 3) in the scene's."""
    matrix = np.array(vehicle.root.matrix_world)
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def _projected_box(camera: Camera, vehicle: Built) -> Box | None:
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
