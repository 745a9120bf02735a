"""Labels as files to train on."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset
from PIL import Image

from tests.annotation.drawn_plates import new_item
from vehicle_demo.annotation.dataset import fast_plate_ocr_bytes, parquet_bytes
from vehicle_demo.annotation.store import ANSWER, CORNERS, NOT_READABLE, UNDO, Said, Store, UnknownItemError

MOVED = [[2.0, 3.0], [42.0, 3.0], [42.0, 19.0], [2.0, 19.0]]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Five plates: one answered with its corners moved, one as read, one not readable, one undone, one not asked."""
    store = Store(tmp_path / "labels")
    one, two, three, four, _ = store.add([new_item(number, "AB12CDE", 0.4) for number in range(5)])
    store.record(Said(one, "ann", CORNERS, "c1", {"corners": MOVED, "reading": None}))
    store.record(Said(one, "ann", ANSWER, "c2", "AB12CDF"))
    store.record(Said(two, "bob", ANSWER, "c3", "AB12CDE"))
    store.record(Said(three, "ann", NOT_READABLE, "c4"))
    store.record(Said(four, "ann", ANSWER, "c5", "ZZZ"))
    store.record(Said(four, "ann", UNDO, "c6", undoes="c5"))
    return store


def test_it_loads_as_a_hugging_face_dataset(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "plates.parquet"
    path.write_bytes(parquet_bytes(store))
    rows = load_dataset("parquet", data_files=str(path), cache_dir=str(tmp_path / "cache"))["train"]
    assert rows["text"] == ["AB12CDF", "AB12CDE", None]
    assert rows["status"] == [ANSWER, ANSWER, NOT_READABLE]
    assert rows["predicted"] == ["AB12CDE"] * 3 and rows["person"] == ["ann", "bob", "ann"]
    first = rows[0]
    assert isinstance(first["image"], Image.Image) and first["image"].size == (44, 18)  # 40 x 16 and its margin
    assert np.asarray(first["image"].convert("RGB"))[9, 22].tolist() == [0, 0, 90]
    assert first["corners"] == MOVED and first["box"] == [2, 3, 42, 19]
    assert first["slots"][0][0] == {"character": "A", "score": 0.4} and len(first["slots"]) == 8
    assert (first["checkpoint"], first["confidence"], first["source"]) == ("nano 1", 0.4, "drawn")
    assert store.pictures.path(first["picture"]).exists() and first["at"].endswith("+00:00")


def test_fast_plate_ocr_gets_pictures_and_texts(store: Store) -> None:
    with zipfile.ZipFile(io.BytesIO(fast_plate_ocr_bytes(store))) as archive:
        rows = list(csv.DictReader(io.TextIOWrapper(archive.open("labels.csv"), newline="")))
        assert [row["plate_text"] for row in rows] == ["AB12CDF", "AB12CDE"]
        assert sorted(archive.namelist()) == sorted(["labels.csv", *(row["image_path"] for row in rows)])
        with Image.open(archive.open(rows[1]["image_path"])) as image:
            assert image.format == "PNG" and image.mode == "RGB"


def test_the_same_labels_give_the_same_bytes(store: Store) -> None:
    assert parquet_bytes(store) == parquet_bytes(store)
    assert fast_plate_ocr_bytes(store) == fast_plate_ocr_bytes(store)


def test_nothing_said_yet_gives_empty_files(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert pq.read_table(io.BytesIO(parquet_bytes(store))).num_rows == 0
    with zipfile.ZipFile(io.BytesIO(fast_plate_ocr_bytes(store))) as archive:
        assert archive.read("labels.csv").split() == [b"image_path,plate_text"]


def test_a_picture_that_is_gone_is_said_so(store: Store) -> None:
    store.pictures.path(store.plate(1).picture).unlink()
    with pytest.raises(UnknownItemError, match="missing"):
        parquet_bytes(store)
