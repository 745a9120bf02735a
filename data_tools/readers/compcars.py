"""CompCars (Yang et al., CVPR 2015), the pictures from the web: make, model, type and the car's box."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from data_tools.readers.labels import PassedOver, existing, fractions, lines_of, part_of_training, size_of
from data_tools.readers.picture import LabelledBox, Picture

NAME = "CompCars"
# By the publisher's numbers; 6 is the fastback, which is none of ours, and 0 means unknown.
_TYPES = {
    "1": "minivan", "2": "suv", "3": "sedan", "4": "hatchback", "5": "van", "7": "wagon", "8": "pickup",
    "9": "convertible", "10": "coupe", "11": "suv", "12": "convertible",
}  # fmt: skip
# Makes that we write otherwise.
_MAKES = {"BWM": "BMW", "Benz": "Mercedes-Benz"}


def read(folder: Path, split: str) -> Iterator[Picture | PassedOver]:
    """`evaluation` is the published test of classification. `folder` holds `image`, `label`, `misc` and the lists.

    Raises:
        FileNotFoundError: a label file of the whole set is missing.
    """
    from scipy.io import loadmat

    names = loadmat(existing(folder / "misc/make_model_name.mat", NAME), simplify_cells=True)
    makes, models = (["", *(str(name).strip() for name in names[key])] for key in ("make_names", "model_names"))
    rows = [line.split() for line in lines_of(folder / "misc/attributes.txt", NAME)[1:]]
    types = {row[0]: _TYPES.get(row[-1]) for row in rows}
    file = "test.txt" if split == "evaluation" else "train.txt"
    for path in lines_of(folder / "train_test_split/classification" / file, NAME):
        if split != "evaluation" and part_of_training(path) != split:
            continue
        try:
            make_number, model_number, *_ = path.split("/")
            make, model = makes[int(make_number)], models[int(model_number)]
            box = _box(folder, path)
        except FileNotFoundError as error:
            yield PassedOver(f"image/{path}", f"{Path(error.filename).relative_to(folder)} is not there")
        except (ValueError, IndexError, OSError) as error:
            yield PassedOver(f"image/{path}", f"its label cannot be read ({error})")
        else:
            own = _MAKES.get(make, make)
            yield Picture(
                folder / "image" / path,
                f"image/{path}",
                "compcars",
                split,
                boxes=(LabelledBox(box, "vehicle"),),
                type=types.get(model_number),
                make=own,
                model=f"{own} {model.removeprefix(make).strip()}",
            )


def _box(folder: Path, path: str) -> tuple[float, float, float, float]:
    # Lines: the viewpoint, how many boxes (one), the box.
    lines = (folder / "label" / path).with_suffix(".txt").read_text().splitlines()
    x1, y1, x2, y2 = (float(side) for side in lines[2].split())
    return fractions((x1, y1, x2, y2), size_of(folder / "image" / path), first=1)
