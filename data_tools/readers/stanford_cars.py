"""Stanford Cars (Krause et al., 3dRR 2013): 196 names of make, model and year, and the car's box.

It comes in two layouts: `cars_annos.mat` with `car_ims`, or `devkit` with `cars_train` and `cars_test`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data_tools.readers.labels import PassedOver, existing, fractions, part_of_training, size_of
from data_tools.readers.picture import LabelledBox, Picture
from vehicle_demo.recognition.names import make_of, type_of

NAME = "Stanford Cars"


def read(folder: Path, split: str) -> Iterator[Picture | PassedOver]:
    """`evaluation` is the published test part; in the `devkit` layout its labels are `cars_test_annos_withlabels.mat`.

    Raises:
        FileNotFoundError: a label file is missing.
    """
    whole = folder / "cars_annos.mat"
    names, listed = _whole(whole, split) if whole.exists() else _devkit(folder, split)
    for path, label in listed:
        if split != "evaluation" and part_of_training(path) != split:
            continue
        try:
            corners = tuple(float(label[f"bbox_{side}"]) for side in ("x1", "y1", "x2", "y2"))
            box = fractions(corners, size_of(folder / path), first=1)  # type: ignore[arg-type]
        except FileNotFoundError:
            yield PassedOver(path, "it is not there")
        except (ValueError, OSError) as error:
            yield PassedOver(path, f"it cannot be read ({error})")
        else:
            name = names[int(label["class"]) - 1]
            yield Picture(
                folder / path,
                path,
                "stanford_cars",
                split,
                boxes=(LabelledBox(box, "vehicle"),),
                type=type_of(name),
                make=make_of(name),
                model=name,
            )


def _whole(path: Path, split: str) -> tuple[list[str], list[tuple[str, dict[str, Any]]]]:
    content = _loaded(path)
    test = split == "evaluation"
    labels = [label for label in content["annotations"] if bool(label["test"]) == test]
    return content["class_names"], [(label["relative_im_path"], label) for label in labels]


def _devkit(folder: Path, split: str) -> tuple[list[str], list[tuple[str, dict[str, Any]]]]:
    names = _loaded(folder / "devkit/cars_meta.mat")["class_names"]
    if split == "evaluation":
        pictures, path = "cars_test", folder / "cars_test_annos_withlabels.mat"
        path = path if path.exists() else folder / "devkit" / path.name
    else:
        pictures, path = "cars_train", folder / "devkit/cars_train_annos.mat"
    return names, [(f"{pictures}/{label['fname']}", label) for label in _loaded(path)["annotations"]]


def _loaded(path: Path) -> dict[str, list[Any]]:
    from numpy import atleast_1d
    from scipy.io import loadmat

    content = loadmat(existing(path, NAME), simplify_cells=True)
    return {key: list(atleast_1d(value)) for key, value in content.items() if not key.startswith("__")}
