"""VeRi-776 (Liu et al., ECCV 2016): vehicles cut out of the views of 20 cameras, with identity, camera and type."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from data_tools.readers.labels import PassedOver, decoded, existing, lines_of, part_of_training
from data_tools.readers.picture import Picture

NAME = "VeRi-776"
_FILE = re.compile(r"(\d+)_c(\d+)_\d+_\d+\.jpg")
# By the publisher's numbers; the number 0, which a few vehicles have, means nothing.
_TYPES = {
    "1": "sedan", "2": "suv", "3": "van", "4": "hatchback", "5": "minivan", "6": "pickup", "7": "bus", "8": "truck",
    "9": "wagon",
}  # fmt: skip


def read(folder: Path, split: str) -> Iterator[Picture | PassedOver]:
    """`evaluation` is the published test: `image_query` asks and `image_test` is asked.

    Raises:
        FileNotFoundError: a label file is missing.
        ValueError: a label file is no XML.
    """
    if split == "evaluation":
        types = _types(folder / "test_label.xml")
        for file in lines_of(folder / "name_query.txt", NAME):
            yield _picture(folder, f"image_query/{file}", split, types, asks=True)
        for file in types:
            yield _picture(folder, f"image_test/{file}", split, types, asks=False)
    else:
        types = _types(folder / "train_label.xml")
        for file in types:
            if part_of_training(file.split("_")[0]) == split:
                yield _picture(folder, f"image_train/{file}", split, types, asks=None)


def _types(path: Path) -> dict[str, str | None]:
    # The parser knows no GB 2312, which the file's first line claims.
    text = re.sub(r"^\s*<\?xml.*?\?>", "", decoded(existing(path, NAME)))
    try:
        items = ElementTree.fromstring(text).iter("Item")
    except ElementTree.ParseError as error:
        raise ValueError(f"{path} cannot be read: {error}.") from error
    return {item.get("imageName", ""): _TYPES.get(item.get("typeID", "")) for item in items}


def _picture(
    folder: Path, path: str, split: str, types: dict[str, str | None], asks: bool | None
) -> Picture | PassedOver:
    file = path.split("/")[1]
    named = _FILE.fullmatch(file)
    if named is None:
        return PassedOver(path, "its name says no vehicle and camera")
    if not (folder / path).exists():
        return PassedOver(path, "it is not there")
    vehicle, camera = named.groups()
    return Picture(
        folder / path, path, "veri", split, type=types.get(file), vehicle_id=vehicle, camera_id=camera, asks=asks
    )
