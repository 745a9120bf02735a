"""Fill a gallery from a source: batch after batch, resumable, with what was passed over listed."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from PIL import Image

from vehicle_demo.gallery.gallery import Gallery
from vehicle_demo.gallery.sources import Entry, Source
from vehicle_demo.gallery.storage import Item
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
    began = time.monotonic()
    progress = Progress(source.total)
    left = source.entries()
    try:
        while entries := list(islice(left, _BATCH)):
            progress = _added(gallery, recognizer, source, entries, progress)
            progress = replace(progress, seconds=time.monotonic() - began)
            yield progress
        gallery.build_index()
    finally:
        # Also of a build that was stopped: what it has added is known from now on.
        gallery.calibrate()


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
    return Item(picture, part, thumbnail_of(image, vehicle.box), confidence=confidence, box=vehicle.box, **facts)


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
