"""A street, a car park or a motorway with vehicles on it, and the labels of everything drawn."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from data_tools.drawing.camera import Camera, Colour, Painter, shade
from data_tools.drawing.vehicles import BODIES, MAKES, PAINTS, Drawn, Placed

_LANE = 3.5
# Pictures to look at and to measure with are drawn from here on; training pictures stay below.
UNSEEN = 10**9
# Less than this part of a vehicle in view, and it is no longer labelled.
_VISIBLE = 0.35
_KINDS = (*BODIES, "motorcycle")
_OFTEN = np.array([5, 4, 2, 2, 4, 2, 2, 2, 2, 2, 2], dtype=float)
_SKIES: tuple[tuple[Colour, Colour, float], ...] = (
    ((96, 150, 214), (206, 222, 236), 1.0),
    ((150, 158, 168), (206, 208, 210), 0.86),
    ((58, 70, 118), (226, 150, 104), 0.72),
    ((118, 168, 224), (236, 232, 220), 1.1),
)


@dataclass(frozen=True)
class DrawnScene:
    """A drawn picture and its labels; boxes are [cx, cy, w, h] in fractions, lists run in parallel."""

    image: Image.Image
    boxes: list[list[float]]
    labels: list[str]
    types: list[str]
    makes: list[str]
    models: list[str]
    colours: list[str]
    plate_boxes: list[list[float] | None]
    plate_texts: list[str]


def draw_scene(seed: int, size: tuple[int, int] = (640, 480), vehicles: int | None = None) -> DrawnScene:
    """Draw one scene; the same seed and size give the same picture.

    `vehicles` is how many are placed (fewer may be in view); by default one to seven.
    """
    rng = np.random.default_rng(seed)
    near = rng.random() < 0.5
    camera = Camera(
        *size,
        above_ground=rng.uniform(1.3, 2.2) if near else rng.uniform(3.5, 7.0),
        pitch=rng.uniform(0.02, 0.08) if near else rng.uniform(0.12, 0.26),
        focal=rng.uniform(0.9, 1.4),
    )
    sky, haze, light = _SKIES[rng.integers(len(_SKIES))]
    painter = Painter(camera, light)
    lanes = int(rng.integers(2, 5))
    _draw_backdrop(painter, rng, sky, haze, lanes)
    count = vehicles or int(rng.integers(1, 8))
    drawn = [Drawn(painter, placed) for placed in _place(rng, lanes, count, near)]
    image = _photographed(painter.finished(), rng)
    return _labelled(image, drawn)


def write_parquet(path: Path, count: int, seed: int) -> None:
    """Draw `count` scenes and write them with their labels in the columns of the data folder's other files.

    Raises ValueError when their seeds would reach those of the pictures that nobody trains on.
    """
    if seed * 1_000_003 + count > UNSEEN:
        raise ValueError(f"Seed {seed} is too large: pictures from {UNSEEN} on are kept for examples and measurements.")
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = []
    for index in range(count):
        scene = draw_scene(seed * 1_000_003 + index)
        buffer = io.BytesIO()
        scene.image.save(buffer, "JPEG", quality=int(np.random.default_rng(index).integers(60, 93)))
        rows.append(
            {
                "image": {"bytes": buffer.getvalue(), "path": f"drawn/{seed}-{index:06d}.jpg"},
                "split": "train",
                "source": "drawn",
                **{name: value for name, value in vars(scene).items() if name != "image"},
            }
        )
    unfinished = path.with_suffix(".part")
    pq.write_table(pa.Table.from_pylist(rows), unfinished)
    unfinished.rename(path)


def _draw_backdrop(painter: Painter, rng: np.random.Generator, sky: Colour, haze: Colour, lanes: int) -> None:
    camera, light = painter.camera, painter.light
    width, height, horizon = camera.width, camera.height, max(0.0, camera.horizon)
    bands = 24
    for band in range(bands):
        share = band / (bands - 1)
        colour = tuple(int(a + (b - a) * share) for a, b in zip(sky, haze, strict=True))
        top, bottom = horizon * band / bands, horizon * (band + 1) / bands + 1
        painter.pixels(np.array([[0, top], [width, top], [width, bottom], [0, bottom]]), colour)  # type: ignore[arg-type]
    ground = shade((96, 116, 78) if rng.random() < 0.6 else (142, 138, 130), light)
    painter.pixels(np.array([[0, horizon], [width, horizon], [width, height], [0, height]]), ground)
    half = lanes * _LANE / 2
    _draw_buildings(painter, rng, half)
    asphalt = shade((92, 94, 98), light * rng.uniform(0.85, 1.15))
    painter.flat(
        np.array([[-half - 0.6, 1, 0], [half + 0.6, 1, 0], [half + 0.6, 400, 0], [-half - 0.6, 400, 0]]), asphalt
    )
    mark = shade((226, 226, 220), light)
    for edge in range(lanes + 1):
        x = -half + edge * _LANE
        starts = [1.0] if edge in (0, lanes) else list(np.arange(1, 120, 9.0))
        long = 399 if edge in (0, lanes) else 4.0
        for start in starts:
            corners = [
                [x - 0.07, start, 0],
                [x + 0.07, start, 0],
                [x + 0.07, start + long, 0],
                [x - 0.07, start + long, 0],
            ]
            painter.flat(np.array(corners), mark)


def _draw_buildings(painter: Painter, rng: np.random.Generator, half: float) -> None:
    """Farthest first: house fronts with rows of windows, and trees between them."""
    for y in np.arange(150, 8, -12.0):
        for side in (-1, 1):
            offset = side * (half + rng.uniform(4, 12))
            if rng.random() < 0.45:
                _draw_tree(painter, rng, offset, y)
                continue
            wide, high, deep = side * rng.uniform(6, 16), rng.uniform(5, 22), rng.uniform(8, 14)
            wall = tuple(int(c) for c in rng.integers(110, 215) + rng.integers(-18, 18, 3))
            front = np.array([[offset, y, 0], [offset + wide, y, 0], [offset + wide, y, high], [offset, y, high]])
            flank = np.array([[offset, y, 0], [offset, y + deep, 0], [offset, y + deep, high], [offset, y, high]])
            painter.face(flank, wall)  # type: ignore[arg-type]
            painter.face(front, wall)  # type: ignore[arg-type]
            for z in np.arange(1.5, high - 1.5, 3.2):
                for step in np.arange(1.0, abs(wide) - 1.5, 2.6):
                    x = offset + side * step
                    pane = [
                        [x, y - 0.05, z],
                        [x + side * 1.3, y - 0.05, z],
                        [x + side * 1.3, y - 0.05, z + 1.6],
                        [x, y - 0.05, z + 1.6],
                    ]
                    painter.face(np.array(pane), (74, 88, 104))


def _draw_tree(painter: Painter, rng: np.random.Generator, x: float, y: float) -> None:
    trunk = [[x - 0.2, y, 0], [x + 0.2, y, 0], [x + 0.2, y, 2.5], [x - 0.2, y, 2.5]]
    painter.flat(np.array(trunk), shade((84, 66, 48), painter.light))
    turns = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    for _ in range(4):
        radius, cx, cz = rng.uniform(1.2, 2.2), x + rng.uniform(-1, 1), rng.uniform(3, 5.5)
        leaf = shade((58, 96, 50), painter.light * rng.uniform(0.7, 1.2))
        crown = [[cx + np.cos(t) * radius, y, cz + np.sin(t) * radius] for t in turns]
        painter.flat(np.array(crown), leaf)


def _place(rng: np.random.Generator, lanes: int, count: int, near: bool) -> list[Placed]:
    """Vehicles in lanes without touching, farthest first."""
    free = {lane: rng.uniform(6.0, 9.0) if near else rng.uniform(12.0, 18.0) for lane in range(lanes)}
    placed = []
    for _ in range(count):
        kind = str(rng.choice(_KINDS, p=_OFTEN / _OFTEN.sum()))
        length = BODIES[kind].length if kind in BODIES else 2.1
        lane = int(rng.integers(lanes))
        y = free[lane] + length / 2 + rng.uniform(0, 6)
        free[lane] = y + length / 2 + rng.uniform(2, 8)
        facing_us = lane < lanes / 2
        heading = rng.normal(0, 0.05) + (rng.uniform(-0.45, 0.45) if rng.random() < 0.3 else 0)
        placed.append(
            Placed(
                kind=kind,
                make=str(rng.choice(MAKES)),
                paint=str(rng.choice(list(PAINTS))),
                plate=_plate_text(rng),
                x=-lanes * _LANE / 2 + (lane + 0.5) * _LANE + rng.normal(0, 0.2),
                y=y,
                heading=heading + (np.pi if facing_us else 0),
                facing_us=facing_us,
            )
        )
    return sorted(placed, key=lambda vehicle: -vehicle.y)


def _plate_text(rng: np.random.Generator) -> str:
    letters, digits = "ABCDEFGHJKLMNPRSTUVWXYZ", "0123456789"
    layout = str(rng.choice(["LLDDDLL", "LDDDDDL", "DDDDLLL", "LLLDDDD", "LLDDDD", "LLDLLDDD"]))
    return "".join(str(rng.choice(list(letters if slot == "L" else digits))) for slot in layout)


def _photographed(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A little softness and sensor grain."""
    soft = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.8)))
    grain = rng.normal(0, rng.uniform(1.5, 5.0), (*np.asarray(soft).shape[:2], 1))
    return Image.fromarray((np.asarray(soft, dtype=np.float32) + grain).clip(0, 255).astype(np.uint8))


def _labelled(image: Image.Image, drawn: list[Drawn]) -> DrawnScene:
    width, height = image.size
    scale = np.array([width, height, width, height])
    scene = DrawnScene(image, [], [], [], [], [], [], [], [])
    for index, vehicle in enumerate(drawn):
        box = vehicle.box
        clipped = np.clip(box, 0, scale)
        if _area(clipped) < _VISIBLE * _area(box) or min(clipped[2:] - clipped[:2]) < 6:
            continue
        if sum(_shared(clipped, other.box) for other in drawn[index + 1 :]) > (1 - _VISIBLE) * _area(clipped):
            continue  # hidden behind nearer ones, which were drawn later
        placed = vehicle.placed
        scene.boxes.append(_fractions(clipped, scale))
        scene.labels.append(BODIES[placed.kind].category if placed.kind in BODIES else "motorcycle")
        scene.types.append(placed.kind)
        scene.makes.append(placed.make)
        scene.models.append(placed.model)
        scene.colours.append(placed.paint)
        plate = vehicle.plate_box
        hidden = plate is None or any(_shared(plate, other.box) > 0.2 * _area(plate) for other in drawn[index + 1 :])
        inside = plate is not None and not hidden and (plate == np.clip(plate, 0, scale)).all()
        seen = inside and plate is not None and plate[2] - plate[0] >= 8
        scene.plate_boxes.append(_fractions(plate, scale) if seen and plate is not None else None)
        scene.plate_texts.append(placed.plate if seen else "")
    return scene


def _fractions(box: np.ndarray, scale: np.ndarray) -> list[float]:
    x1, y1, x2, y2 = box / scale
    return [float(v) for v in ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1)]


def _area(box: np.ndarray) -> float:
    return float(max(0, box[2] - box[0]) * max(0, box[3] - box[1]))


def _shared(a: np.ndarray, b: np.ndarray) -> float:
    return _area(np.concatenate([np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])]))
