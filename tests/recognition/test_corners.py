"""Plates between corners that a small graph finds around the detector's box."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.graphs import write_checkpoint, write_corners, write_reader
from vehicle_demo.recognition import CheckpointError, Recognizer
from vehicle_demo.recognition.boxes import overlaps
from vehicle_demo.recognition.corners import CornerFinder
from vehicle_demo.recognition.rectify import box_around
from vehicle_demo.recognition.results import Box

GREY = Image.new("RGB", (400, 300), (90, 90, 90))
# In the window, which is twice as wide and high as the box.
TILTED = [(0.25, 0.3), (0.7, 0.25), (0.75, 0.7), (0.3, 0.75)]
SHIPPED = Path("checkpoints/vehicledino-nano/corners.onnx")


def recognizer(folder: Path, corners: list[tuple[float, float]]) -> Recognizer:
    write_checkpoint(folder, reader="reader.onnx", corners="corners.onnx")
    write_reader(folder / "reader.onnx", "READER1")
    write_corners(folder / "corners.onnx", corners)
    return Recognizer.from_checkpoint(folder)


def test_a_plate_lies_and_is_read_between_the_corners_found(tmp_path: Path) -> None:
    write_checkpoint(tmp_path)
    rough = Recognizer.from_checkpoint(tmp_path).recognize(GREY).vehicles[0].plate
    assert rough is not None and rough.box is not None and rough.corners is None
    fine = recognizer(tmp_path, TILTED).recognize(GREY).vehicles[0].plate
    assert fine is not None and fine.corners is not None and fine.text == "READER1"
    left, top = 1.5 * rough.box.x1 - 0.5 * rough.box.x2, 1.5 * rough.box.y1 - 0.5 * rough.box.y2
    sides = 2 * (rough.box.x2 - rough.box.x1), 2 * (rough.box.y2 - rough.box.y1)
    np.testing.assert_allclose(fine.corners, np.array(TILTED) * sides + (left, top), atol=0.1)
    assert fine.box == box_around(fine.corners)


def test_corners_that_are_no_plates_are_not_believed(tmp_path: Path) -> None:
    plate = recognizer(tmp_path, TILTED[::-1]).recognize(GREY).vehicles[0].plate
    assert plate is not None and plate.corners is None and plate.text == "READER1" and plate.box is not None


def test_many_plates_are_looked_at_in_their_order(tmp_path: Path) -> None:
    finder = CornerFinder(write_corners(tmp_path / "corners.onnx", TILTED))
    found = finder.find([(GREY, Box(100, 50 + row, 140, 70 + row)) for row in range(35)])
    tops = [box_around(corners).y1 for corners in found if corners]
    assert tops == sorted(tops) and len(set(tops)) == 35
    assert finder.find([]) == []


def test_a_finder_that_is_none_is_said_so(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, corners="gone.onnx")
    with pytest.raises(CheckpointError, match="missing"):
        Recognizer.from_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="must take windows as"):
        CornerFinder(write_reader(tmp_path / "reader.onnx", "AB12"))
    nowhere = write_corners(tmp_path / "nan.onnx", [(float("nan"), 0)] * 4)
    with pytest.raises(CheckpointError, match="damaged"):
        CornerFinder(nowhere).find([(GREY, Box(10, 10, 40, 20))])


def test_the_shipped_finder_tightens_loose_boxes_around_the_sample_plates() -> None:
    finder, shares = CornerFinder(SHIPPED), []
    for number, row in enumerate(pq.read_table("vehicle_demo/samples/plate_crops.parquet").to_pylist()):
        image = Image.open(io.BytesIO(row["image"]["bytes"])).convert("RGB")
        true = box_around(tuple((x * image.width, y * image.height) for x, y in row["corners"]))
        width, height, aside = true.x2 - true.x1, true.y2 - true.y1, (-0.1, 0.1)[number % 2]
        left, right = (0.15 - aside) * width, (0.15 + aside) * width
        loose = Box(true.x1 - left, true.y1 - 0.3 * height, true.x2 + right, true.y2 + 0.1 * height)
        (found,) = finder.find([(image, loose)])
        assert found is not None
        boxes = np.array([[b.x1, b.y1, b.x2, b.y2] for b in (true, loose, box_around(found))])
        shares.append(overlaps(boxes[:1], boxes[1:])[0])
    before, after = np.array(shares).T
    assert after.mean() > before.mean() + 0.1 and np.median(after) > 0.8
