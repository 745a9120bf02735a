"""Pictures of one split through a checkpoint's graph, a few at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from data_tools.readers import registry
from data_tools.readers.picture import Picture
from vehicle_demo.gallery.building import unit
from vehicle_demo.recognition import Box, Recognizer, open_image

_BATCH = 16


def pictures_of(data: Path, name: str, split: str, limit: int | None) -> Iterator[Picture]:
    """The pictures of one split that are in, or stand in for, one parquet file of ours: at most `limit` of them."""
    return islice(registry.read(data, name, split), limit)


def through_graph(
    recognizer: Recognizer, pictures: Iterator[Picture]
) -> Iterator[tuple[Picture, tuple[int, int], dict[str, np.ndarray]]]:
    """Yield each picture with its (width, height) and its own row of every output: one pass on the whole picture."""
    for picture, image, outputs in windows_through_graph(recognizer, whole(pictures)):
        yield picture, image.size, outputs


def whole(pictures: Iterable[Picture]) -> Iterator[tuple[Picture, Image.Image, Box | None]]:
    """Each picture opened, to be looked at all of it."""
    return ((picture, open_image(picture.encoded), None) for picture in pictures)


def embedded(
    recognizer: Recognizer, windows: Iterator[tuple[Picture, Image.Image, Box | None]]
) -> Iterator[tuple[Picture, np.ndarray]]:
    """Yield each picture and its embedding, (D,) float32 of unit length: of the window (pixels), or of all of it."""
    while batch := list(islice(windows, _BATCH)):
        embeddings = recognizer.embed([(image, window) for _, image, window in batch])
        for (picture, _, _), embedding in zip(batch, embeddings, strict=True):
            yield picture, unit(embedding)


def windows_through_graph(
    recognizer: Recognizer, windows: Iterator[tuple[Picture, Image.Image, Box | None]]
) -> Iterator[tuple[Picture, Image.Image, dict[str, np.ndarray]]]:
    """Yield each picture, its image and its row of every output: one pass on the window (pixels), or on all of it."""
    while batch := list(islice(windows, _BATCH)):
        outputs = recognizer.run_graph([recognizer.graph.prepare(image, window) for _, image, window in batch])
        for row, (picture, image, _) in enumerate(batch):
            yield picture, image, {name: values[row] for name, values in outputs.items()}
