"""Pictures of one split through a checkpoint's graph, a few at a time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from data_tools.readers import parquet
from data_tools.readers.picture import Picture
from vehicle_demo.recognition import Recognizer, open_image

_BATCH = 16


def pictures_of(data: Path, name: str, split: str, limit: int | None) -> Iterator[Picture]:
    """The pictures of one file and split, at most `limit` of them."""
    return islice((picture for picture in parquet.read(data, name) if picture.split == split), limit)


def through_graph(
    recognizer: Recognizer, pictures: Iterator[Picture]
) -> Iterator[tuple[Picture, tuple[int, int], dict[str, np.ndarray]]]:
    """Yield each picture with its (width, height) and its own row of every output: one pass on the whole picture."""
    while batch := list(islice(pictures, _BATCH)):
        images = [open_image(picture.encoded) for picture in batch]
        outputs = recognizer.run_graph([recognizer.graph.prepare(image) for image in images])
        for row, (picture, image) in enumerate(zip(batch, images, strict=True)):
            yield picture, image.size, {name: values[row] for name, values in outputs.items()}
