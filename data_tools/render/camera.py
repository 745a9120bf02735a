"""Cameras as people and roads have them, and where a point in space falls in their picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import bpy
import numpy as np

from data_tools.render.world import Place

CameraKind = Literal["phone", "mast", "gate"]
_SENSOR_MM = 36.0


@dataclass(frozen=True)
class Camera:
    """Place and aim in m, focal length in mm for a 36 mm wide sensor, picture size in pixels."""

    kind: CameraKind
    at: tuple[float, float, float]
    aim: tuple[float, float, float]
    focal: float
    width: int
    height: int

    def axes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Unit vectors to the right, up and forward."""
        forward = np.array(self.aim) - np.array(self.at)
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        return right, np.cross(right, forward), forward

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """points (N, 3) in m -> (N, 2) pixels from the top left, and (N,) depth in m; behind the camera depth <= 0."""
        right, up, forward = self.axes()
        offset = points - np.array(self.at)
        depth = offset @ forward
        scale = self.focal / _SENSOR_MM * self.width / np.where(depth > 1e-6, depth, 1e-6)
        x = self.width / 2 + scale * (offset @ right)
        y = self.height / 2 - scale * (offset @ up)
        return np.stack([x, y], axis=-1), depth

    def rays(self, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Directions (N, 3), not normalised, through pixels (columns, rows); the forward part is 1."""
        right, up, forward = self.axes()
        reach = _SENSOR_MM / self.focal / self.width
        across = (columns - self.width / 2) * reach
        down = (rows - self.height / 2) * reach
        return forward + across[:, None] * right - down[:, None] * up

    def place_in_scene(self) -> Any:
        """Blender's camera with these values, made the scene's own."""
        from mathutils import Vector

        data = bpy.data.cameras.get("camera") or bpy.data.cameras.new("camera")
        data.lens, data.sensor_width, data.sensor_fit = self.focal, _SENSOR_MM, "HORIZONTAL"
        thing = bpy.data.objects.get("camera")
        if thing is None:
            thing = bpy.data.objects.new("camera", data)
            bpy.context.scene.collection.objects.link(thing)
        aim = Vector(self.aim) - Vector(self.at)
        thing.location, thing.rotation_euler = self.at, aim.to_track_quat("-Z", "Y").to_euler()
        scene = bpy.context.scene
        scene.camera = thing
        scene.render.resolution_x, scene.render.resolution_y = self.width, self.height
        scene.render.resolution_percentage = 100
        return thing


def sample_camera(
    kind: CameraKind, place: Place, target: np.ndarray, rng: np.random.Generator, width: int, height: int
) -> Camera:
    """A camera of that kind aimed near `target` (3,), the middle of a vehicle."""
    at, aim = target.copy(), target.copy()
    if kind == "phone":
        distance = float(rng.uniform(6.0, 10.5))
        angle = math.pi * int(rng.random() < 0.7) + float(rng.uniform(-0.95, 0.95))
        at += distance * np.array([math.cos(angle), math.sin(angle), 0])
        at[2] = rng.uniform(1.35, 1.75)
        aim += rng.normal(0, 0.35, 3)
        focal = float(rng.uniform(26, 40))
    elif kind == "mast":
        side = 1 if rng.random() < 0.5 else -1
        kerb = side * (min(place.half_road, 9.0) + rng.uniform(0, 1.5))
        at = np.array([rng.uniform(-6, 0), kerb, rng.uniform(4.8, 6.8)])
        aim *= [1, 0.6, 1]
        aim[0] += rng.uniform(-2, 3)
        focal = float(rng.uniform(30, 48))
    else:
        at = np.array([rng.uniform(-8, -3), target[1] + rng.normal(0, 1.0), rng.uniform(4.6, 6.0)])
        aim[0] += rng.uniform(0, 3)
        focal = float(rng.uniform(38, 60))
    x, y, z = (float(value) for value in at)
    ax, ay, az = (float(value) for value in aim)
    return Camera(kind, (x, y, z), (ax, ay, az), focal, width, height)
