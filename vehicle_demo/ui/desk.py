"""What the Plates and the Review tab share: how the page's script asks, and the page around the item that is shown.

static/desk.js and outbox.js are the scripts.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from html import escape
from typing import Annotated, Any, Protocol, TypeVar

import gradio as gr
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vehicle_demo.annotation.store import Event, Said, Store, StoreError, UnknownItemError
from vehicle_demo.annotation.work import Work
from vehicle_demo.recognition import CheckpointError, ImageError
from vehicle_demo.ui.labels import Labels
from vehicle_demo.ui.people import NotAllowedError, person_of
from vehicle_demo.ui.services import Services

RELOAD = "This was not understood. Reload the page."


class Sent(BaseModel):
    """Something that the script sent: these fields and no others."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Number = Annotated[int, Field(ge=0, lt=2**31)]
Name = Annotated[str, Field(min_length=1, max_length=64)]


class Take(Sent):
    """The next items are asked for; `have` are in the page already, `first` are wanted before all others."""

    holder: Name
    have: Annotated[list[Number], Field(max_length=1000)] = []
    first: Annotated[list[Number], Field(max_length=8)] = []
    afresh: bool = False


class OneSaid(Sent):
    """Something that a person said; what of it depends on the kind is for the tab's own class."""

    item: Number
    client: Name
    seconds: Annotated[float, Field(ge=0, lt=1e6)] | None = None
    undoes: Annotated[str, Field(max_length=64)] = ""


class History(Sent):
    """What the person said last is asked for."""

    count: Annotated[int, Field(ge=1, le=200)] = 50


_Model = TypeVar("_Model", bound=BaseModel)


class Desk:
    """Answers what a tab's script asks, in plain values."""

    def __init__(self, services: Services) -> None:
        self._services = services

    @property
    def _labels(self) -> Labels:
        return self._services.labels


class _Counted(Protocol):
    @property
    def done(self) -> int: ...


def connect(name: str, functions: list[Callable[..., Any]]) -> None:
    """A tab's way to the server, outside the tabs: what an earlier page could not send goes out at once."""
    gr.HTML(
        "",
        js_on_load=f"vehicleDemo.deskServer('{name}', server);",
        server_functions=functions,
        elem_classes="vd-sender",
    )


def checked(name: str, model: type[_Model], answer: Callable[[_Model, str], Any]) -> Callable[..., Any]:
    """A function for the page's script: what it sent as `model`, who is asking, a sentence where that fails.

    `lasting` tells the script that asking again with the same would not help.
    """

    def call(sent: Any, request: gr.Request) -> Any:
        try:
            person = person_of(request)
            return answer(model.model_validate(sent), person)
        except ValidationError:
            return {"error": RELOAD, "lasting": True}
        except NotAllowedError as error:
            return {"error": str(error), "lasting": False}
        except UnknownItemError as error:
            return {"error": str(error), "lasting": True}
        except (StoreError, ImageError, CheckpointError) as error:
            return {"error": str(error), "lasting": False}

    call.__name__ = name
    return call


def recorded(store: Store, said: Iterable[tuple[str, Callable[[], Sequence[Said]]]], holder: str) -> dict[str, Any]:
    """Write down what was said, in its order; `taken` are the client identities that need not be sent again.

    Args:
        said: for each its client identity, and what it comes to; that may raise what `refused` then says.
    """
    taken: list[str] = []
    refused: list[dict[str, str]] = []
    for client, meant in said:
        try:
            for one in meant():
                store.record(one, holder)
        except (UnknownItemError, ImageError, CheckpointError) as error:
            refused.append({"client": client, "says": str(error)})
        except StoreError as error:
            return {"taken": taken, "refused": refused, "error": str(error)}
        else:
            taken.append(client)
    return {"taken": taken, "refused": refused}


def about(work: Work, progress: _Counted, choices: object, person: str) -> dict[str, Any]:
    """How far the work is, as the script shows it."""
    return {
        "person": person,
        "progress": {**asdict(progress), "done": progress.done},  # type: ignore[call-overload]
        "pace": asdict(work.pace(person)),
        "choices": asdict(choices),  # type: ignore[call-overload]
    }


def told(event: Event, field: str) -> dict[str, Any]:
    """An event for the history; what was there before, and the value, of events of this field alone."""
    values = {"before": event.before, "value": event.value} if event.field == field else {"before": None, "value": None}
    return {**{name: getattr(event, name) for name in ("item", "kind", "client", "at")}, **values}


def file_of(name: str, content: bytes) -> dict[str, str]:
    """A file through the page: what is in Gradio's cache could be fetched by others."""
    return {"name": name, "content": base64.b64encode(content).decode()}


def page_html(
    *,
    kind: str,
    label: str,
    hints: object,
    things: str,
    filters: Sequence[tuple[str, str]],
    keys: Sequence[tuple[str, str]],
    exports: Sequence[tuple[str, str]],
    desk: str,
    more: str = "",
    below: str = "",
) -> str:
    """The tab without an item in it, which the script fills in.

    Args:
        kind: class of the tab's own elements.
        hints: what the script is to know, as JSON.
        filters: names with labels; `keys` and `exports` alike.
        desk: HTML of what shows one item; `more` of what follows the filters, `below` of what follows the
            history.
    """
    listed = "".join(f"<div><dt>{escape(key)}</dt><dd>{escape(says)}</dd></div>" for key, says in keys)
    menus = "".join(
        f'<label>{says} <select data-filter="{name}"><option value="">all</option></select></label>'
        for name, says in filters
    )
    downloads = "".join(
        f'<button type="button" data-export="{name}">Download {says}</button>' for name, says in exports
    )
    return (
        f'<section class="vd-work vd-{kind}" data-hints="{escape(json.dumps(hints))}" aria-label="{label}">'
        '<div class="vd-work-head"><div class="vd-work-progress" role="status"><progress max="1" value="0" '
        f'aria-label="{things.capitalize()} done"></progress><span></span></div>'
        '<p class="vd-work-saved" role="status"></p><p class="vd-sync" role="status" data-sync></p>'
        f'<div class="vd-work-filters">{menus}{more}</div>'
        '<button type="button" data-back hidden>Back to Recognise</button></div>'
        f'<p class="vd-work-says vd-message vd-empty" role="status">Getting the first of the {things}.</p>'
        f'<div class="vd-work-desk" hidden>{desk}</div>'
        '<ol class="vd-work-strip" aria-label="Queue"></ol>'
        f'<dl class="vd-work-keys" aria-label="Keys">{listed}</dl>'
        '<details class="vd-work-history"><summary>Answers</summary><label hidden>Of '
        "<select data-of></select></label><ol></ol></details>"
        f"{below}"
        f'<div class="vd-actions">{downloads}</div>'
        '<div class="vd-work-toast" role="status"></div></section>'
    )


def commands_html(commands: Sequence[tuple[str, str]]) -> str:
    """Buttons for what keys do too: names with labels, the first one the main one."""
    buttons = "".join(
        f'<button type="button" data-command="{name}"{"" if place else " class=vd-main"}>{label}</button>'
        for place, (name, label) in enumerate(commands)
    )
    return f'<div class="vd-actions vd-work-commands">{buttons}</div>'
