"""The Plates tab: what was read of plates, corrected by keyboard; static/plates.js and outbox.js are its scripts."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from html import escape
from typing import Annotated, Any, Literal, TypeVar

import gradio as gr
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vehicle_demo.annotation.dataset import fast_plate_ocr_bytes, parquet_bytes
from vehicle_demo.annotation.layouts import LAYOUTS, PATTERNS
from vehicle_demo.annotation.queue import Filter, Queue
from vehicle_demo.annotation.store import (
    ANSWER,
    CORNERS,
    FIELDS,
    Event,
    Item,
    Said,
    Store,
    StoreError,
    UnknownItemError,
    reading_values,
)
from vehicle_demo.recognition import Box, CheckpointError, ImageError, PlateReading
from vehicle_demo.recognition.boxes import widen
from vehicle_demo.recognition.plates import SLOTS
from vehicle_demo.recognition.rectify import box_around, checked_corners, rectified, seen_size
from vehicle_demo.recognition.results import Corners
from vehicle_demo.ui.labels import Labels
from vehicle_demo.ui.people import NotAllowedError, person_of
from vehicle_demo.ui.pictures import crop_uri, data_uri
from vehicle_demo.ui.services import Services

# Plates sent ahead of the one that is shown, so that the next is there at once.
_AHEAD = 6
_PLATE_WIDTH, _VIEW = 480, 560
_RELOAD = "This was not understood. Reload the page."
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
    ("Alt X", "not readable"),
    ("Alt N", "no plate"),
    ("Alt C", "corners: arrows move them"),
    ("?", "all keys"),
)


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


_Number = Annotated[int, Field(ge=0, lt=2**31)]
_Name = Annotated[str, Field(min_length=1, max_length=64)]


class _Chosen(_Sent):
    source: Annotated[str, Field(max_length=100)] | None = None
    layout: Literal[LAYOUTS] | None = None  # type: ignore[valid-type]
    length: Annotated[int, Field(ge=0, le=SLOTS)] | None = None


class _Take(_Sent):
    holder: _Name
    chosen: _Chosen = _Chosen()
    have: Annotated[list[_Number], Field(max_length=1000)] = []
    first: Annotated[list[_Number], Field(max_length=8)] = []
    afresh: bool = False


_Corners = Annotated[list[Annotated[list[float], Field(min_length=2, max_length=2)]], Field(min_length=4, max_length=4)]


class _OneSaid(_Sent):
    item: _Number
    kind: Literal[tuple(FIELDS)]  # type: ignore[valid-type]
    client: _Name
    text: Annotated[str, Field(pattern=rf"^[0-9A-Z]{{1,{SLOTS}}}$")] | None = None
    corners: _Corners | None = None
    seconds: Annotated[float, Field(ge=0, lt=1e6)] | None = None
    undoes: Annotated[str, Field(max_length=64)] = ""


class _Say(_Sent):
    holder: _Name
    said: Annotated[list[_OneSaid], Field(max_length=50)]


class _Look(_Sent):
    item: _Number
    corners: _Corners


class _History(_Sent):
    count: Annotated[int, Field(ge=1, le=200)] = 50


_EXPORTS: Mapping[str, tuple[str, Callable[[Store], bytes]]] = {
    "parquet": ("plates.parquet", parquet_bytes),
    "fast-plate-ocr": ("plates-fast-plate-ocr.zip", fast_plate_ocr_bytes),
}


class _Export(_Sent):
    kind: Literal[tuple(_EXPORTS)]  # type: ignore[valid-type]


_Model = TypeVar("_Model", bound=BaseModel)


def build() -> gr.Tab:
    """The tab; `connect` must be in the page too."""
    with gr.Tab("Plates", id="plates", elem_id="vd-plates-tab") as tab:
        gr.HTML(_page_html(), js_on_load="vehicleDemo.mountPlates(element);", elem_id="vd-plates")
    return tab


def connect(services: Services) -> None:
    """The tab's way to the server, outside the tabs: what an earlier page could not send goes out at once."""
    gr.HTML(
        "", js_on_load="vehicleDemo.plateServer(server);", server_functions=served(services), elem_classes="vd-sender"
    )


def served(services: Services) -> list[Callable[..., Any]]:
    """What the page's script may ask, by name: each takes a dictionary, and answers nonsense with a sentence."""
    desk = _Desk(services)
    return [
        _checked("plates_take", _Take, desk.take),
        _checked("plates_say", _Say, desk.say),
        _checked("plates_look", _Look, desk.look),
        _checked("plates_history", _History, desk.history),
        _checked("plates_export", _Export, desk.export),
    ]


def _checked(name: str, model: type[_Model], answer: Callable[[_Model, str], Any]) -> Callable[..., Any]:
    """A function for the page's script: what it sent as `model`, who is asking, a sentence where that fails.

    `lasting` tells the script that asking again with the same would not help.
    """

    def call(sent: Any, request: gr.Request) -> Any:
        try:
            person = person_of(request)
            return answer(model.model_validate(sent), person)
        except ValidationError:
            return {"error": _RELOAD, "lasting": True}
        except NotAllowedError as error:
            return {"error": str(error), "lasting": False}
        except UnknownItemError as error:
            return {"error": str(error), "lasting": True}
        except (StoreError, ImageError, CheckpointError) as error:
            return {"error": str(error), "lasting": False}

    call.__name__ = name
    return call


@dataclass(frozen=True, eq=False)
class _Desk:
    """Answers what the script asks, in plain values."""

    services: Services

    @property
    def _labels(self) -> Labels:
        return self.services.labels

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
            **self._about(queue, chosen, person),
        }

    def say(self, asked: _Say, person: str) -> dict[str, Any]:
        """Write down what was said, in its order; `taken` are the client identities that need not be sent again."""
        taken: list[str] = []
        refused: list[dict[str, str]] = []
        for one in asked.said:
            try:
                self._labels.store().record(self._said(one, person), asked.holder)
            except (UnknownItemError, ImageError, CheckpointError) as error:
                refused.append({"client": one.client, "says": str(error)})
            except StoreError as error:
                return {"taken": taken, "refused": refused, "error": str(error)}
            else:
                taken.append(one.client)
        return {"taken": taken, "refused": refused}

    def look(self, asked: _Look, person: str) -> dict[str, Any]:
        """The plate between other corners, rectified and read again; nothing is written."""
        store = self._labels.store()
        image = store.picture(store.item(asked.item))
        corners = checked_corners(asked.corners, image.size)
        return self._plate(image, corners, self.services.recognizer().read_plate(image, corners))

    def history(self, asked: _History, person: str) -> list[dict[str, Any]]:
        """What this person said last."""
        return [_told(event) for event in self._labels.queue().history(person, asked.count)]

    def export(self, asked: _Export, person: str) -> dict[str, str]:
        """All settled plates as a file; through the page, as what is in Gradio's cache could be fetched by others."""
        name, write = _EXPORTS[asked.kind]
        return {"name": name, "content": base64.b64encode(write(self._labels.store())).decode()}

    def _about(self, queue: Queue, chosen: Filter, person: str) -> dict[str, Any]:
        progress, pace = queue.progress(chosen), queue.pace(person)
        return {
            "person": person,
            "progress": {**asdict(progress), "done": progress.done},
            "pace": asdict(pace),
            "choices": asdict(queue.choices()),
        }

    def _said(self, one: _OneSaid, person: str) -> Said:
        value: Any = one.text
        if one.kind == CORNERS:
            value = self._corners_value(one)
        elif (one.kind == ANSWER) != (one.text is not None):
            raise UnknownItemError(_RELOAD)
        return Said(one.item, person, one.kind, one.client, value, one.seconds, one.undoes)

    def _corners_value(self, one: _OneSaid) -> dict[str, Any]:
        """The corners with what is read between them, by which checkpoint."""
        store = self._labels.store()
        image = store.picture(store.item(one.item))
        corners = checked_corners(one.corners or [], image.size)
        recognizer = self.services.recognizer()
        reading = recognizer.read_plate(image, corners)
        return {"corners": corners, "reading": reading_values(reading), "checkpoint": recognizer.checkpoint.name}

    def _shown(self, item: Item) -> dict[str, Any]:
        """An item as the page shows it; corners that were moved earlier hold, with what is read between them."""
        store = self._labels.store()
        image = store.picture(item)
        labels = store.labels(item.id)
        moved = labels.get(CORNERS)
        corners, reading = item.corners, item.reading
        if moved is not None:
            corners = checked_corners(moved.value["corners"], image.size)
            reading = self.services.recognizer().read_plate(image, corners)
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
        margin = self.services.recognizer().checkpoint.plate_margin
        return {
            "picture": data_uri(rectified(image, corners, (_PLATE_WIDTH, height), margin), _PLATE_WIDTH),
            "corners": corners,
            "text": reading.text if reading else "",
            "slots": [[(c.character, round(c.score, 4)) for c in slot] for slot in reading.slots] if reading else [],
        }


def _view(image: Image.Image, box: Box) -> dict[str, Any]:
    """A part of the picture, and which one it is in pixels."""
    return {"picture": crop_uri(image, box, _VIEW), "box": box.to_list()}


def _told(event: Event) -> dict[str, Any]:
    told = {name: getattr(event, name) for name in ("item", "kind", "client", "at")}
    texts = {"before": event.before, "value": event.value} if event.field == "text" else {"before": None, "value": None}
    return {**told, **texts}


def _page_html() -> str:
    """The tab without a plate in it; the script fills it in and never takes the cells away, so the focus stays."""
    cells = "".join(
        '<div class="vd-slot"><input type="text" inputmode="text" maxlength="2" autocomplete="off" '
        f'autocapitalize="characters" spellcheck="false" aria-label="Character {place + 1} of {SLOTS}">'
        '<span class="vd-sureness" aria-hidden="true"></span><div class="vd-likely" role="group"></div></div>'
        for place in range(SLOTS)
    )
    keys = "".join(f"<div><dt>{escape(key)}</dt><dd>{escape(says)}</dd></div>" for key, says in _KEYS)
    commands = "".join(
        f'<button type="button" data-plates="{name}"{more}>{label}</button>'
        for name, label, more in (
            ("accept", "Accept", ' class="vd-main"'),
            ("skip", "Skip", ""),
            ("unreadable", "Not readable", ""),
            ("none", "No plate", ""),
            ("undo", "Undo", ""),
        )
    )
    filters = "".join(
        f'<label>{label} <select data-filter="{name}"><option value="">all</option></select></label>'
        for name, label in (("source", "Source"), ("layout", "Layout"), ("length", "Length"))
    )
    exports = "".join(
        f'<button type="button" data-export="{kind}">Download {label}</button>'
        for kind, label in (("parquet", "dataset (parquet)"), ("fast-plate-ocr", "for fast-plate-ocr"))
    )
    hints = escape(json.dumps({"alike": _ALIKE, "patterns": PATTERNS, "slots": SLOTS}))
    return (
        f'<section class="vd-plates" data-hints="{hints}" aria-label="Correct plates">'
        '<div class="vd-plates-head"><div class="vd-plates-progress" role="status"><progress max="1" value="0" '
        'aria-label="Plates done"></progress><span></span></div>'
        '<p class="vd-plates-saved" role="status"></p><p class="vd-sync" role="status" data-sync></p>'
        f'<div class="vd-plates-filters">{filters}</div>'
        '<button type="button" data-back hidden>Back to Recognise</button></div>'
        '<p class="vd-plates-says vd-message vd-empty" role="status">Getting the first plate.</p>'
        '<div class="vd-plates-desk" hidden><div class="vd-plates-read">'
        '<img class="vd-plates-front" alt="The plate, turned to the front">'
        f'<div class="vd-slots" role="group" aria-label="Characters of the plate">{cells}</div>'
        '<p class="vd-plates-hint" aria-live="polite"></p>'
        f'<div class="vd-actions vd-plates-commands">{commands}</div></div>'
        '<div class="vd-plates-views"><figure class="vd-plates-near"><div></div>'
        "<figcaption>Drag a corner, or Alt C and the arrows: it is read again.</figcaption></figure>"
        '<figure class="vd-plates-around"><div></div><figcaption></figcaption></figure></div></div>'
        '<ol class="vd-plates-strip" aria-label="Queue"></ol>'
        f'<dl class="vd-plates-keys" aria-label="Keys">{keys}</dl>'
        '<details class="vd-plates-history"><summary>Your answers</summary><ol></ol></details>'
        f'<div class="vd-actions">{exports}</div>'
        '<div class="vd-plates-toast" role="status"></div></section>'
    )
