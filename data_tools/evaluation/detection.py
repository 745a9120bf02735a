"""Average precision by COCO's rules, through pycocotools, of the boxes that the recogniser would show."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from data_tools.evaluation.batches import pictures_of, through_graph
from vehicle_demo.recognition import Recognizer
from vehicle_demo.recognition.boxes import decode_boxes, distinct, to_corners

# One of the publishers (`highway`) labels by class, and its `car` takes in SUVs and vans: so do our answers there.
BY_CLASS_SOURCE = "highway"
AS_CAR = ("suv", "van")
# COCO's rule is 100 detections a picture.
_KEPT = 100


@dataclass(frozen=True)
class Scene:
    """One picture's truth and answers. Boxes (N, 4) are x1, y1, x2, y2 in pixels."""

    source: str
    truth: np.ndarray
    truth_labels: tuple[str, ...]
    found: np.ndarray
    scores: np.ndarray
    found_labels: tuple[str, ...]

    def shown(self, same_object: float) -> Scene:
        """One answer for each object, as the recogniser gives them: the best 100, at any score."""
        kept = distinct(self.found, self.scores, same_object)[:_KEPT]
        labels = tuple(self.found_labels[index] for index in kept)
        return replace(self, found=self.found[kept], scores=self.scores[kept], found_labels=labels)


def evaluate_detection(recognizer: Recognizer, data: Path, split: str, limit: int | None) -> dict[str, Any] | None:
    """`ap50_any`, `map` (any vehicle, IoU 0.5 to 0.95), `ap50` by class on `highway`, `images`, and figures by source.

    None when there are no such pictures. Persons are not vehicles; every label of a vehicle counts for `any`.
    """
    same = recognizer.checkpoint.same_object
    scenes = [scene.shown(same) for scene in scenes_of(recognizer, data, split, limit)]
    if not scenes:
        return None
    by_class = [scene for scene in scenes if scene.source == BY_CLASS_SOURCE]
    classes = sorted({label for scene in by_class for label in scene.truth_labels} - {"vehicle"})
    sources = sorted({scene.source for scene in scenes})
    return {
        **_any_vehicle(scenes),
        "ap50": {label: average_precision(by_class, label)[0] for label in classes},
        "by_source": {source: _any_vehicle([s for s in scenes if s.source == source]) for source in sources},
    }


def average_precision(scenes: Sequence[Scene], label: str | None) -> tuple[float, float]:
    """(AP at IoU 0.5, AP over IoU 0.5 to 0.95) of one class, or of any vehicle where `label` is None."""
    evaluation = _compared(scenes, label)
    return (float(evaluation.stats[1]), float(evaluation.stats[0])) if evaluation else (0.0, 0.0)


def best_threshold(scenes: Sequence[Scene]) -> tuple[float, float]:
    """(score, F1): from which score on answers are shown for the best F1 of any vehicle at IoU 0.5.

    Raises ValueError when there is nothing to compare.
    """
    evaluation = _compared(scenes, None)
    if evaluation is None:
        raise ValueError("There are no boxes to choose a threshold by.")
    compared = [image for image in evaluation.evalImgs if image and image["aRng"] == evaluation.params.areaRng[0]]
    scores = np.concatenate([image["dtScores"] for image in compared])
    right = np.concatenate([image["dtMatches"][0] > 0 for image in compared])
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(right[order])
    truths = sum(len(scene.truth) for scene in scenes)
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + truths)
    best = int(f1.argmax())
    return float(scores[order][best]), float(f1[best])


def _compared(scenes: Sequence[Scene], label: str | None) -> COCOeval | None:
    """COCO's comparison of one class or of any vehicle; None when there is no truth or no answer."""
    images: list[dict[str, Any]] = []
    truths: list[dict[str, Any]] = []
    answers: list[dict[str, Any]] = []
    for number, scene in enumerate(scenes, start=1):
        images.append({"id": number})
        wanted = [label is None or own == label for own in scene.truth_labels]
        for box in scene.truth[np.array(wanted, dtype=bool)]:
            truths.append(_entry(number, box) | {"id": len(truths) + 1, "iscrowd": 0})
        chosen = np.array([label is None or own == label for own in scene.found_labels], dtype=bool)
        for box, score in zip(scene.found[chosen], scene.scores[chosen], strict=True):
            answers.append(_entry(number, box) | {"score": float(score)})
    if not truths or not answers:
        return None
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {"images": images, "annotations": truths, "categories": [{"id": 1}]}
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(answers), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def _any_vehicle(scenes: Sequence[Scene]) -> dict[str, Any]:
    ap50, mean = average_precision(scenes, None)
    return {"ap50_any": ap50, "map": mean, "images": len(scenes)}


def scenes_of(recognizer: Recognizer, data: Path, split: str, limit: int | None) -> Iterator[Scene]:
    """Truth of every picture, and the answers of all queries at the scores the graph gives."""
    names = recognizer.checkpoint.labels.categories
    for picture, size, outputs in through_graph(recognizer, pictures_of(data, "detection", split, limit)):
        boxes, scores, categories = decode_boxes(outputs["det_boxes"], outputs["det_classes"], size)
        labels = [names[index] for index in categories]
        if picture.source == BY_CLASS_SOURCE:
            labels = ["car" if label in AS_CAR else label for label in labels]
        truth = to_corners(np.array([box.box for box in picture.boxes]).reshape(-1, 4)) * np.array([*size, *size])
        truth_labels = tuple(box.label for box in picture.boxes)
        yield Scene(picture.source, truth, truth_labels, boxes, scores, tuple(labels))


def _entry(image: int, box: np.ndarray) -> dict[str, Any]:
    x1, y1, x2, y2 = (float(side) for side in box)
    return {"image_id": image, "category_id": 1, "bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)}
