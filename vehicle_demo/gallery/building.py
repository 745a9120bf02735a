"""Fill a gallery from a source: batch after batch, resumable, with what was passed over listed."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TypeVar

import numpy as np
from PIL import Image

from vehicle_demo.gallery.gallery import Gallery
from vehicle_demo.gallery.sources import Entry, Source
from vehicle_demo.gallery.storage import FACTS, Item, Storage
from vehicle_demo.recognition import Box, ImageError, Recognizer, Vehicle, open_image

THUMBNAIL = 192
_BATCH = 16


@dataclass(frozen=True)
class Progress:
    """How far a build is: pictures looked at, rows added, pictures known already, and (name, reason) of bad ones.

    `seconds` since it began.
    """

    total: int | None
    done: int = 0
    added: int = 0
    known: int = 0
    bad: tuple[tuple[str, str], ...] = ()
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Pictures a second; 0 before the first."""
        return self.done / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """At this rate; None where the number of pictures, or the rate, is not known."""
        return (self.total - self.done) / self.rate if self.total is not None and self.rate else None


def build(gallery: Gallery, recognizer: Recognizer, source: Source) -> Iterator[Progress]:
    """Add every picture of the source, saying how far it is after each batch; stop by not asking for the next.

    What is added stays: a build that was stopped or killed goes on where it was, because pictures that are known by
    their SHA-256 are passed over. Pictures that cannot be read are listed and passed over. The gallery keeps the
    pictures that it has vehicles of.
    """
    left = source.entries()
    batches = iter(lambda: list(islice(left, _BATCH)), [])
    add = partial(_added, gallery, recognizer, source)
    yield from _built(gallery, batches, add, Progress(source.total))


def rebuild(gallery: Gallery, recognizer: Recognizer, earlier: Storage) -> Iterator[Progress]:
    """Look anew at the vehicles of a gallery that another checkpoint filled, in the boxes that they have there.

    Resumable as `build` is. What the source told of a vehicle stays, and so does its plate; other names are given anew.
    Vehicles whose picture was not kept are listed and passed over. Here progress counts vehicles.
    """
    total = earlier.count()
    batches = (earlier.items(range(start, min(start + _BATCH, total))) for start in range(0, total, _BATCH))
    add = partial(_looked_at_anew, gallery, recognizer, earlier)
    yield from _built(gallery, batches, add, Progress(total))


_Batch = TypeVar("_Batch")


def _built(
    gallery: Gallery, batches: Iterable[_Batch], add: Callable[[_Batch, Progress], Progress], progress: Progress
) -> Iterator[Progress]:
    began = time.monotonic()
    try:
        for batch in batches:
            progress = replace(add(batch, progress), seconds=time.monotonic() - began)
            yield progress
        gallery.build_index()
    finally:
        # Also of a build that was stopped: what it has added is known from now on.
        gallery.calibrate()


def _looked_at_anew(
    gallery: Gallery, recognizer: Recognizer, earlier: Storage, items: list[Item], before: Progress
) -> Progress:
    there, bad = gallery.storage.held(items), list(before.bad)
    crops: list[Image.Image] = []
    chosen: list[tuple[Item, bytes, Image.Image, Box]] = []
    for item in items:
        if (item.picture, item.part) in there:
            continue
        try:
            content = earlier.pictures.path(item.picture).read_bytes()
            image = open_image(content)
        except (ImageError, OSError):
            bad.append((item.source or item.picture[:12], "Its picture was not kept. Add it again."))
            continue
        box = item.box or Box(0, 0, *image.size)
        window = recognizer.window(box, image.size, alone=earlier.count_of(item.picture) == 1)
        crops.append(image.crop((int(window.x1), int(window.y1), round(window.x2), round(window.y2))))
        chosen.append((item, content, image, box))
    new, embeddings = [], []
    for (item, content, image, box), vehicle in zip(chosen, recognizer.describe_batch(crops), strict=True):
        gallery.storage.keep(content)
        told = {name: getattr(item, name) for name in _kept_facts(item)}
        seen = replace(vehicle, box=box, plate=None)
        # Its text was read by the earlier one, and is no worse for that.
        again = item_of(item.picture, item.part, image, seen, {**told, "plate": item.plate}, 1.0)
        new.append(replace(again, told=" ".join(told)))
        embeddings.append(unit(vehicle.embedding))
    added = gallery.add(np.stack(embeddings), new) if new else 0
    return replace(
        before,
        done=before.done + len(items),
        added=before.added + added,
        known=before.known + len(there),
        bad=tuple(bad),
    )


def _kept_facts(item: Item) -> list[str]:
    """What the source said of it. Rows of earlier versions do not tell: then all but names that the network gave."""
    if item.told:
        return item.told.split()
    own = () if item.confidence is None else ("type", "make", "model")
    return [name for name in FACTS if name not in own and getattr(item, name)]


def _added(
    gallery: Gallery, recognizer: Recognizer, source: Source, entries: list[Entry], before: Progress
) -> Progress:
    names: list[str] = []
    contents: list[bytes] = []
    images: list[Image.Image] = []
    told = []
    bad = list(before.bad)
    known = 0
    for entry in entries:
        try:
            content = entry.read()
            name = hashlib.sha256(content).hexdigest()
            if name in names or gallery.storage.count_of(name):
                known += 1
                continue
            images.append(open_image(content))
        except (ImageError, OSError) as error:
            bad.append((entry.name, str(error)))
            continue
        names.append(name)
        contents.append(content)
        told.append(entry.told)
    if source.single:
        found: list[tuple[Vehicle, ...]] = [(vehicle,) for vehicle in recognizer.describe_batch(images)]
    else:
        shown = recognizer.checkpoint.thresholds.detection
        found = [answer.above(shown).vehicles for answer in recognizer.recognize_batch(images)]
    thresholds = recognizer.checkpoint.thresholds
    items, embeddings = [], []
    for name, content, image, facts, vehicles in zip(names, contents, images, told, found, strict=True):
        # Before its rows: what they refer to is there, whenever this is killed.
        if vehicles:
            gallery.storage.keep(content)
        for part, vehicle in enumerate(vehicles):
            items.append(item_of(name, part, image, vehicle, facts, thresholds.plate))
            embeddings.append(unit(vehicle.embedding))
    added = gallery.add(np.stack(embeddings), items) if items else 0
    return Progress(before.total, before.done + len(entries), before.added + added, before.known + known, tuple(bad))


def item_of(
    picture: str, part: int, image: Image.Image, vehicle: Vehicle, told: Mapping[str, str], sure_plate: float
) -> Item:
    """A vehicle of a picture (named by its SHA-256) as a gallery keeps it.

    What its source has `told` goes before what the network says; a plate is kept from the score `sure_plate` on.
    """
    plate = vehicle.plate.text if vehicle.plate and vehicle.plate.score >= sure_plate else ""
    said = {"type": vehicle.type[0].label, "make": vehicle.make[0].label, "model": vehicle.model[0].label}
    confidence = None if "model" in told else vehicle.model[0].score
    facts = {**said, "plate": plate, **told}
    shown = thumbnail_of(image, vehicle.box)
    return Item(picture, part, shown, confidence=confidence, box=vehicle.box, told=" ".join(told), **facts)


def unit(embedding: np.ndarray) -> np.ndarray:
    """The same at length 1, float32: quantised graphs give lengths near it."""
    return (embedding / np.linalg.norm(embedding)).astype(np.float32)


def thumbnail_of(image: Image.Image, box: Box) -> bytes:
    """JPEG of a box (pixels) of the picture, at most `THUMBNAIL` pixels on its longer side."""
    left, top = int(box.x1), int(box.y1)
    crop = image.crop((left, top, max(left + 1, round(box.x2)), max(top + 1, round(box.y2))))
    crop.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BILINEAR, reducing_gap=2.0)
    buffer = io.BytesIO()
    crop.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
