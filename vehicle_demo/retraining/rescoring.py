"""What the heads that answer now say of vehicles in the review queue, from features that need no second look.

Plates that wait are read again, which takes no longer than finding out what of them is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from vehicle_demo.annotation.items import PlateItem, VehicleItem
from vehicle_demo.annotation.pending import outdated, plates_read_by, plates_waiting
from vehicle_demo.annotation.store import Store
from vehicle_demo.recognition import ImageError, Recognizer
from vehicle_demo.recognition.checkpoint import Checkpoint
from vehicle_demo.recognition.heads import Heads
from vehicle_demo.recognition.recognizer import rank
from vehicle_demo.retraining.cache import Cache
from vehicle_demo.retraining.features import seen
from vehicle_demo.retraining.versions import BUILT_IN, VersionError, Versions

# So few that visitors seldom wait for them.
_BATCH = 8


def named_again(store: Store, recognizer: Recognizer, heads: Heads, cache: Cache) -> Iterator[list[VehicleItem]]:
    """Vehicles that wait under a prediction of other heads, as these name them, a few at a time; nothing is written.

    Their urgency is what it was. A vehicle whose picture cannot be used is left out.

    Args:
        recognizer: the checkpoint, whatever heads it answers by.

    Raises:
        StoreError: the labels cannot be read.
    """
    checkpoint, last = heads.described(recognizer.checkpoint), 0
    while items := outdated(store, checkpoint.title, heads.version, last, _BATCH):
        last = items[-1].id
        yield list(_named(store, items, recognizer, checkpoint, heads, cache))


def plates_outdated(store: Store, versions: Versions, checkpoint: Checkpoint) -> dict[str, int]:
    """How many plates wait that the reader as it answers now may read otherwise, by the version that read them.

    Raises:
        StoreError: the labels cannot be read.
    """
    now = checkpoint.heads_version
    return {
        version: count
        for version, count in plates_waiting(store, checkpoint.title).items()
        if version != now and (_reads(versions, version) or _reads(versions, now))
    }


def plates_read_again(store: Store, versions: Versions, recognizer: Recognizer) -> Iterator[list[PlateItem]]:
    """Those plates as the recogniser reads them, a few at a time; nothing is written.

    A plate whose picture cannot be used is left out. Raises StoreError.
    """
    checkpoint, last = recognizer.checkpoint, 0
    outdated_by = list(plates_outdated(store, versions, checkpoint))
    while items := plates_read_by(store, checkpoint.title, outdated_by, last, _BATCH):
        last = items[-1].id
        yield list(_read(store, items, recognizer))


def _read(store: Store, items: Sequence[PlateItem], recognizer: Recognizer) -> Iterator[PlateItem]:
    for item in items:
        try:
            reading = recognizer.read_plate(store.pictures.path(item.picture), item.corners)
        except ImageError:
            continue
        yield replace(item, reading=reading, heads_version=recognizer.checkpoint.heads_version)


def _reads(versions: Versions, name: str) -> bool:
    """Whether a version has a last layer of the plate reader, or may have had one: it is not there any more."""
    try:
        return name != BUILT_IN and bool(versions.about(name).reader)
    except VersionError:
        return True


def _named(
    store: Store,
    items: Sequence[VehicleItem],
    recognizer: Recognizer,
    checkpoint: Checkpoint,
    heads: Heads,
    cache: Cache,
) -> Iterator[VehicleItem]:
    for item in items:
        try:
            encoded = store.pictures.path(item.picture).read_bytes()
            features = seen(recognizer, cache, item.picture, item.box, encoded)
        except (ImageError, OSError):
            continue
        logits = heads.logits(features[None])
        names: dict[str, Any] = {
            task: rank(logits[task][0], head.names, getattr(checkpoint.temperatures, task))
            for task, head in heads.items()
        }
        yield replace(item, **names, confidence=names["model"][0].score, heads_version=heads.version)
