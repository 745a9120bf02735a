"""Training pictures as cached uint8 arrays, and the batches that all tasks share."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from data_tools.readers import parquet, registry
from data_tools.readers.picture import LabelledBox, Picture
from data_tools.training.augment import blur_some, change_light, crop, erase_some, mix, normalise
from data_tools.training.teacher import FEATURE_SIZE, FeatureTeacher, StandardisedTeacher
from vehicle_demo.models.heads import PLATE_SLOTS
from vehicle_demo.models.losses import TargetKinds
from vehicle_demo.recognition.boxes import overlaps, to_corners
from vehicle_demo.recognition.plates import ALPHABET

# Side in pixels to which the pictures of each task are stretched in the cache; the photos' own longest side is 360-416.
SCENE_SIDE, VEHICLE_SIDE, PLATE_SIDE = 352, 256, 160
# A box of which less than this part is left in the window is dropped from the targets.
_VISIBLE = 0.35
_OUTSIDE = 0.15
_TEACHER_SAMPLE = 500
# Roads have many vehicles each, and are what detection is measured on: they are drawn more often than other scenes.
_ROADS, _ROAD_SHARE = ("highway", "traffic"), 3
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
    """How many pictures of each kind a training batch has.

    `mosaics` of the scenes are put together from four; `pairs` are two rear views each of one vehicle, by two cameras
    where two saw it. `mixed` of the vehicles are mixed with each other, and the feature teacher, where there is one,
    answers for `taught` of them, the unmixed first, and for as many rear views as that leaves.
    """

    scenes: int
    mosaics: int
    vehicles: int
    rear_views: int
    plates: int
    pairs: int = 0
    mixed: int = 0
    taught: int = 0

    def __post_init__(self) -> None:
        """Raises ValueError when more are to be mixed, or put together as mosaics, than there are."""
        if self.mixed > self.vehicles or self.mosaics > self.scenes:
            raise ValueError("`mixed` counts some of the vehicles and `mosaics` some of the scenes, at most all.")


@dataclass(frozen=True)
class Batch:
    """images (N, 3, S, S) float32, normalised; the first `scenes` have `targets`; `labels` for `JointLosses`."""

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


@dataclass(frozen=True)
class _Window:
    """A window of a picture: pixels (3, S, S), the boxes (kind, cx cy w h) in it, and the kinds labelled throughout."""

    pixels: Tensor
    boxes: list[tuple[str, np.ndarray]]
    labelled: frozenset[str]


class TrainingData:
    """All training pictures of some data folders, and the batch of any step, drawn from (seed, step) alone."""

    def __init__(
        self,
        folders: Sequence[Path],
        cache: Path,
        seed: int,
        feature_teacher: Path | None = None,
    ) -> None:
        """What there is none of stays empty; see `possible`.

        Raises:
            FileNotFoundError: one of the folders holds no data set that we read.
            ValueError: no picture has a make, or none a model; or two folders overlap, and one would train on what the
                other validates on.
        """
        vehicles, rear_views = training_pictures(folders, "cars196"), training_pictures(folders, "reid")
        if {"cars196", "stanford_cars"} <= {picture.source for picture in vehicles}:
            raise ValueError("cars196.parquet was made from Stanford Cars, its validation part too: give one of them.")
        self.labels = labels_of([*vehicles, *rear_views])
        self.kinds = TargetKinds(self.labels.categories)
        scenes = (picture for folder in folders for picture in _scenes(folder))
        self.scenes = PictureArray(scenes, SCENE_SIDE, cache, "scenes")
        often = [_ROAD_SHARE if picture.source in _ROADS else 1 for picture in self.scenes.pictures]
        self._scene_rows = np.repeat(np.arange(len(self.scenes)), np.array(often, np.int64))
        self.vehicles = PictureArray(vehicles, VEHICLE_SIDE, cache, "vehicles")
        self.rear_views = PictureArray(rear_views, VEHICLE_SIDE, cache, "rear-views")
        self._seen_twice = _seen_twice(self.rear_views.pictures)
        self._vehicle_of = {row: number for number, rows in enumerate(self._seen_twice) for row in rows}
        self.plates = PictureArray(training_pictures(folders, "plate_crops"), PLATE_SIDE, cache, "plates")
        teachers = [parquet.read_reid_teacher(folder) for folder in folders]
        self._teacher = {key: torch.tensor(value) for teacher in teachers for key, value in teacher.items()}
        self._seed = seed
        self._features: StandardisedTeacher | None = None
        if feature_teacher is not None:
            rows = np.linspace(0, len(self.vehicles) - 1, _TEACHER_SAMPLE).astype(int)
            self._features = StandardisedTeacher(FeatureTeacher(feature_teacher), self.vehicles.pixels(rows))

    def possible(self, mixture: Mixture) -> Mixture:
        """The mixture without the kinds of picture that there are none of; a mosaic needs scenes and a vehicle.

        Raises:
            FileNotFoundError: nothing is left of it.
        """
        held = {name: bool(len(getattr(self, name))) for name in ("scenes", "vehicles", "rear_views", "plates")}
        held |= {"mosaics": held["scenes"] and held["vehicles"], "pairs": bool(self._seen_twice)}
        held |= dict.fromkeys(("mixed", "taught"), held["vehicles"])
        left = Mixture(**{name: count * held[name] for name, count in asdict(mixture).items()})
        if not any(asdict(left).values()):
            raise FileNotFoundError(
                f"There are no training pictures for the mixture {mixture}: check the data folders."
            )
        return left

    def batch_at(self, step: int, mixture: Mixture, size: int) -> Batch:
        """The batch of one step at size x size pixels."""
        rng = np.random.default_rng((self._seed, step))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        scenes, targets = self._scene_batch(rng, mixture, size)
        groups = [
            (self.vehicles, mixture.vehicles, 0.45, False),
            (self.rear_views, mixture.rear_views, 0.6, False),
            (self.rear_views, mixture.pairs, 0.6, True),
            (self.plates, mixture.plates, 0.95, False),
        ]
        images, pictures, vehicles = [scenes], [_UNLABELLED] * len(scenes), [-1] * len(scenes)
        first_mixed, last_mixed = len(scenes) + mixture.vehicles - mixture.mixed, len(scenes) + mixture.vehicles
        for array, count, least, paired in groups:
            if not count:
                continue
            rows = self._pairs(rng, count) if paired else rng.integers(len(array), size=count)
            images.append(_close_ups(array, rows, rng, least, size, mirror=array is not self.plates))
            pictures += [array.pictures[row] for row in rows]
            vehicles += [self._vehicle_of[row] if paired else -1 for row in rows]
        batch = torch.cat(images)
        labels = self._labels(pictures) | {"vehicle": torch.tensor(vehicles)}
        labels |= {"other": torch.arange(len(batch)), "own": torch.ones(len(batch))}
        some = slice(first_mixed, last_mixed)
        batch[some], other, own = mix(batch[some], rng)
        labels["other"][some], labels["own"][some] = torch.from_numpy(other + first_mixed), torch.from_numpy(own)
        labels["teacher"][some] = 0  # of no one vehicle any more
        labels["feature"] = torch.zeros(len(batch), FEATURE_SIZE)
        if self._features is not None:
            taught = slice(len(scenes), min(len(scenes) + mixture.taught, len(batch) - mixture.plates))
            labels["feature"][taught] = self._features(batch[taught])
        batch = blur_some(change_light(batch, generator, 0.4), generator, 0.15)
        first_plate = len(batch) - mixture.plates
        batch[len(scenes) : first_plate] = erase_some(batch[len(scenes) : first_plate], generator, 0.25)
        return Batch(normalise(batch), len(scenes), targets, labels)

    def _scene_batch(
        self, rng: np.random.Generator, mixture: Mixture, size: int
    ) -> tuple[Tensor, list[dict[str, Tensor]]]:
        images, targets = [], []
        single = mixture.scenes - mixture.mosaics
        for window in self._windows(rng, self.scenes, self._some_scenes(rng, single), size, area=(0.25, 1.3)):
            images.append(window.pixels)
            targets.append(self._target(window.boxes, window.labelled))
        for _ in range(mixture.mosaics):
            tiles = list(self._windows(rng, self.scenes, self._some_scenes(rng, 3), size // 2, area=(0.3, 1.0)))
            alone = rng.integers(len(self.vehicles), size=1)
            tiles += self._windows(rng, self.vehicles, alone, size // 2, area=(1.0, 1.8))
            tiles = [tiles[index] for index in rng.permutation(4)]
            rows = [torch.cat([left.pixels, right.pixels], dim=2) for left, right in (tiles[:2], tiles[2:])]
            images.append(torch.cat(rows, dim=1))
            boxes = [(kind, _in_tile(box, index)) for index, tile in enumerate(tiles) for kind, box in tile.boxes]
            targets.append(self._target(boxes, frozenset.intersection(*(tile.labelled for tile in tiles))))
        return torch.stack(images) if images else torch.zeros(0, 3, size, size), targets

    def _pairs(self, rng: np.random.Generator, count: int) -> np.ndarray:
        rows = []
        for vehicle in rng.integers(len(self._seen_twice), size=count):
            views = rng.permutation(self._seen_twice[vehicle])
            cameras = [self.rear_views.pictures[row].camera_id for row in views]
            elsewhere = [row for row, camera in zip(views, cameras, strict=True) if camera != cameras[0]]
            rows += [views[0], elsewhere[0] if elsewhere else views[1]]
        return np.array(rows)

    def _some_scenes(self, rng: np.random.Generator, count: int) -> np.ndarray:
        return self._scene_rows[rng.integers(len(self._scene_rows), size=count)]

    def _windows(
        self, rng: np.random.Generator, array: PictureArray, rows: np.ndarray, size: int, area: tuple[float, float]
    ) -> Iterable[_Window]:
        windows = _random_windows(rng, len(rows), area)
        mirrored = rng.random(len(rows)) < 0.5
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
            "plate": torch.tensor([plate_slots(p.plate_text) for p in pictures]),
        }


_UNLABELLED = Picture(b"", "", "", "")
_CATEGORIES = ("car", "suv", "truck", "bus", "van", "motorcycle")


def labels_of(vehicles: list[Picture]) -> Labels:
    """The names that these pictures teach, sorted, and the body types that detection and rear views add.

    Raises:
        ValueError: they teach no make or no model.
    """
    types = {p.type for p in vehicles if p.type} | {"bus", "truck", "motorcycle"}
    makes, models = {p.make for p in vehicles if p.make}, {p.model for p in vehicles if p.model}
    if not makes or not models:
        raise ValueError(
            "The data name no makes and models: add a data set that does (cars196.parquet, CompCars or Stanford Cars)."
        )
    return Labels(_CATEGORIES, tuple(sorted(types)), tuple(sorted(makes)), tuple(sorted(models)))


def _seen_twice(pictures: list[Picture]) -> list[list[int]]:
    """The rows of each vehicle of which there are two pictures or more."""
    rows = defaultdict[tuple[str, str | None], list[int]](list)
    for row, picture in enumerate(pictures):
        rows[picture.source, picture.vehicle_id].append(row)
    return [own for (_, vehicle), own in rows.items() if vehicle is not None and len(own) > 1]


def training_pictures(folders: Sequence[Path], name: str) -> list[Picture]:
    """The training pictures of all folders that are in, or stand in for, one parquet file of ours."""
    return [picture for folder in folders for picture in registry.read(folder, name, "train")]


def _scenes(folder: Path) -> Iterator[Picture]:
    pseudo = parquet.read_pseudo_boxes(folder)
    for name in ("detection", "plate_photos"):
        for picture in registry.read(folder, name, "train"):
            yield _with_vehicles(picture, pseudo) if pseudo else picture
    yield from registry.read(folder, "drawn", "train")


def _with_vehicles(picture: Picture, pseudo: dict[str, tuple[LabelledBox, ...]]) -> Picture:
    """Plate photos get the detectors' vehicle boxes; `traffic` leaves far cars out, which those partly fill in."""
    if picture.source == "highway":
        return picture
    own, more = [box for box in picture.boxes if box.label != "plate"], pseudo.get(picture.path, ())
    covered = overlaps(_corners(more), _corners(own)).max(axis=1, initial=0)
    added = [box for box, share in zip(more, covered, strict=True) if share < 0.4]
    return replace(
        picture, boxes=(*picture.boxes, *added), labelled_kinds=picture.labelled_kinds | frozenset({"vehicle"})
    )


def _corners(boxes: Sequence[LabelledBox]) -> np.ndarray:
    return to_corners(np.array([box.box for box in boxes]).reshape(-1, 4))


def _labelled_boxes(picture: Picture) -> list[tuple[str, tuple[float, float, float, float]]]:
    if not picture.labelled_kinds:  # a close-up: its frame is the vehicle's box
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


def _random_windows(rng: np.random.Generator, count: int, area: tuple[float, float]) -> np.ndarray:
    return np.array([_window(rng, area) for _ in range(count)]).reshape(count, 4)


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
    windows = _random_windows(rng, len(rows), (least, 1.0 + _OUTSIDE))
    if mirror:
        windows = np.where(rng.random((len(rows), 1)) < 0.5, windows[:, [2, 1, 0, 3]], windows)
    return crop(array.pixels(rows), torch.from_numpy(windows.astype(np.float32)), size)


def plate_slots(text: str | None) -> list[int]:
    """Characters from the left, then blanks; -1 where a publisher has greyed one out or none is known."""
    if text is None:
        return [-1] * PLATE_SLOTS
    read = [ALPHABET.find(character) if character.isalnum() else -1 for character in text[:PLATE_SLOTS].upper()]
    return read + [len(ALPHABET)] * (PLATE_SLOTS - len(read))


def _index(names: tuple[str, ...], name: str | None) -> int:
    return names.index(name) if name in names else -1
