"""Whether a vehicle of no known make and model is told from the known ones: KNN+ (Sun et al., arXiv 2204.06507)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data_tools.evaluation.batches import embedded, pictures_of, whole
from data_tools.readers.picture import Picture
from vehicle_demo.gallery.open_set import novelty, open_set_figures
from vehicle_demo.recognition import Box, Recognizer, open_image
from vehicle_demo.recognition.boxes import to_corners

# None of these is among the names of `cars196`.
UNKNOWN = ("bus", "truck", "motorcycle")
# Below this side in pixels a crop shows too little to be of any make.
_LEAST_SIDE = 16
# Every so many training pictures the gallery takes one: KNN+ needs no more than a sample.
_STRIDE = 4
_K = 10


def evaluate_open_set(recognizer: Recognizer, data: Path, split: str, limit: int | None) -> dict[str, Any] | None:
    """`auroc`, `fpr95`, `known` and `unknown`; unknown is the positive class.

    Known are the pictures of `cars196`, unknown the bus, truck and motorcycle boxes of `detection`, both of the split;
    the gallery is a quarter of `cars196`'s training pictures. None when one of the three is absent.
    """
    crops = _unknown_vehicles(pictures_of(data, "detection", split, limit))
    unknown = _embeddings(embedded(recognizer, crops))
    if not len(unknown):
        return None
    training = (picture for n, picture in enumerate(pictures_of(data, "cars196", "train", limit)) if n % _STRIDE == 0)
    gallery = _embeddings(embedded(recognizer, whole(training)))
    known = _embeddings(embedded(recognizer, whole(pictures_of(data, "cars196", split, limit))))
    if len(gallery) < _K or not len(known):
        return None
    figures = open_set_figures(novelty(known, gallery, _K), novelty(unknown, gallery, _K))
    return {"auroc": figures.auroc, "fpr95": figures.fpr95, "known": figures.known, "unknown": figures.unknown}


def _embeddings(answers: Iterator[tuple[Picture, np.ndarray]]) -> np.ndarray:
    return np.array([embedding for _, embedding in answers])


def _unknown_vehicles(pictures: Iterator[Picture]) -> Iterator[tuple[Picture, Image.Image, Box | None]]:
    for picture in pictures:
        chosen = [box.box for box in picture.boxes if box.label in UNKNOWN]
        if not chosen:
            continue
        image = open_image(picture.encoded)
        for corners in to_corners(np.array(chosen)) * np.array([*image.size, *image.size]):
            window = Box(*(float(side) for side in corners.clip(0, [*image.size, *image.size])))
            if min(window.x2 - window.x1, window.y2 - window.y1) >= _LEAST_SIDE:
                yield picture, image, window
