"""Which data set a folder holds, told by its publisher's own files, and the pictures of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from data_tools.readers import ccpd, compcars, parquet, stanford_cars, vehicle_id, veri, veri_wild
from data_tools.readers.labels import PassedOver
from data_tools.readers.picture import Picture

_log = logging.getLogger(__name__)
_NAMED = 3
# Of these a picture shows one vehicle or plate and nothing else.
_CLOSE_UPS = ("cars196", "plate_crops")


@dataclass(frozen=True)
class Layout:
    """One published data set.

    A folder holds it when one of `marks` (glob patterns) is there. `serves` names the parquet files of ours that it can
    stand in for. `read(folder, split)` gives what the publisher lists.
    """

    name: str
    marks: tuple[str, ...]
    serves: tuple[str, ...]
    read: Callable[[Path, str], Iterator[Picture | PassedOver]]


LAYOUTS = (
    Layout(veri.NAME, ("train_label.xml", "name_train.txt"), ("reid",), veri.read),
    Layout(vehicle_id.NAME, ("attribute/img2vid.txt", "train_test_split/test_list_*.txt"), ("reid",), vehicle_id.read),
    Layout(
        veri_wild.NAME, ("train_test_split/vehicle_info.txt", "train_test_split/test_*_query.txt"), ("reid",),
        veri_wild.read,
    ),
    Layout(compcars.NAME, ("misc/make_model_name.mat", "train_test_split/classification"), ("cars196",), compcars.read),
    Layout(stanford_cars.NAME, ("cars_annos.mat", "devkit/cars_*.mat"), ("cars196",), stanford_cars.read),
    Layout(ccpd.NAME, ("ccpd_base", "ccpd_green"), ("plate_photos", "plate_crops"), ccpd.read),
)  # fmt: skip


def layout_of(folder: Path) -> Layout | None:
    """The published data set in `folder`; None when it holds our parquet files.

    Raises:
        FileNotFoundError: it holds neither.
    """
    if any((folder / f"{name}.parquet").exists() for name in parquet.FILES):
        return None
    for layout in LAYOUTS:
        if any(any(folder.glob(mark)) for mark in layout.marks):
            return layout
    marks = "; ".join(f"{layout.name}: {' or '.join(layout.marks)}" for layout in LAYOUTS)
    ours = ", ".join(f"{name}.parquet" for name in parquet.FILES)
    raise FileNotFoundError(f"{folder} holds no data set that we read. Looked for our {ours}; {marks}.")


def read(folder: Path, name: str, split: str) -> Iterator[Picture]:
    """Yield the pictures of one split (`train`, `validation` or `evaluation`) for one purpose.

    `name` is one of our parquet files; a published data set gives what it has of that kind, or nothing. What is listed
    and cannot be used is passed over, and counted in the log at the end.

    Raises:
        FileNotFoundError: the folder holds no data set that we read, or one without a label file that it needs.
    """
    layout = layout_of(folder)
    if layout is None:
        yield from (picture for picture in parquet.read(folder, name) if picture.split == split)
    elif name in layout.serves:
        pictures = _counted(layout, folder, split)
        yield from (picture.close_up() for picture in pictures) if name in _CLOSE_UPS else pictures


def _counted(layout: Layout, folder: Path, split: str) -> Iterator[Picture]:
    passed_over: list[PassedOver] = []
    for found in layout.read(folder, split):
        if isinstance(found, PassedOver):
            passed_over.append(found)
        else:
            yield found
    if passed_over:
        some = "; ".join(f"{one.path}: {one.why}" for one in islice(passed_over, _NAMED))
        _log.warning("%s in %s, %s: %d passed over (%s)", layout.name, folder, split, len(passed_over), some)
