"""What comes into the review queue: vehicles that the model was unsure of, and those that a person sends there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, cast

import numpy as np
from PIL import Image

from vehicle_demo.annotation.items import PARTS, NewVehicle, VehicleItem
from vehicle_demo.annotation.review import opinions_wanted
from vehicle_demo.annotation.store import Store
from vehicle_demo.annotation.urgency import urgency_of
from vehicle_demo.gallery.building import unit
from vehicle_demo.gallery.gallery import Gallery
from vehicle_demo.gallery.storage import Item
from vehicle_demo.recognition import Box, Recognizer, Vehicle, open_image
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
        gallery: whose vehicles are asked for neighbours; those of other pictures count whose model somebody has told.
    """
    checkpoint = recognizer.checkpoint
    opinions = opinions_wanted(content, second_opinions())
    pictures = [hashlib.sha256(content).hexdigest()] * len(vehicles)
    return [
        NewVehicle(
            content,
            vehicle,
            urgency_of(vehicle, near),
            checkpoint.title,
            checkpoint.heads_version,
            source[:100],
            opinions,
        )
        for vehicle, near in zip(vehicles, neighbours(recognizer, vehicles, pictures, gallery), strict=True)
    ]


@dataclass(frozen=True)
class Sight:
    """A vehicle as a gallery kept it: the encoded picture and the box there; a `thumbnail` shows nothing around it."""

    content: bytes
    box: Box
    thumbnail: bool


def sight_of(gallery: Gallery, item: Item) -> Sight | None:
    """The picture that an item comes from, or what is left of it; None where nothing is."""
    path = gallery.storage.pictures.path(item.picture)
    if item.box is not None and path.exists():
        return Sight(path.read_bytes(), item.box, False)
    return Sight(item.thumbnail, Box(0, 0, *open_image(item.thumbnail).size), True) if item.thumbnail else None


def queued(store: Store, sight: Sight) -> bool:
    """Whether this vehicle is in the review queue, or was answered there."""
    return store.holds_vehicle(hashlib.sha256(sight.content).hexdigest(), sight.box)


def put_sights(store: Store, recognizer: Recognizer, gallery: Gallery, sights: Sequence[Sight], source: str) -> None:
    """Put vehicles of a gallery into the review queue, as the network sees them now.

    Raises:
        StoreError: none was added.
        ImageError: a picture is damaged; none was added.
    """
    vehicles = described(recognizer, [(open_image(sight.content), sight.box) for sight in sights])
    store.add(
        [
            one
            for sight, vehicle in zip(sights, vehicles, strict=True)
            for one in new_vehicles(recognizer, sight.content, [vehicle], gallery, source)
        ]
    )


def described(recognizer: Recognizer, seen: Sequence[tuple[Image.Image, Box]]) -> list[Vehicle]:
    """What the network takes the vehicle in each of these boxes (pixels of the picture beside it) for; plates apart."""
    crops = []
    for image, box in seen:
        window = recognizer.window(box, image.size, alone=False)
        crops.append(image.crop((int(window.x1), int(window.y1), round(window.x2), round(window.y2))))
    vehicles = recognizer.describe_batch(crops)
    return [replace(vehicle, box=box, plate=None) for vehicle, (_, box) in zip(vehicles, seen, strict=True)]


def neighbours(
    recognizer: Recognizer,
    vehicles: Sequence[Vehicle] | Sequence[VehicleItem],
    pictures: Sequence[str],
    gallery: Gallery | None,
) -> list[list[str]]:
    """Models of what lies next to each vehicle, among the names that the checkpoint knows.

    Args:
        pictures: the SHA-256 of each one's picture, which may be in the gallery and says nothing new there.
    """
    if gallery is None or not len(gallery) or not vehicles:
        return [[] for _ in vehicles]
    known = set(recognizer.checkpoint.labels.models)
    queries = np.stack([unit(vehicle.embedding) for vehicle in vehicles])
    found = gallery.search(queries, _NEIGHBOURS + max(map(gallery.storage.count_of, set(pictures))))
    others = [
        [hit.item for hit in hits if hit.item.picture != own][:_NEIGHBOURS]
        for hits, own in zip(found, pictures, strict=True)
    ]
    return [[item.model for item in items if item.confidence is None and item.model in known] for items in others]
