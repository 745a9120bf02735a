"""A training run's settings, read from TOML; unknown keys are refused."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from data_tools.training.data import Mixture
from data_tools.training.loop import Schedule
from vehicle_demo.models.settings import settings_from
from vehicle_demo.models.vehicledino import PRESETS

CONFIG_FOLDER = Path(__file__).parent / "configs"
_T = TypeVar("_T")


@dataclass(frozen=True)
class PhaseConfig:
    """One phase of training; without scenes in the mixture nothing learns to detect.

    Its steps take the sizes (sides in pixels) in turn: a network that saw one size alone loses much at another.
    """

    name: str
    image_sizes: tuple[int, ...]
    mixture: Mixture
    schedule: Schedule


@dataclass(frozen=True)
class TrainingConfig:
    """A whole run.

    It starts from the weights in `start`, named as git names a file (`REVISION:PATH`), or else from random weights, or
    with `pretrained_backbone` from timm's. `feature_teacher` is a file in the data folder.
    """

    preset: str
    seed: int
    phases: tuple[PhaseConfig, ...]
    start: str | None = None
    pretrained_backbone: bool = False
    feature_teacher: str | None = None


@dataclass(frozen=True)
class PlateConfig:
    """A run of the plate reader or the corner finder: `batch` plates a step, and how many to draw beside the real.

    It starts from the weights in `start`, named as git names a file (`REVISION:PATH`), or else from random weights.
    """

    seed: int
    batch: int
    drawn: int
    schedule: Schedule
    start: str | None = None


def load_config(name_or_path: str) -> TrainingConfig:
    """A shipped config by name (`nano`) or a TOML file by path.

    Raises:
        FileNotFoundError: there is no such config.
        ValueError: a key is unknown or missing, or the preset is none of ours.
    """
    values, path = read_config(name_or_path)
    if values.get("preset") not in PRESETS:
        raise ValueError(f"{path}: preset must be one of {', '.join(PRESETS)}.")
    values["phases"] = tuple(_phase(phase) for phase in values.get("phases", []))
    return build(TrainingConfig, values)


def load_plate_config(name_or_path: str) -> PlateConfig:
    """The same for the plate reader (`reader`) and the corner finder (`corners`); raises as `load_config` does."""
    values, _ = read_config(name_or_path)
    return build(PlateConfig, {**values, "schedule": build(Schedule, values.get("schedule", {}))})


def read_config(name_or_path: str, folder: Path = CONFIG_FOLDER) -> tuple[dict[str, Any], Path]:
    """A config's values and its file: a shipped one by name, or a TOML file by path. Raises FileNotFoundError."""
    path = Path(name_or_path)
    if not path.suffix:
        path = folder / f"{name_or_path}.toml"
    if not path.exists():
        shipped = ", ".join(sorted(p.stem for p in folder.glob("*.toml")))
        raise FileNotFoundError(f"There is no training config {name_or_path}. Shipped ones: {shipped}.")
    return tomllib.loads(path.read_text()), path


def _phase(values: Mapping[str, Any]) -> PhaseConfig:
    parts: dict[str, Any] = {"mixture": Mixture, "schedule": Schedule}
    built: dict[str, Any] = {name: build(kind, values.get(name, {})) for name, kind in parts.items()}
    if not values.get("image_sizes"):
        raise ValueError("Every phase needs image_sizes, a list of sides in pixels.")
    return build(PhaseConfig, {**values, **built, "image_sizes": tuple(values["image_sizes"])})


def build(kind: type[_T], values: Mapping[str, Any]) -> _T:
    """One of our frozen settings from TOML's values. Raises ValueError where a key is unknown or missing."""
    try:
        return settings_from(kind, values)
    except TypeError as error:
        raise ValueError(f"Training settings are missing in {kind.__name__}: {error}.") from error
