"""Plates seen at an angle, turned to the front and read by their corners."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageDraw

from tests.graphs import write_checkpoint, write_reader
from vehicle_demo.recognition import Box, ImageError, Recognizer
from vehicle_demo.recognition.rectify import checked_corners, corners_of, homographies, rectified

SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)
SEEN = ((140.0, 60.0), (420.0, 110.0), (400.0, 230.0), (120.0, 140.0))


def plate() -> Image.Image:
    """A plate of four colours with a dark bar, so that no turn or mirroring of it looks like another."""
    image = Image.new("RGB", (320, 96))
    draw = ImageDraw.Draw(image)
    for place, colour in enumerate(("white", "red", "lime", "blue")):
        draw.rectangle([place * 80, 0, place * 80 + 79, 95], fill=colour)
    draw.rectangle([40, 60, 280, 75], fill="black")
    return image


def seen_at_an_angle(scale: int = 1) -> Image.Image:
    """The plate in a grey picture, its corners at SEEN times `scale`."""
    corners = np.array(SEEN) * scale
    (matrix,) = homographies(corners, (SQUARE * [320, 96])[None])
    picture = Image.new("RGB", (560 * scale, 300 * scale), (128, 128, 128))
    how = Image.Transform.PERSPECTIVE, tuple(matrix.ravel()[:8]), Image.Resampling.BILINEAR
    warped, mask = (part.transform(picture.size, *how) for part in (plate(), Image.new("L", (320, 96), 255)))
    picture.paste(warped, mask=mask)
    return picture


@pytest.mark.parametrize("scale", [1, 5])
def test_a_warped_plate_comes_out_straight(scale: int) -> None:
    corners = tuple((x * scale, y * scale) for x, y in SEEN)
    front = rectified(seen_at_an_angle(scale), corners, (160, 48), 0.0)
    wanted = plate().resize((160, 48), Image.Resampling.BILINEAR)
    assert np.abs(np.asarray(front, float) - np.asarray(wanted, float)).mean() < 6


def test_the_margin_shows_what_lies_around() -> None:
    front = np.asarray(rectified(seen_at_an_angle(), SEEN, (160, 48), 0.25))
    assert np.abs(front[:5].astype(int) - 128).max() < 30  # a sixth of the height is grey, the middle is not
    assert np.abs(front[20, 40].astype(int) - 255).max() < 30


@pytest.mark.parametrize(
    "corners",
    [
        [],
        [[0, 0]] * 4,
        [[1, 1], [2, 2]],
        "abcd",
        [[0, 0], [9, 0], [9, 9], ["x", 9]],
        [[0, 0], [9, 0], [9, 9], [0, float("nan")]],
        [[0, 9], [9, 9], [9, 0], [0, 0]],  # anticlockwise
        [[0, 0], [9, 9], [9, 0], [0, 9]],  # crossed
        [[0, 0], [900, 0], [900, 9], [0, 9]],
        {"x": 1},
    ],
)
def test_corners_that_are_none_get_a_sentence(corners: object) -> None:
    with pytest.raises(ImageError, match="corners"):
        checked_corners(corners, (100, 50))  # type: ignore[arg-type]


def test_a_plate_is_read_by_its_corners(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, reader="reader.onnx")
    write_reader(tmp_path / "reader.onnx", "READER1")
    own = Recognizer.from_checkpoint(tmp_path)
    reading = own.read_plate(seen_at_an_angle(), SEEN)
    assert reading is not None and reading.text == "READER1" and reading.corners == SEEN
    assert reading.box == Box(120, 60, 420, 230)
    assert [slot[0].character for slot in reading.slots] == [*"READER1", ""]
    with pytest.raises(ImageError, match="clockwise"):
        own.read_plate(seen_at_an_angle(), SEEN[::-1])


def test_a_photo_gives_its_plates_and_a_close_up_its_one(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, reader="reader.onnx")
    write_reader(tmp_path / "reader.onnx", "READER1")
    own = Recognizer.from_checkpoint(tmp_path)
    (found,) = own.read_photo(Image.new("RGB", (400, 300)))
    assert found.box is not None  # where the graph finds it in its vehicle
    assert found.box.to_list() == pytest.approx([167, 175.25, 233, 191.75], abs=0.1)
    write_checkpoint(tmp_path, reader="reader.onnx", thresholds={"detection": 0.95})
    (whole,) = Recognizer.from_checkpoint(tmp_path).read_photo(Image.new("RGB", (400, 100)))
    assert whole.box == Box(0, 0, 400, 100) and whole.text == "READER1"


def test_the_shipped_reader_reads_every_sample_plate_by_its_corners() -> None:
    own = Recognizer.from_checkpoint("checkpoints/vehicledino-nano")
    right = 0
    rows = pq.read_table("vehicle_demo/samples/plate_crops.parquet").slice(0, 24).to_pylist()
    for row in rows:
        image = Image.open(io.BytesIO(row["image"]["bytes"]))
        reading = own.read_plate(image, tuple((x * image.width, y * image.height) for x, y in row["corners"]))
        right += reading is not None and reading.text == row["text"]
    assert right >= 22  # a later checkpoint may miss one or two


def test_a_box_has_its_corners_clockwise() -> None:
    assert checked_corners(corners_of(Box(1, 2, 30, 10)), (40, 20)) == ((1, 2), (30, 2), (30, 10), (1, 10))
