"""The fictional makes and models of the drawn fleet, as numbers. No real brand, no real design.

Lengths are metres; x runs from the front bumper (0) to the rear, z up from the road, y to the right of the driver.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

BodyType = Literal[
    "sedan",
    "hatchback",
    "coupe",
    "convertible",
    "wagon",
    "suv",
    "pickup",
    "minivan",
    "van",
    "bus",
    "truck",
    "motorcycle",
]
GrillePattern = Literal["bars", "slats", "mesh", "none"]
LampShape = Literal["blade", "round", "block", "arrow"]

CATEGORY_OF_TYPE: dict[str, str] = {
    "suv": "suv",
    "minivan": "van",
    "van": "van",
    "pickup": "truck",
    "truck": "truck",
    "bus": "bus",
    "motorcycle": "motorcycle",
}


@dataclass(frozen=True)
class Face:
    """What a make looks like from the front and the rear; sizes are shares of the body's width or height."""

    lamp: LampShape
    lamp_width: float
    lamp_height: float
    lamp_slant: float
    grille: GrillePattern
    grille_width: float
    grille_height: float
    grille_drop: float
    tail_bar: bool
    badge: Literal["disc", "diamond", "chevron", "bar"]


@dataclass(frozen=True)
class Body:
    """The shape of one body.

    `roof` and `belt` are knots (share of the length, height in m) of the silhouette along the middle and of the line
    under the side windows; `windscreen` and `backlight` are the shares of the length between which that glass lies.
    `pillars` are the shares of the length at which the side glass is divided, its ends included.
    """

    type: BodyType
    length: float
    width: float
    wheelbase: float
    front_overhang: float
    wheel_radius: float
    clearance: float
    roof: tuple[tuple[float, float], ...]
    belt: tuple[tuple[float, float], ...]
    windscreen: tuple[float, float]
    backlight: tuple[float, float]
    pillars: tuple[float, ...]
    tumblehome: float = 0.74
    nose: float = 0.80
    tail: float = 0.86
    corner: float = 0.045
    cladding: float = 0.0
    doors: tuple[float, ...] = ()

    @property
    def height(self) -> float:
        """The highest point of the roof, in m."""
        return max(z for _, z in self.roof)


@dataclass(frozen=True)
class Model:
    """One model of one make in one model year."""

    make: str
    model: str
    year: int
    body: Body
    face: Face

    @property
    def name(self) -> str:
        """Make, model and year, as a label."""
        return f"{self.make} {self.model} {self.year}"


_SEDAN = Body(
    "sedan",
    4.72,
    1.84,
    2.80,
    0.88,
    0.345,
    0.20,
    roof=(
        (0.0, 0.70),
        (0.02, 0.79),
        (0.14, 0.91),
        (0.285, 0.985),
        (0.455, 1.43),
        (0.56, 1.46),
        (0.70, 1.40),
        (0.865, 1.12),
        (0.975, 1.11),
        (1.0, 1.02),
    ),
    belt=((0.0, 0.68), (0.05, 0.78), (0.14, 0.87), (0.27, 0.93), (0.60, 0.97), (0.86, 1.03), (1.0, 0.97)),
    windscreen=(0.295, 0.45),
    backlight=(0.715, 0.86),
    pillars=(0.335, 0.565, 0.765),
    doors=(0.29, 0.565, 0.755),
)
_HATCH = Body(
    "hatchback",
    4.05,
    1.77,
    2.55,
    0.80,
    0.32,
    0.19,
    roof=(
        (0.0, 0.72),
        (0.02, 0.81),
        (0.15, 0.95),
        (0.29, 1.03),
        (0.46, 1.47),
        (0.58, 1.50),
        (0.86, 1.42),
        (0.965, 1.06),
        (0.99, 0.98),
        (1.0, 0.92),
    ),
    belt=((0.0, 0.70), (0.05, 0.80), (0.15, 0.90), (0.28, 0.96), (0.60, 1.0), (0.88, 1.06), (1.0, 0.92)),
    windscreen=(0.30, 0.455),
    backlight=(0.875, 0.962),
    pillars=(0.34, 0.60, 0.86),
    doors=(0.295, 0.60, 0.80),
    tail=0.90,
)
_COUPE = Body(
    "coupe",
    4.55,
    1.88,
    2.68,
    0.90,
    0.345,
    0.16,
    roof=(
        (0.0, 0.60),
        (0.02, 0.69),
        (0.15, 0.82),
        (0.33, 0.92),
        (0.49, 1.27),
        (0.58, 1.29),
        (0.72, 1.19),
        (0.90, 0.98),
        (0.98, 0.94),
        (1.0, 0.86),
    ),
    belt=((0.0, 0.59), (0.05, 0.68), (0.15, 0.79), (0.32, 0.86), (0.62, 0.88), (0.86, 0.93), (1.0, 0.85)),
    windscreen=(0.34, 0.485),
    backlight=(0.735, 0.89),
    pillars=(0.385, 0.70),
    doors=(0.335, 0.665),
    tumblehome=0.70,
    nose=0.76,
)
_CONVERTIBLE = replace(
    _COUPE,
    type="convertible",
    length=4.35,
    roof=(
        (0.0, 0.61),
        (0.02, 0.70),
        (0.15, 0.82),
        (0.34, 0.91),
        (0.475, 1.27),
        (0.485, 1.27),
        (0.56, 1.0),
        (0.70, 0.97),
        (0.97, 0.93),
        (1.0, 0.85),
    ),
    windscreen=(0.35, 0.475),
    backlight=(0.0, 0.0),
    pillars=(),
    doors=(0.345, 0.64),
)
_WAGON = replace(
    _SEDAN,
    type="wagon",
    length=4.78,
    roof=(
        (0.0, 0.70),
        (0.02, 0.79),
        (0.14, 0.91),
        (0.285, 0.985),
        (0.45, 1.45),
        (0.55, 1.47),
        (0.86, 1.42),
        (0.965, 1.06),
        (0.99, 0.98),
        (1.0, 0.90),
    ),
    belt=((0.0, 0.68), (0.05, 0.78), (0.14, 0.87), (0.27, 0.93), (0.60, 0.98), (0.90, 1.03), (1.0, 0.95)),
    windscreen=(0.295, 0.445),
    backlight=(0.875, 0.962),
    pillars=(0.335, 0.555, 0.73, 0.90),
    doors=(0.29, 0.555, 0.74),
    tail=0.90,
)
_SUV = Body(
    "suv",
    4.68,
    1.92,
    2.74,
    0.90,
    0.375,
    0.26,
    roof=(
        (0.0, 0.80),
        (0.03, 0.93),
        (0.13, 1.06),
        (0.275, 1.13),
        (0.425, 1.66),
        (0.54, 1.71),
        (0.87, 1.64),
        (0.965, 1.20),
        (0.99, 1.08),
        (1.0, 1.0),
    ),
    belt=((0.0, 0.80), (0.05, 0.90), (0.13, 1.0), (0.26, 1.06), (0.60, 1.11), (0.90, 1.17), (1.0, 1.0)),
    windscreen=(0.285, 0.42),
    backlight=(0.88, 0.962),
    pillars=(0.325, 0.54, 0.725, 0.90),
    doors=(0.28, 0.54, 0.745),
    tumblehome=0.78,
    nose=0.84,
    tail=0.90,
    cladding=0.14,
)
_PICKUP = replace(
    _SUV,
    type="pickup",
    length=5.35,
    wheelbase=3.22,
    front_overhang=0.92,
    wheel_radius=0.39,
    roof=(
        (0.0, 0.86),
        (0.025, 0.98),
        (0.11, 1.09),
        (0.235, 1.14),
        (0.35, 1.72),
        (0.44, 1.77),
        (0.575, 1.74),
        (0.605, 1.17),
        (0.62, 1.14),
        (0.99, 1.13),
        (1.0, 1.08),
    ),
    belt=((0.0, 0.86), (0.05, 0.95), (0.11, 1.03), (0.22, 1.08), (0.60, 1.11), (0.95, 1.11), (1.0, 1.06)),
    windscreen=(0.243, 0.347),
    backlight=(0.58, 0.603),
    pillars=(0.275, 0.43, 0.575),
    doors=(0.24, 0.43, 0.585),
    tail=0.95,
    corner=0.03,
)
_MINIVAN = Body(
    "minivan",
    4.95,
    1.94,
    2.98,
    0.92,
    0.345,
    0.19,
    roof=(
        (0.0, 0.80),
        (0.02, 0.90),
        (0.12, 1.02),
        (0.20, 1.09),
        (0.41, 1.69),
        (0.53, 1.76),
        (0.88, 1.70),
        (0.97, 1.12),
        (0.99, 1.0),
        (1.0, 0.94),
    ),
    belt=((0.0, 0.78), (0.05, 0.88), (0.12, 0.96), (0.22, 1.02), (0.60, 1.05), (0.90, 1.08), (1.0, 0.94)),
    windscreen=(0.21, 0.405),
    backlight=(0.89, 0.965),
    pillars=(0.25, 0.33, 0.53, 0.74, 0.92),
    doors=(0.27, 0.53, 0.76),
    tumblehome=0.80,
    tail=0.92,
)
_VAN = Body(
    "van",
    5.55,
    2.02,
    3.45,
    0.95,
    0.35,
    0.20,
    roof=(
        (0.0, 0.80),
        (0.025, 0.95),
        (0.09, 1.14),
        (0.15, 1.24),
        (0.275, 2.16),
        (0.34, 2.40),
        (0.95, 2.42),
        (0.99, 2.20),
        (1.0, 1.9),
    ),
    belt=((0.0, 0.80), (0.05, 0.92), (0.10, 1.08), (0.16, 1.16), (0.60, 1.22), (1.0, 1.22)),
    windscreen=(0.158, 0.268),
    backlight=(0.0, 0.0),
    pillars=(0.185, 0.335),
    doors=(0.185, 0.345, 0.58),
    tumblehome=0.88,
    nose=0.82,
    tail=0.97,
    corner=0.02,
)
_BUS = Body(
    "bus",
    10.8,
    2.50,
    5.6,
    2.5,
    0.48,
    0.28,
    roof=((0.0, 2.2), (0.004, 2.85), (0.02, 3.08), (0.5, 3.12), (0.98, 3.08), (0.996, 2.85), (1.0, 2.2)),
    belt=((0.0, 1.25), (0.1, 1.30), (0.9, 1.30), (1.0, 1.30)),
    windscreen=(0.0, 0.0),
    backlight=(0.0, 0.0),
    pillars=(0.03, 0.11, 0.22, 0.35, 0.48, 0.61, 0.74, 0.86, 0.97),
    tumblehome=0.94,
    nose=0.95,
    tail=0.96,
    corner=0.012,
    doors=(0.115, 0.215),
)
_TRUCK = Body(
    "truck",
    2.15,
    2.10,
    4.1,
    1.05,
    0.42,
    0.45,
    roof=((0.0, 1.30), (0.02, 1.45), (0.08, 1.62), (0.44, 2.50), (0.60, 2.62), (0.96, 2.62), (1.0, 2.5)),
    belt=((0.0, 1.25), (0.1, 1.40), (0.5, 1.46), (1.0, 1.46)),
    windscreen=(0.10, 0.43),
    backlight=(0.0, 0.0),
    pillars=(0.20, 0.86),
    doors=(0.18, 0.90),
    tumblehome=0.90,
    nose=0.93,
    tail=0.98,
    corner=0.03,
)
_MOTORCYCLE = Body(
    "motorcycle", 2.1, 0.80, 1.42, 0.33, 0.31, 0.16, roof=((0.0, 1.1), (1.0, 1.1)), belt=((0.0, 0.8), (1.0, 0.8)),
    windscreen=(0.0, 0.0), backlight=(0.0, 0.0), pillars=(),
)  # fmt: skip

_FACES = {
    "Ardenne": Face("blade", 0.27, 0.075, 0.25, "bars", 0.50, 0.15, 0.17, True, "disc"),
    "Borealis": Face("round", 0.17, 0.13, 0.0, "mesh", 0.34, 0.20, 0.20, False, "diamond"),
    "Calder": Face("block", 0.22, 0.11, 0.08, "slats", 0.62, 0.13, 0.13, False, "chevron"),
    "Dorado": Face("arrow", 0.30, 0.09, 0.45, "mesh", 0.42, 0.22, 0.22, True, "bar"),
    "Ember": Face("blade", 0.33, 0.05, -0.15, "none", 0.0, 0.0, 0.0, True, "diamond"),
    "Fjordvagn": Face("block", 0.19, 0.14, 0.0, "bars", 0.40, 0.17, 0.15, False, "bar"),
    "Galan": Face("arrow", 0.24, 0.12, 0.30, "slats", 0.36, 0.26, 0.25, False, "disc"),
    "Hoshiro": Face("round", 0.20, 0.10, 0.12, "bars", 0.56, 0.10, 0.12, True, "chevron"),
}

_AS_IS = (1.0, 1.0, 1.0)
# Each make's models: name, body, and how this model's body is stretched in length, width and height.
_RANGE: dict[str, tuple[tuple[str, Body, tuple[float, float, float]], ...]] = {
    "Ardenne": (
        ("Lys", _SEDAN, _AS_IS),
        ("Lys Break", _WAGON, _AS_IS),
        ("Meuse", _SUV, _AS_IS),
    ),
    "Borealis": (
        ("Pika", _HATCH, (0.94, 0.97, 1.04)),
        ("Tundra Six", _PICKUP, (1.0, 1.02, 1.0)),
        ("Lynx", _SUV, (0.93, 0.97, 0.96)),
    ),
    "Calder": (
        ("Cragside", _PICKUP, (1.04, 1.05, 1.05)),
        ("Haul", _VAN, _AS_IS),
        ("Carter", _TRUCK, _AS_IS),
    ),
    "Dorado": (
        ("Sierra Coupe", _COUPE, _AS_IS),
        ("Brisa", _CONVERTIBLE, _AS_IS),
        ("Alcazar", _SEDAN, (1.06, 1.03, 1.0)),
    ),
    "Ember": (
        ("E1", _HATCH, (1.04, 1.02, 1.02)),
        ("E3", _SEDAN, (0.98, 1.02, 1.01)),
        ("E5", _SUV, (1.04, 1.03, 0.97)),
    ),
    "Fjordvagn": (
        ("Familie", _MINIVAN, _AS_IS),
        ("Kasse", _VAN, (0.90, 0.96, 0.82)),
        ("By", _BUS, _AS_IS),
    ),
    "Galan": (
        ("Ronin", _COUPE, (0.95, 0.98, 0.99)),
        ("Vela", _WAGON, (0.97, 1.0, 0.98)),
        ("Transit Line", _BUS, (0.82, 0.98, 0.98)),
    ),
    "Hoshiro": (
        ("Kumo", _HATCH, (0.98, 1.0, 0.98)),
        ("Sora", _MINIVAN, (0.94, 0.97, 0.98)),
        ("Hane 400", _MOTORCYCLE, _AS_IS),
    ),
}
YEARS = (2015, 2019, 2024)


def models() -> tuple[Model, ...]:
    """All 24 models in each of their 3 model years."""
    return tuple(
        Model(make, name, year, _stretched(body, *stretch), _dated(_FACES[make], year))
        for make, line in _RANGE.items()
        for name, body, stretch in line
        for year in YEARS
    )


def _stretched(body: Body, along: float, across: float, up: float) -> Body:
    return replace(
        body,
        length=body.length * along,
        width=body.width * across,
        wheelbase=body.wheelbase * along,
        front_overhang=body.front_overhang * along,
        roof=tuple((x, z * up) for x, z in body.roof),
        belt=tuple((x, z * up) for x, z in body.belt),
    )


def _dated(face: Face, year: int) -> Face:
    """Newer years have slimmer lamps and a larger grille."""
    age = YEARS.index(year)
    return replace(
        face,
        lamp_height=face.lamp_height * (1.18, 1.0, 0.8)[age],
        lamp_width=face.lamp_width * (0.92, 1.0, 1.08)[age],
        grille_height=face.grille_height * (0.8, 1.0, 1.2)[age],
        tail_bar=face.tail_bar and age > 0,
    )
