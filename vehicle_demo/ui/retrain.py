"""The Retrain tab: corrections become new heads, and a person decides; static/retrain.js is its script."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Annotated, Any, Literal

import gradio as gr
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vehicle_demo.annotation.consensus import Agreement, agreement
from vehicle_demo.annotation.remote import RemoteError
from vehicle_demo.annotation.store import StoreError
from vehicle_demo.recognition import Box, CheckpointError, ImageError, open_image
from vehicle_demo.recognition.heads import TENSORS
from vehicle_demo.retraining.backbone import adapting_trouble
from vehicle_demo.retraining.compare import Comparison, Turned
from vehicle_demo.retraining.corrections import read_corrections
from vehicle_demo.retraining.job import Order
from vehicle_demo.retraining.plates import plates_trouble
from vehicle_demo.retraining.readiness import Readiness, readiness
from vehicle_demo.retraining.settings import LIMITS, USUAL, Wishes
from vehicle_demo.retraining.sharing import push, zip_of
from vehicle_demo.retraining.shipped import RetrainError
from vehicle_demo.retraining.trouble import disk_said
from vehicle_demo.retraining.versions import State, Version, VersionError
from vehicle_demo.ui.changes import comparison_html, verdict_html
from vehicle_demo.ui.comparison import readiness_html, run_html, timeline_html
from vehicle_demo.ui.desk import file_of
from vehicle_demo.ui.people import NotAllowedError, person_of, standing_of
from vehicle_demo.ui.pictures import crop_uri
from vehicle_demo.ui.rescoring import count_waiting
from vehicle_demo.ui.services import Services

# The longer side of a picture in the comparison, in pixels.
_SMALL = 240
_RELOAD = "This was not understood. Reload the page."
_Name = Annotated[str, Field(max_length=64)]


class _Sent(BaseModel):
    """`shown` is the version whose comparison is looked at, by default the newest; `have` which parts are there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    shown: _Name = ""
    have: dict[_Name, _Name] = {}


class _File(BaseModel):
    """A version is asked for as a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: _Name


class _Look(_Sent):
    """`afresh` counts the corrections again."""

    afresh: bool = False


class _Do(_Sent):
    """What a person decides; `seen` is the version that answered when the page was drawn.

    `adapt` asks that the backbone be adapted too.
    """

    action: Literal["start", "cancel", "promote", "discard", "roll back", "pin", "unpin", "push", "leave"]
    version: _Name = ""
    seen: _Name = ""
    wishes: dict[Literal["rate", "corrections", "decay"], float] = {}
    adapt: bool = False


def build(services: Services) -> gr.Tab:
    """The tab and what its script may ask."""
    with gr.Tab("Retrain", id="retrain", elem_id="vd-retrain-tab") as tab:
        gr.HTML(
            _PAGE,
            js_on_load="vehicleDemo.mountRetrain(element, server);",
            server_functions=served(services),
            elem_id="vd-retrain",
        )
    return tab


def served(services: Services) -> list[Callable[..., Any]]:
    """What the page's script may ask, by name: one looks and one writes, and both answer with the page's parts as HTML.

    The third gives a version as a file.
    """
    desk = _Desk(services)

    def retrain_look(sent: Any, request: gr.Request) -> dict[str, Any]:
        asked, said = _Look(), ""
        try:
            asked = _Look.model_validate(sent)
        except ValidationError:
            said = _RELOAD
        return {**_changed(desk.parts(asked, request), asked.have), "says": said}

    def retrain_do(sent: Any, request: gr.Request) -> dict[str, Any]:
        asked: _Sent = _Look()
        try:
            person = person_of(request)
            asked = _Do.model_validate(sent)
            said = desk.do(asked, person)
        except ValidationError:
            said = _RELOAD
        # The last of them is what a wish outside of its limits says; pydantic's own is one of it, so it comes first.
        except (NotAllowedError, RetrainError, VersionError, CheckpointError, RemoteError, ValueError) as error:
            said = str(error)
        return {**_changed(desk.parts(asked, request), asked.have), "says": said}

    def retrain_file(sent: Any, request: gr.Request) -> dict[str, str]:
        try:
            person_of(request)
            name = _File.model_validate(sent).version
            return file_of(f"heads-{name}.zip", zip_of(services.versions(), name))
        except ValidationError:
            return {"says": _RELOAD}
        except (NotAllowedError, VersionError) as error:
            return {"says": str(error)}

    return [retrain_look, retrain_do, retrain_file]


def _changed(told: dict[str, Any], have: Mapping[str, str]) -> dict[str, Any]:
    """What is told without the parts that the page has as they are, and the marks by which it knows them."""
    marks = {name: hashlib.sha256(html.encode()).hexdigest()[:16] for name, html in told["parts"].items()}
    parts = {name: html for name, html in told["parts"].items() if marks[name] != have.get(name)}
    return {**told, "parts": parts, "marks": marks}


@dataclass
class _Desk:
    """Answers what the script asks. What would be learnt is counted when a page asks afresh, not at each look."""

    services: Services
    _ready: Readiness | None = None
    _agreement: Agreement | None = None
    _trouble: str = "Counting the corrections."
    _counting: Lock = field(default_factory=Lock)
    _pictures: dict[Turned, str] = field(default_factory=dict)

    def do(self, asked: _Do, person: str) -> str:
        """Do it, and say so. Raises RetrainError and VersionError."""
        versions, jobs = self.services.versions(), self.services.jobs
        name, seen = asked.version, asked.seen
        if asked.action == "start":
            if asked.adapt and (trouble := self._adapting_trouble()):
                raise RetrainError(trouble)
            source = self.services.choices[self.services.default_choice].source
            data = self.services.training if asked.adapt else None
            jobs.start(Order(source, self.services.corrections, person, Wishes(**asked.wishes), data))
            return ""
        if asked.action == "leave":
            jobs.leave(person)
            return "You wait no longer."
        if asked.action == "cancel":
            jobs.cancel()
            return ""
        if asked.action == "promote":
            versions.promote(name, person, seen)
            return f"{name} answers now.{self._queued()}"
        if asked.action == "roll back":
            return f"{versions.roll_back(person, seen).answering} answers again.{self._queued()}"
        if asked.action == "push":
            if (shared := self.services.shared) is None:
                raise RetrainError(
                    "Set VEHICLE_DEMO_MODEL to a model repository on the Hub, as owner/name, to push to."
                )
            push(versions, name, shared)
            return f"{name} is in {shared.name}."
        if asked.action == "discard":
            versions.discard(name, person)
            return f"{name} is discarded; it stays in the list, and may still be promoted."
        versions.pin(person, asked.action == "pin")
        return f"{seen} is {'pinned' if asked.action == 'pin' else 'no longer pinned'}."

    def parts(self, asked: _Sent, request: gr.Request) -> dict[str, Any]:
        """The page's parts as HTML, who answers, and whether a fit is running."""
        versions, job, line = self.services.versions(), self.services.jobs.job, self.services.jobs.waiting
        if isinstance(asked, _Look) and asked.afresh:
            self._count()
        heads = versions.current()
        try:
            state, trouble = versions.state(), versions.trouble
        except VersionError as error:
            state, trouble = State(), str(error)
        listed: list[Version | str] = []
        for name in versions.names():
            try:
                listed.append(versions.verified(name))
            except VersionError as error:
                listed.append(str(error))
        whole = [one for one in listed if isinstance(one, Version)]
        shown = next((one for one in whole if one.name == asked.shown), None) or (whole[0] if whole else None)
        comparison = _comparison(shown)
        standing = standing_of(request)
        may_see = not standing.refusal
        running = bool(job and job.running)
        own = standing.name in line or bool(job and running and job.person == standing.name)
        return {
            "parts": {
                "ready": readiness_html(self._ready, self._agreement, self._trouble),
                "run": run_html(job, line, standing.name),
                "verdict": verdict_html(shown, comparison, state),
                "comparison": comparison_html(shown, comparison, self._picture if may_see else None)
                if shown and comparison
                else "",
                "timeline": timeline_html(listed, state, self.services.shared.name if self.services.shared else ""),
            },
            "trouble": trouble,
            "heads": heads.version if heads else self.services.recognizer().checkpoint.heads_version,
            "busy": running,
            "can_start": self._ready is not None and not own,
            "start": "Wait in line" if running and not own else "Retrain",
            "cannot_adapt": self._adapting_trouble(),
        }

    def _adapting_trouble(self) -> str:
        return adapting_trouble(self.services.recognizer().checkpoint, self.services.training)

    def _picture(self, turned: Turned) -> str:
        """A vehicle from the label store; empty where its picture is not there."""
        if turned not in self._pictures:
            try:
                path = self.services.labels.store().pictures.path(turned.picture)
                self._pictures[turned] = crop_uri(open_image(path), Box(*turned.box), _SMALL)
            except (ImageError, StoreError):
                self._pictures[turned] = ""
        return self._pictures[turned]

    def _queued(self) -> str:
        """What becomes of what waits for an answer."""
        try:
            vehicles, plates = count_waiting(self.services)
        except StoreError:
            return ""
        named = f" In the review queue {vehicles:,} vehicles are predicted again." if vehicles else ""
        return f"{named} {plates:,} plates that wait are read again." if plates else named

    def _count(self) -> None:
        recognizer = self.services.recognizer()
        known = {task: getattr(recognizer.checkpoint.labels, f"{task}s") for task in TENSORS}
        with self._counting:
            try:
                with tempfile.TemporaryDirectory(prefix="corrections-") as folder:
                    self.services.corrections(Path(folder))
                    found = read_corrections(Path(folder))
                    self._ready, self._trouble = readiness(found, known, plates_trouble(recognizer)), ""
                    self._agreement = agreement(self.services.labels.store())
            except RuntimeError as error:
                self._ready, self._trouble = None, str(error)
            except OSError as error:
                self._ready, self._trouble = None, disk_said(error)


def _comparison(version: Version | None) -> Comparison | None:
    try:
        return Comparison.from_dict(version.about.figures) if version else None
    except (KeyError, TypeError):
        return None


# What each part of a setting is called, and what it does.
_WISHES = {
    "rate": ("Learning rate", "larger learns faster and forgets more"),
    "corrections": ("Weight of corrections", "against what the checkpoint was trained on"),
    "decay": ("Weight decay", "towards the heads that answer now"),
}


def _wish(part: str) -> str:
    label, says = _WISHES[part]
    least, most = LIMITS[part]
    return (
        f'<label>{label}<input type="number" step="any" min="{least:g}" max="{most:g}" data-wish="{part}" '
        f'placeholder="chosen, often {getattr(USUAL, part):g}"><small>{says}; {least:g} to {most:g}</small></label>'
    )


_PAGE = (
    '<section class="vd-retrain" aria-label="Retrain"><p class="vd-retrain-says" role="status"></p>'
    '<p class="vd-failed vd-retrain-trouble" role="alert" hidden></p><div class="vd-retrain-columns">'
    '<section aria-labelledby="vd-retrain-1"><h3 id="vd-retrain-1">What will be learnt</h3>'
    '<div class="vd-actions"><button type="button" class="vd-main" data-retrain="start" disabled>Retrain</button></div>'
    '<details class="vd-wishes"><summary>Advanced</summary><p class="vd-quiet">What is left empty is chosen: several '
    "settings are fitted side by side, and the best on corrections kept aside is taken. Of ten pictures one is kept "
    f"aside for that and one to compare by; which follows from the picture. It holds for vehicles and plates.</p>"
    f"{''.join(map(_wish, LIMITS))}"
    '<label class="vd-adapt"><input type="checkbox" data-adapt disabled>Adapt the backbone too<small>by LoRA, beside '
    "pictures of the training: it takes minutes, and the version has a graph of its own, by which galleries are to be "
    'filled again</small></label><p class="vd-quiet" data-cannot-adapt></p></details>'
    '<div data-part="ready"><p class="vd-quiet">Counting the corrections.</p></div></section>'
    '<section aria-labelledby="vd-retrain-2"><h3 id="vd-retrain-2">The run</h3><div data-part="run"></div></section>'
    '<section aria-labelledby="vd-retrain-3"><h3 id="vd-retrain-3">The verdict</h3><div data-part="verdict"></div>'
    '</section></div><section aria-labelledby="vd-retrain-5" class="vd-retrain-shown">'
    '<h3 id="vd-retrain-5">Old against new</h3>'
    '<div data-part="comparison"></div></section>'
    '<section aria-labelledby="vd-retrain-4"><h3 id="vd-retrain-4">Versions</h3>'
    '<div data-part="timeline"></div></section></section>'
)
