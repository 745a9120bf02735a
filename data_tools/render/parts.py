"""Meshes of what is not the body's surface: wheels, mirrors, seats, cargo box, motorcycle. All sizes in m."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from data_tools.render.body import Mesh, Surface, wheel_places
from data_tools.render.catalogue import Body


@dataclass(frozen=True, eq=False)
class Part:
    """A mesh and the name of its material."""

    mesh: Mesh
    material: str


def lathe(profile: Iterable[tuple[float, float]], around: int = 48) -> Mesh:
    """Turn (radius, y) pairs about the y axis."""
    radius, y = np.array(list(profile)).T
    angle = np.linspace(0, 2 * np.pi, around, endpoint=False)
    points = np.stack(
        [np.outer(np.cos(angle), radius), np.broadcast_to(y, (around, len(y))), np.outer(np.sin(angle), radius)],
        axis=-1,
    )
    index = np.arange(around * len(y)).reshape(around, len(y))
    after = np.roll(index, -1, axis=0)
    faces = np.stack([index[:, :-1], after[:, :-1], after[:, 1:], index[:, 1:]], axis=-1)
    return Mesh(points.reshape(-1, 3), faces.reshape(-1, 4))


def box(low: tuple[float, float, float], high: tuple[float, float, float], taper: float = 0.0) -> Mesh:
    """A box; its top is drawn in by `taper` m on all sides."""
    (x1, y1, z1), (x2, y2, z2) = low, high
    corners = [
        (x1, y1, z1), (x2, y1, z1), (x2, y2, z1), (x1, y2, z1),
        (x1 + taper, y1 + taper, z2), (x2 - taper, y1 + taper, z2),
        (x2 - taper, y2 - taper, z2), (x1 + taper, y2 - taper, z2),
    ]  # fmt: skip
    faces = [(3, 2, 1, 0), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)]
    return Mesh(np.array(corners, float), np.array(faces), smooth=False)


def ellipsoid(centre: tuple[float, float, float], radii: tuple[float, float, float], square: float = 1.0) -> Mesh:
    """A ball stretched to `radii`; `square` below 1 makes it boxier."""
    down = np.linspace(-np.pi / 2, np.pi / 2, 17)
    round_ = np.linspace(0, 2 * np.pi, 28, endpoint=False)

    def soft(values: np.ndarray) -> np.ndarray:
        return np.sign(values) * np.abs(values) ** square

    points = np.stack(
        [
            np.outer(soft(np.cos(round_)), soft(np.cos(down))),
            np.outer(soft(np.sin(round_)), soft(np.cos(down))),
            np.broadcast_to(soft(np.sin(down)), (28, 17)),
        ],
        axis=-1,
    ) * np.array(radii) + np.array(centre)
    index = np.arange(28 * 17).reshape(28, 17)
    after = np.roll(index, -1, axis=0)
    faces = np.stack([index[:, :-1], after[:, :-1], after[:, 1:], index[:, 1:]], axis=-1)
    return Mesh(points.reshape(-1, 3), faces.reshape(-1, 4))


def tube(points: list[tuple[float, float, float]], radius: float, around: int = 12) -> Mesh:
    """A round bar along a line of points."""
    line = np.array(points, float)
    along = np.gradient(line, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    aside = np.cross(along, [0.0, 0.0, 1.0])
    flat = np.linalg.norm(aside, axis=1) < 1e-6
    aside[flat] = np.cross(along[flat], [1.0, 0.0, 0.0])
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    other = np.cross(along, aside)
    angle = np.linspace(0, 2 * np.pi, around, endpoint=False)
    ring = np.cos(angle)[None, :, None] * aside[:, None] + np.sin(angle)[None, :, None] * other[:, None]
    vertices = line[:, None] + radius * ring
    index = np.arange(len(line) * around).reshape(len(line), around)
    after = np.roll(index, -1, axis=1)
    faces = np.stack([index[:-1], after[:-1], after[1:], index[1:]], axis=-1)
    return Mesh(vertices.reshape(-1, 3), faces.reshape(-1, 4))


def moved(mesh: Mesh, by: tuple[float, float, float], turn: float = 0.0, mirror: bool = False) -> Mesh:
    """The mesh turned about y by `turn` rad, mirrored in y if asked, and moved."""
    points = mesh.vertices.copy()
    if turn:
        c, s = np.cos(turn), np.sin(turn)
        points = points @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    faces = mesh.faces
    if mirror:
        points = points * [1, -1, 1]
        faces = faces[:, ::-1]
    return Mesh(points + np.array(by), faces, mesh.uv, mesh.smooth)


def wheel(radius: float, width: float, spokes: int, split: bool, dark: bool) -> list[Part]:
    """A wheel about the y axis, its face towards +y: tyre, rim, spokes, disc and hub."""
    rim = radius * 0.74
    half = width / 2
    tyre = lathe(
        [
            (rim * 0.96, -half * 0.8), (rim * 1.04, -half), (radius * 0.93, -half), (radius * 0.985, -half * 0.86),
            (radius, -half * 0.6), (radius, half * 0.6), (radius * 0.985, half * 0.86), (radius * 0.93, half),
            (rim * 1.04, half), (rim * 0.98, half * 0.92), (rim * 0.96, half * 0.8),
        ]
    )  # fmt: skip
    barrel = lathe([(rim, half * 0.93), (rim * 0.965, half * 0.90), (rim * 0.93, half * 0.3), (rim * 0.9, -half * 0.7)])
    disc = lathe([(0.001, -0.01), (rim * 0.66, -0.01), (rim * 0.66, -0.03)])
    hub = lathe([(0.001, half * 0.78), (rim * 0.13, half * 0.76), (rim * 0.20, half * 0.62), (rim * 0.22, 0.0)])
    metal = "wheel dark" if dark else "wheel"
    parts = [Part(tyre, "tyre"), Part(barrel, metal), Part(disc, "disc"), Part(hub, metal)]
    parts.append(Part(lathe([(0.001, -half * 0.2), (rim * 0.98, -half * 0.2)]), "black"))
    for number in range(spokes):
        for offset in (-0.14, 0.14) if split else (0.0,):
            angle = 2 * np.pi * number / spokes
            breadth = rim * (0.10 if split else 0.17) * 5 / spokes * 1.1
            spoke = _spoke(rim, half, breadth, offset)
            parts.append(Part(moved(spoke, (0, 0, 0), turn=angle), metal))
    return parts


def _spoke(rim: float, half: float, breadth: float, offset: float) -> Mesh:
    inner, outer = rim * 0.16, rim * 0.965
    foot, tip = half * 0.70, half * 0.84
    lean = offset * rim
    points = []
    for radius, y, wide in (
        (inner, foot, breadth),
        (0.6 * rim, 0.5 * (foot + tip), breadth * 0.8),
        (outer, tip, breadth * 0.95),
    ):
        shift = lean * (radius - inner) / (outer - inner)
        points += [
            (radius, y - 0.05, shift - wide), (radius, y, shift - wide * 0.7),
            (radius, y, shift + wide * 0.7), (radius, y - 0.05, shift + wide),
        ]  # fmt: skip
    index = np.arange(12).reshape(3, 4)
    faces = np.stack([index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]], axis=-1).reshape(-1, 4)
    return Mesh(np.array(points, float), faces, smooth=False)


def wheels(body: Body, spokes: int, split: bool, dark: bool, steer: float = 0.0) -> list[Part]:
    """The four wheels in place."""
    width = 0.215 if body.wheel_radius < 0.4 else 0.28
    one = wheel(body.wheel_radius, width, spokes, split, dark)
    out = body.width / 2 * 0.965 - width / 2
    placed = []
    for axle in wheel_places(body):
        for mirror in (False, True):
            at = (axle, -out if mirror else out, body.wheel_radius)
            placed += [Part(moved(part.mesh, at, mirror=mirror), part.material) for part in one]
    return placed


def fittings(body: Body, surface: Surface, rails: bool) -> list[Part]:
    """Mirrors, door handles, seats, a pickup's bed, roof rails, and what hides the road under the cabin."""
    parts = _underneath(body)
    if body.type in ("bus", "truck"):
        parts += _tall_mirrors(body)
    else:
        parts += _mirrors(body, surface) + _handles(body, surface)
    if rails:
        parts += _rails(body, surface)
    if body.type == "pickup":
        parts += _bed(body)
    if body.type == "bus":
        return parts + _bus_seats(body)
    return parts + _seats(body, surface, rows=1 if body.type in ("coupe", "convertible", "van", "truck") else 2)


def _underneath(body: Body) -> list[Part]:
    half, length = body.width / 2, body.length
    return [
        Part(box((0.06 * length, 0.30 - half, 0.16), (0.95 * length, half - 0.30, 0.55)), "black"),
        Part(box((0.22 * length, 0.12 - half, 0.45), (0.93 * length, half - 0.12, 0.60)), "black"),
        Part(box((0.04 * length, 0.24 - half, 0.20), (0.20 * length, half - 0.24, 0.62)), "black"),
    ]


def _tall_mirrors(body: Body) -> list[Part]:
    half, high = body.width / 2, body.height
    parts = []
    for side in (1, -1):
        y = side * (half + 0.16)
        arm = [(0.05, side * half * 0.96, high * 0.84), (-0.04, y, high * 0.80)]
        parts.append(Part(box((-0.10, y - 0.10, high * 0.62), (0.02, y + 0.10, high * 0.80)), "trim"))
        parts.append(Part(tube(arm, 0.018), "trim"))
    return parts


def _mirrors(body: Body, surface: Surface) -> list[Part]:
    share = body.doors[0] + 0.035
    x, z = share * body.length, float(surface.belt(share))
    shell = float(surface.half_width(np.array([share]))[0])
    parts = []
    for side in (1, -1):
        y, foot = side * (shell + 0.115), side * (shell - 0.02)
        parts.append(Part(ellipsoid((x, y, z + 0.075), (0.075, 0.12, 0.075), 0.7), "paint"))
        parts.append(Part(ellipsoid((x + 0.04, y, z + 0.075), (0.05, 0.105, 0.062), 0.6), "mirror"))
        parts.append(Part(box((x - 0.03, foot - 0.05, z - 0.02), (x + 0.04, foot + 0.05, z + 0.05)), "trim"))
    return parts


def _handles(body: Body, surface: Surface) -> list[Part]:
    parts = []
    for door in body.doors[1:]:
        x = door * body.length - 0.13
        share = x / body.length
        y = float(surface.half_width(np.array([share]))[0]) * 0.985
        z = float(surface.belt(share)) - 0.095
        parts += [Part(ellipsoid((x, side * y, z), (0.095, 0.022, 0.016), 0.7), "paint") for side in (1, -1)]
    return parts


def _rails(body: Body, surface: Surface) -> list[Part]:
    start, end = body.windscreen[1] + 0.07, min(0.82, (body.backlight[0] or 0.9) - 0.05)
    (edge,) = surface.flank(np.linspace(start, end, 12), np.array([0.765]))
    return [Part(tube([(x, side * y, z + 0.025) for x, y, z in edge.tolist()], 0.018), "chrome") for side in (1, -1)]


def _bus_seats(body: Body) -> list[Part]:
    parts = []
    for row in range(int(body.length)):
        x = 0.10 * body.length + 0.85 * row
        for y in (0.72, -0.72):
            parts.append(Part(box((x, y - 0.4, 0.7), (x + 0.16, y + 0.4, 1.72), 0.03), "seat"))
    return parts


def roof_box(body: Body, surface: Surface) -> list[Part]:
    """A luggage box on two bars."""
    middle = 0.5 * (body.windscreen[1] + (body.backlight[0] or 0.9)) * body.length
    roof = float(surface.roof(middle / body.length))
    half = 0.5 * body.width * body.tumblehome * 0.9
    bars = [
        Part(box((middle + at - 0.03, -half, roof - 0.02), (middle + at + 0.03, half, roof + 0.06)), "trim")
        for at in (-0.4, 0.4)
    ]
    return [*bars, Part(ellipsoid((middle, 0.12, roof + 0.22), (0.85, 0.36, 0.17), 0.45), "trim")]


def crates(body: Body) -> list[Part]:
    """Boxes in a pickup's bed."""
    start = 0.66 * body.length
    return [
        Part(box((start, -0.55, 0.72), (start + 0.6, 0.05, 1.32)), "crate"),
        Part(box((start + 0.1, 0.15, 0.72), (start + 0.7, 0.6, 1.12)), "crate"),
        Part(box((start + 0.75, -0.45, 0.72), (start + 1.3, 0.3, 1.22)), "crate"),
    ]


def sticker(body: Body, surface: Surface, share: float, girth: float, side: int, size: float) -> Mesh:
    """A patch that lies on the flank, a little before it; twice as long as high."""
    along = np.linspace(share - size / body.length, share + size / body.length, 9)
    patch = surface.flank(along, np.linspace(girth - 0.20 * size, girth + 0.20 * size, 7))
    patch = (patch + np.array([0, 0.006, 0])) * [1, side, 1]
    index = np.arange(63).reshape(7, 9)
    faces = np.stack([index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]], axis=-1).reshape(-1, 4)
    return Mesh(patch.reshape(-1, 3), faces if side < 0 else faces[:, ::-1])


def dented(mesh: Mesh, at: np.ndarray, size: float) -> Mesh:
    """The mesh pushed in about `at` (3,) by a seventh of `size` (m)."""
    away = np.linalg.norm(mesh.vertices - at, axis=1)
    pushed = np.sign(at[1]) * size / 7 * np.exp(-((away / size) ** 2))
    return Mesh(mesh.vertices - pushed[:, None] * [0, 1, 0], mesh.faces, mesh.uv, mesh.smooth)


def _bed(body: Body) -> list[Part]:
    """A pickup's load bed, open above."""
    start, end, half = 0.628 * body.length, 0.976 * body.length, body.width / 2 - 0.17
    floor, top = 0.72, float(min(z for share, z in body.roof if 0.6 < share < 0.99)) - 0.01
    thick = 0.03
    return [
        Part(box((start, -half, floor - thick), (end, half, floor)), "trim"),
        Part(box((start - thick, -half, floor), (start, half, top)), "trim"),
        Part(box((end, -half, floor), (end + thick, half, top)), "trim"),
        Part(box((start, -half - thick, floor), (end, -half, top)), "trim"),
        Part(box((start, half, floor), (end, half + thick, top)), "trim"),
    ]


def _seats(body: Body, surface: Surface, rows: int) -> list[Part]:
    length = body.length
    base = body.clearance + 0.12
    front = (body.windscreen[1] + 0.02) * length if body.type != "truck" else 0.55 * length
    tall = base + (0.84 if body.type == "convertible" else 1.02)
    parts = []
    lift = max(0.0, float(surface.belt(0.5)) - base - 0.72)
    for row in range(rows):
        at = front + 0.10 + row * 0.86
        tall = min(
            tall, float(surface.roof((at + 0.54) / length)) - 0.16, float(surface.roof((at + 0.80) / length)) - 0.05
        )
        for side in (0.36, -0.36):
            parts.append(
                Part(box((at, side - 0.23, base + 0.1), (at + 0.45, side + 0.23, base + 0.32 + lift), 0.03), "seat")
            )
            parts.append(
                Part(box((at + 0.40, side - 0.23, base + 0.2), (at + 0.55, side + 0.23, tall - 0.17), 0.03), "seat")
            )
            parts.append(Part(box((at + 0.44, side - 0.12, tall - 0.18), (at + 0.54, side + 0.12, tall), 0.02), "seat"))
    wheel_at = (front - 0.28, -0.36, float(surface.belt(body.windscreen[1])) + 0.02)
    ring = lathe([(0.175, -0.012), (0.19, 0.0), (0.175, 0.012), (0.16, 0.0), (0.175, -0.012)], 24)
    turned = Mesh(ring.vertices[:, [1, 0, 2]], ring.faces)
    parts.append(Part(moved(turned, wheel_at, turn=-0.4), "black"))
    dash = (body.windscreen[0] + 0.03) * length, (body.windscreen[1] - 0.01) * length
    half = body.width / 2 - 0.16
    top = float(surface.belt(body.windscreen[0] + 0.04)) + 0.0
    parts.append(Part(box((dash[0], -half, 0.5), (dash[1], half, top), 0.04), "black"))
    return parts


def cargo_box(body: Body) -> list[Part]:
    """What stands behind a truck's cab: frame, box, rear axle wheels and lamps."""
    start, end = body.length + 0.12, body.length + 5.0
    half = body.width / 2 + 0.10
    parts = [
        Part(box((0.3, -0.45, 0.55), (end - 0.1, 0.45, 0.80)), "black"),
        Part(box((start, -half, 0.98), (end, half, 3.45)), "cargo"),
        Part(box((start, -half - 0.005, 0.92), (end, half + 0.005, 1.02)), "trim"),
        Part(box((end - 0.06, -half + 0.15, 0.42), (end, half - 0.15, 0.55)), "trim"),
    ]
    for side in (1, -1):
        parts.append(
            Part(
                box((end - 0.01, side * (half - 0.2) - 0.16, 0.70), (end + 0.02, side * (half - 0.2) + 0.16, 0.86)),
                "tail lamp",
            )
        )
        parts.append(
            Part(
                box((start + 0.7, side * (half - 0.02) - 0.02, 0.50), (start + 2.1, side * (half - 0.02) + 0.02, 0.88)),
                "trim",
            )
        )
    return parts


def motorcycle(paint: str = "paint") -> list[Part]:
    """A motorcycle with its rider, nose towards -x."""
    parts: list[Part] = []
    for axle in (0.36, 1.76):
        for part in wheel(0.31, 0.13, 10, False, True):
            parts.append(Part(moved(part.mesh, (axle, 0, 0.31)), part.material))
        parts.append(Part(lathe([(0.285, -0.05), (0.325, -0.03), (0.33, 0.0), (0.325, 0.03), (0.285, 0.05)]), "tyre"))
        parts[-1] = Part(moved(parts[-1].mesh, (axle, 0, 0.31)), "tyre")
    for side in (0.09, -0.09):
        parts.append(Part(tube([(0.36, side, 0.31), (0.50, side, 0.62), (0.62, side * 0.9, 0.92)], 0.024), "chrome"))
        parts.append(Part(tube([(1.76, side * 1.2, 0.31), (1.40, side * 1.2, 0.36), (1.10, side, 0.42)], 0.03), "trim"))
        parts.append(
            Part(tube([(0.60, side * 0.5, 0.98), (0.68, side * 3.2, 1.04), (0.76, side * 4.0, 1.03)], 0.015), "trim")
        )
        parts.append(Part(ellipsoid((0.74, side * 4.4, 1.13), (0.02, 0.06, 0.04)), "mirror"))
    parts += [
        Part(ellipsoid((0.40, 0, 0.66), (0.24, 0.075, 0.03), 0.8), paint),
        Part(ellipsoid((0.56, 0, 0.94), (0.13, 0.15, 0.15), 0.75), paint),
        Part(ellipsoid((0.47, 0, 0.93), (0.06, 0.10, 0.09), 0.8), "lamp"),
        Part(ellipsoid((0.98, 0, 0.88), (0.30, 0.15, 0.13), 0.8), paint),
        Part(ellipsoid((1.46, 0, 0.84), (0.36, 0.13, 0.06), 0.7), "seat"),
        Part(ellipsoid((1.80, 0, 0.88), (0.20, 0.09, 0.06), 0.8), paint),
        Part(ellipsoid((2.00, 0, 0.86), (0.02, 0.07, 0.03)), "tail lamp"),
        Part(ellipsoid((1.02, 0, 0.50), (0.26, 0.17, 0.19), 0.6), "trim"),
        Part(tube([(1.0, 0.14, 0.34), (1.4, 0.19, 0.32), (1.95, 0.20, 0.46)], 0.045), "chrome"),
        Part(ellipsoid((1.34, 0, 1.18), (0.17, 0.20, 0.30), 0.8), "jacket"),
        Part(ellipsoid((1.14, 0, 1.62), (0.14, 0.125, 0.145), 0.9), "helmet"),
        Part(ellipsoid((1.06, 0, 1.62), (0.085, 0.105, 0.055), 0.8), "visor"),
    ]
    for side in (1, -1):
        parts.append(
            Part(
                tube([(1.26, side * 0.19, 1.36), (1.0, side * 0.30, 1.16), (0.74, side * 0.33, 1.05)], 0.055), "jacket"
            )
        )
        parts.append(
            Part(
                tube([(1.42, side * 0.12, 0.92), (1.06, side * 0.22, 0.84), (1.14, side * 0.21, 0.40)], 0.075), "jeans"
            )
        )
        parts.append(Part(ellipsoid((1.06, side * 0.21, 0.34), (0.14, 0.05, 0.06)), "black"))
    return parts
