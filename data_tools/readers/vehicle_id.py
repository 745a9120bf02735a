"""VehicleID (Liu et al., CVPR 2016): vehicles seen from the front or from behind, with identity and model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from data_tools.readers.labels import PassedOver, lines_of, part_of_training
from data_tools.readers.picture import Picture

NAME = "VehicleID"
# The largest of the three published tests; it holds the others' vehicles too.
_TEST = "test_list_2400.txt"


def read(folder: Path, split: str) -> Iterator[Picture | PassedOver]:
    """`evaluation` is the published test of 2,400 vehicles. Cameras are not told apart here.

    Raises:
        FileNotFoundError: a list or an attribute file is missing.
        ValueError: a line of one has another form than the publisher's.
    """
    names = _names(folder / "attribute/model_names.txt")
    models = _pairs(folder / "attribute/model_attr.txt")
    listed = _pairs(folder / "train_test_split" / (_TEST if split == "evaluation" else "train_list.txt"))
    for number, vehicle in listed.items():
        if split != "evaluation" and part_of_training(vehicle) != split:
            continue
        path = f"image/{number}.jpg"
        if not (folder / path).exists():
            yield PassedOver(path, "it is not there")
            continue
        model = names.get(models.get(vehicle, ""))
        yield Picture(folder / path, path, "vehicle_id", split, model=model, vehicle_id=vehicle)


def _names(path: Path) -> dict[str, str]:
    """A model's name, mostly Chinese, by its number, which ends the line."""
    split = [line.rsplit(maxsplit=1) for line in lines_of(path, NAME)]
    if not all(len(words) == 2 and words[1].isdigit() for words in split):
        raise ValueError(f"{path} should have a name and a number a line.")
    return {number: name for name, number in split}


def _pairs(path: Path) -> dict[str, str]:
    pairs = dict[str, str]()
    for line in lines_of(path, NAME):
        words = line.split()
        if len(words) != 2 or not all(word.isdigit() for word in words):
            raise ValueError(f"{path} should have two numbers a line, not: {line}")
        pairs[words[0]] = words[1]
    return pairs
