"""The Plates tab: what was read of plates, corrected by keyboard; static/plates.js is its script, on top of desk.js."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import gradio as gr
from PIL import Image
from pydantic import Field

from vehicle_demo.annotation.dataset import fast_plate_ocr_bytes, parquet_bytes
from vehicle_demo.annotation.items import PLATE, PlateItem, reading_values
from vehicle_demo.annotation.layouts import LAYOUTS, PATTERNS
from vehicle_demo.annotation.queue import Filter
from vehicle_demo.annotation.store import ANSWER, CORNERS, FIELDS, Said, Store, UnknownItemError
from vehicle_demo.recognition import Box, PlateReading
from vehicle_demo.recognition.boxes import widen
from vehicle_demo.recognition.plates import SLOTS
from vehicle_demo.recognition.rectify import box_around, checked_corners, rectified, seen_size
from vehicle_demo.recognition.results import Corners
from vehicle_demo.ui.desk import (
    RELOAD,
    Desk,
    History,
    Name,
    Number,
    OneSaid,
    Sent,
    Take,
    about,
    checked,
    commands_html,
    file_of,
    page_html,
    recorded,
    told,
)
from vehicle_demo.ui.pictures import crop_uri, data_uri
from vehicle_demo.ui.services import Services

# Plates sent ahead of the one that is shown, so that the next is there at once.
_AHEAD = 6
_PLATE_WIDTH, _VIEW = 480, 560
# What two characters look like each other.
_ALIKE = ("0OQD", "1IL", "8B", "5S", "2Z", "6G")
_KEYS = (
    ("A-Z 0-9", "write here, move on"),
    ("\u2190 \u2192", "move"),
    ("\u2191 \u2193", "next likely character"),
    ("Backspace, Delete", "clear"),
    ("Space", "make room"),
    ("Enter", "accept, next plate"),
    ("Esc", "skip"),
    ("Alt Z", "undo"),
    ("Alt Y", "redo"),
    ("Alt X", "not readable"),
    ("Alt N", "no plate"),
    ("Alt C", "corners: arrows move them"),
    ("?", "all keys"),
)


class _Chosen(Sent):
    source: Annotated[str, Field(max_length=100)] | None = None
    layout: Literal[LAYOUTS] | None = None  # type: ignore[valid-type]
    length: Annotated[int, Field(ge=0, le=SLOTS)] | None = None


class _Take(Take):
    chosen: _Chosen = _Chosen()


_Corners = Annotated[list[Annotated[list[float], Field(min_length=2, max_length=2)]], Field(min_length=4, max_length=4)]


class _OneSaid(OneSaid):
    kind: Literal[tuple(FIELDS[PLATE])]  # type: ignore[valid-type]
    text: Annotated[str, Field(pattern=rf"^[0-9A-Z]{{1,{SLOTS}}}$")] | None = None
    corners: _Corners | None = None


class _Say(Sent):
    holder: Name
    said: Annotated[list[_OneSaid], Field(max_length=50)]


class _Look(Sent):
    item: Number
    corners: _Corners


_EXPORTS: Mapping[str, tuple[str, Callable[[Store], bytes]]] = {
    "parquet": ("plates.parquet", parquet_bytes),
    "fast-plate-ocr": ("plates-fast-plate-ocr.zip", fast_plate_ocr_bytes),
}


class _Export(Sent):
    kind: Literal[tuple(_EXPORTS)]  # type: ignore[valid-type]


def build() -> gr.Tab:
    """The tab; `connect` must be in the page too."""
    with gr.Tab("Plates", id="plates", elem_id="vd-plates-tab") as tab:
        gr.HTML(_page_html(), js_on_load="vehicleDemo.mountPlates(element);", elem_id="vd-plates")
    return tab


def served(services: Services) -> list[Callable[..., Any]]:
    """What the page's script may ask, by name: each takes a dictionary, and answers nonsense with a sentence."""
    desk = _Desk(services)
    return [
        checked("plates_take", _Take, desk.take),
        checked("plates_say", _Say, desk.say),
        checked("plates_look", _Look, desk.look),
        checked("plates_history", History, desk.history),
        checked("plates_export", _Export, desk.export),
    ]


class _Desk(Desk):
    def take(self, asked: _Take, person: str) -> dict[str, Any]:
        """The next plates that the page does not have, leased to it, and how far the work is."""
        queue = self._labels.queue()
        chosen = Filter(**asked.chosen.model_dump())
        if asked.afresh:
            queue.release(asked.holder)
        have = set(asked.have)
        taken = queue.take(person, asked.holder, len(have) + _AHEAD, chosen, asked.first)
        return {
            "items": [self._shown(item) for item in taken if item.id not in have],
            "leased": [item.id for item in taken],
            **about(queue, queue.progress(chosen), queue.choices(), person),
        }

    def say(self, asked: _Say, person: str) -> dict[str, Any]:
        """Write down what was said; see `recorded`."""
        said = ((one.client, lambda one=one: [self._said(one, person)]) for one in asked.said)
        return recorded(self._labels.store(), said, asked.holder)

    def look(self, asked: _Look, person: str) -> dict[str, Any]:
        """The plate between other corners, rectified and read again; nothing is written."""
        store = self._labels.store()
        image = store.picture(store.plate(asked.item))
        corners = checked_corners(asked.corners, image.size)
        return self._plate(image, corners, self._services.recognizer().read_plate(image, corners))

    def history(self, asked: History, person: str) -> list[dict[str, Any]]:
        """What this person said last."""
        return [told(event, "text") for event in self._labels.queue().history(person, asked.count)]

    def export(self, asked: _Export, person: str) -> dict[str, str]:
        """All settled plates as a file."""
        name, write = _EXPORTS[asked.kind]
        return file_of(name, write(self._labels.store()))

    def _said(self, one: _OneSaid, person: str) -> Said:
        value: Any = one.text
        if one.kind == CORNERS:
            value = self._corners_value(one)
        elif (one.kind == ANSWER) != (one.text is not None):
            raise UnknownItemError(RELOAD)
        return Said(one.item, person, one.kind, one.client, value, one.seconds, one.undoes)

    def _corners_value(self, one: _OneSaid) -> dict[str, Any]:
        """The corners with what is read between them, by which checkpoint."""
        store = self._labels.store()
        image = store.picture(store.plate(one.item))
        corners = checked_corners(one.corners or [], image.size)
        recognizer = self._services.recognizer()
        reading = recognizer.read_plate(image, corners)
        return {"corners": corners, "reading": reading_values(reading), "checkpoint": recognizer.checkpoint.name}

    def _shown(self, item: PlateItem) -> dict[str, Any]:
        """An item as the page shows it; corners that were moved earlier hold, with what is read between them."""
        store = self._labels.store()
        image = store.picture(item)
        labels = store.labels(item.id)
        moved = labels.get(CORNERS)
        corners, reading = item.corners, item.reading
        if moved is not None:
            corners = checked_corners(moved.value["corners"], image.size)
            reading = self._services.recognizer().read_plate(image, corners)
        whole = Box(0, 0, *image.size)
        near = widen(box_around(corners), 0.4, image.size)
        around = widen(item.around, 0.05, image.size)
        apart = around.area > 3 * near.area
        return {
            "id": item.id,
            "source": item.source,
            "layout": item.layout,
            "checkpoint": item.checkpoint,
            **self._plate(image, corners, reading),
            "near": _view(image, near if apart else whole),
            "around": _view(image, around) if apart else None,
            "said": labels["text"].value if "text" in labels else None,
        }

    def _plate(self, image: Image.Image, corners: Corners, reading: PlateReading | None) -> dict[str, Any]:
        wide, high = seen_size(corners)
        height = round(_PLATE_WIDTH * min(1.0, max(0.15, high / wide)))
        margin = self._services.recognizer().checkpoint.plate_margin
        return {
            "picture": data_uri(rectified(image, corners, (_PLATE_WIDTH, height), margin), _PLATE_WIDTH),
            "corners": corners,
            "text": reading.text if reading else "",
            "slots": [[(c.character, round(c.score, 4)) for c in slot] for slot in reading.slots] if reading else [],
        }


def _view(image: Image.Image, box: Box) -> dict[str, Any]:
    """A part of the picture, and which one it is in pixels."""
    return {"picture": crop_uri(image, box, _VIEW), "box": box.to_list()}


def _page_html() -> str:
    """The tab without a plate in it; the script fills it in and never takes the cells away, so the focus stays."""
    cells = "".join(
        '<div class="vd-slot"><input type="text" inputmode="text" maxlength="2" autocomplete="off" '
        f'autocapitalize="characters" spellcheck="false" aria-label="Character {place + 1} of {SLOTS}">'
        '<span class="vd-sureness" aria-hidden="true"></span>'
        '<div class="vd-likely" role="group" data-keeps-focus></div></div>'
        for place in range(SLOTS)
    )
    commands = commands_html(
        [("accept", "Accept"), ("skip", "Skip"), ("unreadable", "Not readable"), ("none", "No plate"), ("undo", "Undo")]
    )
    return page_html(
        kind="plates",
        label="Correct plates",
        hints={"alike": _ALIKE, "patterns": PATTERNS, "slots": SLOTS},
        things="plates",
        filters=[("source", "Source"), ("layout", "Layout"), ("length", "Length")],
        keys=_KEYS,
        exports=[("parquet", "dataset (parquet)"), ("fast-plate-ocr", "for fast-plate-ocr")],
        desk='<div class="vd-plates-read"><img class="vd-plates-front" alt="The plate, turned to the front">'
        f'<div class="vd-slots" role="group" aria-label="Characters of the plate">{cells}</div>'
        f'<p class="vd-plates-hint" aria-live="polite"></p>{commands}</div>'
        '<div class="vd-plates-views"><figure class="vd-plates-near"><div></div>'
        "<figcaption>Drag a corner, or Alt C and the arrows: it is read again.</figcaption></figure>"
        '<figure class="vd-plates-around"><div></div><figcaption></figcaption></figure></div>',
    )
