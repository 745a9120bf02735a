"""A checkpoint: which graph to run, what its outputs are called, and where its thresholds lie."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

FORMAT = 1
DESCRIPTION_FILE = "checkpoint.json"
_HUB_ID = re.compile(r"^[\w.-]+/[\w.-]+(:[\w./-]+\.onnx)?$")
_T = TypeVar("_T")


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; its message says what is wrong and what to do."""


@dataclass(frozen=True)
class Labels:
    """Names of the outputs in the graph's order; an empty tuple means that they are not known."""

    categories: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    models: tuple[str, ...] = ()

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
                    f"The checkpoint names {len(names)} {kind}, its graph has {count}. Label names and graph do not belong together."
                )
            singular = "category" if kind == "categories" else kind[:-1]
            values[kind] = names or tuple(f"{singular} {index}" for index in range(count))
        return replace(self, **values)


@dataclass(frozen=True)
class Thresholds:
    """Scores in [0, 1]. Below `detection` a vehicle is hidden at first, below `detection_floor` it is dropped.

    `type`, `make` and `model`: below them a label reads "unsure". `plate_box` and `plate`: a plate's box is there, its
    text is sure.
    """

    detection: float = 0.4
    detection_floor: float = 0.2
    type: float = 0.5
    make: float = 0.5
    model: float = 0.5
    plate_box: float = 0.3
    plate: float = 0.5


@dataclass(frozen=True)
class Temperatures:
    """Logits are divided by these before the softmax (Guo et al., arXiv 1706.04599)."""

    type: float = 1.0
    make: float = 1.0
    model: float = 1.0


@dataclass(frozen=True)
class Checkpoint:
    """What `checkpoint.json` says. Margins are fractions of a box's side, added on each side before cropping.

    `whole_picture_coverage`: a single vehicle whose box covers this share of the picture is described in the first pass.
    """

    name: str
    folder: Path
    version: str = ""
    heads_version: str = "built-in"
    graphs: Mapping[str, str] = field(default_factory=dict)
    labels: Labels = Labels()
    thresholds: Thresholds = Thresholds()
    temperatures: Temperatures = Temperatures()
    crop_margin: float = 0.05
    plate_margin: float = 0.05
    max_vehicles: int = 32
    whole_picture_coverage: float = 0.8

    def graph_path(self, precision: str) -> Path:
        """The ONNX file of a precision (`fp32`, `int8`).

        Raises:
            CheckpointError: the checkpoint has none of that precision, or its file is missing.
        """
        if precision not in self.graphs:
            offered = ", ".join(self.graphs) or "none"
            raise CheckpointError(f"Checkpoint {self.name} has no {precision} graph; it has: {offered}.")
        path = self.folder / self.graphs[precision]
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
        return _read_labels(json.loads(metadata["labels"]))
    except ValueError as error:
        raise CheckpointError("The label names inside the graph are not valid JSON. Export the graph again.") from error


def _bare_graph(path: Path) -> Checkpoint:
    return Checkpoint(name=path.stem, folder=path.parent, graphs={_precision_of(path): path.name})


def _precision_of(path: Path) -> str:
    return "int8" if "int8" in path.stem else "fp32"


def _described(folder: Path, name: str) -> Checkpoint:
    description = folder / DESCRIPTION_FILE
    if not description.exists():
        graphs = {_precision_of(path): path.name for path in sorted(folder.glob("*.onnx"))}
        if not graphs:
            raise CheckpointError(f"{folder} has neither {DESCRIPTION_FILE} nor an .onnx file.")
        return Checkpoint(name=name, folder=folder, graphs=graphs)
    try:
        values = json.loads(description.read_text())
    except ValueError as error:
        raise CheckpointError(f"{description} is not valid JSON: {error}.") from error
    if values.pop("format", None) != FORMAT:
        raise CheckpointError(f"{description} has another format than {FORMAT}. Update the app or export again.")
    values["labels"] = _read_labels(values.get("labels", {}))
    values["thresholds"] = _build(Thresholds, values.get("thresholds", {}), description)
    values["temperatures"] = _build(Temperatures, values.get("temperatures", {}), description)
    return _build(Checkpoint, {"name": name, **values, "folder": folder}, description)


def _read_labels(values: Mapping[str, Any]) -> Labels:
    return _build(Labels, {kind: tuple(names) for kind, names in values.items()}, "labels")


def _build(kind: type[_T], values: Mapping[str, Any], where: object) -> _T:
    unknown = sorted(set(values) - {f.name for f in fields(kind)})  # type: ignore[arg-type]
    if unknown:
        raise CheckpointError(f"{where}: unknown settings {', '.join(unknown)}. Correct their names or take them out.")
    return kind(**values)


def _from_hub(text: str) -> Checkpoint:
    # Costs half a second; most starts read a local folder.
    from huggingface_hub import hf_hub_download, snapshot_download

    repository, _, file = text.partition(":")
    try:
        if file:
            return replace(_bare_graph(Path(hf_hub_download(repository, file))), name=repository)
        folder = snapshot_download(repository, allow_patterns=["*.onnx", DESCRIPTION_FILE, "README.md"])
    # Hub failures come as HTTP errors, validation errors, OSError or ValueError, by version of the client.
    except Exception as error:
        raise CheckpointError(
            f"Checkpoint {text} is neither a local folder nor could it be fetched from the Hub: {error}"
        ) from error
    return _described(Path(folder), repository)
