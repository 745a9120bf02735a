"""The names that training teaches, and what the labels of pictures are among them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from data_tools.readers.picture import Picture
from vehicle_demo.recognition.plates import plate_slots as plate_slots

_CATEGORIES = ("car", "suv", "truck", "bus", "van", "motorcycle")
# What a body type is among the detection categories.
CATEGORY_OF_TYPE = {"suv": "suv", "van": "van", "minivan": "van", "pickup": "truck"} | {
    name: name for name in ("bus", "truck", "motorcycle")
}


@dataclass(frozen=True)
class Labels:
    """Names in the order of the network's outputs; `drawn` are those makes and models that exist in the fleet alone."""

    categories: tuple[str, ...]
    types: tuple[str, ...]
    makes: tuple[str, ...]
    models: tuple[str, ...]
    colours: tuple[str, ...] = ()
    drawn: tuple[str, ...] = ()


def labels_of(vehicles: Sequence[Picture], drawn: Sequence[Picture] = ()) -> Labels:
    """The names that real pictures teach, sorted, after them those of the drawn fleet, and what detection adds.

    Body types are those of real pictures alone. A network that knows no drawn names yet has the first of these outputs.

    Raises:
        ValueError: the real pictures teach no make or no model, or the fleet has a name of theirs.
    """
    types = {p.type for p in vehicles if p.type} | {"bus", "truck", "motorcycle"}
    makes, models = _names(vehicles, "make"), _names(vehicles, "model")
    if not makes or not models:
        raise ValueError(
            "The data name no makes and models: add a data set that does (cars196.parquet, CompCars or Stanford Cars)."
        )
    drawn_makes, drawn_models = _names(drawn, "make"), _names(drawn, "model")
    if both := set(makes + models) & set(drawn_makes + drawn_models):
        raise ValueError(f"The drawn fleet has names of real vehicles: {', '.join(sorted(both))}.")
    return Labels(
        categories=_CATEGORIES,
        types=tuple(sorted(types)),
        makes=makes + drawn_makes,
        models=models + drawn_models,
        colours=_names([*vehicles, *drawn], "colour"),
        drawn=drawn_makes + drawn_models,
    )


def implied_by_models(labels: Labels, pictures: Iterable[Picture], task: str) -> list[int]:
    """The number of the type (or make) that each model's pictures have, -1 where they have none or several."""
    seen: dict[str, set[int]] = {}
    for picture in pictures:
        if picture.model:
            number = number_of(getattr(labels, f"{task}s"), getattr(picture, task))
            seen.setdefault(picture.model, set()).add(number)
    return [seen[name].pop() if len(seen.get(name, ())) == 1 else -1 for name in labels.models]


def number_of(names: tuple[str, ...], name: str | None) -> int:
    """The place of a name among the outputs; -1 for none, or one that is not taught."""
    return names.index(name) if name in names else -1


def _names(pictures: Sequence[Picture], task: str) -> tuple[str, ...]:
    return tuple(sorted({name for picture in pictures if (name := getattr(picture, task))}))
