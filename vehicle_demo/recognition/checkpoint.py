"""A checkpoint: which graph to run, what its outputs are called, and where its thresholds lie."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

FORMAT = 1
DESCRIPTION_FILE = "checkpoint.json"
_HUB_ID = re.compile(r"^[\w.-]+/[\w.-]+(:[\w./-]+\.onnx)?$")
_T = TypeVar("_T")


# What a field of each type may hold in checkpoint.json, and how to say so.
_ALLOWED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "str": (lambda value: isinstance(value, str), "text"),
    "int": (lambda value: type(value) is int and value > 0, "a whole number above 0"),
    "float": (lambda value: type(value) in (int, float) and 0 <= value < float("inf"), "a number, 0 or more"),
    "tuple[str, ...]": (
        lambda value: isinstance(value, list) and all(isinstance(name, str) for name in value),
        "a list of names",
    ),
    "Mapping[str, str]": (
        lambda value: isinstance(value, dict) and all(isinstance(name, str) for name in value.values()),
        "an object of names",
    ),
}


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; its message says what is wrong and what to do."""


@dataclass(frozen=True)
class Labels:
    """Names of the outputs in the graph's order; an empty tuple means that they are not known.

    `drawn` are those makes and models that exist in the drawn fleet alone: no real vehicle has one.
    """

    categories: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    drawn: tuple[str, ...] = ()

    def completed(self, counts: Mapping[str, int]) -> Labels:
        """The same for a graph with these output counts; unknown names read `make 17`.

        Raises:
            CheckpointError: there are names, but not as many as the graph has outputs.
        """
        values = {}
        for kind, count in counts.items():
            names = getattr(self, kind)
            if names and len(names) != count:
                raise CheckpointError(
                    f"The checkpoint names {len(names)} {kind}, its graph has {count}. "
                    "Label names and graph do not belong together."
                )
            singular = "category" if kind == "categories" else kind[:-1]
            values[kind] = names or tuple(f"{singular} {index}" for index in range(count))
        return replace(self, **values)


@dataclass(frozen=True)
class Thresholds:
    """Scores in [0, 1]. Below `detection` a vehicle is hidden at first, below `detection_floor` it is dropped.

    `type`, `make` and `model`: below them a label reads "unsure". `plate_box` and `plate`: a plate's box is there, its
    text is sure. `match`: cosine from which two pictures are said to show one vehicle.
    """

    detection: float = 0.4
    detection_floor: float = 0.2
    type: float = 0.5
    make: float = 0.5
    model: float = 0.5
    plate_box: float = 0.3
    plate: float = 0.5
    match: float = 0.6


@dataclass(frozen=True)
class Temperatures:
    """Logits are divided by these before the softmax (Guo et al., arXiv 1706.04599)."""

    type: float = 1.0
    make: float = 1.0
    model: float = 1.0

    def __post_init__(self) -> None:
        if min(self.type, self.make, self.model) <= 0:
            raise CheckpointError("Temperatures must be above 0; 1 changes nothing.")


@dataclass(frozen=True)
class Checkpoint:
    """What `checkpoint.json` says. Margins are fractions of a box's side, added on each side before cropping.

    `whole_picture_coverage`: a single vehicle whose box covers this share of the picture is described in the first
    pass. `same_object`: intersection over union from which the lesser of two boxes is dropped as the same vehicle.
    `reader`: the plate reader's file; without one the graph reads plates itself. `corners`: the corner finder's file;
    without one a plate is read as the graph's box has it.
    """

    name: str
    folder: Path
    version: str = ""
    heads_version: str = "built-in"
    graphs: Mapping[str, str] = field(default_factory=lambda: {"fp32": "model.onnx"})
    labels: Labels = Labels()
    thresholds: Thresholds = Thresholds()
    temperatures: Temperatures = Temperatures()
    crop_margin: float = 0.05
    plate_margin: float = 0.05
    max_vehicles: int = 32
    whole_picture_coverage: float = 0.8
    same_object: float = 0.75
    reader: str = ""
    corners: str = ""

    @property
    def title(self) -> str:
        """Name and version, as everything that the checkpoint answered keeps them."""
        return f"{self.name} {self.version}".strip()

    def graph_path(self, precision: str) -> Path:
        """The ONNX file of a precision (`fp32`, `int8`).

        Raises:
            CheckpointError: the checkpoint has none of that precision, or its file is missing.
        """
        if precision not in self.graphs:
            offered = ", ".join(self.graphs) or "none"
            raise CheckpointError(f"Checkpoint {self.name} has no {precision} graph; it has: {offered}.")
        return self._own_file(self.graphs[precision])

    @property
    def reader_path(self) -> Path | None:
        """The plate reader's ONNX file, where there is one. Raises CheckpointError when it is missing."""
        return self._own_file(self.reader) if self.reader else None

    @property
    def corners_path(self) -> Path | None:
        """The corner finder's ONNX file, where there is one. Raises CheckpointError when it is missing."""
        return self._own_file(self.corners) if self.corners else None

    def _own_file(self, name: str) -> Path:
        # A description may come from a stranger's repository: it names files of its own folder, nothing else.
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise CheckpointError(f"Checkpoint {self.name} names a graph outside its own folder. Put it inside.")
        path = self.folder / name
        if not path.exists():
            raise CheckpointError(f"The graph {path} is missing. Fetch the checkpoint again.")
        return path

    @property
    def model_card(self) -> Path | None:
        """The checkpoint's README.md, where it has one."""
        path = self.folder / "README.md"
        return path if path.exists() else None


def load_checkpoint(source: str | Path) -> Checkpoint:
    """Describe a checkpoint without loading its graph.

    Args:
        source: a folder with `checkpoint.json`, an `.onnx` file, or a Hub model: `owner/name`, or
            `owner/name:file.onnx` for one graph of it.

    Raises:
        CheckpointError: there is no such checkpoint, it cannot be fetched, or its description is not understood.
    """
    path = Path(source)
    if path.is_file() and path.suffix == ".onnx":
        return _bare_graph(path)
    if path.is_dir():
        return _described(path, path.name)
    text = str(source)
    if _HUB_ID.match(text) and path.suffix != ".json":
        return _from_hub(text)
    raise CheckpointError(f"There is no checkpoint {text}: name a folder, an .onnx file, or a Hub model as owner/name.")


def labels_from_metadata(metadata: Mapping[str, str]) -> Labels:
    """Label names kept inside a graph, as JSON under `labels`; none when there are none."""
    if "labels" not in metadata:
        return Labels()
    try:
        values = json.loads(metadata["labels"])
    except ValueError as error:
        raise CheckpointError("The label names inside the graph are not valid JSON. Export the graph again.") from error
    return _build(Labels, values, "labels inside the graph")


def _bare_graph(path: Path) -> Checkpoint:
    return Checkpoint(name=path.stem, folder=path.parent, graphs={_precision_of(path): path.name})


def _precision_of(path: Path) -> str:
    return "int8" if "int8" in path.stem else "fp32"


def _described(folder: Path, name: str) -> Checkpoint:
    description = folder / DESCRIPTION_FILE
    if not description.exists():
        files = sorted(folder.glob("*.onnx"))
        graphs = {_precision_of(path): path.name for path in files}
        if not graphs:
            raise CheckpointError(f"{folder} has neither {DESCRIPTION_FILE} nor an .onnx file.")
        if len(graphs) < len(files):
            names = ", ".join(path.name for path in files)
            raise CheckpointError(f"{name} holds several graphs of one precision ({names}). Name one of the files.")
        return Checkpoint(name=name, folder=folder, graphs=graphs)
    try:
        values = json.loads(description.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{description} is not valid JSON: {error}.") from error
    if not isinstance(values, dict) or values.pop("format", None) != FORMAT:
        raise CheckpointError(f"{description} has another format than {FORMAT}. Update the app or export again.")
    for part, kind in (("labels", Labels), ("thresholds", Thresholds), ("temperatures", Temperatures)):
        values[part] = _build(kind, values.get(part, {}), f"{description}, {part}")
    return _build(Checkpoint, {"name": name, **values}, description, folder=folder)


def _build(kind: type[_T], values: Any, where: object, **given: Any) -> _T:
    """`kind` from the values of a JSON object and from those `given` by us, which the object must not name."""
    if not isinstance(values, dict):
        raise CheckpointError(f"{where} must be an object of settings, not {values!r}.")
    types = {f.name: str(f.type) for f in fields(kind) if f.name not in given}  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(types))
    if unknown:
        raise CheckpointError(f"{where}: unknown settings {', '.join(unknown)}. Correct their names or take them out.")
    for name, value in values.items():
        allowed, words = _ALLOWED.get(types[name], (lambda _: True, ""))
        if not allowed(value):
            raise CheckpointError(f"{where}: {name} must be {words}, not {value!r}.")
    return kind(**given, **{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def _from_hub(text: str) -> Checkpoint:
    # Costs half a second; most starts read a local folder.
    from huggingface_hub import hf_hub_download, snapshot_download

    repository, _, file = text.partition(":")
    try:
        if file:
            return replace(_bare_graph(Path(hf_hub_download(repository, file))), name=repository)
        folder = snapshot_download(repository, allow_patterns=["*.onnx*", DESCRIPTION_FILE, "README.md"])
    # Hub failures come as HTTP errors, validation errors, OSError or ValueError, by version of the client.
    except Exception as error:
        raise CheckpointError(
            f"Checkpoint {text} is neither a local folder nor could it be fetched from the Hub: {error}"
        ) from error
    return _described(Path(folder), repository)
