"""A pinhole camera over a road, and a painter that draws flat faces from back to front."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
_SUPERSAMPLING = 2
_NEAREST = 0.3
_LIGHT = np.array([-0.45, -0.55, 0.7]) / np.linalg.norm([-0.45, -0.55, 0.7])


@dataclass(frozen=True)
class Camera:
    """Metres, right-handed: x to the right, y forward, z up. `pitch` looks down, in radians; `focal` in widths."""

    width: int
    height: int
    above_ground: float
    pitch: float
    focal: float

    def project(self, points: np.ndarray) -> np.ndarray:
        """(N, 3) metres -> (N, 2) pixels; points behind the camera are pulled to just before it."""
        x, y, z = points[:, 0], points[:, 1], points[:, 2] - self.above_ground
        forward = np.maximum(y * np.cos(self.pitch) - z * np.sin(self.pitch), _NEAREST)
        up = y * np.sin(self.pitch) + z * np.cos(self.pitch)
        scale = self.focal * self.width / forward
        return np.stack([self.width / 2 + x * scale, self.height / 2 - up * scale], axis=1)

    @property
    def horizon(self) -> float:
        """Row of the horizon in pixels."""
        return self.height / 2 - np.tan(self.pitch) * self.focal * self.width


@dataclass
class Painter:
    """Draws polygons in metres onto a picture twice the final size."""

    camera: Camera
    light: float
    image: Image.Image = field(init=False)

    def __post_init__(self) -> None:
        size = (self.camera.width * _SUPERSAMPLING, self.camera.height * _SUPERSAMPLING)
        self.image = Image.new("RGB", size)
        self._draw = ImageDraw.Draw(self.image)

    def face(self, points: np.ndarray, colour: Colour) -> None:
        """A flat polygon (N, 3) seen from either side; brighter the more it faces the light."""
        edge, other = points[1] - points[0], points[-1] - points[0]
        normal = np.cross(edge, other)
        length = float(np.linalg.norm(normal))
        towards = abs(float(normal @ _LIGHT)) / length if length else 0.0
        self.flat(points, shade(colour, self.light * (0.55 + 0.5 * towards)))

    def flat(self, points: np.ndarray, colour: Colour) -> None:
        """A polygon (N, 3) in just this colour."""
        self.pixels(self.camera.project(points), colour)

    def pixels(self, points: np.ndarray, colour: Colour) -> None:
        """A polygon (N, 2) in pixels of the final picture."""
        self._draw.polygon([tuple(p) for p in points * _SUPERSAMPLING], fill=colour)

    def picture_on(self, corners: np.ndarray, picture: Image.Image) -> None:
        """Lay a picture over four corners (4, 3): top left, top right, bottom right, bottom left as seen."""
        target = self.camera.project(corners) * _SUPERSAMPLING
        low, high = np.floor(target.min(axis=0)).astype(int), np.ceil(target.max(axis=0)).astype(int)
        size = np.maximum(high - low, 1)
        w, h = picture.size
        coefficients = _perspective(target - low, np.array([[0, 0], [w, 0], [w, h], [0, h]], dtype=float))
        laid = picture.transform(tuple(size), Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BICUBIC)
        mask = Image.new("L", tuple(size))
        ImageDraw.Draw(mask).polygon([tuple(p) for p in target - low], fill=255)
        self.image.paste(laid, tuple(low), mask)

    def finished(self) -> Image.Image:
        """The picture at its final size."""
        return self.image.resize((self.camera.width, self.camera.height), Image.Resampling.LANCZOS)


def shade(colour: Colour, factor: float) -> Colour:
    """A colour made darker or brighter."""
    r, g, b = (int(min(255, max(0, channel * factor))) for channel in colour)
    return r, g, b


def _perspective(source: np.ndarray, target: np.ndarray) -> list[float]:
    """Pillow's eight coefficients that take `source` (4, 2) to `target` (4, 2)."""
    rows, values = [], []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return list(np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)[0])
