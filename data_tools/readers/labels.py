"""What the readers of published data sets share: label files, boxes, and the part of training kept to validate on."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

# One in so many of the training pictures (or vehicles) validates, where the publisher has no such part.
_VALIDATES = 10


@dataclass(frozen=True)
class PassedOver:
    """A picture that a label file names and that cannot be used."""

    path: str
    why: str


def existing(path: Path, data_set: str) -> Path:
    """The path itself. Raises FileNotFoundError with a sentence when nothing is there."""
    if not path.exists():
        raise FileNotFoundError(f"{data_set} needs {path}, which is not there.")
    return path


def lines_of(path: Path, data_set: str) -> list[str]:
    """The lines of a label file that are not empty, stripped.

    Raises:
        FileNotFoundError: it is not there.
    """
    return [line for raw in decoded(existing(path, data_set)).splitlines() if (line := raw.strip())]


def decoded(path: Path) -> str:
    """Text in UTF-8, or else as Chinese publishers wrote it (GB 2312 and what grew out of it)."""
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("gb18030", errors="replace")


def part_of_training(key: str) -> str:
    """`train` or `validation`, for ever the same for one key: give a vehicle's number to keep its pictures together."""
    return "train" if zlib.crc32(key.encode()) % _VALIDATES else "validation"


def size_of(path: Path) -> tuple[int, int]:
    """Width and height by the file's header alone. Raises OSError when it is no picture."""
    with Image.open(path) as image:
        return image.size


def fractions(
    corners: tuple[float, float, float, float], size: tuple[int, int], first: int
) -> tuple[float, float, float, float]:
    """(cx, cy, w, h) in fractions of a box x1, y1, x2, y2 in pixels, cut off at the picture's rim.

    `first` is the number of the first pixel: 1 as MATLAB counts (the last pixel is then inside), or 0.

    Raises:
        ValueError: nothing of the box is in the picture.
    """
    x1, x2 = (min(max(x, 0), size[0]) / size[0] for x in (corners[0] - first, corners[2]))
    y1, y2 = (min(max(y, 0), size[1]) / size[1] for y in (corners[1] - first, corners[3]))
    if x1 >= x2 or y1 >= y2:
        raise ValueError("its box has no area")
    return (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
