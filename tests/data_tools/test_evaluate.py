"""Figures on answers that are known by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from data_tools.evaluate import evaluate
from data_tools.evaluation.detection import Scene, average_precision, best_threshold
from data_tools.evaluation.plates import edits, normalised
from data_tools.readers import parquet
from data_tools.readers.readings import Readings, sealed
from tests.data_tools.files import (
    street,
    write_cars,
    write_plate_photos,
    write_plates,
    write_scenes,
)
from tests.graphs import write_checkpoint, write_graph
from vehicle_demo.gallery.metrics import retrieval
from vehicle_demo.recognition import Recognizer

BOXES = np.array([[0, 0, 100, 100], [200, 200, 300, 300]], dtype=float)


def scene(found: np.ndarray, scores: list[float], labels: list[str]) -> Scene:
    return Scene("highway", BOXES, ("car", "bus"), found, np.array(scores), tuple(labels))


def test_average_precision_of_known_answers() -> None:
    perfect = scene(BOXES, [0.9, 0.8], ["car", "bus"])
    assert average_precision([perfect], None) == (1.0, 1.0)
    # One of two found: precision 1 up to recall 0.5, which are 51 of COCO's 101 recall points.
    assert average_precision([scene(BOXES[:1], [0.9], ["car"])], None)[0] == pytest.approx(51 / 101)
    # A wrong box that is surer than both right ones: precision 1/2 and 2/3, so 2/3 at every recall.
    wrong = np.concatenate([BOXES + 1000, BOXES])[[0, 2, 3]]
    assert average_precision([scene(wrong, [0.99, 0.9, 0.8], ["car"] * 3)], None)[0] == pytest.approx(2 / 3)
    # IoU of exactly 0.6 counts at 0.5, 0.55 and 0.6: three of ten thresholds.
    narrow = np.array([[0, 0, 60, 100], [200, 200, 260, 300]], dtype=float)
    ap50, mean = average_precision([scene(narrow, [0.9, 0.8], ["car", "bus"])], None)
    assert ap50 == 1.0 and mean == pytest.approx(0.3)
    # Right place, wrong class: fine for any vehicle, nothing for the class.
    swapped = scene(BOXES, [0.9, 0.8], ["bus", "car"])
    assert average_precision([swapped], None)[0] == 1.0 and average_precision([swapped], "car")[0] == 0.0


def test_a_vehicle_boxed_twice_is_shown_once() -> None:
    """What is measured is what people see: the second box on one car is no second answer."""
    doubled = scene(np.concatenate([BOXES[:1], BOXES + 1, BOXES + 1000]), [0.9, 0.8, 0.7, 0.6, 0.5], ["car"] * 5)
    assert average_precision([doubled], None)[0] < 0.9
    shown = doubled.shown(0.6)
    assert shown.scores.tolist() == [0.9, 0.7, 0.6, 0.5] and len(shown.found_labels) == 4
    assert average_precision([shown], None)[0] == 1.0


def test_evaluate_leaves_out_what_is_absent_and_counts_the_rest(tmp_path: Path) -> None:
    write_cars(tmp_path, 9, split="validation")
    write_plates(tmp_path, ["AB12", "AB-2", "AB13", "XY"], split="validation")
    names = {
        "categories": ["car", "suv"],
        "types": ["sedan", "van", "suv"],
        "makes": ["Aria", "Boreal", "Cygna", "Dorado"],
        "models": ["Boreal SUV", "x1", "x2", "x3", "Aria Sedan", "Aria Van"],
    }
    counts = {kind: len(labels) for kind, labels in names.items()}
    # The graph always answers type 2, make 3, model 4 and the plate AB12.
    metadata = {"labels": json.dumps(names)}
    graph = write_graph(tmp_path / "m.onnx", [(0.5, 0.5, 0.5, 0.5)], [0.9], counts=counts, metadata=metadata)
    figures = evaluate(Recognizer.from_checkpoint(graph), tmp_path, "validation")
    assert set(figures) == {"attributes", "plates"}
    third = pytest.approx(1 / 3)
    # Of three names in turn: type suv is a third, make Dorado none, Aria Sedan a third; top five lack only the sixth.
    assert figures["attributes"] == {
        "type_top1": third, "make_top1": 0.0, "model_top1": third, "model_top5": pytest.approx(2 / 3), "images": 9,
        "make_agrees": 0.0, "type_agrees": 0.0,  # an Aria Sedan is neither a Dorado nor an SUV
    }  # fmt: skip
    assert figures["plates"]["uc3m"] == {"exact": 0.5, "cer": pytest.approx((0 + 0 + 1 + 4) / 13), "plates": 4}
    # Were its first answers names of the drawn fleet, which no real vehicle has, the next ones would count.
    drawn = json.dumps({**names, "drawn": ["Dorado", "Aria Sedan"]})
    graph = write_graph(tmp_path / "m.onnx", [(0.5, 0.5, 0.5, 0.5)], [0.9], counts=counts, metadata={"labels": drawn})
    figures = evaluate(Recognizer.from_checkpoint(graph), tmp_path, "validation")
    assert figures["attributes"]["make_top1"] == pytest.approx(2 / 3)  # Aria
    assert figures["attributes"]["model_top1"] == third and figures["attributes"]["model_top5"] == pytest.approx(2 / 3)


def test_plates_in_photos_are_found_and_read_end_to_end(tmp_path: Path) -> None:
    """The checkpoint finds one plate, AB12, low in the middle of every photo."""
    there, elsewhere = [0.5, 0.61, 0.165, 0.056], [0.2, 0.2, 0.165, 0.056]
    write_plate_photos(
        tmp_path,
        [
            ("openalpr_e2e_us", there, "AB12"),
            ("openalpr_e2e_us", there, "AB13"),
            ("openalpr_e2e_us", elsewhere, "AB12"),
            ("openalpr_e2e_us", there, "A-12"),
            ("world", there, ""),
        ],
    )
    recognizer = Recognizer.from_checkpoint(write_checkpoint(tmp_path / "checkpoint"))
    assert evaluate(recognizer, tmp_path, "evaluation") == {
        "plates_photos": {
            "openalpr_e2e_us": {"found": 0.75, "exact": 0.5, "plates": 4},
            "world": {"found": 1.0, "plates": 1},
        }
    }


def test_plates_that_we_have_read_are_measured_and_those_nobody_could_read_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spots = [[0.5, 0.61, 0.165 + n / 100, 0.056] for n in range(4)]
    write_plate_photos(tmp_path, [("world", spot, "") for spot in spots])
    photos = [picture.encoded for picture in parquet.read(tmp_path, "plate_photos")]
    readings = tmp_path / "readings.txt"
    lines = [sealed(photo, 0, text) for photo, text in zip(photos, ("AB12", "AB13", ""), strict=False)]
    readings.write_text("\n".join(lines))
    monkeypatch.setattr("data_tools.readers.parquet._readings", lambda: Readings(readings))
    recognizer = Recognizer.from_checkpoint(write_checkpoint(tmp_path / "checkpoint"))
    assert evaluate(recognizer, tmp_path, "evaluation") == {
        "plates_photos": {"world": {"found": 1.0, "exact": 0.5, "plates": 4}}
    }


def test_open_set_asks_for_vehicles_of_no_known_make(tmp_path: Path) -> None:
    """Known: the cars; unknown: the buses of the streets; no gallery of training pictures, no figures."""
    recognizer = Recognizer.from_checkpoint(write_graph(tmp_path / "m.onnx", [(0.5, 0.5, 0.5, 0.5)], [0.9]))
    write_scenes(tmp_path, 3, label="bus")
    write_cars(tmp_path, 60, split="validation")
    assert "open_set" not in evaluate(recognizer, tmp_path, "train")
    write_cars(tmp_path, 60)
    figures = evaluate(recognizer, tmp_path, "train")["open_set"]
    assert (figures["known"], figures["unknown"]) == (60, 3) and 0 <= figures["auroc"] <= 1
    write_scenes(tmp_path, 3, label="car")
    assert "open_set" not in evaluate(recognizer, tmp_path, "train")


def test_a_publishers_car_takes_in_suvs_and_vans(tmp_path: Path) -> None:
    """On `highway` an answer of suv is right where the publisher says car, and wrong where it says bus."""
    cx, cy, w, h = street(0)[1]
    metadata = {"labels": json.dumps({"categories": ["car", "suv", "truck", "bus", "van"]})}
    graph = write_graph(tmp_path / "m.onnx", [(cx, cy, w, h)], [0.9], metadata=metadata)
    recognizer = Recognizer.from_checkpoint(graph)
    for label, source, by_class in (
        ("car", "highway", {"car": 1.0}),
        ("bus", "highway", {"bus": 0.0}),
        ("vehicle", "traffic", {}),
    ):
        write_scenes(tmp_path, 1, label=label, source=source)
        figures = evaluate(recognizer, tmp_path, "train")["detection"]
        assert figures["ap50"] == pytest.approx(by_class)
        assert figures["images"] == 1 and figures["ap50_any"] == pytest.approx(1.0)
        assert figures["by_source"] == {source: {key: figures[key] for key in ("ap50_any", "map", "images")}}


@pytest.mark.parametrize(
    ("text", "truth", "wrong"),
    [("AB12", "AB12", 0), ("AB12", "AB-2", 0), ("AB2", "AB-2", 0), ("AB1", "AB12", 1), ("", "AB", 2), ("X9", "-", 1)],
)
def test_edits_where_a_dash_matches_anything_or_nothing(text: str, truth: str, wrong: int) -> None:
    assert edits(text, truth) == wrong


def test_o_and_0_are_one_character_only_where_the_publisher_mixes_them() -> None:
    assert normalised("ao 1", "openalpr_e2e_us") == normalised("A01", "openalpr_e2e_us")
    assert normalised("AO1", "uc3m") != normalised("A01", "uc3m")


def test_retrieval_leaves_out_the_same_camera_and_counts_the_skipped() -> None:
    distances = np.array([[0.1, 0.2, 0.3], [0.1, 0.2, 0.3], [0.3, 0.2, 0.1]])
    found = retrieval(distances, ["a", "b", "c"], ["a", "a", "b"], ["1", "1", "1"], ["1", "2", "2"])
    # a: the nearest is its own camera and left out, then a match: AP 1. b: third place: AP 1/3. c: nobody.
    assert (found.queries, found.skipped) == (2, 1)
    assert found.map == pytest.approx((1 + 1 / 3) / 2)
    assert found.cmc == {1: 0.5, 5: 1.0, 10: 1.0}


def test_collapsed_embeddings_do_not_look_good() -> None:
    found = retrieval(np.zeros((1, 4)), ["a"], ["a", "b", "c", "d"], ["1"], ["2"] * 4)
    assert found.cmc[1] == 0 and found.map == pytest.approx(1 / 4)
    with pytest.raises(ValueError, match="not finite"):
        retrieval(np.full((1, 1), np.nan), ["a"], ["a"], ["1"], ["2"])


def test_the_threshold_keeps_right_answers_and_drops_wrong_ones() -> None:
    wrong = BOXES + 1000
    found = scene(np.concatenate([BOXES, wrong]), [0.9, 0.6, 0.4, 0.3], ["car"] * 4)
    assert best_threshold([found]) == (pytest.approx(0.6), pytest.approx(1.0))
