"""What the published systems are taught with: so many views each of so many classes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data_tools.known import withheld
from data_tools.readers.levels import LEVELS
from data_tools.training.augment import blur_some, change_light, erase_some, normalise
from data_tools.training.data import VEHICLE_SIDE, windowed
from data_tools.training.pictures import PictureArray, training_pictures

# Names of the arrays in the cache, by the kind of picture: the same as VehicleDINO's.
_ARRAYS = {"cars196": "vehicles", "reid": "rear-views"}
# Least share of a picture that a window shows.
_LEAST = 0.5


@dataclass(frozen=True)
class SystemBatch:
    """images (N, 3, S, S) float32, normalised; labels (N, L) int64, a number for each level; places (N,) int64.

    The last level's numbers run from 0 to the number of classes where it is the only one. A place is a camera, -1 where
    none is known.
    """

    images: Tensor
    labels: Tensor
    places: Tensor

    def to(self, device: torch.device) -> SystemBatch:
        """The same on another device."""
        return SystemBatch(self.images.to(device), self.labels.to(device), self.places.to(device))


class SystemData:
    """The training pictures of some kinds by class, and the batch of any step, drawn from (seed, step) alone.

    `classes` are what the levels tell apart, `cameras` what places are numbered by, and `taught` the pictures.
    """

    def __init__(
        self, folders: Sequence[Path], cache: Path, kinds: Sequence[str], levels: Sequence[str], share_withheld: float,
        seed: int,
    ) -> None:  # fmt: skip
        """Raises ValueError for a kind of picture that is none of these, or when there are not two classes."""
        arrays = vehicle_arrays(folders, cache, kinds)
        self.withheld = withheld_of(arrays, share_withheld)
        self._arrays, self._seed = arrays, seed
        rows = defaultdict[tuple[str, ...], list[tuple[int, int]]](list)
        for place, array in enumerate(arrays):
            for row, picture in enumerate(array.pictures):
                path = tuple(LEVELS[level](picture) or "" for level in levels)
                if path[-1] and picture.model not in self.withheld:
                    rows[path].append((place, row))
        if len(rows) < 2:
            raise ValueError(
                f"There are no two classes of {levels[-1]} in the training pictures of {', '.join(kinds)}."
            )
        self.classes = tuple(sorted(rows))
        self._rows = [rows[path] for path in self.classes]
        self.taught = [arrays[place].pictures[row] for own in self._rows for place, row in own]
        self.cameras = tuple(sorted({picture.camera_id for picture in self.taught if picture.camera_id}))
        numbers = [
            {name: n for n, name in enumerate(sorted(set(column)))} for column in zip(*self.classes, strict=True)
        ]
        self._labels = torch.tensor(
            [[own[name] for own, name in zip(numbers, path, strict=True)] for path in self.classes]
        )

    def batch_at(self, step: int, classes: int, views: int, size: int) -> SystemBatch:
        """`views` pictures of each of `classes` random classes, `size` pixels square; a class of fewer repeats its."""
        rng = np.random.default_rng((self._seed, step))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        chosen = rng.choice(len(self.classes), classes, replace=classes > len(self.classes))
        drawn = [
            self._rows[number][pick]
            for number in chosen
            for pick in rng.choice(len(self._rows[number]), views, replace=views > len(self._rows[number]))
        ]
        images = torch.empty(len(drawn), 3, size, size)
        for place, array in enumerate(self._arrays):
            spots = [spot for spot, (own, _) in enumerate(drawn) if own == place]
            rows = np.array([drawn[spot][1] for spot in spots], np.int64)
            if spots:
                images[spots] = windowed(array, rows, rng, _LEAST, size, mirror=True)
        images = spoilt(images, generator)
        cameras = [self._arrays[place].pictures[row].camera_id for place, row in drawn]
        places = [self.cameras.index(camera) if camera else -1 for camera in cameras]
        labels = self._labels[np.repeat(chosen, views)]
        return SystemBatch(normalise(images), labels, torch.tensor(places))


def vehicle_arrays(folders: Sequence[Path], cache: Path, kinds: Sequence[str]) -> list[PictureArray]:
    """The training pictures of each kind. Raises ValueError for a kind that is not of single vehicles."""
    if not set(kinds) <= set(_ARRAYS):
        raise ValueError(f"Systems learn from {' and '.join(_ARRAYS)}, not from {', '.join(kinds)}.")
    return [PictureArray(training_pictures(folders, kind), VEHICLE_SIDE, cache, _ARRAYS[kind]) for kind in kinds]


def withheld_of(arrays: Sequence[PictureArray], share: float) -> frozenset[str]:
    """The share of all names in the arrays that is never shown (see `known.withheld`)."""
    return withheld((picture.model for array in arrays for picture in array.pictures if picture.model), share)


def spoilt(images: Tensor, generator: torch.Generator) -> Tensor:
    """Vehicles (N, 3, S, S) in [0, 1] in another light, some blurred, some with a piece erased."""
    return erase_some(blur_some(change_light(images, generator, 0.4), generator, 0.15), generator, 0.25)
