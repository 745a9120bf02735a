"""The published systems by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vehicle_demo.models.clip_senet import ClipSenet, ClipSenetConfig
from vehicle_demo.models.clvr import Clvr, ClvrConfig
from vehicle_demo.models.embedder import Embedder
from vehicle_demo.models.settings import settings_from
from vehicle_demo.models.vericar import VeriCar, VeriCarConfig


@dataclass(frozen=True)
class System:
    """What a system is called and built from."""

    title: str
    config: type
    network: type[Embedder]


SYSTEMS = {
    "vericar": System("Veri-Car", VeriCarConfig, VeriCar),
    "clip_senet": System("CLIP-SENet", ClipSenetConfig, ClipSenet),
    "clvr": System("CLVR", ClvrConfig, Clvr),
}


def build_system(name: str, settings: Mapping[str, Any], pretrained: bool = False) -> Embedder:
    """A system's network from plain settings; what they leave out is the paper's.

    Raises:
        ValueError: there is no such system, or a setting is none of its.
    """
    if name not in SYSTEMS:
        raise ValueError(f"There is no system {name}. Choose one of: {', '.join(SYSTEMS)}.")
    system = SYSTEMS[name]
    return system.network(settings_from(system.config, settings), pretrained)
