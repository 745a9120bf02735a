"""Vehicles as a network that learns from them sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from vehicle_demo.recognition import ImageError, Recognizer, open_image
from vehicle_demo.recognition.graph import IMAGENET_MEAN, IMAGENET_STD, stretched
from vehicle_demo.recognition.heads import TENSORS
from vehicle_demo.retraining.corrections import Correction, Corrections
from vehicle_demo.retraining.training_pictures import TrainingPicture, truth_of


@dataclass(frozen=True, eq=False)
class Shown:
    """Pixels (N, 3, S, S) uint8 of N vehicles, by task their true names (N,), and how certain those are (N,)."""

    pixels: np.ndarray
    truth: Mapping[str, np.ndarray]
    weight: np.ndarray

    def __len__(self) -> int:
        return len(self.pixels)


def shown_again(pictures: Sequence[TrainingPicture], side: int) -> Shown:
    """Pictures of the training, `side` pixels wide and high. Raises ImageError when one cannot be used."""
    seen = [stretched(open_image(picture.encoded), (side, side), None) for picture in pictures]
    return Shown(_pixels(seen), truth_of(pictures), np.ones(len(seen), np.float32))


def shown_anew(recognizer: Recognizer, corrections: Corrections, side: int) -> Shown:
    """Corrections to learn from, in the windows that recognition sees; those that cannot be used are left out."""
    seen: list[np.ndarray] = []
    rows: list[Correction] = []
    for row, encoded in corrections.pictures():
        if row.part == "train":
            try:
                (prepared,) = recognizer.prepare_boxes(encoded, [row.box])
            except ImageError:
                continue
            levels = (prepared.transpose(1, 2, 0) * IMAGENET_STD + IMAGENET_MEAN) * 255
            image = Image.fromarray(levels.round().astype(np.uint8))
            seen.append(stretched(image, (side, side), None))
            rows.append(row)
    truth = {task: np.array([row.truth[task] for row in rows], np.str_) for task in TENSORS}
    return Shown(_pixels(seen), truth, np.array([row.weight for row in rows], np.float32))


def _pixels(seen: Sequence[np.ndarray]) -> np.ndarray:
    """N pictures (S, S, 3) -> (N, 3, S, S)."""
    return np.ascontiguousarray(np.stack(seen).transpose(0, 3, 1, 2))
