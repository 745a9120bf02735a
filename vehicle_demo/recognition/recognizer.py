"""A picture -> every vehicle in it, described."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from vehicle_demo.recognition.boxes import CROP_STEPS, PLATE_STEPS, clip, decode_boxes, distinct, snapped, widen
from vehicle_demo.recognition.checkpoint import Checkpoint, CheckpointError, labels_from_metadata, load_checkpoint
from vehicle_demo.recognition.corners import CornerFinder
from vehicle_demo.recognition.graph import EMBEDDING, REQUIRED, Graph
from vehicle_demo.recognition.heads import Heads, features_of
from vehicle_demo.recognition.hierarchy import Hierarchy
from vehicle_demo.recognition.images import open_image
from vehicle_demo.recognition.plates import read_slots, surest
from vehicle_demo.recognition.reader import Reader
from vehicle_demo.recognition.rectify import box_around, checked_corners, corners_of, rectified
from vehicle_demo.recognition.results import Box, Corners, PlateReading, Recognition, Scored, Vehicle

# Finds and names vehicles for a checkpoint that can only embed them.
FINDER = Path(__file__).parents[2] / "checkpoints" / "vehicledino-nano"
# Photos are seldom this many times wider than high, plates close up mostly are.
_CLOSE_UP = 1.9
_COUNTED = {"categories": "det_classes", "types": "vehicle_types", "makes": "makes", "models": "models"}
_COLOURS = "colours"  # names and tensor, which not every graph has

ImageSource = Image.Image | bytes | str | Path


@dataclass(frozen=True)
class Detection:
    """One detected vehicle: its box in pixels, category number and score in [0, 1]."""

    box: Box
    category: int
    score: float


class Recognizer:
    """One checkpoint, ready to run. Safe to share between threads; build it once."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        graph: Graph,
        reader: Reader | None = None,
        heads: Heads | None = None,
        finder: CornerFinder | None = None,
        embedder: Graph | None = None,
        naming: Checkpoint | None = None,
    ) -> None:
        """Join the parts; `heads` name type, make and model in place of the graph's own, and `embedder` embeds.

        With an `embedder` the checkpoint goes by that one's name; `naming` is the one that the graph belongs to.

        Raises:
            CheckpointError: names, heads and graph do not belong together.
        """
        named = _COUNTED | ({_COLOURS: _COLOURS} if _COLOURS in graph.outputs else {})
        counts = dict(zip(named, graph.counts(list(named.values())), strict=True))
        labels = checkpoint.labels
        if labels == type(labels)():
            labels = labels_from_metadata(graph.metadata)
        self._own = replace(checkpoint, labels=labels.completed(counts))
        self.checkpoint = heads.described(self._own) if heads else self._own
        self.naming = naming or self._own
        self.hierarchy = Hierarchy(self.checkpoint.labels)
        self.graph = graph
        self._reader = reader
        self._finder = finder
        self._heads = heads
        self._embedder = embedder
        if heads and any(head.features != self.features for _, head in heads.items()):
            raise CheckpointError(
                f"The heads {heads.version} were fitted on another graph's features. Choose heads of {checkpoint.name}."
            )
        self._characters = heads.characters if heads else None
        if heads and heads.characters and (reader is None or reader.features != heads.characters.features):
            raise CheckpointError(
                f"The heads {heads.version} were fitted on another plate reader than "
                f"{checkpoint.name} has. Choose others."
            )

    @classmethod
    def from_checkpoint(cls, source: str | Path, precision: str = "fp32", threads: int | None = None) -> Recognizer:
        """Load a checkpoint. One whose graph does nothing but embed has vehicles found and named by `FINDER`.

        Args:
            source: a folder, an `.onnx` file, or a Hub model as `owner/name` or `owner/name:file.onnx`.
            precision: `fp32` or `int8`. A single `.onnx` file is run as it is.
            threads: CPU threads of one run; by default as many as this process may use.

        Raises:
            CheckpointError: the checkpoint is missing, cannot be fetched, or does not hold together.
        """
        checkpoint = load_checkpoint(source)
        if str(source).endswith(".onnx"):
            (precision,) = checkpoint.graphs
        graph = Graph(checkpoint.graph_path(precision), threads, required=())
        if graph.outputs == [EMBEDDING]:
            return cls.from_checkpoint(FINDER, threads=threads).embedding_by(checkpoint, graph)
        graph.require(REQUIRED)
        reader, corners = checkpoint.reader_path, checkpoint.corners_path
        return cls(
            checkpoint,
            graph,
            reader=Reader(reader, threads) if reader else None,
            finder=CornerFinder(corners, threads) if corners else None,
        )

    @property
    def reader(self) -> Reader | None:
        """The plate reader beside the graph, where there is one."""
        return self._reader

    def with_heads(self, heads: Heads | None) -> Recognizer:
        """The same checkpoint answering with other heads, or with the graph's own; all else is shared.

        Heads that read another checkpoint's graph bring that one with them.

        Raises:
            CheckpointError: the heads read features of another length, or their checkpoint cannot be loaded.
        """
        if heads and heads.checkpoint and heads.checkpoint != self._own.folder:
            other = Recognizer.from_checkpoint(heads.checkpoint, threads=self.graph.threads).with_heads(heads)
            return other.embedding_by(self._own, self._embedder) if self._embedder else other
        return Recognizer(self._own, self.graph, self._reader, heads, self._finder, self._embedder, self.naming)

    def embedding_by(self, checkpoint: Checkpoint, embedder: Graph) -> Recognizer:
        """The same vehicles with the same names, embedded by another checkpoint's graph.

        It goes by that one's name and by its threshold for a match; all else is shared.
        """
        thresholds = replace(self._own.thresholds, match=checkpoint.thresholds.match)
        named = replace(self._own, name=checkpoint.name, version=checkpoint.version, thresholds=thresholds)
        return Recognizer(named, self.graph, self._reader, self._heads, self._finder, embedder, self.naming)

    @property
    def heads(self) -> Heads | None:
        """The heads that answer in place of the graph's own, if any."""
        return self._heads

    @property
    def input_size(self) -> int:
        """Side in pixels of the square that the graph takes."""
        return self.graph.input_size

    @property
    def embedding_size(self) -> int:
        """Length of a vehicle's embedding."""
        return self._embedding_graph.counts([EMBEDDING])[0]

    @property
    def graphs(self) -> tuple[Graph, ...]:
        """What looks at each vehicle: `graph` and, where another embeds, that one, whose embedding counts."""
        return (self.graph, self._embedder) if self._embedder else (self.graph,)

    @property
    def names_by_another(self) -> bool:
        """Whether its checkpoint only embeds, and another one's graph finds and names."""
        return self._embedder is not None

    @property
    def _embedding_graph(self) -> Graph:
        return self.graphs[-1]

    @property
    def features(self) -> int:
        """Length of the features that heads read."""
        return self.graph.counts([features_of(self.graph.outputs)])[0]

    def window(self, box: Box, size: tuple[int, int], alone: bool) -> Box:
        """The part (pixels) of a picture of `size` (width, height) that a vehicle's labels and embedding come from.

        Its box with a margin; the whole picture when the vehicle is `alone` in it and nearly fills it.
        """
        if alone and box.area >= self.checkpoint.whole_picture_coverage * size[0] * size[1]:
            return Box(0, 0, *size)
        return snapped(widen(box, self.checkpoint.crop_margin, size), CROP_STEPS)

    def run_graph(self, pictures: Sequence[np.ndarray] | np.ndarray) -> dict[str, np.ndarray]:
        """(N, 3, S, S) float32, as `graph.prepare` makes them -> the graph's outputs by name, heads' own included."""
        outputs = self.graph.run(pictures)
        return self._heads.applied(outputs) if self._heads else outputs

    def recognize(self, image: ImageSource) -> Recognition:
        """Find and describe every vehicle in one picture.

        Vehicles come down to the checkpoint's `detection_floor`, the largest first; `Recognition.above` hides the
        unsure.

        Raises:
            ImageError: the picture cannot be used.
        """
        return self.recognize_batch([image])[0]

    def recognize_batch(self, images: Sequence[ImageSource]) -> list[Recognition]:
        """`recognize` for several pictures: one whole-picture pass, one over all crops, one over all plates.

        Timings in ms are those of the batch divided by its size. Raises ImageError as soon as one cannot be used.
        """
        if not images:
            return []
        clock = _Clock(len(images))
        with clock.measuring("decode"):
            pictures = [open_image(image) for image in images]
        with clock.measuring("detect"):
            outputs = self.run_graph([self.graph.prepare(picture) for picture in pictures])
            whole = _wholes(outputs, pictures)
            found = [self._detections(outputs, row, picture.size) for row, picture in enumerate(pictures)]
        with clock.measuring("attributes"):
            described = self._describe(pictures, whole, found)
            embeddings = self._embeddings(pictures, described)
        with clock.measuring("plates"):
            plates = self._read_plates(pictures, found, described, whole)
        return [
            self._recognition(picture, found[row], described[row], plates[row], embeddings[row], clock.spent())
            for row, picture in enumerate(pictures)
        ]

    def describe_batch(self, images: Sequence[ImageSource]) -> list[Vehicle]:
        """Describe pictures that each show one vehicle and little else, in one pass and without looking for it.

        A vehicle's box is its picture's frame; the category is that of the surest query. Raises ImageError as soon as a
        picture cannot be used.
        """
        if not images:
            return []
        pictures = [open_image(image) for image in images]
        outputs = self.run_graph([self.graph.prepare(picture) for picture in pictures])
        whole, found = _wholes(outputs, pictures), []
        for row, picture in enumerate(pictures):
            _, scores, categories = decode_boxes(outputs["det_boxes"][row], outputs["det_classes"][row], picture.size)
            best = int(scores.argmax())
            found.append([Detection(Box(0, 0, *picture.size), int(categories[best]), float(scores[best]))])
        described = [[item] for item in whole]
        plates = self._read_plates(pictures, found, described, whole)
        embeddings = self._embeddings(pictures, described)
        return [
            self._vehicle(*parts)
            for row in zip(found, described, plates, embeddings, strict=True)
            for parts in zip(*row, strict=True)
        ]

    def embed(self, crops: Sequence[tuple[Image.Image, Box | None]]) -> np.ndarray:
        """Embed pictures of one vehicle each, or the parts of them (pixels) that show one: (N, D) float32; N >= 1.

        Of unit length, or near it where the graph is quantised.
        """
        graph = self._embedding_graph
        return graph.run([graph.prepare(*crop) for crop in crops])[EMBEDDING][:, 0]

    def describe_boxes(self, image: ImageSource, boxes: Sequence[Box]) -> list[dict[str, np.ndarray]]:
        """The graph's outputs (1, ...) by name for each of these boxes (pixels), seen as `recognize` would see them.

        Raises:
            ImageError: the picture cannot be used.
        """
        outputs = self.run_graph(self.prepare_boxes(image, boxes))
        return [{name: values[row] for name, values in outputs.items()} for row in range(len(boxes))]

    def prepare_boxes(self, image: ImageSource, boxes: Sequence[Box]) -> list[np.ndarray]:
        """What the graph sees of each of these boxes (pixels) when `recognize` describes it: (3, S, S) float32.

        Raises:
            ImageError: the picture cannot be used.
        """
        picture = open_image(image)
        alone = False
        # Most vehicles are seen in the same window either way.
        if any(self.window(box, picture.size, True) != self.window(box, picture.size, False) for box in boxes):
            whole = self.run_graph([self.graph.prepare(picture)])
            alone = len(self._detections(whole, 0, picture.size)) <= 1
        return [self.graph.prepare(picture, self.window(box, picture.size, alone)) for box in boxes]

    def read_plates(self, images: Sequence[ImageSource]) -> list[PlateReading | None]:
        """Read pictures that each show one plate and little else; None where nothing can be read. They have no box.

        Raises:
            ImageError: a picture cannot be used.
        """
        return [read_slots(slots, None) for slots in self._slots([(open_image(image), None) for image in images])]

    def read_plate(self, image: ImageSource, corners: Corners) -> PlateReading | None:
        """Read the plate with these corners, rectified; None where nothing can be read. Its box is that of the corners.

        Raises:
            ImageError: the picture or the corners cannot be used.
        """
        picture = open_image(image)
        corners = checked_corners(corners, picture.size)
        (slots,) = self._slots_between([(picture, corners)])
        return _read_between(slots, corners, picture.size)

    def prepare_plate(self, image: ImageSource, corners: Corners) -> np.ndarray:
        """What the plate reader sees of the plate with these corners from the front: (H, W, 3) uint8.

        Raises:
            ImageError: the picture or the corners cannot be used.
            CheckpointError: there is no reader beside the graph.
        """
        if self._reader is None:
            raise CheckpointError(f"{self.checkpoint.name} has no plate reader.")
        picture = open_image(image)
        own = checked_corners(corners, picture.size)
        return self._reader.prepare(self._rectified(picture, own, self.checkpoint.plate_margin))

    def read_photo(self, image: ImageSource) -> list[PlateReading]:
        """Read every plate of a photo, or the one plate that fills the picture; the surest first.

        A picture counts as such a close-up when no vehicle with a plate is in it, or when it is as wide as plates are
        and reads better whole. Then the plate's box is the picture's frame.

        Raises:
            ImageError: the picture cannot be used.
        """
        picture = open_image(image)
        thresholds = self.checkpoint.thresholds
        vehicles = self.recognize(picture).above(thresholds.detection).vehicles
        found = sorted((v.plate for v in vehicles if v.plate), key=lambda plate: -plate.score)
        (whole,) = self.read_plates([picture])
        if whole is None:
            return found
        wide = picture.width >= _CLOSE_UP * picture.height
        better = whole.score > found[0].score if found else wide or whole.score >= thresholds.plate
        if better and (wide or not found):
            return [replace(whole, box=Box(0, 0, *picture.size))]
        return found

    def _detections(self, outputs: Mapping[str, np.ndarray], row: int, size: tuple[int, int]) -> list[Detection]:
        boxes, scores, categories = decode_boxes(outputs["det_boxes"][row], outputs["det_classes"][row], size)
        shown = np.flatnonzero(
            (scores >= self.checkpoint.thresholds.detection_floor) & (boxes[:, 2:] - boxes[:, :2] >= 2).all(axis=1)
        )
        single = shown[distinct(boxes[shown], scores[shown], self.checkpoint.same_object)]
        kept = [
            Detection(Box(*(float(side) for side in boxes[index])), int(categories[index]), float(scores[index]))
            for index in single[: self.checkpoint.max_vehicles]
        ]
        return sorted(kept, key=lambda detection: -detection.box.area)

    def _describe(
        self, pictures: list[Image.Image], whole: list[_Described], found: list[list[Detection]]
    ) -> list[list[_Described]]:
        """The graph's outputs for every detection: from its crop, or from a whole picture that is one vehicle."""
        described: list[list[_Described]] = [[] for _ in pictures]
        crops: list[np.ndarray] = []
        places: list[tuple[int, Box]] = []
        for row, (picture, detections) in enumerate(zip(pictures, found, strict=True)):
            windows = [self.window(item.box, picture.size, len(detections) == 1) for item in detections]
            if windows == [whole[row].window]:
                described[row].append(whole[row])
                continue
            for window in windows:
                crops.append(self.graph.prepare(picture, window))
                places.append((row, window))
        if crops:
            outputs = self.run_graph(crops)
            for index, (row, window) in enumerate(places):
                described[row].append(_Described({name: values[index] for name, values in outputs.items()}, window))
        return described

    def _embeddings(self, pictures: list[Image.Image], described: list[list[_Described]]) -> list[list[np.ndarray]]:
        """The embedding (D,) of every vehicle; the graph has told it already where no other embeds."""
        if self._embedder is None:
            return [[item.outputs[EMBEDDING][0] for item in items] for items in described]
        crops = [(picture, item.window) for picture, items in zip(pictures, described, strict=True) for item in items]
        embedded = iter(self.embed(crops) if crops else ())
        return [[next(embedded) for _ in items] for items in described]

    def _read_plates(
        self,
        pictures: list[Image.Image],
        found: list[list[Detection]],
        described: list[list[_Described]],
        whole: list[_Described],
    ) -> list[list[PlateReading | None]]:
        if not {"plate_boxes", "plate_scores"} <= set(self.graph.outputs):
            return [[read_slots(item.outputs["ocr_logits"][0], None) for item in items] for items in described]
        readings: list[list[PlateReading | None]] = [[None] * len(items) for items in described]
        seen = [
            (row, index, box)
            for row, items in enumerate(described)
            for index, box in self._seen_plates(items, found[row], whole[row], pictures[row].size)
        ]
        for (row, index, _), reading in zip(
            seen, self._read_in([(pictures[row], box) for row, _, box in seen]), strict=True
        ):
            known = readings[row][index]
            if reading and (known is None or reading.score > known.score):
                readings[row][index] = reading
        return readings

    def _seen_plates(
        self, items: list[_Described], detections: list[Detection], whole: _Described, size: tuple[int, int]
    ) -> Iterator[tuple[int, Box]]:
        """Vehicles' numbers, each with the box (pixels) of a plate that may be its own: up to two a vehicle.

        The pass over its crop sees one plate, and so does the pass over the whole picture: that goes to the smallest
        vehicle that it lies in. Which of two reads more surely tells a plate from a bumper better than their scores do.
        """
        for index, item in enumerate(items):
            box = self._plate_box(item, size)
            if box is not None:
                yield index, box
        box = self._plate_box(whole, size)
        if box is not None:
            x, y = (box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2
            around = [
                (detection.box.area, index)
                for index, detection in enumerate(detections)
                if detection.box.x1 <= x <= detection.box.x2 and detection.box.y1 <= y <= detection.box.y2
            ]
            if around and items[min(around)[1]] is not whole:
                yield min(around)[1], box

    def _plate_box(self, item: _Described, size: tuple[int, int]) -> Box | None:
        """The plate's box (pixels) in a picture of `size`; None where it is unsure, or too thin for characters."""
        if item.outputs["plate_scores"].item() < self.checkpoint.thresholds.plate_box:
            return None
        cx, cy, w, h = (float(value) for value in item.outputs["plate_boxes"][0])
        window = item.window
        width, height = window.x2 - window.x1, window.y2 - window.y1
        box = clip(
            Box(
                window.x1 + (cx - w / 2) * width,
                window.y1 + (cy - h / 2) * height,
                window.x1 + (cx + w / 2) * width,
                window.y1 + (cy + h / 2) * height,
            ),
            size,
        )
        box = snapped(box, PLATE_STEPS)
        return box if box.x2 - box.x1 >= 4 and box.y2 - box.y1 >= 2 else None

    def _read_in(self, boxes: Sequence[tuple[Image.Image, Box]]) -> list[PlateReading | None]:
        """What stands on the plate of each box (pixels) of a picture, rectified where its corners are found."""
        corners = self._finder.find(boxes) if self._finder else [None] * len(boxes)
        found = [(picture, own) for (picture, _), own in zip(boxes, corners, strict=True) if own]
        loose = [
            (picture, widen(box, self.checkpoint.plate_margin, picture.size))
            for (picture, box), own in zip(boxes, corners, strict=True)
            if not own
        ]
        between, within = iter(self._slots_between(found)), iter(self._slots(loose))
        return [
            _read_between(next(between), own, picture.size) if own else read_slots(next(within), box)
            for (picture, box), own in zip(boxes, corners, strict=True)
        ]

    def _slots_between(self, plates: Sequence[tuple[Image.Image, Corners]]) -> list[np.ndarray]:
        """Logits (8, 37) of each plate between corners of a picture.

        The reader sees it three times: from the front with a narrow and with a wide margin, and as it stands in the
        picture. The view that reads most surely is right more often than any one of them. Without a reader the graph
        sees it once.
        """
        margin = self.checkpoint.plate_margin
        if self._reader is None:
            return list(self._slots([(self._rectified(*plate, margin), None) for plate in plates]))
        views = [
            (self._rectified(picture, around, wide), None)
            for picture, corners in plates
            for around, wide in ((corners, margin), (corners, 3 * margin), (corners_of(box_around(corners)), 0.0))
        ]
        slots = self._slots(views)
        return [surest(slots[first : first + 3]) for first in range(0, len(slots), 3)]

    def _rectified(self, picture: Image.Image, corners: Corners, margin: float) -> Image.Image:
        size = self._reader.size if self._reader else (self.input_size, self.input_size)
        return rectified(picture, corners, size, margin)

    def _slots(self, crops: Sequence[tuple[Image.Image, Box | None]]) -> Sequence[np.ndarray]:
        """Logits (8, 37) of each plate, given as a picture and the part of it (pixels) that shows the plate."""
        if not crops:
            return []
        if self._reader is not None:
            return list(self._reader.read([self._reader.prepare(*crop) for crop in crops], self._characters))
        return list(self.graph.run([self.graph.prepare(*crop) for crop in crops])["ocr_logits"][:, 0])

    def _recognition(
        self,
        picture: Image.Image,
        detections: list[Detection],
        described: list[_Described],
        plates: list[PlateReading | None],
        embeddings: list[np.ndarray],
        timings: dict[str, float],
    ) -> Recognition:
        vehicles = tuple(map(self._vehicle, detections, described, plates, embeddings))
        checkpoint = self.checkpoint
        return Recognition(checkpoint.name, checkpoint.heads_version, *picture.size, timings, vehicles)

    def _vehicle(
        self, detection: Detection, item: _Described, plate: PlateReading | None, embedding: np.ndarray
    ) -> Vehicle:
        labels, heat = self.checkpoint.labels, self.checkpoint.temperatures
        return Vehicle(
            box=detection.box,
            category=Scored(labels.categories[detection.category], detection.score),
            type=rank(item.outputs["vehicle_types"][0], labels.types, heat.type),
            make=rank(item.outputs["makes"][0], labels.makes, heat.make),
            model=rank(item.outputs["models"][0], labels.models, heat.model),
            novelty=None,
            plate=plate,
            embedding=embedding,
            colour=rank(item.outputs[_COLOURS][0], labels.colours, 1.0) if _COLOURS in item.outputs else (),
            levels=self.hierarchy.descend(softmax(item.outputs["models"][0], heat.model)),
        )


def _wholes(outputs: Mapping[str, np.ndarray], pictures: Sequence[Image.Image]) -> list[_Described]:
    """What the pass over whole pictures says of each."""
    return [
        _Described({name: values[row] for name, values in outputs.items()}, Box(0, 0, *picture.size))
        for row, picture in enumerate(pictures)
    ]


def _read_between(slots: np.ndarray, corners: Corners, size: tuple[int, int]) -> PlateReading | None:
    """The slots (8, 37) of a plate rectified by its corners, in a picture of `size` (width, height)."""
    reading = read_slots(slots, clip(box_around(corners), size))
    return replace(reading, corners=corners) if reading else None


@dataclass(frozen=True, eq=False)
class _Described:
    """One vehicle's graph outputs, and the window of the picture (pixels) that the graph saw."""

    outputs: Mapping[str, np.ndarray]
    window: Box


class _Clock:
    """Milliseconds by stage, per picture of a batch."""

    def __init__(self, pictures: int) -> None:
        self._pictures = pictures
        self._start = time.perf_counter()
        self._stages: dict[str, float] = {}

    @contextmanager
    def measuring(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self._stages[stage] = (time.perf_counter() - start) * 1000 / self._pictures

    def spent(self) -> dict[str, float]:
        return {**self._stages, "total": (time.perf_counter() - self._start) * 1000 / self._pictures}


def rank(logits: np.ndarray, labels: tuple[str, ...], temperature: float) -> tuple[Scored, ...]:
    """Every label with its softmax probability, the best first; logits (K,)."""
    probabilities = softmax(logits, temperature)
    order = np.argsort(-probabilities, kind="stable")
    return tuple(Scored(labels[index], float(probabilities[index])) for index in order)


def softmax(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Probabilities (..., K) of logits (..., K)."""
    scaled = logits / temperature
    probabilities = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(probabilities / probabilities.sum(axis=-1, keepdims=True))
