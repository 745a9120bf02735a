"""VERI-Wild (Lou et al., CVPR 2019): vehicles from 174 cameras, with identity, camera, type and model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from data_tools.readers.labels import PassedOver, lines_of, part_of_training
from data_tools.readers.picture import Picture

NAME = "VERI-Wild"
# The publisher's words that have one among ours.
_TYPES = {
    "sedan": "sedan",
    "suv": "suv",
    "minivan": "minivan",
    "business purpose vehicle/mpv": "minivan",
    "light passenger vehicle": "van",
    "pickup truck": "pickup",
    "large-sized bus": "bus",
    "small-sized truck": "truck",
    "hgv/large truck": "truck",
    "bulk lorry/fence truck": "truck",
    "tank car/tanker": "truck",
}


def read(folder: Path, split: str) -> Iterator[Picture | PassedOver]:
    """`evaluation` is the published test of 10,000 vehicles, the largest: its query list asks, its other list is asked.

    Raises:
        FileNotFoundError: a list is missing.
    """
    lists = folder / "train_test_split"
    known = dict[str, tuple[str, ...]]()
    for line in lines_of(lists / "vehicle_info.txt", NAME):
        name, *fields = (field.strip() for field in line.split(";"))
        if len(fields) >= 4:  # camera, time, model, type and, last, colour
            known[name] = tuple(fields)
    if split == "evaluation":
        for file, asks in (("test_10000_query.txt", True), ("test_10000.txt", False)):
            for line in lines_of(lists / file, NAME):
                yield _picture(folder, line, split, known, asks)
    else:
        for line in lines_of(lists / "train_list.txt", NAME):
            if part_of_training(line.split("/")[0]) == split:
                yield _picture(folder, line, split, known, asks=None)


def _picture(
    folder: Path, listed: str, split: str, known: dict[str, tuple[str, ...]], asks: bool | None
) -> Picture | PassedOver:
    name = listed.removesuffix(".jpg")
    path = f"images/{name}.jpg"
    if name not in known:
        return PassedOver(path, "vehicle_info.txt does not know it")
    if not (folder / path).exists():
        return PassedOver(path, "it is not there")
    camera, _, model, kind, *_ = known[name]
    vehicle = name.split("/")[0]
    return Picture(
        folder / path,
        path,
        "veri_wild",
        split,
        type=_TYPES.get(kind.lower()),
        model=model or None,
        vehicle_id=vehicle,
        camera_id=camera,
        asks=asks,
    )
