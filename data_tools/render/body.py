"""A vehicle's body: one smooth surface over (length, girth), and texture maps that say what each point of it is.

Windows, lamps, grille, joints and wheel arches are painted in physical coordinates on the surface itself, so they are
sharp on a coarse mesh and follow every change of shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d

from data_tools.render.catalogue import Body, Face, Model

# Shares of the texture's width taken by the front and rear ends, which are closed by rings.
_CAP = 0.13
_TEXTURE = (768, 2048)
_MESH = (72, 300)
_EDGE = 0.004  # softness of painted edges, m
# Places round the half girth: underside, sill (0.10), flank, crease, shoulder (0.44), glass, roof edge (0.72), roof.
_GIRTH = np.array([0.0, 0.07, 0.10, 0.17, 0.27, 0.37, 0.44, 0.57, 0.72, 0.78, 0.88, 1.0])
_SILL, _SHOULDER, _ROOF_EDGE = 0.10, 0.44, 0.72


@dataclass(frozen=True, eq=False)
class Mesh:
    """vertices (V, 3) float64 in m, faces (F, 4) int64, uv (V, 2) float64 or None; smooth or flat to the eye."""

    vertices: np.ndarray
    faces: np.ndarray
    uv: np.ndarray | None = None
    smooth: bool = True


@dataclass(frozen=True, eq=False)
class Maps:
    """What each texel of half a body is: (H, W) float32 in [0, 1] by name; both halves share them, mirrored."""

    glass: np.ndarray
    trim: np.ndarray
    chrome: np.ndarray
    headlamp: np.ndarray
    tail_lamp: np.ndarray
    light: np.ndarray
    seam: np.ndarray
    cut: np.ndarray


def wheel_places(body: Body) -> tuple[float, float]:
    """x of the front and rear axle."""
    return body.front_overhang, body.front_overhang + body.wheelbase


class Surface:
    """The body's surface: a point for each (u, v).

    u runs from the front (0) to the rear (1), v from underneath (0) to the roof (1).
    """

    def __init__(self, body: Body) -> None:
        self.body = body
        self.bulge = min(0.14, 0.05 + 0.02 * body.length), min(0.09, 0.04 + 0.01 * body.length)
        self._shares = np.linspace(0, 1, 2001)
        softness = body.corner / body.length * 2000 * 0.9
        self._roof = self._line(body.roof, softness)
        self._belt = np.minimum(self._line(body.belt, softness * 2), self._roof - 0.012)

    def _line(self, knots: tuple[tuple[float, float], ...], softness: float) -> np.ndarray:
        at, height = np.array(knots).T
        return gaussian_filter1d(np.interp(self._shares, at, height), softness, mode="nearest")

    def roof(self, share: np.ndarray | float) -> np.ndarray:
        """Height in m of the middle line at shares of the length."""
        return np.interp(share, self._shares, self._roof)

    def belt(self, share: np.ndarray | float) -> np.ndarray:
        """Height in m of the shoulder at shares of the length."""
        return np.interp(share, self._shares, self._belt)

    def sill(self, share: np.ndarray) -> np.ndarray:
        """Height in m of the lower edge, a little higher at both ends."""
        ends = np.clip((np.abs(share - 0.5) - 0.36) / 0.14, 0, 1) ** 2
        return self.body.clearance + 0.07 * ends

    def half_width(self, share: np.ndarray) -> np.ndarray:
        """Half the width in m along the flank, drawn in towards both ends."""
        body = self.body
        front = (1 - np.clip(share / 0.17, 0, 1)) ** 2.4
        rear = (1 - np.clip((1 - share) / 0.15, 0, 1)) ** 2.4
        plan = 1 - (1 - body.nose) * front - (1 - body.tail) * rear
        # Flared over the wheels.
        for axle in wheel_places(body):
            plan = plan + 0.012 * np.exp(-(((share * body.length - axle) / (1.5 * body.wheel_radius)) ** 2))
        return body.width / 2 * plan * 0.985

    def points(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """(V, U, 3): x, y, z of the half with y >= 0, for every pair of the given u (U,) and v (V,)."""
        inside = np.clip((u - _CAP) / (1 - 2 * _CAP), 0, 1)
        section = self._sections(inside, v)
        into = np.clip(np.maximum(_CAP - u, u - (1 - _CAP)) / _CAP, 0, 1)
        scale = 1 - into
        centre = 0.5 * (section[:1, :, 1] + section[-1:, :, 1])
        y = section[:, :, 0] * scale
        z = centre + (section[:, :, 1] - centre) * scale
        front, rear = self.bulge
        out = (1 - scale**2.6) ** (1 / 2.6)
        along = front + inside * (self.body.length - front - rear)
        x = along + np.where(u < _CAP, -front * out, np.where(u > 1 - _CAP, rear * out, 0.0))
        return np.stack([np.broadcast_to(x, y.shape), y, z], axis=-1)

    def flank(self, share: np.ndarray, girth: np.ndarray) -> np.ndarray:
        """(G, S, 3): points at shares of the length (S,) and places round the girth (G,), on the side with y >= 0."""
        return self.points(_CAP + share * (1 - 2 * _CAP), girth)

    def _sections(self, share: np.ndarray, v: np.ndarray) -> np.ndarray:
        body = self.body
        top, belt, sill, width = self.roof(share), self.belt(share), self.sill(share), self.half_width(share)
        cabin = np.clip((top - belt - 0.05) / 0.35, 0, 1)
        edge = width * (0.88 + (body.tumblehome - 0.88) * cabin)
        drop = np.minimum(0.035 + 0.05 * cabin, 0.5 * (top - belt))
        flank = belt - sill
        shoulder = np.stack([width * 0.962, belt])
        roof_edge = np.stack([edge, top - drop])
        middle = 0.5 * (shoulder + roof_edge) + np.stack([0.018 * cabin, 0.0 * cabin])
        control = [
            np.stack([width * 0.0, sill + 0.03]),
            np.stack([width * 0.78, sill]),
            np.stack([width * 0.91, sill + 0.02]),
            np.stack([width * 0.965, sill + 0.14 * flank]),
            np.stack([width * 0.985, sill + 0.42 * flank]),
            np.stack([width * 1.0, sill + 0.78 * flank]),
            shoulder,
            middle,
            roof_edge,
            np.stack([edge * 0.88, top - 0.45 * drop]),
            np.stack([edge * 0.50, top - 0.10 * drop]),
            np.stack([edge * 0.0, top]),
        ]
        return np.moveaxis(PchipInterpolator(_GIRTH, np.stack(control), axis=0)(v), 1, 2)


def body_mesh(surface: Surface) -> Mesh:
    """Both halves as one mesh whose u, v are those of the maps."""
    rows, columns = _MESH
    u = _spread(columns)
    v = _GIRTH_SPREAD(np.linspace(0, 1, rows))
    half = surface.points(u, v)
    other = half[::-1] * [1, -1, 1]
    points = np.concatenate([half, other[1:]])
    rounds = np.concatenate([v, v[::-1][1:]])
    uv = np.stack(np.meshgrid(u, rounds), axis=-1)
    count = len(points)
    index = np.arange(count * columns).reshape(count, columns)
    faces = np.stack([index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]], axis=-1)
    return Mesh(points.reshape(-1, 3), faces.reshape(-1, 4), uv.reshape(-1, 2))


def _spread(columns: int) -> np.ndarray:
    """u of the mesh's stations, closer at both ends, where the shape turns."""
    caps = columns // 10
    turn = np.sin(np.linspace(0, np.pi / 2, caps, endpoint=False))
    body = np.linspace(_CAP, 1 - _CAP, columns - 2 * caps)
    return np.concatenate([_CAP * turn, body, 1 - _CAP * turn[::-1]])


_GIRTH_SPREAD = PchipInterpolator(np.linspace(0, 1, len(_GIRTH)), _GIRTH)


def body_maps(model: Model, surface: Surface, detail: float = 1.0) -> Maps:
    """Paint the maps of one model; `detail` 1 is a texel every 2 mm or so along a car."""
    body, face = model.body, model.face
    height, width = (round(side * detail) for side in _TEXTURE)
    u = (np.arange(width) + 0.5) / width
    v = (np.arange(height) + 0.5) / height
    points = surface.points(u, v)
    share = np.clip((u - _CAP) / (1 - 2 * _CAP), 0, 1)[None]
    on_body = ((u > _CAP) & (u < 1 - _CAP))[None]
    place = _Place(body, surface, points, share, v[:, None], on_body)
    glass, frame = _glazing(place)
    head, light, chrome_front = _head_lamps(place, face)
    tail, light_rear = _tail_lamps(place, face)
    grille_dark, grille_chrome = _grille(place, face)
    lower = place.front(0.62) * _between(place.z, body.clearance + 0.09, body.clearance + 0.19)
    cladding = _below(place.z, surface.sill(share) + body.cladding) * (body.cladding > 0)
    arch, rim = _arches(place)
    trim = np.maximum.reduce([frame, grille_dark, lower, cladding, rim * (body.cladding > 0)])
    trim = np.maximum(trim, np.where(on_body, _below(place.v, _SILL - 0.005), _below(place.z, body.clearance + 0.105)))
    trim = trim * (1 - head) * (1 - tail)
    badge = _badge(place, face)
    chrome = np.maximum.reduce([grille_chrome, badge, chrome_front])
    return Maps(
        *(
            np.ascontiguousarray(np.broadcast_to(values, (height, width)), dtype=np.float32)
            for values in (glass, trim, chrome, head, tail, np.maximum(light, light_rear), _seams(place), arch)
        )
    )


@dataclass(frozen=True, eq=False)
class _Place:
    """Where each texel is."""

    body: Body
    surface: Surface
    points: np.ndarray
    share: np.ndarray
    v: np.ndarray
    on_body: np.ndarray

    @property
    def x(self) -> np.ndarray:
        return self.points[..., 0]

    @property
    def y(self) -> np.ndarray:
        return self.points[..., 1]

    @property
    def z(self) -> np.ndarray:
        return self.points[..., 2]

    def front(self, width: float) -> np.ndarray:
        """1 on the front, within a share of its half width."""
        half = float(self.surface.half_width(np.zeros(1))[0])
        return _below(self.x, 0.06 * self.body.length) * _below(self.y, width * half)

    @property
    def front_top(self) -> float:
        """Height of the bonnet's leading edge, m."""
        return float(self.surface.roof(0.02))


def _step(values: np.ndarray) -> np.ndarray:
    """0 below zero, 1 above, with a soft edge; values in m."""
    return np.clip(values / _EDGE + 0.5, 0, 1)


def _below(values: np.ndarray, limit: np.ndarray | float) -> np.ndarray:
    return _step(limit - values)


def _between(values: np.ndarray, low: np.ndarray | float, high: np.ndarray | float) -> np.ndarray:
    return _step(values - low) * _step(high - values)


def _panes(place: _Place, grow: float) -> np.ndarray:
    """All windows, grown by some m."""
    body, length = place.body, place.body.length
    girth = 0.9  # m of girth per unit of v, about
    side = _between(place.v * girth, (_SHOULDER + 0.022) * girth - grow, (_ROOF_EDGE - 0.028) * girth + grow)
    tall = place.surface.roof(place.share) - place.surface.belt(place.share)
    side = side * _step(tall - 0.10 + grow) * place.on_body
    along = np.zeros_like(side)
    for first, last in zip(body.pillars[:-1], body.pillars[1:], strict=True):
        along = np.maximum(
            along, _between(place.share * length, first * length + 0.035 - grow, last * length - 0.035 + grow)
        )
    found = side * along
    for first, last in (body.windscreen, body.backlight):
        if last > first:
            across = _step((place.v - _ROOF_EDGE - 0.045) * girth + grow)
            found = np.maximum(
                found,
                across * _between(place.share * length, first * length - grow, last * length + grow) * place.on_body,
            )
    if body.type == "bus":
        for front in (True, False):
            ends = place.x < 0.5 * length if front else place.x > 0.5 * length
            low = 1.25 if front else 1.9
            pane = _between(place.z, low - grow, 2.72 + grow) * _below(place.y, 1.08 + grow) * ~place.on_body
            found = np.maximum(found, pane * ends)
    return found


def _glazing(place: _Place) -> tuple[np.ndarray, np.ndarray]:
    """Glass, and the black frame round it and between the panes."""
    glass = _panes(place, 0.0)
    band = _panes(place, 0.022)
    pillars = place.body.pillars
    if len(pillars) > 2:
        length = place.body.length
        inner = np.zeros_like(glass)
        for pillar in pillars[1:-1]:
            inner = np.maximum(inner, _between(place.share * length, pillar * length - 0.036, pillar * length + 0.036))
        tall = _between(place.v, _SHOULDER + 0.022, _ROOF_EDGE - 0.028)
        band = np.maximum(band, inner * tall * place.on_body)
    return glass, np.clip(band - glass, 0, 1)


def _head_lamps(place: _Place, face: Face) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The lamps, what glows in them, and what is polished."""
    body = place.body
    half = float(place.surface.half_width(np.zeros(1))[0])
    tall = face.lamp_height * (1 + 0.35 * (body.height - 1.45))
    middle = place.front_top - 0.075 - 0.5 * tall
    if body.type in ("bus", "truck"):
        middle = body.clearance + 0.42
    inner = half * (1 - face.lamp_width * 1.55)
    reach = 0.055 * body.length if body.type not in ("bus", "truck") else 0.02
    slope = face.lamp_slant * (place.y - inner)
    if face.lamp == "round":
        centre = inner + 0.5 * (half - inner) * 0.9
        away = np.hypot((place.y - centre) / 1.15, place.z - middle) - tall * 0.75
        lamp = _below(away, 0.0) * _below(place.x, reach + 0.1)
        light = _between(away, -0.028, -0.014) * lamp
        polished = _below(away, -0.055) * lamp
        return lamp, light, polished
    low, high = middle - 0.5 * tall + slope, middle + 0.5 * tall + slope
    if face.lamp == "arrow":
        low = low + 0.7 * tall * np.clip((place.y - inner) / (half - inner), 0, 1) * 0.8
    lamp = (
        _between(place.z, low, high) * _step(place.y - inner) * _below(place.x, reach + 0.06 * (place.z - low) / tall)
    )
    light = _between(place.z, low + 0.008, low + 0.02) * lamp
    if face.lamp == "block":
        light = np.maximum(light, _between(place.y, inner + 0.01, inner + 0.022) * lamp)
    spots = np.zeros_like(lamp)
    for share in (0.35, 0.75):
        away = np.hypot(place.y - inner - share * (half - inner), place.z - 0.5 * (low + high) - 0.006)
        spots = np.maximum(spots, _below(away, 0.3 * tall))
    return lamp, light, spots * lamp


def _tail_lamps(place: _Place, face: Face) -> tuple[np.ndarray, np.ndarray]:
    body = place.body
    half = float(place.surface.half_width(np.ones(1))[0])
    length = body.length
    upright = body.type in ("suv", "minivan", "van", "wagon", "hatchback", "bus", "pickup")
    tall = 0.26 if upright else 0.13
    wide = 0.12 if upright else 0.30
    middle = float(place.surface.belt(0.97)) - 0.10
    if body.type in ("van", "bus"):
        middle, tall = body.clearance + 0.75, 0.34
    if body.type == "truck":
        return np.zeros_like(place.x), np.zeros_like(place.x)
    at_rear = _step(place.x - (length - 0.05 * min(length, 5.0)))
    lamp = _between(place.z, middle - tall / 2, middle + tall / 2) * _step(place.y - half * (1 - wide * 1.3)) * at_rear
    if face.tail_bar:
        lamp = np.maximum(lamp, _between(place.z, middle + tall / 2 - 0.05, middle + tall / 2) * at_rear)
    light = lamp * np.maximum(
        _between(place.z, middle + tall / 2 - 0.035, middle + tall / 2 - 0.018),
        _between(place.z, middle - tall / 2 + 0.018, middle - tall / 2 + 0.03),
    )
    return lamp, light


def _grille(place: _Place, face: Face) -> tuple[np.ndarray, np.ndarray]:
    body = place.body
    if face.grille == "none":
        return np.zeros_like(place.x), np.zeros_like(place.x)
    top = place.front_top - face.grille_drop * 0.55
    tall = face.grille_height * (1 + 0.5 * (min(body.height, 2.0) - 1.45))
    if body.type in ("bus", "truck"):
        top = body.clearance + 0.62
    bottom = max(top - tall, body.clearance + 0.2)
    half = float(place.surface.half_width(np.zeros(1))[0])
    narrow = 0.25 * np.clip((top - place.z) / tall, 0, 1) if face.grille == "mesh" else 0.0
    edge = face.grille_width * half * (1 - narrow)
    front = _below(place.x, 0.05 * body.length)
    whole = _between(place.z, bottom, top) * _below(place.y, edge) * front
    inner = _between(place.z, bottom + 0.012, top - 0.012) * _below(place.y, edge - 0.012) * front
    lines = {
        "bars": _between((place.z - bottom) % 0.042, 0.0, 0.011),
        "slats": _between(place.y % 0.055, 0.0, 0.014),
        "mesh": np.maximum(
            _between((place.y + place.z) % 0.04, 0, 0.006), _between((place.y - place.z) % 0.04, 0, 0.006)
        ),
    }[face.grille]
    return whole, np.clip(whole - inner, 0, 1) + inner * lines * (0.12 if face.grille == "mesh" else 0.9)


def _badge(place: _Place, face: Face) -> np.ndarray:
    body = place.body
    front = place.front_top - 0.065 if body.type not in ("bus", "truck") else body.clearance + 0.8
    rear = float(place.surface.belt(0.97)) - 0.02
    found = np.zeros_like(place.x)
    for height, ends in ((front, place.x < 0.06 * body.length), (rear, place.x > 0.94 * body.length)):
        y, z = place.y, place.z - height
        away = {
            "disc": np.hypot(y, z) - 0.042,
            "diamond": y + np.abs(z) * 0.8 - 0.055,
            "chevron": np.maximum(np.abs(z - 0.6 * y + 0.02) - 0.014, y - 0.07),
            "bar": np.maximum(np.abs(z) - 0.012, y - 0.11),
        }[face.badge]
        found = np.maximum(found, _below(away, 0.0) * ends)
    return found


def _arches(place: _Place) -> tuple[np.ndarray, np.ndarray]:
    """Where the flank is cut away over the wheels, and a rim round it."""
    body = place.body
    cut, rim = np.zeros_like(place.x), np.zeros_like(place.x)
    low = _below(place.v, _SHOULDER - 0.01)
    for axle in wheel_places(body):
        away = np.hypot(place.x - axle, place.z - body.wheel_radius) - body.wheel_radius * 1.13
        if body.type == "truck" and axle > body.length:
            continue
        cut = np.maximum(cut, _below(away, 0.0) * low)
        rim = np.maximum(rim, _below(away, 0.05) * low)
    rim = np.clip(rim - cut, 0, 1)
    return np.maximum(cut, _opening(place)), rim


def _opening(place: _Place) -> np.ndarray:
    """A convertible's cockpit and a pickup's bed."""
    body = place.body
    if body.type == "convertible":
        return _between(place.share, 0.487, 0.70) * _step(place.v - _SHOULDER - 0.03) * place.on_body
    if body.type == "pickup":
        return _between(place.share, 0.632, 0.972) * _step(place.v - _ROOF_EDGE - 0.05) * place.on_body
    return np.zeros_like(place.x)


def _seams(place: _Place) -> np.ndarray:
    """Joints of doors, bonnet, boot and bumpers."""
    body, length = place.body, place.body.length
    thin = 0.0035
    found = np.zeros_like(place.x)
    along = place.share * length
    for door in body.doors:
        # Doors' rear edges lean a little, as pillars do.
        lean = 0.10 * (place.z - 0.9) if door != body.doors[0] else 0.0
        upright = _below(np.abs(along - door * length - lean), thin) * _between(place.v, 0.135, _SHOULDER + 0.015)
        found = np.maximum(found, upright * place.on_body)
    if len(body.doors) > 1:
        lower = _below(np.abs(place.v - 0.135) * 0.9, thin)
        found = np.maximum(found, lower * _between(along, body.doors[0] * length, body.doors[-1] * length))
    if body.type not in ("bus", "truck"):
        bonnet = body.windscreen[0]
        ridge = _below(np.abs(place.v - 0.80) * 0.9, thin) * _between(place.share, 0.02, bonnet)
        lip = _below(np.abs(along - 0.022 * length), thin) * _step(place.v - 0.80)
        found = np.maximum.reduce([found, ridge * place.on_body, lip * place.on_body])
        bumper = _below(np.abs(along - 0.945 * length), thin) * _below(place.v, 0.30)
        front = _below(np.abs(along - 0.05 * length), thin) * _below(place.v, 0.34)
        found = np.maximum.reduce([found, bumper * place.on_body, front * place.on_body])
        last = max(body.backlight[1], 0.9)
        if body.type in ("sedan", "coupe", "convertible"):
            lid = _below(np.abs(place.v - 0.80) * 0.9, thin) * _between(place.share, last, 0.985)
            found = np.maximum(found, lid * place.on_body)
        rear = _below(np.abs(place.z - float(place.surface.belt(1.0)) + 0.34), thin) * (place.x > 0.97 * length)
        found = np.maximum(found, rear)
    return found
