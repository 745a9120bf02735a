"""Vehicles as a handful of faces: body, glasshouse, wheels, lamps and a plate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from data_tools.drawing.camera import Colour, Painter, shade

GLASS: Colour = (38, 48, 58)
TYRE: Colour = (22, 22, 24)
TRIM: Colour = (48, 49, 52)
PLATE_SIZE = (0.52, 0.13)
_FONT = f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans-Bold.ttf"


@dataclass(frozen=True)
class Body:
    """Metres. The glasshouse stands on the body between `cabin` (from the front, as shares of the length), tapering."""

    category: str
    length: float
    width: float
    height: float
    waist: float
    clearance: float
    cabin: tuple[float, float]
    roof: tuple[float, float]
    nose: float = 0.0


# Proportions of ordinary vehicles of each body type; makes and models are made up.
BODIES = {
    "sedan": Body("car", 4.7, 1.82, 1.45, 0.92, 0.22, (0.24, 0.86), (0.40, 0.70), 0.16),
    "hatchback": Body("car", 4.1, 1.76, 1.50, 0.94, 0.22, (0.22, 0.98), (0.38, 0.88), 0.16),
    "coupe": Body("car", 4.5, 1.86, 1.32, 0.86, 0.18, (0.30, 0.90), (0.46, 0.68), 0.18),
    "wagon": Body("car", 4.8, 1.82, 1.50, 0.94, 0.22, (0.24, 0.99), (0.38, 0.93), 0.16),
    "suv": Body("suv", 4.7, 1.95, 1.78, 1.12, 0.30, (0.22, 0.98), (0.34, 0.92), 0.10),
    "pickup": Body("truck", 5.4, 1.98, 1.85, 1.10, 0.34, (0.24, 0.60), (0.34, 0.57), 0.08),
    "minivan": Body("van", 4.8, 1.90, 1.80, 1.00, 0.24, (0.10, 0.98), (0.28, 0.94), 0.20),
    "van": Body("van", 5.6, 2.05, 2.40, 1.15, 0.30, (0.06, 1.00), (0.20, 1.00), 0.14),
    "bus": Body("bus", 11.0, 2.55, 3.10, 1.25, 0.35, (0.0, 1.0), (0.01, 0.99)),
    "truck": Body("truck", 7.5, 2.45, 2.60, 1.30, 0.45, (0.0, 0.26), (0.04, 0.26)),
}
MAKES = ("Aria", "Boreal", "Cygna", "Dorado", "Elstead", "Fjord", "Glint", "Halden")
PAINTS: dict[str, Colour] = {
    "white": (232, 234, 236),
    "silver": (176, 180, 184),
    "grey": (104, 108, 114),
    "black": (34, 35, 38),
    "red": (168, 28, 32),
    "blue": (28, 66, 140),
    "green": (30, 92, 62),
    "yellow": (224, 176, 32),
    "brown": (104, 70, 46),
    "orange": (212, 100, 28),
}


@dataclass(frozen=True)
class Placed:
    """One vehicle on the road: where its middle stands (metres), which way it heads (radians), and who it is."""

    kind: str
    make: str
    paint: str
    plate: str
    x: float
    y: float
    heading: float
    facing_us: bool

    @property
    def model(self) -> str:
        """A made-up model name, one for each make and body type."""
        return f"{self.make} {self.kind.title()}"


class Drawn:
    """Draws one vehicle and remembers what it covered."""

    def __init__(self, painter: Painter, placed: Placed) -> None:
        self.painter, self.placed = painter, placed
        self._corners: list[np.ndarray] = []
        self.plate_box: np.ndarray | None = None
        if placed.kind == "motorcycle":
            self._motorcycle()
        else:
            self._four_wheels(BODIES[placed.kind])

    @property
    def box(self) -> np.ndarray:
        """x1, y1, x2, y2 in pixels, not clipped."""
        pixels = self.painter.camera.project(np.concatenate(self._corners))
        return np.concatenate([pixels.min(axis=0), pixels.max(axis=0)])

    def _world(self, points: list[tuple[float, float, float]]) -> np.ndarray:
        """Vehicle metres (along from the front, across to the right, up) -> world."""
        local = np.array(points, dtype=float)
        direction = np.array([np.sin(self.placed.heading), np.cos(self.placed.heading)])
        along = -local[:, :1] * direction
        across = local[:, 1:2] * np.array([direction[1], -direction[0]])
        ground = along + across + np.array([self.placed.x, self.placed.y])
        return np.concatenate([ground, local[:, 2:]], axis=1)

    def _faces(self, faces: list[tuple[list[tuple[float, float, float]], Colour]]) -> None:
        """Farther faces first."""
        world = [(self._world(points), colour) for points, colour in faces]
        camera = np.array([0, 0, self.painter.camera.above_ground])
        for points, colour in sorted(world, key=lambda face: -np.linalg.norm(face[0].mean(axis=0) - camera)):
            self.painter.face(points, colour)
            self._corners.append(points)

    def _four_wheels(self, body: Body) -> None:
        length, half = body.length, body.width / 2
        front, back = -length / 2, length / 2
        paint = PAINTS[self.placed.paint]
        self.painter.flat(
            self._world(
                [(front, -half * 1.1, 0), (front, half * 1.1, 0), (back, half * 1.1, 0), (back, -half * 1.1, 0)]
            ),
            shade((44, 44, 48), self.painter.light),
        )
        low, waist, top = body.clearance, body.waist, body.height
        hood = waist - body.nose
        cabin = [front + length * share for share in body.cabin]
        roof = [front + length * share for share in body.roof]
        inner = half * 0.86
        faces: list[tuple[list[tuple[float, float, float]], Colour]] = [
            ([(front, -half, low), (front, half, low), (front, half, hood), (front, -half, hood)], paint),
            ([(back, -half, low), (back, half, low), (back, half, waist), (back, -half, waist)], paint),
            ([(front, -half, hood), (front, half, hood), (cabin[0], half, waist), (cabin[0], -half, waist)], paint),
            ([(cabin[1], -half, waist), (cabin[1], half, waist), (back, half, waist), (back, -half, waist)], paint),
        ]
        for side in (-half, half):
            faces.append(
                (
                    [
                        (front, side, low),
                        (back, side, low),
                        (back, side, waist),
                        (cabin[0], side, waist),
                        (front, side, hood),
                    ],
                    paint,
                )
            )
        # The load stands behind the cab: drawn before it when the cab is nearer to us.
        if self.placed.kind == "truck" and self.placed.facing_us:
            self._cargo(body)
        self._faces(faces)
        self._wheels(body)
        glasshouse: list[tuple[list[tuple[float, float, float]], Colour]] = [
            (
                [(roof[0], -inner, top), (roof[0], inner, top), (roof[1], inner, top), (roof[1], -inner, top)],
                shade(paint, 1.08),
            ),
        ]
        for base, end in ((cabin[0], roof[0]), (cabin[1], roof[1])):
            rear_wall = end == roof[1] and self.placed.kind in ("van", "truck")
            colour = paint if rear_wall else GLASS
            glasshouse.append(
                ([(base, -half, waist), (base, half, waist), (end, inner, top), (end, -inner, top)], colour)
            )
        for sign in (-1, 1):
            outline = [
                (cabin[0], sign * half, waist),
                (cabin[1], sign * half, waist),
                (roof[1], sign * inner, top),
                (roof[0], sign * inner, top),
            ]
            glasshouse.append((outline, paint))
        self._faces(glasshouse)
        self._side_windows(body, cabin, roof, inner)
        if self.placed.kind == "truck" and not self.placed.facing_us:
            self._cargo(body)
        self._end(body, front, hood, self.placed.facing_us)

    def _wheels(self, body: Body) -> None:
        radius = 0.33 if body.category in ("car", "van") else 0.40 if body.length < 6 else 0.50
        turns = np.linspace(0, 2 * np.pi, 20, endpoint=False)
        places = [-body.length * 0.31, body.length * 0.30]
        for side in self._near_sides(body.width / 2):
            for middle in places:
                for size, colour in ((1.0, TYRE), (0.62, (150, 152, 156)), (0.2, TRIM)):
                    circle = [
                        (middle + np.cos(t) * radius * size, side * 1.005, radius + np.sin(t) * radius * size)
                        for t in turns
                    ]
                    points = self._world(circle)
                    self.painter.flat(points, shade(colour, self.painter.light))
                    if size == 1.0:
                        self._corners.append(points)

    def _near_sides(self, half: float) -> list[float]:
        """The flank that the camera sees."""
        left, right = self._world([(0, -half, 0), (0, half, 0)])
        nearer = -half if np.linalg.norm(left[:2]) < np.linalg.norm(right[:2]) else half
        return [nearer]

    def _side_windows(self, body: Body, cabin: list[float], roof: list[float], inner: float) -> None:
        if self.placed.kind == "van":
            cabin, roof = [cabin[0], cabin[0] + 1.7], [roof[0], cabin[0] + 1.7]
        half = body.width / 2
        count = 8 if body.category == "bus" else 1 if self.placed.kind in ("truck", "pickup", "coupe", "van") else 3
        for side in self._near_sides(half):
            sign = np.sign(side)
            for pane in range(count):
                a, b = (pane + 0.10) / count, (pane + 0.90) / count

                def on_wall(share: float, rise: float, sign: float = sign) -> tuple[float, float, float]:
                    bottom = cabin[0] + (cabin[1] - cabin[0]) * share
                    upper = roof[0] + (roof[1] - roof[0]) * share
                    across = half + (inner - half) * rise
                    return (
                        bottom + (upper - bottom) * rise,
                        sign * across * 1.004,
                        body.waist + (body.height - body.waist) * rise,
                    )

                points = [on_wall(a, 0.12), on_wall(b, 0.12), on_wall(b, 0.86), on_wall(a, 0.86)]
                self.painter.face(self._world(points), GLASS)

    def _cargo(self, body: Body) -> None:
        half, front, back = body.width / 2 * 1.03, -body.length / 2 + body.length * 0.29, body.length / 2
        low, top = 0.9, 3.3
        wall = (214, 216, 214)
        faces: list[tuple[list[tuple[float, float, float]], Colour]] = [
            ([(at, -half, low), (at, half, low), (at, half, top), (at, -half, top)], wall) for at in (front, back)
        ]
        faces += [([(front, s, low), (back, s, low), (back, s, top), (front, s, top)], wall) for s in (-half, half)]
        faces.append(([(front, -half, top), (front, half, top), (back, half, top), (back, -half, top)], wall))
        self._faces(faces)

    def _end(self, body: Body, front: float, hood: float, facing_us: bool) -> None:
        """Lamps, grille or tailgate, bumper and plate on the end that we see."""
        half = body.width / 2
        at = front - 0.01 if facing_us else -front + 0.01
        top = hood if facing_us else body.waist
        rise = top - body.clearance
        lamp: Colour = (236, 236, 216) if facing_us else (176, 22, 26)

        def patch(left: float, right: float, low: float, high: float, colour: Colour) -> np.ndarray:
            points = self._world([(at, left, high), (at, right, high), (at, right, low), (at, left, low)])
            self.painter.face(points, colour)
            return points

        bumper = body.clearance + rise * 0.28
        patch(-half, half, body.clearance, bumper, TRIM)
        style = MAKES.index(self.placed.make)
        lamp_low = top - rise * (0.30 + 0.04 * (style % 3))
        inset = half * (0.52 + 0.05 * (style % 4))
        for sign in (-1, 1):
            patch(sign * half * 0.97, sign * inset, lamp_low, top - rise * 0.10, lamp)
        if facing_us:
            grille = inset * (0.55 + 0.1 * (style % 4))
            patch(-grille, grille, top - rise * (0.5 if style % 2 else 0.36), top - rise * 0.12, TRIM)
        middle = bumper + PLATE_SIZE[1] * 0.75 if not facing_us else body.clearance + rise * 0.20
        left, right = PLATE_SIZE[0] / 2, -PLATE_SIZE[0] / 2
        if not facing_us:
            left, right = -left, -right
        corners = self._world(
            [(at * 1.002, y, z) for y, z in
             ((left, middle + 0.065), (right, middle + 0.065), (right, middle - 0.065), (left, middle - 0.065))]
        )  # fmt: skip
        self.painter.picture_on(corners, plate_picture(self.placed.plate))
        self._remember_plate(corners)

    def _remember_plate(self, corners: np.ndarray) -> None:
        pixels = self.painter.camera.project(corners)
        self.plate_box = np.concatenate([pixels.min(axis=0), pixels.max(axis=0)])

    def _motorcycle(self) -> None:
        paint = PAINTS[self.placed.paint]
        turns = np.linspace(0, 2 * np.pi, 20, endpoint=False)
        for middle in (-0.72, 0.72):
            for across in (-0.06, 0.06):
                tyre = self._world([(middle + np.cos(t) * 0.31, across, 0.31 + np.sin(t) * 0.31) for t in turns])
                self.painter.flat(tyre, TYRE)
                self._corners.append(tyre)
        blocks: list[tuple[float, float, float, float, float, Colour]] = [
            (-0.6, 0.75, 0.14, 0.45, 0.85, paint),
            (-0.55, -0.35, 0.36, 0.95, 1.05, TRIM),
            (-0.15, 0.35, 0.24, 0.80, 1.38, (52, 56, 66)),
            (-0.20, 0.10, 0.13, 1.40, 1.68, (206, 206, 210)),
        ]
        for start, end, half, low, high, colour in blocks:
            self._faces(
                [
                    ([(at, -half, low), (at, half, low), (at, half, high), (at, -half, high)], colour)
                    for at in (start, end)
                ]
                + [([(start, s, low), (end, s, low), (end, s, high), (start, s, high)], colour) for s in (-half, half)]
                + [([(start, -half, high), (start, half, high), (end, half, high), (end, -half, high)], colour)]
            )
        at = -0.77 if self.placed.facing_us else 0.77
        lamp: Colour = (240, 240, 220) if self.placed.facing_us else (186, 24, 26)
        self.painter.face(
            self._world([(at, y, z) for y, z in ((-0.1, 0.9), (0.1, 0.9), (0.1, 0.76), (-0.1, 0.76))]), lamp
        )


@lru_cache(maxsize=256)
def plate_picture(text: str) -> Image.Image:
    """A white plate 208 x 52 pixels with its text and a blue band."""
    picture = Image.new("RGB", (208, 52), (238, 240, 240))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, 17, 51), fill=(24, 60, 150))
    draw.rectangle((0, 0, 207, 51), outline=(30, 30, 30), width=2)
    font = ImageFont.truetype(_FONT, 38 if len(text) <= 7 else 33)
    draw.text((112, 27), text, fill=(20, 20, 24), font=font, anchor="mm")
    return picture
