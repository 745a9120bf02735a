"""An identity as objects in Blender's scene, under one parent that stands on the road at its front bumper's middle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np

from data_tools.drawing.plates import draw as draw_plate
from data_tools.render import blender, parts
from data_tools.render.body import Mesh, Surface, body_maps, body_mesh
from data_tools.render.catalogue import Model
from data_tools.render.identity import Identity


@dataclass(frozen=True, eq=False)
class Built:
    """One vehicle in the scene. `plates` are corners (4, 3) in its own frame: top left, then clockwise as read."""

    identity: Identity
    root: Any
    objects: tuple[Any, ...]
    points: np.ndarray
    plates: tuple[np.ndarray, ...]


class Workshop:
    """Builds vehicles; shapes and maps of a model are made once."""

    def __init__(self, detail: float = 1.0, lights: float = 1.5) -> None:
        self._detail, self._lights = detail, lights
        self._materials = {name: blender.plain_material(name, finish) for name, finish in blender.FINISHES.items()}
        self._models: dict[str, tuple[Surface, Mesh, tuple[Any, Any]]] = {}

    def build(self, identity: Identity) -> Built:
        """Add the vehicle to the scene."""
        model, number = identity.model, identity.number
        root = bpy.data.objects.new(f"vehicle {number}", None)
        bpy.context.scene.collection.objects.link(root)
        glossy = identity.colour not in ("white", "yellow", "orange")
        paint = blender.Finish(identity.paint, 0.30, 0.45 if glossy else 0.0, 1.0)
        materials = {
            **self._materials,
            "paint": blender.plain_material(f"paint {number}", paint),
            "cargo": blender.plain_material(f"cargo {number}", blender.Finish((0.55, 0.56, 0.56), 0.45)),
        }
        if model.body.type == "motorcycle":
            pieces = parts.motorcycle()
            objects = blender.add_parts(pieces, materials, root.name, root)
            meshes = [piece.mesh for piece in pieces]
            holders = [(np.array([2.02, 0.0, 0.62]), 1, 0.22)]
        else:
            surface, mesh, images = self._shapes(model)
            look = blender.body_material(f"body {number}", images, paint, identity.dirt, self._lights)
            pieces = parts.wheels(model.body, identity.spokes, identity.split, identity.dark_wheels)
            pieces += parts.fittings(model.body, surface, identity.rails)
            if model.body.type == "truck":
                pieces += parts.cargo_box(model.body)
            if identity.load == "roof box":
                pieces += parts.roof_box(model.body, surface)
            elif identity.load == "crates":
                pieces += parts.crates(model.body)
            for mark in identity.marks:
                if mark.colour is None:
                    at = surface.flank(np.array([mark.share]), np.array([mark.girth]))[0, 0] * [1, mark.side, 1]
                    mesh = parts.dented(mesh, at, mark.size)
                else:
                    patch = parts.sticker(model.body, surface, mark.share, mark.girth, mark.side, mark.size)
                    name = f"sticker {mark.colour}"
                    materials[name] = blender.plain_material(name, blender.Finish(mark.colour, 0.4))
                    pieces.append(parts.Part(patch, name))
            objects = [
                blender.add_mesh(mesh, [look], root.name, root),
                *blender.add_parts(pieces, materials, root.name, root),
            ]
            meshes = [mesh, *(piece.mesh for piece in pieces)]
            holders = _plate_holders(model, mesh)
        corners = []
        for number_, (centre, facing, width) in enumerate(holders):
            quad = _plate_quad(identity, centre, facing, width)
            corners.append(quad)
            objects.append(self._plate(identity, quad, root, number_))
        points = np.concatenate([piece.vertices for piece in meshes])
        return Built(identity, root, tuple(objects), points, tuple(corners))

    def _shapes(self, model: Model) -> tuple[Surface, Mesh, tuple[Any, Any]]:
        if model.name not in self._models:
            surface = Surface(model.body)
            images = blender.map_images(model.name, body_maps(model, surface, self._detail))
            self._models[model.name] = surface, body_mesh(surface), images
        return self._models[model.name]

    def _plate(self, identity: Identity, quad: np.ndarray, root: Any, number: int) -> Any:
        picture = np.asarray(draw_plate(identity.plate).convert("RGBA"), dtype=np.float32)[::-1] / 255
        name = f"plate {identity.plate.layout} {identity.plate.text}"
        image = bpy.data.images.get(name) or blender.add_image(name, picture, True)
        uv = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], float)
        mesh = Mesh(quad, np.array([[3, 2, 1, 0]]), uv, smooth=False)
        return blender.add_mesh(mesh, [blender.picture_material(name, image)], f"{name} {number}", root)


def _plate_holders(model: Model, mesh: Mesh) -> list[tuple[np.ndarray, int, float]]:
    """Centre, side (-1 front, 1 rear) and width in m of the plates."""
    body = model.body
    low, high = mesh.vertices[:, 0].min(), mesh.vertices[:, 0].max()
    front = body.clearance + (0.24 if body.type not in ("bus", "truck") else 0.18)
    if body.type == "truck":
        return [(np.array([low - 0.02, 0, front]), -1, 0.0), (np.array([body.length + 5.03, 0.5, 0.66]), 1, 0.0)]
    rear = {"sedan": 0.80, "coupe": 0.66, "convertible": 0.66, "pickup": 0.62, "suv": 0.92}.get(body.type, 0.76)
    if body.type == "bus":
        rear = 0.9
    return [(np.array([low - 0.015, 0, front]), -1, 0.0), (np.array([high + 0.015, 0, rear]), 1, 0.0)]


def _plate_quad(identity: Identity, centre: np.ndarray, facing: int, width: float) -> np.ndarray:
    wide, tall = identity.plate.size
    if width:
        wide, tall = width, width * tall / wide
    # Who reads the front plate looks along +x and has +y on the left.
    right = np.array([0.0, -1.0, 0.0]) if facing < 0 else np.array([0.0, 1.0, 0.0])
    up = np.array([0.0, 0.0, 1.0])
    return np.stack(
        [centre + 0.5 * (sx * wide * right + sy * tall * up) for sx, sy in ((-1, 1), (1, 1), (1, -1), (-1, -1))]
    )
