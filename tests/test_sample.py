"""The sample that ships: complete, small, and read by the evaluator as it is."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pyarrow.parquet as pq
from PIL import Image

from data_tools.evaluate import evaluate
from data_tools.evaluation.reid import evaluate_reid
from vehicle_demo.gallery.measuring import measure
from vehicle_demo.recognition import Recognizer
from vehicle_demo.ui.galleries import Galleries

SAMPLE = Path("vehicle_demo/samples")


def rows(name: str) -> list[dict]:
    return pq.read_table(SAMPLE / f"{name}.parquet").to_pylist()


def test_it_is_complete_and_small() -> None:
    vehicles = rows("reid")
    assert len({row["vehicle_id"] for row in vehicles}) == 40
    assert len({(row["vehicle_id"], row["camera_id"]) for row in vehicles}) == 240 == len(vehicles)
    assert len({row["plate_text"] for row in vehicles}) == 40
    plates = rows("plate_crops")
    assert len(plates) == 60 and len({row["source"] for row in plates}) == 8
    assert sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file()) < 12e6


def test_its_photos_are_those_of_the_app_with_boxes_inside_them() -> None:
    labels = json.loads((SAMPLE / "photos/labels.json").read_text())
    assert sorted(labels) == sorted(path.name for path in (SAMPLE / "photos").glob("*.jpg"))
    for name, label in labels.items():
        with Image.open(SAMPLE / "photos" / name) as image:
            assert max(image.size) == 640
            for vehicle in label["vehicles"]:
                x1, y1, x2, y2 = vehicle["visible_box"]
                assert 0 <= x1 < x2 <= image.width and 0 <= y1 < y2 <= image.height
    assert len(rows("detection")) == len(labels)


def test_plate_corners_lie_in_their_crop_in_reading_order() -> None:
    for row in rows("plate_crops"):
        with Image.open(io.BytesIO(row["image"]["bytes"])) as image:
            assert min(image.size) > 20
        (left, top), (right, _), (_, bottom), _ = row["corners"]
        assert -0.01 <= left < right <= 1.01 and -0.01 <= top < bottom <= 1.01


def test_it_can_be_evaluated_out_of_the_box() -> None:
    figures = evaluate(Recognizer.from_checkpoint("checkpoints/vehicledino-nano"), SAMPLE, "validation", limit=12)
    assert set(figures) >= {"detection", "reid", "plates"}
    assert figures["detection"]["images"] == len(rows("detection"))
    assert figures["reid"]["queries"] == 2  # twelve rows are two vehicles before six cameras


def test_evaluate_and_the_benchmark_tab_agree_on_it_to_the_digit(tmp_path: Path) -> None:
    """Four vehicles before six cameras, as `evaluate` reads them and as the sample gallery is filled with them."""
    recognizer = Recognizer.from_checkpoint("checkpoints/vehicledino-nano")
    figures = evaluate_reid(recognizer, SAMPLE, "validation", 24)
    part = tmp_path / "reid.parquet"
    pq.write_table(pq.read_table(SAMPLE / "reid.parquet").slice(0, 24), part)
    galleries = Galleries(tmp_path / "galleries", part)
    thread = galleries.fill_sample(recognizer)
    assert thread is not None
    thread.join()
    *_, last = measure(galleries.gallery(recognizer), "cross-camera")
    assert last.report is not None and figures is not None
    (table,) = last.report.tables
    shown = {name: table.plain[name].value for name in ("map", "rank1", "rank5")}
    assert {**shown, **{name: table.counts[name] for name in ("queries", "skipped")}} == figures
