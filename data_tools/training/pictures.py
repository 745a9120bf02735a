"""Training pictures by task, decoded once into uint8 arrays on disk."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from data_tools.readers import parquet, registry
from data_tools.readers.picture import LabelledBox, Picture
from vehicle_demo.recognition.boxes import overlaps, to_corners

# A teacher's box that covers less than this of a labelled one is of another vehicle.
_ANOTHER = 0.4
# Of a scene's side; what is smaller shows too little of a body type.
_LEAST_SHARE = 0.06


class PictureArray:
    """Pictures stretched to one side and kept as a (N, side, side, 3) uint8 array on disk. There may be none."""

    def __init__(self, pictures: Iterable[Picture], side: int, cache: Path, name: str) -> None:
        listed = list(pictures)
        digest = hashlib.sha256(json.dumps([side, [(p.source, p.path) for p in listed]]).encode()).hexdigest()[:12]
        path = cache / f"{name}-{digest}.npy"
        if not path.exists():
            cache.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_suffix(".part")
            array = np.lib.format.open_memmap(unfinished, "w+", np.uint8, (len(listed), side, side, 3))
            for index, picture in enumerate(tqdm(listed, desc=f"decoding {name}", unit="picture")):
                array[index] = picture.stretched(side)
            array.flush()
            unfinished.rename(path)
        self.pictures = [replace(picture, stored=b"") for picture in listed]
        self._array = np.load(path, mmap_mode="r")

    def __len__(self) -> int:
        return len(self.pictures)

    def pixels(self, rows: np.ndarray | list[int]) -> Tensor:
        """(len(rows), 3, side, side) float32 in [0, 1]."""
        return torch.from_numpy(self._array[rows]).permute(0, 3, 1, 2).float() / 255


class Pairs:
    """The vehicles of an array of which there are two pictures or more."""

    def __init__(self, array: PictureArray) -> None:
        self.array = array
        rows = defaultdict[tuple[str, str | None], list[int]](list)
        for row, picture in enumerate(array.pictures):
            rows[picture.source, picture.vehicle_id].append(row)
        self._views = [own for (_, vehicle), own in rows.items() if vehicle is not None and len(own) > 1]

    def __len__(self) -> int:
        return len(self._views)

    def drawn(self, rng: np.random.Generator, count: int) -> tuple[np.ndarray, list[int]]:
        """Rows of two pictures each of `count` vehicles, by two cameras where two saw it, and each row's vehicle."""
        rows, vehicles = [], rng.integers(len(self._views), size=count)
        for vehicle in vehicles:
            views = rng.permutation(self._views[vehicle])
            cameras = [self.array.pictures[row].camera_id for row in views]
            elsewhere = [row for row, camera in zip(views, cameras, strict=True) if camera != cameras[0]]
            rows += [views[0], elsewhere[0] if elsewhere else views[1]]
        return np.array(rows), np.repeat(vehicles, 2).tolist()


def training_pictures(folders: Sequence[Path], name: str) -> list[Picture]:
    """The training pictures of all folders that are in, or stand in for, one parquet file of ours."""
    return [picture for folder in folders for picture in registry.read(folder, name, "train")]


def scene_pictures(folders: Sequence[Path]) -> Iterator[Picture]:
    """The training pictures of all folders that teach detection; on plate photos the vehicles that teachers saw."""
    for folder in folders:
        pseudo = parquet.read_pseudo_boxes(folder)
        for name in ("detection", "plate_photos"):
            for picture in registry.read(folder, name, "train"):
                yield _with_vehicles(picture, pseudo) if pseudo else picture
        yield from registry.read(folder, "drawn", "train")


def boxed_vehicles(folders: Sequence[Path], types: Sequence[str]) -> Iterator[Picture]:
    """Cut out of the training scenes of all folders: vehicles whose category is one of these body types."""
    for folder in folders:
        for picture in registry.read(folder, "detection", "train"):
            for number, box in enumerate(picture.boxes):
                if box.label in types and min(box.box[2:]) >= _LEAST_SHARE:
                    yield replace(
                        picture,
                        path=f"{picture.path}#{number}",
                        boxes=(),
                        labelled_kinds=frozenset(),
                        type=box.label,
                        window=box.box,
                    )


def _with_vehicles(picture: Picture, pseudo: dict[str, tuple[LabelledBox, ...]]) -> Picture:
    """Plate photos get the detectors' vehicle boxes; `traffic` leaves far cars out, which those partly fill in."""
    if picture.source == "highway":
        return picture
    own, more = [box for box in picture.boxes if box.label != "plate"], pseudo.get(picture.path, ())
    covered = overlaps(_corners(more), _corners(own)).max(axis=1, initial=0)
    added = [box for box, share in zip(more, covered, strict=True) if share < _ANOTHER]
    return replace(
        picture, boxes=(*picture.boxes, *added), labelled_kinds=picture.labelled_kinds | frozenset({"vehicle"})
    )


def _corners(boxes: Sequence[LabelledBox]) -> np.ndarray:
    return to_corners(np.array([box.box for box in boxes]).reshape(-1, 4))
