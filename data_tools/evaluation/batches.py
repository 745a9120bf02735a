"""Pictures of one split through a checkpoint's graph, a few at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from data_tools.readers import registry
from data_tools.readers.picture import Picture
from vehicle_demo.recognition import Box, Recognizer, open_image

_BATCH = 16


def pictures_of(data: Path, name: str, split: str, limit: int | None) -> Iterator[Picture]:
    """The pictures of one split that are in, or stand in for, one parquet file of ours: at most `limit` of them."""
    return islice(registry.read(data, name, split), limit)


def through_graph(
    recognizer: Recognizer, pictures: Iterator[Picture]
) -> Iterator[tuple[Picture, tuple[int, int], dict[str, np.ndarray]]]:
    """Yield each picture with its (width, height) and its own row of every output: one pass on the whole picture."""
    whole = ((picture, open_image(picture.encoded), None) for picture in pictures)
    for picture, image, outputs in windows_through_graph(recognizer, whole):
        yield picture, image.size, outputs


def windows_through_graph(
    recognizer: Recognizer, windows: Iterator[tuple[Picture, Image.Image, Box | None]]
) -> Iterator[tuple[Picture, Image.Image, dict[str, np.ndarray]]]:
    """Yield each picture, its image and its row of every output: one pass on the window (pixels), or on all of it."""
    while batch := list(islice(windows, _BATCH)):
        outputs = recognizer.run_graph([recognizer.graph.prepare(image, window) for _, image, window in batch])
        for row, (picture, image, _) in enumerate(batch):
            yield picture, image, {name: values[row] for name, values in outputs.items()}
