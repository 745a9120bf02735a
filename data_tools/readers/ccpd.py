"""CCPD 2019 and 2020 (Xu et al., ECCV 2018): parked cars with one Chinese plate each, labelled by their names.

A name has seven fields joined by `-`: area, tilt, box, corners, characters, brightness, blur.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from data_tools.readers.labels import PassedOver, existing, fractions, lines_of, size_of
from data_tools.readers.picture import LabelledBox, Picture

NAME = "CCPD"
_FILE = re.compile(r"\d+-[^-]+-(\d+)&(\d+)_(\d+)&(\d+)-[^-]+-(\d+(?:_\d+){6,7})-\d+-\d+\.jpg")
# Numbers of the characters after the province sign; what comes after the last is `O`, which stands for none.
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_CHARACTERS = _LETTERS + "0123456789"
_LISTS = {"train": "train", "validation": "val", "evaluation": "test"}


def read(folder: Path, split: str) -> Iterator[Picture | PassedOver]:
    """The published parts. Without a list of its own, the test is the lists of the hard subsets (`ccpd_blur`, ...).

    `folder` holds `ccpd_base` and its siblings with the lists in `splits` (or `split`), or `ccpd_green`, or both.

    Raises:
        FileNotFoundError: the lists are missing.
    """
    for path in [*_listed(folder, split), *_green(folder, split)]:
        yield _picture(folder, path, split)


def text_of(numbers: str) -> str:
    """The characters after the province sign, by their numbers joined by `_`. Raises ValueError on a wrong number."""
    _, letter, *others = (int(number) for number in numbers.split("_"))
    tables = [(letter, _LETTERS), *((number, _CHARACTERS) for number in others)]
    if any(number > len(table) for number, table in tables):
        raise ValueError(f"{numbers} is no plate")
    return "".join(table[number : number + 1] for number, table in tables)


def _listed(folder: Path, split: str) -> list[str]:
    if not (folder / "ccpd_base").exists():
        return []
    lists = folder / "splits"
    lists = lists if lists.exists() else existing(folder / "split", NAME)
    path = lists / f"{_LISTS[split]}.txt"
    hard = sorted(lists.glob("ccpd_*.txt")) if split == "evaluation" and not path.exists() else []
    return [line for file in hard or [path] for line in lines_of(file, NAME)]


def _green(folder: Path, split: str) -> list[str]:
    pictures = sorted((folder / "ccpd_green" / _LISTS[split]).glob("*.jpg"))
    return [str(path.relative_to(folder)) for path in pictures]


def _picture(folder: Path, path: str, split: str) -> Picture | PassedOver:
    named = _FILE.fullmatch(path.split("/")[-1])
    if named is None:
        return PassedOver(path, "its name says no box and characters")
    x1, y1, x2, y2 = (float(side) for side in named.groups()[:4])
    try:
        text = text_of(named[5])
        box = fractions((x1, y1, x2, y2), size_of(folder / path), first=0)
    except FileNotFoundError:
        return PassedOver(path, "it is not there")
    except (ValueError, OSError) as error:
        return PassedOver(path, f"it cannot be read ({error})")
    return Picture(
        folder / path,
        path,
        "ccpd",
        split,
        boxes=(LabelledBox(box, "plate", text),),
        labelled_kinds=frozenset({"plate"}),
        plate_text=text,
    )
