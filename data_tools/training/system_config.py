"""Settings of a published system's training, read from TOML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data_tools.readers.levels import LEVELS
from data_tools.training.backbone import load_backbone_config
from data_tools.training.config import CONFIG_FOLDER, build, read_config
from data_tools.training.loop import Schedule
from vehicle_demo.models.files import WEIGHTS_FILE
from vehicle_demo.models.systems import SYSTEMS

_FOLDER = CONFIG_FOLDER / "systems"


@dataclass(frozen=True)
class SystemPhase:
    """`epochs` of training, during which parts of the network whose names begin as `frozen` says stay as they are.

    `schedule` is `Schedule`'s settings but for the steps, which follow from the epochs.
    """

    name: str
    epochs: float
    schedule: Mapping[str, Any]
    frozen: tuple[str, ...] = ()

    def schedule_for(self, pictures: int, batch: int) -> Schedule:
        """The schedule for so many pictures, so many in a batch."""
        return build(Schedule, {**self.schedule, "steps": max(1, round(self.epochs * pictures / batch))})


@dataclass(frozen=True)
class SystemConfig:
    """A whole run of one system; `network` holds what differs from the paper's sizes.

    `data` are kinds of picture by the names of our parquet files. A batch has `views` pictures each of `classes`
    classes; what a class is, and what the loss is told of it, `levels` say, coarsest first (see `readers.levels`).
    The `withheld` share of names is never shown (see `known.withheld`). `backbones` are configs of `train-backbone`
    whose weights the network starts from, each by the setting of the network that its options are.
    """

    system: str
    seed: int
    data: tuple[str, ...]
    levels: tuple[str, ...]
    classes: int
    views: int
    phases: tuple[SystemPhase, ...]
    network: Mapping[str, Any] = field(default_factory=dict)
    withheld: float = 0.0
    pretrained: bool = False
    backbones: Mapping[str, str] = field(default_factory=dict)

    def settings(self) -> dict[str, Any]:
        """The network's, with the backbones' own options."""
        own = {key: load_backbone_config(name).options for key, name in self.backbones.items()}
        return {**self.network, **own}

    def started(self, folder: Path) -> dict[str, Any]:
        """The same, for a network that starts from the backbones' runs in `folder`.

        Raises FileNotFoundError for a backbone that has not been trained.
        """
        settings = self.settings()
        for key, name in self.backbones.items():
            run = folder / Path(name).stem
            weights = run / WEIGHTS_FILE
            if not weights.exists():
                raise FileNotFoundError(
                    f"There is no {weights}: run `python -m data_tools train-backbone --config {name} --run {run}` "
                    "first."
                )
            settings[key] = {**settings[key], "checkpoint_path": str(weights)}
        return settings

    @property
    def batch(self) -> int:
        """Pictures in a batch."""
        return self.classes * self.views


def load_system_config(name_or_path: str) -> SystemConfig:
    """A shipped config by name (`vericar-small`) or a TOML file by path.

    Raises:
        FileNotFoundError: there is no such config.
        ValueError: a key is unknown or missing, or there is no such system or level.
    """
    values, path = read_config(name_or_path, _FOLDER)
    if values.get("system") not in SYSTEMS:
        raise ValueError(f"{path}: system must be one of {', '.join(SYSTEMS)}.")
    phases = tuple(build(SystemPhase, phase) for phase in values.get("phases", []))
    config = build(SystemConfig, {**values, "phases": phases})
    if not phases or not config.levels or not set(config.levels) <= set(LEVELS):
        raise ValueError(f"{path}: a run needs phases, and levels among {', '.join(LEVELS)}.")
    for phase in phases:
        phase.schedule_for(1, 1)  # whatever is wrong with it is said before the pictures are read
    return config
