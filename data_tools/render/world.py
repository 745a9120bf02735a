"""Places and weather: roads, car parks and a showroom, with light, buildings, trees and room for vehicles.

Roads run along x. Traffic keeps right: vehicles with y > 0 drive towards -x, where the cameras mostly stand.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import bpy
import numpy as np

from data_tools.render import blender
from data_tools.render.blender import Finish
from data_tools.render.body import Mesh
from data_tools.render.parts import Part, box, ellipsoid, tube

PlaceKind = Literal["street", "car park", "motorway", "showroom"]
LightKind = Literal["sun", "overcast", "dusk", "night", "rain"]
PLACES: tuple[PlaceKind, ...] = ("street", "car park", "motorway", "showroom")
LIGHTS: tuple[LightKind, ...] = ("sun", "overcast", "dusk", "night", "rain")


@dataclass(frozen=True)
class Slot:
    """Where a vehicle may stand: the middle of its front bumper, its heading in rad (0 drives towards -x), and lane."""

    x: float
    y: float
    heading: float


@dataclass(frozen=True)
class Place:
    """A built place: its kind, where vehicles may stand, nearest first, and half its road's width in m."""

    kind: PlaceKind
    slots: tuple[Slot, ...]
    half_road: float


_EXTRA = {
    "asphalt": Finish((0.055, 0.055, 0.058), 0.75),
    "wet asphalt": Finish((0.018, 0.018, 0.02), 0.12),
    "paving": Finish((0.22, 0.21, 0.20), 0.8),
    "kerb": Finish((0.30, 0.30, 0.29), 0.8),
    "grass": Finish((0.045, 0.085, 0.022), 0.95),
    "line": Finish((0.62, 0.62, 0.60), 0.6),
    "leaves": Finish((0.035, 0.085, 0.02), 0.8),
    "bark": Finish((0.07, 0.05, 0.035), 0.9),
    "steel": Finish((0.35, 0.36, 0.37), 0.35, 0.8),
    "floor": Finish((0.30, 0.30, 0.31), 0.18),
    "wall": Finish((0.55, 0.55, 0.56), 0.7),
    "lamp glow": Finish((1.0, 0.86, 0.62), 0.5, glow=12.0),
}


def build_place(kind: PlaceKind, light: LightKind, rng: np.random.Generator) -> Place:
    """Add the place's ground and surroundings to the scene and light it."""
    materials = {name: blender.plain_material(name, finish) for name, finish in {**blender.FINISHES, **_EXTRA}.items()}
    _roughen(materials["asphalt"], 18.0, 0.35)
    _roughen(materials["paving"], 5.0, 0.2)
    _roughen(materials["grass"], 9.0, 0.5)
    _roughen(materials["leaves"], 7.0, 0.6)
    ground = "wet asphalt" if light == "rain" else "asphalt"
    builders = {"street": _street, "car park": _car_park, "motorway": _motorway, "showroom": _showroom}
    parts, slots, half_road = builders[kind](ground, rng)
    if light == "night" and kind != "showroom":
        parts += list(_street_lamps(half_road))
    blender.add_parts(parts, materials, "place", None)
    if kind in ("street", "car park"):
        _buildings(half_road, light, rng)
    _light(kind, light, rng)
    return Place(kind, tuple(slots), half_road)


def _flat(x1: float, y1: float, x2: float, y2: float, z: float) -> Mesh:
    return Mesh(np.array([[x1, y1, z], [x2, y1, z], [x2, y2, z], [x1, y2, z]]), np.array([[0, 1, 2, 3]]), smooth=False)


def _lane_lines(places: list[float], dashed: bool) -> Iterator[Part]:
    for y in places:
        if not dashed:
            yield Part(_flat(-40, y - 0.06, 160, y + 0.06, 0.006), "line")
            continue
        for x in np.arange(-40, 160, 6.0):
            yield Part(_flat(float(x), y - 0.06, float(x) + 3.0, y + 0.06, 0.006), "line")


def _in_lane(y: float, heading: float, rng: np.random.Generator, gap: float) -> Iterator[Slot]:
    x = float(rng.uniform(1, 7))
    while x < 70:
        yield Slot(x, y + float(rng.normal(0, 0.15)), heading + float(rng.normal(0, 0.015)))
        x += 6.0 + float(rng.exponential(gap))


def _street(ground: str, rng: np.random.Generator) -> tuple[list[Part], list[Slot], float]:
    half = 9.4
    parts = [
        Part(_flat(-60, -200, 300, 200, -0.16), "grass"),
        Part(_flat(-60, -half, 300, half, 0.0), ground),
        *_lane_lines([0.0], False),
        *_lane_lines([3.5, -3.5], True),
        *_lane_lines([7.0, -7.0], False),
    ]
    for side in (1, -1):
        parts.append(Part(_slab(-60, side * half, 300, side * (half + 0.18), 0.13), "kerb"))
        parts.append(Part(_slab(-60, side * (half + 0.18), 300, side * (half + 5.0), 0.12), "paving"))
        # None near the cameras on masts.
        for x in np.arange(float(rng.uniform(12, 20)), 110, 13.0):
            if rng.random() < 0.7:
                parts += _tree(float(x), side * (half + 1.3), rng)
    slots: list[Slot] = []
    for y in (1.75, 5.25):
        slots += _in_lane(y, 0.0, rng, 6.0)
        slots += [Slot(s.x, -s.y, s.heading + math.pi) for s in _in_lane(y, 0.0, rng, 8.0)]
    for side in (1, -1):
        slots += [Slot(s.x, side * 8.2, 0.0 if side > 0 else math.pi) for s in _in_lane(8.2, 0.0, rng, 1.2)]
    return parts, sorted(slots, key=lambda slot: slot.x), half


def _motorway(ground: str, rng: np.random.Generator) -> tuple[list[Part], list[Slot], float]:
    half = 14.5
    parts = [
        Part(_flat(-60, -400, 500, 400, -0.2), "grass"),
        Part(_flat(-60, -half, 500, half, 0.0), ground),
        *_lane_lines([5.2, 8.8, -5.2, -8.8], True),
        *_lane_lines([1.6, 12.4, -1.6, -12.4], False),
        Part(box((-60, -0.25, 0.0), (500, 0.25, 0.85), 0.10), "paving"),
    ]
    for side in (1, -1):
        parts.append(Part(box((-60, side * 14.2 - 0.03, 0.45), (500, side * 14.2 + 0.03, 0.75)), "steel"))
        for x in np.arange(-20, 120, 4.0):
            parts.append(
                Part(box((float(x), side * 14.2 - 0.05, -0.1), (float(x) + 0.1, side * 14.2 + 0.05, 0.6)), "steel")
            )
        for _ in range(26):
            parts += _tree(float(rng.uniform(0, 160)), side * float(rng.uniform(19, 50)), rng)
    slots: list[Slot] = []
    for y in (3.4, 7.0, 10.6):
        slots += _in_lane(y, 0.0, rng, 9.0)
        slots += [Slot(s.x, -s.y, s.heading + math.pi) for s in _in_lane(y, 0.0, rng, 12.0)]
    return parts, sorted(slots, key=lambda slot: slot.x), half


def _car_park(ground: str, rng: np.random.Generator) -> tuple[list[Part], list[Slot], float]:
    half = 16.0
    parts = [Part(_flat(-80, -200, 200, 200, -0.16), "grass"), Part(_flat(-20, -half, 70, half, 0.0), ground)]
    slots = []
    for row, heading in ((3.2, math.pi / 2), (-3.2, -math.pi / 2), (15.0, -math.pi / 2), (-15.0, math.pi / 2)):
        end = row + (5.2 if abs(row) < 10 else -5.2) * np.sign(row)
        for bay in range(18):
            x = 1.5 + 2.75 * bay
            parts.append(Part(_flat(x - 1.375 - 0.05, min(row, end), x - 1.375 + 0.05, max(row, end), 0.006), "line"))
            if rng.random() < 0.72:
                slots.append(Slot(x + float(rng.normal(0, 0.1)), row + float(rng.normal(0, 0.15)), heading))
    for x in range(0, 60, 15):
        parts += _tree(float(x), half + 2.0, rng)
        parts += _tree(float(x) + 6, -half - 2.0, rng)
    order = sorted(slots, key=lambda slot: slot.x + 0.6 * abs(slot.y))
    return parts, order, half


def _showroom(ground: str, rng: np.random.Generator) -> tuple[list[Part], list[Slot], float]:
    parts = [
        Part(_flat(-40, -30, 40, 30, 0.0), "floor"),
        Part(_flat(-40, -30, 40, 30, 6.0), "wall"),
        Part(box((14, -30, 0), (14.3, 30, 6)), "wall"),
        Part(box((-30, 9, 0), (30, 9.3, 6)), "wall"),
        Part(box((-30, -9.3, 0), (30, -9, 6)), "wall"),
    ]
    turn = float(rng.uniform(-0.5, 0.5))
    slots = [Slot(-1.5, 0.0, turn), Slot(2.0, 4.4, turn + 0.2), Slot(2.0, -4.4, turn - 0.2)]
    return parts, slots, 9.0


def _slab(x1: float, y1: float, x2: float, y2: float, top: float) -> Mesh:
    return box((x1, min(y1, y2), -0.2), (x2, max(y1, y2), top))


def _tree(x: float, y: float, rng: np.random.Generator) -> list[Part]:
    tall = float(rng.uniform(2.2, 3.6))
    parts = [Part(tube([(x, y, -0.2), (x + 0.05, y, tall * 0.6), (x, y, tall)], 0.14), "bark")]
    for _ in range(6):
        centre = np.array([x, y, tall + 0.6]) + rng.normal(0, 0.55, 3)
        radii = rng.uniform(0.7, 1.3, 3)
        ball = ellipsoid(tuple(centre), tuple(radii))
        rough = ball.vertices + rng.normal(0, 0.09, ball.vertices.shape)
        parts.append(Part(Mesh(rough, ball.faces), "leaves"))
    return parts


def _street_lamps(half_road: float) -> Iterator[Part]:
    for x in range(0, 80, 16):
        for side in (1, -1):
            y = side * (half_road + 0.8)
            yield Part(tube([(x, y, -0.1), (x, y, 6.4), (x, y - side * 1.8, 6.8)], 0.07), "steel")
            yield Part(
                box((x - 0.15, y - side * 2.0 - 0.35, 6.70), (x + 0.15, y - side * 2.0 + 0.35, 6.78)), "lamp glow"
            )
            light = bpy.data.lights.new("street lamp", "SPOT")
            light.energy, light.spot_size, light.spot_blend = 1500.0, math.radians(140), 0.6
            light.color = (1.0, 0.80, 0.55)
            lamp = bpy.data.objects.new("street lamp", light)
            lamp.location = (x, y - side * 2.0, 6.6)
            bpy.context.scene.collection.objects.link(lamp)


def _buildings(half_road: float, light: LightKind, rng: np.random.Generator) -> None:
    for side in (1, -1):
        x = float(rng.uniform(-30, -15))
        while x < 120:
            wide, deep, tall = rng.uniform(9, 20), rng.uniform(8, 14), rng.uniform(6, 20)
            y = side * (half_road + 5.2)
            low, high = sorted((y, y + side * float(deep)))
            mesh = box((x, low, -0.2), (x + float(wide), high, float(tall)))
            blender.add_mesh(mesh, [_facade(rng, light)], "building")
            x += float(wide) + (float(rng.uniform(2, 8)) if rng.random() < 0.3 else 0.15)
    x = 125.0
    blender.add_mesh(box((x, -60, 0), (x + 10, 60, 14)), [_facade(rng, light)], "building")


def _facade(rng: np.random.Generator, light: LightKind) -> Any:
    """Plaster or brick with rows of windows, by a brick texture whose bricks are the panes."""
    material = blender.glow_only(bpy.data.materials.new("facade"))
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader = nodes["Principled BSDF"]
    place = nodes.new("ShaderNodeTexCoord")
    split = nodes.new("ShaderNodeSeparateXYZ")
    links.new(place.outputs["Object"], split.inputs[0])
    along = nodes.new("ShaderNodeMath")
    along.operation = "ADD"
    links.new(split.outputs["X"], along.inputs[0])
    links.new(split.outputs["Y"], along.inputs[1])
    joined = nodes.new("ShaderNodeCombineXYZ")
    links.new(along.outputs[0], joined.inputs["X"])
    links.new(split.outputs["Z"], joined.inputs["Y"])
    panes = nodes.new("ShaderNodeTexBrick")
    panes.offset = 0.0
    panes.inputs["Scale"].default_value = 1.0
    panes.inputs["Brick Width"].default_value = float(rng.uniform(2.0, 3.2))
    panes.inputs["Row Height"].default_value = float(rng.uniform(2.8, 3.4))
    panes.inputs["Mortar Size"].default_value = float(rng.uniform(0.55, 0.85))
    panes.inputs["Mortar Smooth"].default_value = 0.0
    wall = np.array([(0.45, 0.40, 0.33), (0.30, 0.13, 0.09), (0.50, 0.50, 0.48), (0.36, 0.33, 0.30)][rng.integers(4)])
    wall = wall * rng.uniform(0.7, 1.15)
    panes.inputs["Color1"].default_value = (0.02, 0.025, 0.03, 1)
    panes.inputs["Color2"].default_value = (0.05, 0.06, 0.07, 1)
    panes.inputs["Mortar"].default_value = (*(float(v) for v in wall), 1)
    links.new(joined.outputs[0], panes.inputs["Vector"])
    links.new(panes.outputs["Color"], shader.inputs["Base Color"])
    rough = nodes.new("ShaderNodeMapRange")
    rough.inputs["To Min"].default_value = 0.08
    rough.inputs["To Max"].default_value = 0.9
    links.new(panes.outputs["Fac"], rough.inputs["Value"])
    links.new(rough.outputs[0], shader.inputs["Roughness"])
    if light in ("night", "dusk"):
        lit = nodes.new("ShaderNodeMapRange")
        lit.inputs["To Min"].default_value = 0.35 if light == "night" else 0.15
        lit.inputs["To Max"].default_value = 0.0
        links.new(panes.outputs["Fac"], lit.inputs["Value"])
        shader.inputs["Emission Color"].default_value = (1.0, 0.75, 0.42, 1)
        links.new(lit.outputs[0], shader.inputs["Emission Strength"])
    return material


def _roughen(material: Any, scale: float, spread: float) -> None:
    """Vary a plain material's brightness by noise, so that large surfaces are not one flat colour."""
    nodes, links = material.node_tree.nodes, material.node_tree.links
    shader = nodes["Principled BSDF"]
    colour = tuple(shader.inputs["Base Color"].default_value)
    noise = nodes.new("ShaderNodeTexNoise")
    noise.inputs["Scale"].default_value = scale / 10
    noise.inputs["Detail"].default_value = 9.0
    noise.inputs["Roughness"].default_value = 0.75
    place = nodes.new("ShaderNodeTexCoord")
    links.new(place.outputs["Object"], noise.inputs["Vector"])
    mix = nodes.new("ShaderNodeMix")
    mix.data_type = "RGBA"
    mix.inputs[6].default_value = (*tuple(value * (1 - spread) for value in colour[:3]), 1)
    mix.inputs[7].default_value = (*tuple(value * (1 + spread) for value in colour[:3]), 1)
    links.new(noise.outputs["Fac"], mix.inputs[0])
    links.new(mix.outputs[2], shader.inputs["Base Color"])


def _light(kind: PlaceKind, light: LightKind, rng: np.random.Generator) -> None:
    world = bpy.data.worlds.new("sky")
    bpy.context.scene.world = world
    world.use_nodes = True
    background = world.node_tree.nodes["Background"]
    if kind == "showroom":
        background.inputs[0].default_value = (0.05, 0.05, 0.055, 1)
        for x in (-6.0, 0.0, 6.0):
            for y in (-4.0, 4.0):
                _area((x, y, 5.7), 260.0, (4.5, 0.7))
        return
    if light in ("sun", "dusk"):
        sky = world.node_tree.nodes.new("ShaderNodeTexSky")
        sky.sky_type = "MULTIPLE_SCATTERING"
        sky.sun_elevation = math.radians(float(rng.uniform(22, 58) if light == "sun" else rng.uniform(2, 7)))
        sky.sun_rotation = float(rng.uniform(0, 2 * math.pi))
        world.node_tree.links.new(sky.outputs[0], background.inputs[0])
        background.inputs[1].default_value = 0.11 if light == "sun" else 0.24
        return
    colours = {
        "overcast": ((0.62, 0.66, 0.72), 1.1),
        "rain": ((0.42, 0.46, 0.52), 0.85),
        "night": ((0.010, 0.014, 0.03), 0.6),
    }
    colour, strength = colours[light]
    background.inputs[0].default_value = (*colour, 1)
    background.inputs[1].default_value = strength
    if light != "night":
        sun = bpy.data.lights.new("veiled sun", "SUN")
        sun.energy, sun.angle = 1.2, math.radians(40)
        thing = bpy.data.objects.new("veiled sun", sun)
        thing.rotation_euler = (float(rng.uniform(-0.6, 0.6)), float(rng.uniform(-0.6, 0.6)), 0)
        bpy.context.scene.collection.objects.link(thing)


def _area(at: tuple[float, float, float], power: float, size: tuple[float, float]) -> None:
    light = bpy.data.lights.new("panel", "AREA")
    light.energy, light.shape, light.size, light.size_y = power, "RECTANGLE", *size
    thing = bpy.data.objects.new("panel", light)
    thing.location = at
    bpy.context.scene.collection.objects.link(thing)
