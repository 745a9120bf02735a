"""The Review tab: what vehicles are, asked of people by keyboard; static/review.js is its script, on top of desk.js."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from itertools import islice
from typing import Annotated, Any, Literal

import gradio as gr
from pydantic import Field
from rapidfuzz import fuzz, process, utils

from vehicle_demo.annotation.cleaning import ERROR
from vehicle_demo.annotation.consensus import agreement
from vehicle_demo.annotation.corrections import dataset_zip, images_zip
from vehicle_demo.annotation.items import PARTS, VEHICLE, VehicleItem
from vehicle_demo.annotation.review import CONFLICTS, ERRORS, ReviewFilter, Task
from vehicle_demo.annotation.store import ANSWER, BOX, DECISION, FIELDS, Event, Said, Store, UnknownItemError
from vehicle_demo.annotation.urgency import REASONS
from vehicle_demo.gallery.gallery import GalleryError, Selection
from vehicle_demo.recognition import Box, ImageError, Scored, Vehicle
from vehicle_demo.recognition.boxes import clip, widen
from vehicle_demo.recognition.names import implied
from vehicle_demo.recognition.results import RANKED
from vehicle_demo.ui import importing, publishing
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
from vehicle_demo.ui.intake import described
from vehicle_demo.ui.pictures import crop_uri, jpeg_uri
from vehicle_demo.ui.services import Services

# Vehicles sent ahead of the one that is shown, so that the next is there at once.
_AHEAD = 10
_VIEW, _SMALL = 960, 112
# A vehicle smaller than this share of its picture is shown with so many of its own sides around it; of others the whole
# picture is, as the vehicle may be larger than its box.
_SMALL_SHARE, _AROUND = 0.25, 1.0
_REFERENCES, _LIKELIEST = 2, 5
_NEAR_SPELLING = 84.0
_KEYS = (
    ("1 - 5", "this model; make and type follow"),
    ("Alt 1 - 5", "only this make"),
    ("letters", "find a name; Enter takes it"),
    ("0", "unsure"),
    ("Esc", "skip"),
    ("Alt X", "bad picture"),
    ("Alt B", "draw the box again"),
    ("Alt N", "not listed: add a name"),
    ("\u2190 \u2192", "back, forth"),
    ("Alt Z", "undo"),
    ("Alt Y", "redo"),
    ("Alt H", "history of this vehicle"),
)


class _Chosen(Sent):
    source: Annotated[str, Field(max_length=100)] | None = None
    reason: Literal[REASONS] | None = None  # type: ignore[valid-type]
    make: Annotated[str, Field(max_length=100)] | None = None
    decide: Literal["", "conflicts", "likely label errors"] = ""


class _Take(Take):
    chosen: _Chosen = _Chosen()


_Label = Annotated[str, Field(min_length=1, max_length=80)]
_Box = Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], Field(min_length=4, max_length=4)]


class _OneSaid(OneSaid):
    kind: Literal[tuple(FIELDS[VEHICLE])]  # type: ignore[valid-type]
    type: _Label | None = None
    make: _Label | None = None
    model: _Label | None = None
    status: Literal["answer", "unsure", "bad picture"] | None = None
    new: bool = False
    box: _Box | None = None
    also: Annotated[tuple[Number, ...], Field(max_length=20)] = ()


class _Say(Sent):
    holder: Name
    said: Annotated[list[_OneSaid], Field(max_length=50)]


class _Look(Sent):
    item: Number
    box: _Box


class _History(History):
    """Of the person who asks, or `of` another one."""

    of: Annotated[str, Field(max_length=200)] = ""


class _Past(Sent):
    item: Number


class _References(Sent):
    models: Annotated[list[_Label], Field(max_length=5)]


class _Nothing(Sent):
    """A question that needs nothing more."""


class _Near(Sent):
    name: _Label


_EXPORTS: Mapping[str, tuple[str, Callable[[Store, Mapping[str, tuple[str, ...]]], bytes]]] = {
    "dataset": ("corrections.zip", dataset_zip),
    "images": ("corrections-images.zip", images_zip),
}


class _Export(Sent):
    kind: Literal[tuple(_EXPORTS)]  # type: ignore[valid-type]


def build(services: Services) -> gr.Tab:
    """The tab; its functions must be in the page too, see `desk.connect`."""
    with gr.Tab("Review", id="review", elem_id="vd-review-tab") as tab:
        gr.HTML(_page_html(), js_on_load="vehicleDemo.mountReview(element);", elem_id="vd-review")
        importing.build(services)
        publishing.build(services)
    return tab


def served(services: Services) -> list[Callable[..., Any]]:
    """What the page's script may ask, by name: each takes a dictionary, and answers nonsense with a sentence."""
    desk = _Desk(services)
    return [
        checked("review_take", _Take, desk.take),
        checked("review_say", _Say, desk.say),
        checked("review_look", _Look, desk.look),
        checked("review_names", _Nothing, desk.names),
        checked("review_near", _Near, desk.near),
        checked("review_references", _References, desk.references),
        checked("review_agreement", _Nothing, desk.agreement),
        checked("review_history", _History, desk.history),
        checked("review_people", _Nothing, desk.people),
        checked("review_past", _Past, desk.past),
        checked("review_export", _Export, desk.export),
    ]


class _Desk(Desk):
    def take(self, asked: _Take, person: str) -> dict[str, Any]:
        """The next vehicles that the page does not have, leased to it, and how far the work is."""
        review = self._labels.review()
        chosen = ReviewFilter(**asked.chosen.model_dump())
        if asked.afresh:
            review.release(asked.holder)
        have = set(asked.have)
        taken = review.take(person, asked.holder, len(have) + _AHEAD, chosen, asked.first)
        return {
            "items": [self._shown(task, person, chosen) for task in taken if task.item.id not in have],
            "leased": [task.item.id for task in taken],
            **about(review, review.progress(chosen), review.choices(), person),
        }

    def say(self, asked: _Say, person: str) -> dict[str, Any]:
        """Write down what was said; see `recorded`."""
        said = ((one.client, lambda one=one: self._said(one, person)) for one in asked.said)
        return recorded(self._labels.store(), said, asked.holder)

    def look(self, asked: _Look, person: str) -> dict[str, Any]:
        """What the network takes the vehicle in another box for; nothing is written."""
        store = self._labels.store()
        item = store.vehicle(asked.item)
        image = store.picture(item)
        box = checked_box(asked.box, image.size)
        (vehicle,) = described(self._services.recognizer(), [(image, box)])
        return {"box": box.to_list(), "small": crop_uri(image, box, _SMALL), **_ranked(vehicle)}

    def names(self, asked: _Nothing, person: str) -> dict[str, list[str]]:
        """All names there are by part: the checkpoint's, and what people have added."""
        return {part: list(names) for part, names in self._all_names().items()}

    def near(self, asked: _Near, person: str) -> list[str]:
        """Models whose names are spelt nearly like this one, the nearest first."""
        found = process.extract(
            asked.name,
            self._all_names()["model"],
            scorer=fuzz.token_sort_ratio,
            processor=utils.default_process,
            score_cutoff=_NEAR_SPELLING,
            limit=3,
        )
        return [name for name, _, _ in found]

    def references(self, asked: _References, person: str) -> dict[str, list[str]]:
        """Thumbnails of these models from galleries that have been told them, as data URIs."""
        return {model: self._thumbnails(model) for model in asked.models}

    def agreement(self, asked: _Nothing, person: str) -> dict[str, Any]:
        """How well people agree where two were asked."""
        return asdict(agreement(self._labels.store()))

    def history(self, asked: _History, person: str) -> list[dict[str, Any]]:
        """What this person, or another one, said last."""
        events = self._labels.review().history_of(asked.of or person, person, asked.count)
        return [told(event, "vehicle") for event in events]

    def people(self, asked: _Nothing, person: str) -> list[str]:
        """The others who said something."""
        return [name for name in self._labels.review().people() if name != person]

    def past(self, asked: _Past, person: str) -> dict[str, Any]:
        """Everything that was said of a vehicle; who is to answer without knowing of others sees their own part."""
        past = self._labels.review().past(asked.item, person)
        said = [
            {**{name: getattr(event, name) for name in ("person", "at", "kind", "value")}, "undone": undone}
            for event, undone in past.events
        ]
        return {"said": said, "hidden": past.hidden}

    def export(self, asked: _Export, person: str) -> dict[str, str]:
        """All answered vehicles as a file."""
        name, write = _EXPORTS[asked.kind]
        return file_of(name, write(self._labels.store(), self._all_names()))

    def _all_names(self) -> dict[str, tuple[str, ...]]:
        return self._labels.names(self._services.recognizer())

    def _thumbnails(self, model: str) -> list[str]:
        recognizer, galleries = self._services.recognizer(), self._services.galleries
        found: list[str] = []
        for name in galleries.names():
            try:
                storage = galleries.existing(recognizer, name).storage
            except GalleryError:
                continue
            rows = storage.select(Selection(model=model))[: 4 * _REFERENCES]
            found += [jpeg_uri(item.thumbnail) for item in storage.items(rows) if item.confidence is None]
        return list(islice((uri for uri in found if uri), _REFERENCES))

    def _said(self, one: _OneSaid, person: str) -> list[Said]:
        value: Any = None
        if one.kind == BOX:
            store = self._labels.store()
            value = checked_box(one.box or [], store.picture(store.vehicle(one.item)).size).to_list()
        elif one.kind == ANSWER or (one.kind == DECISION and one.status == ANSWER):
            value = self._named(one)
        if one.kind == DECISION:
            value = {"status": one.status, **(value or dict.fromkeys(PARTS))}
        first = Said(one.item, person, one.kind, one.client, value, one.seconds, one.undoes)
        # What is answered together is one answer to the person, and an event of each item to the store.
        others = [
            Said(other, person, one.kind, f"{one.client}+{other}", value, None, one.undoes and f"{one.undoes}+{other}")
            for other in one.also
        ]
        return [first, *others]

    def _named(self, one: _OneSaid) -> dict[str, str | None]:
        """The names of an answer: a model settles make and type, where its name says them.

        What was predicted can be taken too, though it was by a checkpoint that knows other names.
        """
        labels, names = self._services.recognizer().checkpoint.labels, self._all_names()
        said = {part: " ".join((getattr(one, part) or "").split()) or None for part in PARTS}
        if not any(said.values()):
            raise UnknownItemError(RELOAD)
        item = self._labels.store().vehicle(one.item)
        for part in PARTS:
            predicted = (scored.label for scored in getattr(item, part))
            spelt = {name.casefold(): name for name in (*predicted, *names[part])}
            name = said[part]
            said[part] = spelt.get(name.casefold(), name) if name else None
            if name and name.casefold() not in spelt and not one.new:
                raise UnknownItemError(f"There is no {part} of the name {name}. Add it as one that is not listed.")
        if model := said["model"]:
            said |= {part: name for part, name in implied(model, labels).items() if name}
        return said

    def _shown(self, task: Task, person: str, chosen: ReviewFilter) -> dict[str, Any]:
        """A vehicle as the page shows it. What others said is left out, but where somebody is to decide."""
        item, store = task.item, self._labels.store()
        image = store.picture(item)
        drawn = store.labels(item.id).get(BOX)
        box = checked_box(drawn.value, image.size) if drawn else item.box
        window = _window(box, image.size)
        decides = chosen.decide and (task.conflict or item.urgency.reason == ERROR)
        own = next((event for event in task.opinions if event.person == person), None)
        return {
            "id": item.id,
            "source": item.source,
            "checkpoint": f"{item.checkpoint}, heads {item.heads_version}",
            "reason": item.urgency.reason,
            "why": item.urgency.why,
            "picture": crop_uri(image, window, _VIEW),
            "window": window.to_list(),
            "small": crop_uri(image, box, _SMALL),
            "box": box.to_list(),
            **_ranked(described(self._services.recognizer(), [(image, box)])[0] if drawn else item),
            "together": [{"id": other.id, "small": self._small(other)} for other in task.together],
            "opinions": [_opinion(event) for event in task.opinions] if decides else [],
            "said": _opinion(own) if own else None,
        }

    def _small(self, item: VehicleItem) -> str:
        return crop_uri(self._labels.store().picture(item), item.box, _SMALL)


def _ranked(vehicle: Vehicle | VehicleItem) -> dict[str, Any]:
    """The best names with their scores, and what the strip calls it."""
    return {**{part: _scores(getattr(vehicle, part)) for part in PARTS}, "text": vehicle.model[0].label}


def _scores(ranked: tuple[Scored, ...]) -> list[tuple[str, float]]:
    return [(scored.label, round(scored.score, 4)) for scored in ranked[:RANKED]]


def _window(box: Box, size: tuple[int, int]) -> Box:
    """The part of a picture of this (width, height) in which the vehicle is shown."""
    if max((box.x2 - box.x1) / size[0], (box.y2 - box.y1) / size[1]) >= _SMALL_SHARE:
        return Box(0, 0, *size)
    return widen(box, _AROUND, size)


def _opinion(event: Event) -> dict[str, Any]:
    return {"person": event.person, "kind": event.kind, **(event.value or dict.fromkeys(PARTS))}


def checked_box(sides: list[float], size: tuple[int, int]) -> Box:
    """A box inside the picture. Raises ImageError when it is too small to hold a vehicle."""
    x1, y1, x2, y2 = sides or (0.0, 0.0, 0.0, 0.0)
    box = clip(Box(min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)), size)
    if box.x2 - box.x1 < 8 or box.y2 - box.y1 < 8:
        raise ImageError("This box is too small. Draw it around the whole vehicle.")
    return box


def _page_html() -> str:
    choices = "".join(
        f'<li><button type="button" data-model="{place}"><kbd>{place + 1}</kbd><span class="vd-name"></span>'
        '<span class="vd-bar" aria-hidden="true"><i></i></span><span class="vd-percent"></span>'
        '<span class="vd-references" aria-hidden="true"></span></button></li>'
        for place in range(_LIKELIEST)
    )
    decisions = "".join(f'<option value="{name}">{name}</option>' for name in (CONFLICTS, ERRORS))
    makes = "".join(f'<button type="button" data-make="{place}"></button>' for place in range(_LIKELIEST))
    commands = commands_html(
        [
            ("unsure", "Unsure"),
            ("skip", "Skip"),
            ("bad", "Bad picture"),
            ("box", "Wrong box"),
            ("add", "Not listed"),
            ("back", "Back"),
            ("undo", "Undo"),
            ("redo", "Redo"),
            ("past", "History"),
        ]
    )
    return page_html(
        kind="review",
        label="Review vehicles",
        hints={},
        things="vehicles",
        filters=[("reason", "Reason"), ("source", "Source"), ("make", "Predicted make")],
        more=f'<label>Ask about <select data-decide><option value="">what is new</option>{decisions}</select></label>',
        keys=_KEYS,
        below='<details class="vd-review-agreement"><summary>Do people agree?</summary><p></p></details>',
        exports=[("dataset", "dataset (parquet)"), ("images", "images and CSV")],
        desk='<div class="vd-review-look"><figure><div class="vd-review-picture">'
        '<img alt="The vehicle to name"><svg tabindex="-1"></svg></div><figcaption></figcaption></figure>'
        '<div class="vd-review-together" hidden><label><input type="checkbox" checked> '
        "<span></span></label><div></div></div></div>"
        '<div class="vd-review-answer"><p class="vd-review-heard" aria-live="polite"></p>'
        '<p class="vd-review-why"></p>'
        '<ul class="vd-review-opinions" aria-label="What people said" hidden></ul>'
        f'<ol class="vd-review-models" aria-label="Likely models" data-keeps-focus>{choices}</ol>'
        '<div class="vd-review-makes" role="group" aria-label="Only the make" data-keeps-focus>'
        f"<span>Only the make</span>{makes}</div>"
        '<div class="vd-review-search"><input type="text" role="combobox" aria-expanded="false" '
        'aria-controls="vd-review-found" aria-autocomplete="list" autocomplete="off" autocapitalize="off" '
        'spellcheck="false" maxlength="80" placeholder="Another model, make or type" '
        'aria-label="Find a model, make or type">'
        '<ul id="vd-review-found" role="listbox" aria-label="Names found" data-keeps-focus hidden></ul></div>'
        '<form class="vd-review-add" hidden><label>Model, with make, body and year '
        '<input name="model" type="text" maxlength="80" autocomplete="off" placeholder="Audi Q5 SUV 2012"></label>'
        '<label>Make <input name="make" type="text" maxlength="80" autocomplete="off" '
        'list="vd-review-all-makes"></label>'
        '<label>Type <select name="type" aria-label="Type"></select></label>'
        '<datalist id="vd-review-all-makes"></datalist>'
        '<p role="alert"></p><div class="vd-actions"><button type="submit">Add and answer</button>'
        '<button type="button" data-command="cancel">Cancel</button></div></form>'
        f'{commands}<section class="vd-review-past" aria-label="History of this vehicle" hidden><ol></ol><p></p>'
        "</section></div>",
    )
