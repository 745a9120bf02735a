"""Published data sets in their publishers' layouts: what is read of them, and what is said of broken ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from data_tools.evaluate import evaluate
from data_tools.export import calibration_pictures
from data_tools.readers import registry
from data_tools.readers.ccpd import text_of
from data_tools.readers.picture import Picture
from tests.data_tools import published
from tests.graphs import write_checkpoint
from vehicle_demo.recognition import Recognizer

WRITERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "VeRi-776": (published.write_veri, "reid"),
    "VehicleID": (published.write_vehicle_id, "reid"),
    "VERI-Wild": (published.write_veri_wild, "reid"),
    "CompCars": (published.write_compcars, "cars196"),
    "Stanford Cars": (published.write_stanford, "cars196"),
    "CCPD": (published.write_ccpd, "plate_crops"),
}


def read(folder: Path, name: str, split: str) -> list[Picture]:
    return list(registry.read(folder, name, split))


@pytest.mark.parametrize("data_set", WRITERS)
def test_each_is_recognised_and_its_parts_share_nothing(data_set: str, tmp_path: Path) -> None:
    """No picture, and no vehicle where they are known, is in two parts; only what serves a purpose is given for it."""
    write, name = WRITERS[data_set]
    write(tmp_path)
    layout = registry.layout_of(tmp_path)
    assert layout is not None and layout.name == data_set
    parts = {split: read(tmp_path, name, split) for split in ("train", "validation", "evaluation")}
    assert all(parts.values())
    for key in (lambda picture: picture.path, lambda picture: picture.vehicle_id):
        found = [{key(picture) for picture in pictures} - {None} for pictures in parts.values()]
        assert not (found[0] & found[1] or found[0] & found[2] or found[1] & found[2])
    assert all(picture.split == split for split, pictures in parts.items() for picture in pictures)
    assert len(parts["train"]) > len(parts["validation"])
    assert read(tmp_path, "detection", "train") == []


@pytest.mark.parametrize("data_set", WRITERS)
def test_pictures_stay_on_disk_until_they_are_asked_for(data_set: str, tmp_path: Path) -> None:
    write, name = WRITERS[data_set]
    write(tmp_path)
    (first, *_) = read(tmp_path, name, "train")
    assert isinstance(first.stored, Path) and first.encoded and first.decode().mode == "RGB"
    first.stored.unlink()
    with pytest.raises(FileNotFoundError):
        first.decode()


def test_veri(tmp_path: Path) -> None:
    published.write_veri(tmp_path)
    pictures = read(tmp_path, "reid", "train") + read(tmp_path, "reid", "validation")
    assert len(pictures) == 60
    by_path = {picture.path: picture for picture in pictures}
    first = by_path["image_train/0001_c002_00016450_0.jpg"]
    assert (first.vehicle_id, first.camera_id, first.type, first.source) == ("0001", "002", "sedan", "veri")
    assert by_path["image_train/0001_c001_00016450_0.jpg"].type is None  # the publisher's number 0
    asking = [(picture.path, picture.asks) for picture in read(tmp_path, "reid", "evaluation")]
    assert asking[0] == ("image_query/0900_c005_00000001_0.jpg", True)
    assert [asks for _, asks in asking] == [True, False, False, False]


def test_vehicle_id(tmp_path: Path) -> None:
    published.write_vehicle_id(tmp_path)
    pictures = read(tmp_path, "reid", "train") + read(tmp_path, "reid", "validation")
    models = {picture.vehicle_id: picture.model for picture in pictures}
    assert models["0"] == "奥迪A6L 2012" and models["1"] == "大众朗逸" and models["2"] is None
    assert {picture.camera_id for picture in pictures} == {None}
    assert [picture.vehicle_id for picture in read(tmp_path, "reid", "evaluation")] == ["500"] * 3 + ["501"] * 3


def test_veri_wild(tmp_path: Path) -> None:
    published.write_veri_wild(tmp_path)
    pictures = {p.path: p for split in ("train", "validation") for p in read(tmp_path, "reid", split)}
    first, second, third = list(dict(sorted(pictures.items())).values())[:3]
    assert (first.type, second.type, third.type) == ("sedan", "truck", None)
    assert (first.vehicle_id, first.camera_id, second.camera_id) == ("00001", "7", "8")
    assert first.model == "Volkswagen Lavida"
    assert [picture.asks for picture in read(tmp_path, "reid", "evaluation")] == [True, False, False]


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (published.write_compcars, {("BMW", "BMW X5", "suv"), ("Audi", "Audi A4L", None)}),
        (
            published.write_stanford,
            {("AM General", published.STANFORD_NAMES[0], "suv"), ("Ram", published.STANFORD_NAMES[1], "minivan")},
        ),
        (
            lambda folder: published.write_stanford(folder, devkit=True),
            {("AM General", published.STANFORD_NAMES[0], "suv"), ("Ram", published.STANFORD_NAMES[1], "minivan")},
        ),
    ],
    ids=["CompCars", "Stanford Cars", "Stanford Cars, devkit"],
)
def test_named_cars_are_close_ups_of_their_box(
    write: Callable[[Path], None], expected: set[tuple[str, str, str | None]], tmp_path: Path
) -> None:
    write(tmp_path)
    pictures = read(tmp_path, "cars196", "train")
    assert {(picture.make, picture.model, picture.type) for picture in pictures} == expected
    for image in (pictures[0].decode(), Picture(pictures[0].encoded, "", "", "").decode()):
        assert image.size == (100, 70)
        np.testing.assert_allclose(np.asarray(image).mean(axis=(0, 1)), (220, 20, 20), atol=12)
    layout = registry.layout_of(tmp_path)
    assert layout is not None
    (whole, *_) = layout.read(tmp_path, "train")
    assert isinstance(whole, Picture)
    assert whole.boxes[0].box == pytest.approx((0.5, 0.55, 0.5, 0.7))
    assert whole.labelled_kinds == frozenset()  # other cars in the photo have no box
    assert len(read(tmp_path, "cars196", "evaluation")) == 1


def test_ccpd(tmp_path: Path) -> None:
    published.write_ccpd(tmp_path)
    photos = read(tmp_path, "plate_photos", "train")
    assert [photo.plate_text for photo in photos] == ["AAY339"] * 4 + ["AD05799"]
    assert photos[0].boxes[0].box == pytest.approx((0.45, 0.5, 0.3, 0.2))
    assert photos[0].boxes[0].text == "AAY339" and photos[0].labelled_kinds == {"plate"}
    crops = read(tmp_path, "plate_crops", "train")
    assert [crop.plate_text for crop in crops] == [photo.plate_text for photo in photos]
    assert crops[0].decode().size == (60, 20) and crops[0].boxes == ()
    assert len(read(tmp_path, "plate_photos", "evaluation")) == 3
    (tmp_path / "splits/test.txt").rename(tmp_path / "splits/ccpd_blur.txt")
    assert len(read(tmp_path, "plate_photos", "evaluation")) == 3  # as the lists of the hard subsets


def test_a_plates_numbers() -> None:
    assert text_of("0_0_22_27_27_33_16") == "AY339S"
    assert text_of("10_0_0_24_33_34_34") == "AA09"  # the last number of a table stands for no character
    with pytest.raises(ValueError, match="no plate"):
        text_of("0_0_22_27_27_33_35")


def test_a_folder_of_nothing_known_is_said_to_be_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no data set that we read.*detection\.parquet.*VeRi-776"):
        read(tmp_path, "reid", "train")


@pytest.mark.parametrize(
    ("data_set", "missing", "split"),
    [
        ("VeRi-776", "train_label.xml", "train"),
        ("VeRi-776", "name_query.txt", "evaluation"),
        ("VehicleID", "attribute/model_attr.txt", "train"),
        ("VehicleID", "train_test_split/test_list_2400.txt", "evaluation"),
        ("VERI-Wild", "train_test_split/vehicle_info.txt", "train"),
        ("CompCars", "misc/make_model_name.mat", "train"),
        ("CompCars", "misc/attributes.txt", "train"),
        ("CCPD", "splits/train.txt", "train"),
    ],
)
def test_a_missing_label_file_is_named(data_set: str, missing: str, split: str, tmp_path: Path) -> None:
    write, name = WRITERS[data_set]
    write(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(FileNotFoundError, match=f"{data_set} needs .*{missing}"):
        read(tmp_path, name, split)


def test_the_devkit_without_test_labels_still_trains(tmp_path: Path) -> None:
    published.write_stanford(tmp_path, devkit=True)
    (tmp_path / "cars_test_annos_withlabels.mat").unlink()
    assert read(tmp_path, "cars196", "train")
    with pytest.raises(FileNotFoundError, match="cars_test_annos_withlabels"):
        read(tmp_path, "cars196", "evaluation")


@pytest.mark.parametrize("data_set", WRITERS)
def test_a_picture_that_is_gone_is_passed_over_and_counted(
    data_set: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write, name = WRITERS[data_set]
    write(tmp_path)
    whole = read(tmp_path, name, "train")
    assert caplog.text == ""
    assert isinstance(whole[0].stored, Path)
    whole[0].stored.unlink()
    assert [picture.path for picture in read(tmp_path, name, "train")] == [picture.path for picture in whole[1:]]
    assert f"{data_set} in {tmp_path}, train: 1 passed over ({whole[0].path}: " in caplog.text
    assert "not there" in caplog.text


def test_odd_names_and_labels_are_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    veri, ccpd, compcars = (tmp_path / name for name in ("veri", "ccpd", "compcars"))
    published.write_veri(veri)
    text = (veri / "test_label.xml").read_bytes().replace(b"0901_c006", b"odd")
    (veri / "test_label.xml").write_bytes(text)
    assert len(read(veri, "reid", "evaluation")) == 3
    published.write_ccpd(ccpd)
    for odd in ("photo.jpg", published.ccpd_name("0_0_99_1_1_1_1")):
        published.picture(ccpd / "ccpd_green/train" / odd)
    assert len(read(ccpd, "plate_crops", "train")) == 5
    published.write_compcars(compcars)
    labels = compcars / "label"
    (training, *_) = registry.read(compcars, "cars196", "train")
    published.text(labels / training.path.removeprefix("image/").replace(".jpg", ".txt"), "4", "1", "60 20 40 10")
    before = len(read(compcars, "cars196", "train"))
    (compcars / training.path).write_bytes(b"no picture")
    assert len(read(compcars, "cars196", "train")) == before
    reasons = ("says no vehicle and camera", "says no box and characters", "is no plate", "no area", "cannot identify")
    assert all(reason in caplog.text for reason in reasons)


@pytest.mark.parametrize(
    ("data_set", "file", "content", "said"),
    [
        ("VeRi-776", "train_label.xml", "<TrainingImages><Items>", r"train_label\.xml cannot be read"),
        ("VehicleID", "attribute/model_names.txt", "大众朗逸", "a name and a number a line"),
        ("VehicleID", "train_test_split/train_list.txt", "0000001.jpg", r"two numbers a line, not: 0000001\.jpg"),
    ],
)
def test_a_label_file_of_another_form_is_said_to_be_so(
    data_set: str, file: str, content: str, said: str, tmp_path: Path
) -> None:
    write, name = WRITERS[data_set]
    write(tmp_path)
    (tmp_path / file).write_text(content)
    with pytest.raises(ValueError, match=said):
        read(tmp_path, name, "train")


def test_published_data_are_evaluated_by_the_same_command(tmp_path: Path) -> None:
    """Each gives the figures of what it labels; re-identification follows the publishers' queries and trials."""
    recognizer = Recognizer.from_checkpoint(write_checkpoint(tmp_path / "checkpoint"))
    figures = {}
    for data_set, (write, _) in WRITERS.items():
        write(tmp_path / data_set)
        figures[data_set] = evaluate(recognizer, tmp_path / data_set, "evaluation")
    tasks = {data_set: set(found) for data_set, found in figures.items()}
    assert tasks == {
        "VeRi-776": {"reid"},
        "VehicleID": {"reid"},
        "VERI-Wild": {"reid"},
        "CompCars": {"attributes"},
        "Stanford Cars": {"attributes"},
        "CCPD": {"plates", "plates_photos"},
    }
    # One query; of its own camera the gallery's copy is left out.
    assert (figures["VeRi-776"]["reid"]["queries"], figures["VeRi-776"]["reid"]["skipped"]) == (1, 0)
    assert figures["VERI-Wild"]["reid"]["queries"] == 1
    # Two vehicles of three pictures: one of each is the gallery, four ask, ten times.
    assert figures["VehicleID"]["reid"]["queries"] == 40 and figures["VehicleID"]["reid"]["trials"] == 10
    assert figures["CCPD"]["plates"]["ccpd"]["plates"] == 3


def test_int8_is_calibrated_on_published_pictures(tmp_path: Path) -> None:
    published.write_compcars(tmp_path / "compcars")
    published.write_veri(tmp_path / "veri")
    pictures = list(calibration_pictures(tmp_path / "compcars", 32))
    assert pictures and pictures[0].shape == (3, 32, 32)
    with pytest.raises(FileNotFoundError, match="to calibrate INT8 with"):  # no close-ups of what the network names
        list(calibration_pictures(tmp_path / "veri", 32))
