"""What the heads that answer now say of vehicles in the review queue, from features that need no second look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from vehicle_demo.annotation.items import VehicleItem
from vehicle_demo.annotation.pending import outdated
from vehicle_demo.annotation.store import Store
from vehicle_demo.recognition import ImageError, Recognizer
from vehicle_demo.recognition.checkpoint import Checkpoint
from vehicle_demo.recognition.heads import Heads
from vehicle_demo.recognition.recognizer import rank
from vehicle_demo.retraining.cache import Cache
from vehicle_demo.retraining.features import seen

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
        names: dict[str, Any] = {
            task: rank(head.logits(features[None])[0], head.names, getattr(checkpoint.temperatures, task))
            for task, head in heads.items()
        }
        yield replace(item, **names, confidence=names["model"][0].score, heads_version=heads.version)
