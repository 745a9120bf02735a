"""What comes into the review queue: vehicles that the model was unsure of, and those that a person sends there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final, Literal, cast

import numpy as np

from vehicle_demo.annotation.items import PARTS, NewVehicle
from vehicle_demo.annotation.review import opinions_wanted
from vehicle_demo.annotation.urgency import urgency_of
from vehicle_demo.gallery.building import unit
from vehicle_demo.gallery.gallery import Gallery
from vehicle_demo.recognition import Recognizer, Vehicle
from vehicle_demo.recognition.checkpoint import Thresholds

RECOGNISE: Final = "recognise"
# Of the vehicles in the queue this share is asked about a second time.
_SECOND_OPINIONS = 0.1
_NEIGHBOURS = 5

Collecting = Literal["ask", "always", "never"]


def collecting() -> Collecting:
    """Whether what the model is unsure of in visitors' photos is kept: VEHICLE_DEMO_COLLECT, by default who ticks it.

    Raises:
        ValueError: the variable says something else.
    """
    chosen = os.environ.get("VEHICLE_DEMO_COLLECT", "ask")
    if chosen not in ("ask", "always", "never"):
        raise ValueError(f"VEHICLE_DEMO_COLLECT is {chosen}; set it to ask, always or never.")
    return cast(Collecting, chosen)


def second_opinions() -> float:
    """The share of vehicles that two people are asked about: VEHICLE_DEMO_SECOND_OPINIONS, by default a tenth.

    Raises:
        ValueError: the variable is no number from 0 to 1.
    """
    share = float(os.environ.get("VEHICLE_DEMO_SECOND_OPINIONS", _SECOND_OPINIONS))
    if not 0 <= share <= 1:
        raise ValueError(f"VEHICLE_DEMO_SECOND_OPINIONS is {share:g}; set it to a share from 0 to 1.")
    return share


def unsure(vehicle: Vehicle, thresholds: Thresholds) -> bool:
    """Whether type, make or model is below its threshold."""
    return any(getattr(vehicle, part)[0].score < getattr(thresholds, part) for part in PARTS)


def new_vehicles(
    recognizer: Recognizer, content: bytes, vehicles: Sequence[Vehicle], gallery: Gallery | None, source: str
) -> list[NewVehicle]:
    """Vehicles of one picture (its encoded bytes) for the queue, with how urgent each is.

    Args:
        gallery: whose vehicles are asked for neighbours; those count whose model somebody has told.
    """
    checkpoint = recognizer.checkpoint
    name = f"{checkpoint.name} {checkpoint.version}".strip()
    opinions = opinions_wanted(content, second_opinions())
    return [
        NewVehicle(content, vehicle, urgency_of(vehicle, near), name, checkpoint.heads_version, source[:100], opinions)
        for vehicle, near in zip(vehicles, _neighbours(recognizer, vehicles, gallery), strict=True)
    ]


def _neighbours(recognizer: Recognizer, vehicles: Sequence[Vehicle], gallery: Gallery | None) -> list[list[str]]:
    """Models of what lies next to each vehicle, among the names that the checkpoint knows."""
    if gallery is None or not len(gallery) or not vehicles:
        return [[] for _ in vehicles]
    known = set(recognizer.checkpoint.labels.models)
    queries = np.stack([unit(vehicle.embedding) for vehicle in vehicles])
    return [
        [hit.item.model for hit in hits if hit.item.confidence is None and hit.item.model in known]
        for hits in gallery.search(queries, _NEIGHBOURS)
    ]
