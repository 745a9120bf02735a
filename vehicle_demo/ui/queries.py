"""What a visitor of the Gallery tab looks for, from a photo or from what the page's script sends."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vehicle_demo.gallery.building import item_of, thumbnail_of, unit
from vehicle_demo.gallery.gallery import Gallery, GalleryError
from vehicle_demo.gallery.ranking import Query, joined, plain_plate
from vehicle_demo.gallery.storage import Item
from vehicle_demo.recognition import Box, ImageError, Recognizer, Vehicle, open_image

FEWEST, MOST = 20, 100
_TOLD = ("type", "make", "model", "plate")
_LONGEST = 100
_MOST_ENCODED = 1_000_000
# Vehicles that ask as one at most, and how many of them can be chosen to ask alone.
_MOST_TOGETHER, _CHOICES = 200, 12


@dataclass(frozen=True, eq=False)
class Search:
    """One visitor's search: a vehicle or a plate's text, what to call it, and how many results are shown.

    `choices` are the vehicles of an uploaded photo, where it has several, or of a selection. `gallery` is whose vehicle
    it is, empty for one that came from elsewhere; `away` when that was the Recognise tab.
    """

    wanted: Query | str | None = None
    title: str = ""
    choices: tuple[Query, ...] = ()
    count: int = FEWEST
    gallery: str = ""
    away: bool = False

    @property
    def item(self) -> Item | None:
        """What is known of the vehicle; None for a plate's text."""
        return self.wanted.item if isinstance(self.wanted, Query) else None


def of_row(gallery: Gallery, name: str, row: int) -> Search:
    """A vehicle of the gallery. Raises GalleryError when there is no such row."""
    try:
        (embedding,), (item,) = gallery.embeddings([row]), gallery.storage.items([row])
    except KeyError as error:
        raise GalleryError(f"The gallery {name} has no vehicle {row}. Choose another one.") from error
    return Search(Query(item, embedding), f"Vehicle {row} of {name}", gallery=name)


def of_rows(gallery: Gallery, name: str, rows: Sequence[int]) -> Search:
    """Several vehicles of the gallery as one, the first of them as choices.

    Raises:
        GalleryError: there is no such row, there are too many, or they have nothing in common.
    """
    if not 1 < len(rows) <= _MOST_TOGETHER:
        raise GalleryError(f"Select 2 to {_MOST_TOGETHER} vehicles to look for what is like all of them.")
    try:
        embeddings, items = gallery.embeddings(rows), gallery.storage.items(rows)
        wanted = joined(items, embeddings)
    except KeyError as error:
        raise GalleryError(f"The gallery {name} has not all of these vehicles. Choose others.") from error
    except ValueError as error:
        raise GalleryError(str(error)) from error
    choices = tuple(map(Query, items[:_CHOICES], embeddings))
    return Search(wanted, f"{len(rows)} vehicles of {name}", choices, gallery=name)


def of_photo(recognizer: Recognizer, path: str) -> Search:
    """The surest vehicle of a photo, with the others as choices; the whole photo where none is found.

    Raises:
        ImageError: the picture cannot be used.
    """
    image = open_image(path)
    picture = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    thresholds = recognizer.checkpoint.thresholds
    found: Sequence[Vehicle] = recognizer.recognize(image).above(thresholds.detection).vehicles
    title = "Your photo"
    if not found:
        found = recognizer.describe_batch([image])
        title = "Your photo, taken whole: no vehicle was found in it"
    choices = tuple(
        Query(item_of(picture, part, image, vehicle, {}, thresholds.plate), unit(vehicle.embedding))
        for part, vehicle in enumerate(found)
    )
    surest = max(range(len(found)), key=lambda part: found[part].category.score)
    return Search(choices[surest], title, choices if len(choices) > 1 else ())


def of_plate(text: str) -> Search:
    """A plate's text. Raises GalleryError when too little of it is left to look for."""
    if len(plain_plate(text)) < 2:
        raise GalleryError("Type at least two letters or digits of the plate.")
    return Search(text.strip()[:_LONGEST], f"Plate {text.strip()[:_LONGEST]}")


def asked(before: Search, ask: Any, gallery: Gallery, name: str, recognizer: Recognizer, checkpoint: str) -> Search:
    """The search that the page's script asks for; whatever it sends is checked.

    Args:
        ask: an object with one of `row` or `rows` (of the gallery), `choice` (of what is shown with the query), `count`
            (results to show) or `embedding` with `picture`, `checkpoint` and `facts`.
        checkpoint: the menu's name of the checkpoint that filled the gallery.

    Raises:
        GalleryError: the object is none of these, or does not fit the gallery.
    """
    if not isinstance(ask, Mapping):
        raise GalleryError("This was not understood. Reload the page.")
    if "embedding" in ask:
        return _of_vehicle(ask, recognizer, checkpoint)
    if type(ask.get("row")) is int:
        return of_row(gallery, name, ask["row"])
    rows = ask.get("rows")
    if isinstance(rows, list) and all(type(row) is int for row in rows):
        return of_rows(gallery, name, list(dict.fromkeys(rows)))
    choice, count = ask.get("choice"), ask.get("count")
    if type(choice) is int and 0 <= choice < len(before.choices):
        return replace(before, wanted=before.choices[choice], count=FEWEST)
    if type(count) is int:
        return replace(before, count=min(max(count, 1), MOST))
    raise GalleryError("This was not understood. Reload the page.")


def _of_vehicle(ask: Mapping[str, Any], recognizer: Recognizer, checkpoint: str) -> Search:
    if ask.get("checkpoint", checkpoint) != checkpoint:
        raise GalleryError(
            f"The galleries hold embeddings of {checkpoint}, which cannot be compared with another checkpoint's. "
            f"Choose {checkpoint} in Recognise and look again."
        )
    facts = ask.get("facts")
    if not isinstance(facts, Mapping):
        facts = {}
    told = {name: facts[name][:_LONGEST] for name in _TOLD if isinstance(facts.get(name), str)}
    item = Item("", thumbnail=_thumbnail(ask.get("picture")), **told)
    return Search(Query(item, _embedding(ask["embedding"], recognizer.embedding_size)), "From Recognise", away=True)


def _embedding(values: Any, dimension: int) -> np.ndarray:
    fits = isinstance(values, list) and len(values) == dimension
    if not fits or not all(type(value) in (int, float) for value in values):
        raise GalleryError(f"An embedding here has {dimension} numbers. Recognise the picture again.")
    embedding = np.array(values, np.float64)
    length = np.linalg.norm(embedding)
    if not 1e-6 < length < 1e6:  # neither NaN nor infinite
        raise GalleryError("This embedding has no direction. Recognise the picture again.")
    return unit(embedding)


def _thumbnail(uri: Any) -> bytes:
    """A data URI's picture, encoded anew; empty when none is sent, or one of a few pixels. Raises GalleryError."""
    if not uri:
        return b""
    if not isinstance(uri, str) or not uri.startswith("data:image/") or len(uri) > _MOST_ENCODED:
        raise GalleryError("A vehicle's picture is sent as a data URI of an image, at most 1 MB.")
    try:
        image = open_image(base64.b64decode(uri.partition(";base64,")[2], validate=True))
    except binascii.Error as error:
        raise GalleryError("The vehicle's picture is damaged. Recognise it again.") from error
    except ImageError:
        return b""
    return thumbnail_of(image, Box(0, 0, *image.size))
