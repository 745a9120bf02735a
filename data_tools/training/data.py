"""Training pictures as cached uint8 arrays, and the batches that all tasks share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from data_tools.readers import parquet
from data_tools.readers.picture import LabelledBox, Picture
from data_tools.training.augment import blur_some, change_light, crop, erase_some, normalise
from vehicle_demo.models.heads import PLATE_SLOTS
from vehicle_demo.models.losses import TargetKinds
from vehicle_demo.recognition.plates import ALPHABET

# Side in pixels to which the pictures of each task are stretched in the cache; the photos' own longest side is 360-416.
SCENE_SIDE, VEHICLE_SIDE, PLATE_SIDE = 352, 256, 160
# A box of which less than this part is left in the window is dropped from the targets.
_VISIBLE = 0.35
_OUTSIDE = 0.15
# What a body type is among the detection categories.
CATEGORY_OF_TYPE = {"suv": "suv", "van": "van", "minivan": "van", "pickup": "truck"} | {
    name: name for name in ("bus", "truck", "motorcycle")
}


@dataclass(frozen=True)
class Labels:
    """Names in the order of the network's outputs."""

    categories: tuple[str, ...]
    types: tuple[str, ...]
    makes: tuple[str, ...]
    models: tuple[str, ...]


@dataclass(frozen=True)
class Mixture:
    """How many pictures of each kind a training batch has; `mosaics` of the scenes are put together from four."""

    scenes: int
    mosaics: int
    vehicles: int
    rear_views: int
    plates: int


@dataclass(frozen=True)
class Batch:
    """images (N, 3, S, S) float32, normalised; the first `scenes` have `targets`; `labels` for `attribute_losses`."""

    images: Tensor
    scenes: int
    targets: list[dict[str, Tensor]]
    labels: dict[str, Tensor]

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        targets = [{name: value.to(device) for name, value in target.items()} for target in self.targets]
        labels = {name: value.to(device) for name, value in self.labels.items()}
        return Batch(self.images.to(device), self.scenes, targets, labels)


class PictureArray:
    """Pictures stretched to one side and kept as a (N, side, side, 3) uint8 array on disk."""

    def __init__(self, pictures: Iterable[Picture], side: int, cache: Path, name: str) -> None:
        listed = list(pictures)
        if not listed:
            raise FileNotFoundError(f"There are no training pictures for {name}: check the data folder.")
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
        self.pictures = [replace(picture, encoded=b"") for picture in listed]
        self._array = np.load(path, mmap_mode="r")

    def __len__(self) -> int:
        return len(self.pictures)

    def pixels(self, rows: np.ndarray | list[int]) -> Tensor:
        """(len(rows), 3, side, side) float32 in [0, 1]."""
        return torch.from_numpy(self._array[rows]).permute(0, 3, 1, 2).float() / 255


@dataclass(frozen=True)
class _Window:
    """A window of a picture: pixels (3, S, S), the boxes (kind, cx cy w h) in it, and the kinds labelled throughout."""

    pixels: Tensor
    boxes: list[tuple[str, np.ndarray]]
    labelled: frozenset[str]


class TrainingData:
    """All training pictures of a data folder, and the batch of any step, drawn from (seed, step) alone."""

    def __init__(self, data: Path, cache: Path, seed: int, drawn: Path | None = None) -> None:
        pseudo = parquet.read_pseudo_boxes(data)
        scenes = [
            _with_vehicles(picture, pseudo)
            for name in ("detection", "plate_photos")
            for picture in parquet.read(data, name)
            if picture.split == "train"
        ]
        if drawn is not None:
            scenes += list(parquet.read(drawn, "drawn"))
        self.scenes = PictureArray(scenes, SCENE_SIDE, cache, "scenes")
        self.vehicles = PictureArray(_training(data, "cars196"), VEHICLE_SIDE, cache, "vehicles")
        self.rear_views = PictureArray(_training(data, "reid"), VEHICLE_SIDE, cache, "rear-views")
        self.plates = PictureArray(_training(data, "plate_crops"), PLATE_SIDE, cache, "plates")
        self.labels = labels_of(self.vehicles.pictures)
        self.kinds = TargetKinds(self.labels.categories)
        teacher = parquet.read_reid_teacher(data)
        self._teacher = {key: torch.tensor(embedding) for key, embedding in teacher.items()}
        self._seed = seed

    def batch_at(self, step: int, mixture: Mixture, size: int) -> Batch:
        """The batch of one step at size x size pixels."""
        rng = np.random.default_rng((self._seed, step))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        scenes, targets = self._scene_batch(rng, mixture, size)
        groups = [
            (self.vehicles, mixture.vehicles, 0.45),
            (self.rear_views, mixture.rear_views, 0.6),
            (self.plates, mixture.plates, 0.95),
        ]
        images, pictures = [scenes], [_UNLABELLED] * len(scenes)
        for array, count, least in groups:
            rows = rng.integers(len(array), size=count)
            images.append(_close_ups(array, rows, rng, least, size, mirror=array is not self.plates))
            pictures += [array.pictures[row] for row in rows]
        mixed = torch.cat(images)
        mixed = blur_some(change_light(mixed, generator, 0.4), generator, 0.15)
        first_plate = len(mixed) - mixture.plates
        mixed[len(scenes) : first_plate] = erase_some(mixed[len(scenes) : first_plate], generator, 0.25)
        return Batch(normalise(mixed), len(scenes), targets, self._labels(pictures))

    def _scene_batch(
        self, rng: np.random.Generator, mixture: Mixture, size: int
    ) -> tuple[Tensor, list[dict[str, Tensor]]]:
        images, targets = [], []
        single = mixture.scenes - mixture.mosaics
        for window in self._windows(rng, self.scenes, single, size, area=(0.25, 1.3)):
            images.append(window.pixels)
            targets.append(self._target(window.boxes, window.labelled))
        for _ in range(mixture.mosaics):
            tiles = list(self._windows(rng, self.scenes, 3, size // 2, area=(0.3, 1.0)))
            tiles += self._windows(rng, self.vehicles, 1, size // 2, area=(1.0, 1.8))
            tiles = [tiles[index] for index in rng.permutation(4)]
            rows = [torch.cat([left.pixels, right.pixels], dim=2) for left, right in (tiles[:2], tiles[2:])]
            images.append(torch.cat(rows, dim=1))
            boxes = [(kind, _in_tile(box, index)) for index, tile in enumerate(tiles) for kind, box in tile.boxes]
            targets.append(self._target(boxes, frozenset.intersection(*(tile.labelled for tile in tiles))))
        return torch.stack(images), targets

    def _windows(
        self, rng: np.random.Generator, array: PictureArray, count: int, size: int, area: tuple[float, float]
    ) -> Iterable[_Window]:
        rows = rng.integers(len(array), size=count)
        windows = np.stack([_window(rng, area) for _ in rows])
        mirrored = rng.random(count) < 0.5
        flipped = np.where(mirrored[:, None], windows[:, [2, 1, 0, 3]], windows).astype(np.float32)
        pixels = crop(array.pixels(rows), torch.from_numpy(flipped), size)
        for index, row in enumerate(rows):
            picture = array.pictures[row]
            boxes = _boxes_in(_labelled_boxes(picture), windows[index], bool(mirrored[index]))
            yield _Window(pixels[index], boxes, picture.labelled_kinds or frozenset({"vehicle"}))

    def _target(self, boxes: list[tuple[str, np.ndarray]], labelled: frozenset[str]) -> dict[str, Tensor]:
        columns = torch.zeros(len(self.kinds.names), dtype=torch.bool)
        columns[: self.kinds.columns - 1] = "vehicle" in labelled
        columns[self.kinds.columns - 1] = "plate" in labelled
        return {
            "class_labels": torch.tensor([self.kinds.number(kind) for kind, _ in boxes], dtype=torch.int64),
            "boxes": torch.tensor(np.array([box for _, box in boxes]).reshape(-1, 4), dtype=torch.float32),
            "labelled": columns,
        }

    def _labels(self, pictures: list[Picture]) -> dict[str, Tensor]:
        known = self.labels
        blank = torch.zeros(256)
        return {
            "type": torch.tensor([_index(known.types, p.type) for p in pictures]),
            "make": torch.tensor([_index(known.makes, p.make) for p in pictures]),
            "model": torch.tensor([_index(known.models, p.model) for p in pictures]),
            "teacher": torch.stack([self._teacher.get((p.source, p.path), blank) for p in pictures]),
            "plate": torch.tensor([_plate_slots(p.plate_text) for p in pictures]),
        }


_UNLABELLED = Picture(b"", "", "", "")
_CATEGORIES = ("car", "suv", "truck", "bus", "van", "motorcycle")


def labels_of(vehicles: list[Picture]) -> Labels:
    """The names that these pictures teach, sorted, and the body types that detection and rear views add."""
    types = {p.type for p in vehicles if p.type} | {"bus", "truck", "motorcycle"}
    makes, models = {p.make for p in vehicles if p.make}, {p.model for p in vehicles if p.model}
    return Labels(_CATEGORIES, tuple(sorted(types)), tuple(sorted(makes)), tuple(sorted(models)))


def _training(data: Path, name: str) -> list[Picture]:
    return [picture for picture in parquet.read(data, name) if picture.split == "train"]


def _with_vehicles(picture: Picture, pseudo: dict[str, tuple[LabelledBox, ...]]) -> Picture:
    """Plate photos get the detectors' vehicle boxes; `traffic` leaves far cars out, which those partly fill in."""
    if picture.source == "highway":
        return picture
    own = [box.box for box in picture.boxes if box.label != "plate"]
    added = [box for box in pseudo.get(picture.path, ()) if all(_overlap(box.box, other) < 0.4 for other in own)]
    return replace(
        picture, boxes=(*picture.boxes, *added), labelled_kinds=picture.labelled_kinds | frozenset({"vehicle"})
    )


def _labelled_boxes(picture: Picture) -> list[tuple[str, tuple[float, float, float, float]]]:
    if picture.source == "cars196":  # a tight crop: its frame is the vehicle's box
        return [(CATEGORY_OF_TYPE.get(picture.type or "", "car"), (0.5, 0.5, 1.0, 1.0))]
    alike = {"car": "car or alike"} if picture.source == "highway" else {}
    return [(alike.get(box.label, box.label), box.box) for box in picture.boxes]


def _window(rng: np.random.Generator, area: tuple[float, float]) -> np.ndarray:
    """x1, y1, x2, y2 covering `area` times the picture, reaching a little beyond it at most when it is smaller."""
    share, stretch = rng.uniform(*area), np.exp(rng.uniform(-0.3, 0.3))
    w, h = np.sqrt(share * stretch), np.sqrt(share / stretch)
    x = rng.uniform(min(0, 1 - w), max(0, 1 - w))
    y = rng.uniform(min(0, 1 - h), max(0, 1 - h))
    return np.array([x, y, x + w, y + h])


def _boxes_in(
    boxes: list[tuple[str, tuple[float, float, float, float]]], window: np.ndarray, mirrored: bool
) -> list[tuple[str, np.ndarray]]:
    found = []
    x1, y1, x2, y2 = window
    scale = np.array([x2 - x1, y2 - y1] * 2)
    for kind, (cx, cy, w, h) in boxes:
        corners = (np.array([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]) - [x1, y1, x1, y1]) / scale
        clipped = corners.clip(0, 1)
        side = clipped[2:] - clipped[:2]
        whole = np.prod(corners[2:] - corners[:2])
        if whole <= 0 or side.min() < 0.01 or np.prod(side) < _VISIBLE * whole:
            continue
        if mirrored:
            clipped[[0, 2]] = 1 - clipped[[2, 0]]
        found.append((kind, np.concatenate([(clipped[:2] + clipped[2:]) / 2, side])))
    return found


def _in_tile(box: np.ndarray, tile: int) -> np.ndarray:
    """A box of one quarter of a mosaic, in the whole's fractions; tiles run by rows."""
    return box / 2 + np.array([(tile % 2) / 2, (tile // 2) / 2, 0, 0])


def _close_ups(
    array: PictureArray, rows: np.ndarray, rng: np.random.Generator, least: float, size: int, mirror: bool
) -> Tensor:
    """Windows over `least` to all of the picture and a little beyond, for pictures that are one vehicle or plate."""
    windows = np.stack([_window(rng, (least, 1.0 + _OUTSIDE)) for _ in rows]) if len(rows) else np.zeros((0, 4))
    if mirror:
        windows = np.where(rng.random((len(rows), 1)) < 0.5, windows[:, [2, 1, 0, 3]], windows)
    return crop(array.pixels(rows), torch.from_numpy(windows.astype(np.float32)), size)


def _plate_slots(text: str | None) -> list[int]:
    """Characters from the left, then blanks; -1 where a publisher has greyed one out or none is known."""
    if text is None:
        return [-1] * PLATE_SLOTS
    read = [ALPHABET.find(character) if character.isalnum() else -1 for character in text[:PLATE_SLOTS].upper()]
    return read + [len(ALPHABET)] * (PLATE_SLOTS - len(read))


def _index(names: tuple[str, ...], name: str | None) -> int:
    return names.index(name) if name in names else -1


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    width = min(a[0] + a[2] / 2, b[0] + b[2] / 2) - max(a[0] - a[2] / 2, b[0] - b[2] / 2)
    height = min(a[1] + a[3] / 2, b[1] + b[3] / 2) - max(a[1] - a[3] / 2, b[1] - b[3] / 2)
    shared = max(0.0, width) * max(0.0, height)
    return shared / (a[2] * a[3] + b[2] * b[3] - shared)
