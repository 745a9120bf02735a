"""Plates through the reader beside a graph, on graphs whose answers are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.graphs import write_checkpoint, write_corners, write_doubting_reader, write_graph, write_reader
from vehicle_demo.recognition import CheckpointError, Recognizer
from vehicle_demo.recognition.plates import read_slots, surest
from vehicle_demo.recognition.reader import Reader

GREY = Image.new("RGB", (200, 100), (90, 90, 90))


def recognizer(folder: Path, reader: str) -> Recognizer:
    write_checkpoint(folder, reader=reader)
    write_reader(folder / "reader.onnx", "READER1")
    return Recognizer.from_checkpoint(folder)


@pytest.mark.parametrize(("reader", "text"), [("reader.onnx", "READER1"), ("", "AB12")])
def test_a_plate_is_read_by_the_reader_where_there_is_one(tmp_path: Path, reader: str, text: str) -> None:
    own = recognizer(tmp_path, reader)
    plate = own.recognize(GREY).vehicles[0].plate
    assert plate is not None and plate.text == text and plate.box is not None
    (close_up,) = own.read_plates([GREY])
    assert close_up is not None and close_up.text == text and close_up.box is None


@pytest.mark.parametrize("light", [(167, 175, 233, 191), (140, 195, 260, 225)])
def test_of_two_plates_seen_on_a_vehicle_the_one_that_reads_surer_is_its_own(
    tmp_path: Path, light: tuple[int, int, int, int]
) -> None:
    """The graph sees one in the vehicle's crop and one in the whole picture; only one of the two places is light."""
    write_checkpoint(tmp_path, reader="reader.onnx")
    write_doubting_reader(tmp_path / "reader.onnx", "READER1")
    picture = Image.new("RGB", (400, 300), (40, 40, 40))
    ImageDraw.Draw(picture).rectangle(light, fill="white")
    plate = Recognizer.from_checkpoint(tmp_path).recognize(picture).vehicles[0].plate
    assert plate is not None and plate.box is not None
    assert plate.box.to_list() == pytest.approx(light, abs=1)


def test_any_number_of_plates_is_read(tmp_path: Path) -> None:
    own = recognizer(tmp_path, "reader.onnx")
    assert own.read_plates([]) == []
    assert [plate.text for plate in own.read_plates([GREY] * 35) if plate] == ["READER1"] * 35


def test_a_reader_that_is_none_is_said_so(tmp_path: Path) -> None:
    graph = write_graph(tmp_path / "model.onnx", [], [])
    with pytest.raises(CheckpointError, match="must take plates as"):
        Reader(graph)
    with pytest.raises(CheckpointError, match="missing"):
        recognizer(tmp_path / "a", "gone.onnx")
    with pytest.raises(CheckpointError, match="outside its own folder"):
        recognizer(tmp_path / "b", "../reader.onnx")


def test_of_two_views_the_one_that_scores_higher_is_read() -> None:
    views = [np.random.default_rng(seed).normal(0, 2, (8, 37)).astype(np.float32) for seed in range(6)]
    readings = [reading for view in views if (reading := read_slots(view, None))]
    assert read_slots(surest(views), None) == max(readings, key=lambda reading: reading.score)


def test_corners_that_were_found_read_the_same_when_they_are_asked_for(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, reader="reader.onnx", corners="corners.onnx")
    write_doubting_reader(tmp_path / "reader.onnx", "READER1")
    write_corners(tmp_path / "corners.onnx", [(0.3, 0.3), (0.7, 0.4), (0.7, 0.7), (0.3, 0.6)])
    picture = Image.new("RGB", (400, 300), (40, 40, 40))
    ImageDraw.Draw(picture).rectangle((0, 0, 400, 200), fill="white")
    own = Recognizer.from_checkpoint(tmp_path)
    plate = own.recognize(picture).vehicles[0].plate
    assert plate is not None and plate.corners is not None
    again = own.read_plate(picture, plate.corners)
    assert again is not None and again.text == plate.text and again.score == pytest.approx(plate.score)


def test_corners_beyond_the_picture_are_read_as_black(tmp_path: Path) -> None:
    """A person may drag them there; what is read there is unsure, and no failure."""
    write_checkpoint(tmp_path, reader="reader.onnx")
    write_doubting_reader(tmp_path / "reader.onnx", "READER1")
    own = Recognizer.from_checkpoint(tmp_path)
    light = Image.new("RGB", (200, 100), "white")
    within, beyond = (own.read_plate(light, box) for box in (_corners(20, 20), _corners(-150, 20)))
    assert within is not None and within.text == "READER1" and (beyond is None or beyond.score < within.score)


def _corners(x: float, y: float) -> tuple[tuple[float, float], ...]:
    return (x, y), (x + 100, y), (x + 100, y + 40), (x, y + 40)
