"""The batches that all tasks share, drawn from arrays of training pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from data_tools.readers import parquet
from data_tools.readers.picture import Picture
from data_tools.training.augment import blur_some, change_light, crop, erase_some, mix, normalise
from data_tools.training.labels import CATEGORY_OF_TYPE, implied_by_models, labels_of, number_of, plate_slots
from data_tools.training.pictures import Pairs, PictureArray, boxed_vehicles, scene_pictures, training_pictures
from data_tools.training.teacher import FEATURE_SIZE, FeatureTeacher, StandardisedTeacher
from vehicle_demo.models.losses import TargetKinds

# Side in pixels to which the pictures of each task are stretched in the cache; the photos' own longest side is 360-416.
SCENE_SIDE, VEHICLE_SIDE, PLATE_SIDE = 352, 256, 160
# A box of which less than this part is left in the window is dropped from the targets.
_VISIBLE = 0.35
_OUTSIDE = 0.15
_TEACHER_SAMPLE = 500
# Roads have many vehicles each, and are what detection is measured on: they are drawn more often than other scenes.
_ROADS, _ROAD_SHARE = ("highway", "traffic"), 3


@dataclass(frozen=True)
class Mixture:
    """How many pictures of each kind a training batch has.

    `mosaics` of the scenes are put together from four; `pairs` are two rear views each of one vehicle, by two cameras
    where two saw it, and `drawn_pairs` two close-ups of one in rendered frames. `boxed` are cut out of scenes in which
    the body type is all that is known of them. `mixed` of the vehicles are mixed with each other, and the feature
    teacher, where there is one, answers for `taught` of them, the unmixed first, and for as many rear views as that
    leaves.
    """

    scenes: int
    mosaics: int
    vehicles: int
    rear_views: int
    plates: int
    pairs: int = 0
    drawn_pairs: int = 0
    boxed: int = 0
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
        drawn = [picture for folder in folders for picture in parquet.read_drawn_vehicles(folder, "train")]
        self.labels = labels_of([*vehicles, *rear_views], drawn)
        named = [*vehicles, *rear_views, *drawn]
        self.implied = {task: implied_by_models(self.labels, named, task) for task in ("type", "make")}
        self.kinds = TargetKinds(self.labels.categories)
        self.scenes = PictureArray(scene_pictures(folders), SCENE_SIDE, cache, "scenes")
        often = [_ROAD_SHARE if picture.source in _ROADS else 1 for picture in self.scenes.pictures]
        self._scene_rows = np.repeat(np.arange(len(self.scenes)), np.array(often, np.int64))
        self.vehicles = PictureArray(vehicles, VEHICLE_SIDE, cache, "vehicles")
        self.rear_views = PictureArray(rear_views, VEHICLE_SIDE, cache, "rear-views")
        self.pairs = Pairs(self.rear_views)
        self.drawn_pairs = Pairs(PictureArray(drawn, VEHICLE_SIDE, cache, "drawn-vehicles"))
        self.boxed = PictureArray(boxed_vehicles(folders, self.labels.types), VEHICLE_SIDE, cache, "boxed")
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
        arrays = ("scenes", "vehicles", "rear_views", "pairs", "drawn_pairs", "boxed", "plates")
        held = {name: bool(len(getattr(self, name))) for name in arrays}
        held["mosaics"] = held["scenes"] and held["vehicles"]
        held |= dict.fromkeys(("mixed", "taught"), held["vehicles"])
        left = Mixture(**{name: count * held[name] for name, count in asdict(mixture).items()})
        if not any(asdict(left).values()):
            raise FileNotFoundError(
                f"There are no training pictures for the mixture {mixture}: check the data folders."
            )
        return left

    def batch_at(self, step: int, mixture: Mixture, sizes: Sequence[int]) -> Batch:
        """The batch of one step, square, at the size in pixels whose turn it is."""
        size = sizes[step % len(sizes)]
        rng = np.random.default_rng((self._seed, step))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        scenes, targets = self._scene_batch(rng, mixture, size)
        images, pictures, vehicles = [scenes], [_UNLABELLED] * len(scenes), [-1] * len(scenes)
        first_mixed, last_mixed = len(scenes) + mixture.vehicles - mixture.mixed, len(scenes) + mixture.vehicles
        for array, rows, identities, least in self._close_ups(rng, mixture):
            images.append(windowed(array, rows, rng, least, size, mirror=array is not self.plates))
            pictures += [array.pictures[row] for row in rows]
            vehicles += identities
        batch = torch.cat(images)
        labels = self._labels(pictures)
        labels["vehicle"] = torch.tensor(vehicles)
        labels |= {"other": torch.arange(len(batch)), "own": torch.ones(len(batch))}
        some = slice(first_mixed, last_mixed)
        batch[some], other, own = mix(batch[some], rng)
        labels["other"][some], labels["own"][some] = torch.from_numpy(other + first_mixed), torch.from_numpy(own)
        labels["teacher"][some] = 0  # of no one vehicle any more
        labels["vehicle"][some] = -1
        labels["feature"] = torch.zeros(len(batch), FEATURE_SIZE)
        if self._features is not None:
            taught = slice(len(scenes), min(len(scenes) + mixture.taught, len(batch) - mixture.plates))
            labels["feature"][taught] = self._features(batch[taught])
        batch = blur_some(change_light(batch, generator, 0.4), generator, 0.15)
        first_plate = len(batch) - mixture.plates
        batch[len(scenes) : first_plate] = erase_some(batch[len(scenes) : first_plate], generator, 0.25)
        return Batch(normalise(batch), len(scenes), targets, labels)

    def _close_ups(
        self, rng: np.random.Generator, mixture: Mixture
    ) -> Iterator[tuple[PictureArray, np.ndarray, list[int], float]]:
        """By kind, plates last: the array, rows of it, whom each shows or -1, and the least share to be seen.

        Pictures of one model show the same (an embedding tells models apart first), and so do those of one vehicle
        where vehicles are known; what was cut out of scenes is unlike all others.
        """
        numbered = len(self.labels.models)
        singles = (
            (self.vehicles, mixture.vehicles, 0.45),
            (self.rear_views, mixture.rear_views, 0.6),
            (self.boxed, mixture.boxed, 0.6),
        )
        for array, count, least in singles:
            if count:
                rows = rng.integers(len(array), size=count)
                shown = [number_of(self.labels.models, array.pictures[row].model) for row in rows]
                if array is self.boxed:
                    shown = [numbered + int(row) for row in rows]
                yield array, rows, shown, least
        numbered += len(self.boxed)
        for pairs, count in ((self.pairs, mixture.pairs), (self.drawn_pairs, mixture.drawn_pairs)):
            if count:
                rows, vehicles = pairs.drawn(rng, count)
                yield pairs.array, rows, [numbered + vehicle for vehicle in vehicles], 0.6
            numbered += len(pairs)
        if mixture.plates:
            yield self.plates, rng.integers(len(self.plates), size=mixture.plates), [-1] * mixture.plates, 0.95

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
            "type": torch.tensor([number_of(known.types, p.type) for p in pictures]),
            "make": torch.tensor([number_of(known.makes, p.make) for p in pictures]),
            "model": torch.tensor([number_of(known.models, p.model) for p in pictures]),
            "colour": torch.tensor([number_of(known.colours, p.colour) for p in pictures]),
            "teacher": torch.stack([self._teacher.get((p.source, p.path), blank) for p in pictures]),
            "plate": torch.tensor([plate_slots(p.plate_text) for p in pictures]),
        }


_UNLABELLED = Picture(b"", "", "", "")


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


def windowed(
    array: PictureArray, rows: np.ndarray, rng: np.random.Generator, least: float, size: int, mirror: bool
) -> Tensor:
    """Pictures that are one vehicle or plate through `close_windows`: (len(rows), 3, size, size) in [0, 1]."""
    return crop(array.pixels(rows), close_windows(rng, len(rows), least, mirror), size)


def close_windows(rng: np.random.Generator, count: int, least: float, mirror: bool) -> Tensor:
    """Windows (count, 4) for `crop` over `least` to all of a picture and a little beyond; some run backwards."""
    windows = _random_windows(rng, count, (least, 1.0 + _OUTSIDE))
    if mirror:
        windows = np.where(rng.random((count, 1)) < 0.5, windows[:, [2, 1, 0, 3]], windows)
    return torch.from_numpy(windows.astype(np.float32))
