"""Tiny fakes of published data sets in their publishers' layouts, with pictures drawn here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy.io import savemat

# 皖A AY339 of the publisher's own example, and an electric car's plate of one more character.
PLATE, GREEN_PLATE = "0_0_0_22_27_27_33", "0_0_3_24_29_31_33_33"
BOX, CORNERS = "60&40_120&60", "120&60_60&60_60&40_120&40"


def picture(path: Path, box: tuple[int, int, int, int] | None = None, size: tuple[int, int] = (200, 100)) -> None:
    """A grey picture, of which `box` is red."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, (90, 90, 90))
    if box is not None:
        x1, y1, x2, y2 = box
        ImageDraw.Draw(image).rectangle((x1, y1, x2 - 1, y2 - 1), fill=(220, 20, 20))
    image.save(path, "JPEG", quality=95)


def text(path: Path, *lines: str, encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding=encoding)


def write_veri(folder: Path, vehicles: int = 30) -> None:
    """Two cameras a vehicle; of the test one vehicle, asked for by camera 5."""
    train = [f"{vehicle:04d}_c{camera:03d}_00016450_0.jpg" for vehicle in range(1, vehicles + 1) for camera in (1, 2)]
    test = ["0900_c005_00000001_0.jpg", "0900_c006_00000002_0.jpg", "0901_c006_00000003_0.jpg"]
    for split, files in (("train", train), ("test", test)):
        items = [
            f'<Item imageName="{file}" vehicleID="{file[:4]}" cameraID="{file[5:9]}" colorID="1" typeID="{kind}" />'
            for file, kind in zip(files, (n % 10 for n in range(len(files))), strict=True)
        ]
        head = '<?xml version="1.0" encoding="gb2312"?>'
        text(
            folder / f"{split}_label.xml", head, "<!-- 车辆 --><TrainingImages><Items>", *items,
            "</Items></TrainingImages>", encoding="gb2312",
        )  # fmt: skip
        text(folder / f"name_{split}.txt", *files)
        for file in files:
            picture(folder / f"image_{split}" / file, size=(64, 64))
    text(folder / "name_query.txt", test[0])
    picture(folder / "image_query" / test[0], size=(64, 64))


def write_vehicle_id(folder: Path, vehicles: int = 30) -> None:
    train = [(2 * vehicle + view, vehicle) for vehicle in range(vehicles) for view in (0, 1)]
    test = [(1000 + n, 500 + n // 3) for n in range(6)]
    for file, pairs in (("train_list", train), ("test_list_2400", test)):
        text(folder / f"train_test_split/{file}.txt", *(f"{number:07d} {vehicle}" for number, vehicle in pairs))
    text(folder / "attribute/img2vid.txt", *(f"{number:07d} {vehicle}" for number, vehicle in train + test))
    text(folder / "attribute/model_attr.txt", "0 1", "1 0")
    text(folder / "attribute/model_names.txt", "大众朗逸 0", "奥迪A6L 2012 1", encoding="gb18030")
    for number, _ in train + test:
        picture(folder / f"image/{number:07d}.jpg", size=(64, 64))


def write_veri_wild(folder: Path, vehicles: int = 30) -> None:
    train = [f"{vehicle:05d}/{2 * vehicle + view:06d}" for vehicle in range(1, vehicles + 1) for view in (0, 1)]
    test = ["40000/900000", "40000/900001", "40001/900002"]
    info = [
        f"{name};{n % 2 + 7};2018-03-16 12:00:00;Volkswagen Lavida;{kind};white"
        for n, (name, kind) in enumerate(zip(train + test, ["sedan", " small-sized truck", "others"] * 21, strict=True))
    ]
    lists = folder / "train_test_split"
    text(lists / "vehicle_info.txt", "id/image;Camera ID;Time;Model;Type;Color", *info)
    text(lists / "train_list.txt", *train)
    text(lists / "test_10000_query.txt", test[0])
    text(lists / "test_10000.txt", *test[1:])
    for name in train + test:
        picture(folder / f"images/{name}.jpg", size=(64, 64))


def write_compcars(folder: Path, count: int = 30) -> None:
    train = [f"{n % 2 + 1}/{n % 2 + 1}/2012/{n:04d}.jpg" for n in range(count)]
    test = ["1/1/2011/test.jpg"]
    (folder / "misc").mkdir(parents=True)
    names = {
        "make_names": np.array([["BWM"], ["Audi"]], object),
        "model_names": np.array([["BWM X5"], ["Audi A4L"]], object),
    }
    savemat(folder / "misc/make_model_name.mat", names)
    text(folder / "misc/attributes.txt", "model_id maximum_speed displacement door_number seat_number type",
         "1 235 3.0 5 5 2", "2 0 0 0 0 0")  # fmt: skip
    for file, paths in (("train", train), ("test", test)):
        text(folder / f"train_test_split/classification/{file}.txt", *paths)
        for path in paths:
            picture(folder / "image" / path, (50, 20, 150, 90))
            text((folder / "label" / path).with_suffix(".txt"), "4", "1", "51 21 150 90")


STANFORD_NAMES = ["AM General Hummer SUV 2000", "Ram C/V Cargo Van Minivan 2012"]


def write_stanford(folder: Path, count: int = 20, devkit: bool = False) -> None:
    annotations = [
        {"bbox_x1": 51, "bbox_y1": 21, "bbox_x2": 150, "bbox_y2": 90, "class": n % 2 + 1, "test": int(n == 0)}
        for n in range(count)
    ]
    names = np.array(STANFORD_NAMES, object)
    if devkit:
        (folder / "devkit").mkdir(parents=True)
        savemat(folder / "devkit/cars_meta.mat", {"class_names": names})
        parts = {"cars_train": annotations[1:], "cars_test": annotations[:1]}
        marks = {"cars_train": "devkit/cars_train_annos.mat", "cars_test": "cars_test_annos_withlabels.mat"}
        for part, labels in parts.items():
            listed = [{**label, "fname": f"{n:05d}.jpg"} for n, label in enumerate(labels, start=1)]
            savemat(folder / marks[part], {"annotations": np.array(listed)})
            for label in listed:
                picture(folder / part / str(label["fname"]), (50, 20, 150, 90))
    else:
        listed = [{**label, "relative_im_path": f"car_ims/{n:06d}.jpg"} for n, label in enumerate(annotations)]
        folder.mkdir(parents=True, exist_ok=True)
        savemat(folder / "cars_annos.mat", {"annotations": np.array(listed), "class_names": names})
        for label in listed:
            picture(folder / str(label["relative_im_path"]), (50, 20, 150, 90))


def ccpd_name(plate: str = PLATE, number: int = 25) -> str:
    return f"{number:03d}-95_113-{BOX}-{CORNERS}-{plate}-37-15.jpg"


def write_ccpd(folder: Path, count: int = 4) -> None:
    """`count` photos to train on, one to validate on, two to test on, and of the green plates one each."""
    parts = {
        "train": [f"ccpd_base/{ccpd_name(number=n)}" for n in range(count)],
        "val": [f"ccpd_base/{ccpd_name(number=100)}"],
        "test": [f"ccpd_blur/{ccpd_name(number=n)}" for n in (200, 201)],
    }
    for part, paths in parts.items():
        text(folder / f"splits/{part}.txt", *paths)
        for path in [*paths, f"ccpd_green/{part}/{ccpd_name(GREEN_PLATE)}"]:
            picture(folder / path, (60, 40, 120, 60))
