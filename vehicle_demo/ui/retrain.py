"""The Retrain tab: corrections become new heads, and a person decides; static/retrain.js is its script."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Annotated, Any, Literal

import gradio as gr
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vehicle_demo.recognition import CheckpointError
from vehicle_demo.recognition.heads import TENSORS
from vehicle_demo.retraining.compare import Comparison
from vehicle_demo.retraining.corrections import read_corrections
from vehicle_demo.retraining.readiness import Readiness, readiness
from vehicle_demo.retraining.shipped import RetrainError
from vehicle_demo.retraining.versions import State, Version, VersionError
from vehicle_demo.ui.comparison import readiness_html, run_html, timeline_html, verdict_html
from vehicle_demo.ui.people import NotAllowedError, person_of
from vehicle_demo.ui.services import Services

_RELOAD = "This was not understood. Reload the page."
_Name = Annotated[str, Field(max_length=64)]


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Look(_Sent):
    """`afresh` counts the corrections again."""

    afresh: bool = False


class _Do(_Sent):
    """What a person decides; `seen` is the version that answered when the page was drawn."""

    action: Literal["start", "cancel", "promote", "discard", "roll back", "pin", "unpin"]
    version: _Name = ""
    seen: _Name = ""


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
    """What the page's script may ask, by name: one looks, one writes. Both answer with the page's parts as HTML."""
    desk = _Desk(services)

    def retrain_look(sent: Any) -> dict[str, Any]:
        try:
            return {**desk.parts(_Look.model_validate(sent).afresh), "says": ""}
        except ValidationError:
            return {**desk.parts(False), "says": _RELOAD}

    def retrain_do(sent: Any, request: gr.Request) -> dict[str, Any]:
        try:
            person = person_of(request)
            said = desk.do(_Do.model_validate(sent), person)
        except ValidationError:
            said = _RELOAD
        except (NotAllowedError, RetrainError, VersionError, CheckpointError) as error:
            said = str(error)
        return {**desk.parts(False), "says": said}

    return [retrain_look, retrain_do]


@dataclass
class _Desk:
    """Answers what the script asks. What would be learnt is counted when a page asks afresh, not at each look."""

    services: Services
    _ready: Readiness | None = None
    _trouble: str = "Counting the corrections."
    _counting: Lock = field(default_factory=Lock)

    def do(self, asked: _Do, person: str) -> str:
        """Do it, and say so. Raises RetrainError and VersionError."""
        versions, jobs = self.services.versions(), self.services.jobs
        name, seen = asked.version, asked.seen
        if asked.action == "start":
            jobs.start(self.services.choices[self.services.default_choice].source, self.services.corrections, person)
            return ""
        if asked.action == "cancel":
            jobs.cancel()
            return ""
        if asked.action == "promote":
            versions.promote(name, person, seen)
            return f"{name} answers now."
        if asked.action == "roll back":
            return f"{versions.roll_back(person, seen).answering} answers again."
        if asked.action == "discard":
            versions.discard(name, person)
            return f"{name} is discarded; it stays in the list, and may still be promoted."
        versions.pin(person, asked.action == "pin")
        return f"{seen} is {'pinned' if asked.action == 'pin' else 'no longer pinned'}."

    def parts(self, afresh: bool) -> dict[str, Any]:
        """The page's parts as HTML, who answers, and whether a fit is running."""
        versions, job = self.services.versions(), self.services.jobs.job
        if afresh:
            self._count()
        heads = versions.current()
        try:
            state, trouble = versions.state(), versions.trouble
        except VersionError as error:
            state, trouble = State(), str(error)
        listed: list[Version | str] = []
        for name in versions.names():
            try:
                listed.append(versions.about(name))
            except VersionError as error:
                listed.append(str(error))
        newest = listed[0] if listed and isinstance(listed[0], Version) else None
        return {
            "ready": readiness_html(self._ready, self._trouble),
            "run": run_html(job),
            "verdict": verdict_html(newest, _comparison(newest), state),
            "timeline": timeline_html(listed, state),
            "trouble": trouble,
            "heads": heads.version if heads else self.services.recognizer().checkpoint.heads_version,
            "busy": bool(job and job.running),
            "can_start": self._ready is not None and not (job and job.running),
        }

    def _count(self) -> None:
        labels = self.services.recognizer().checkpoint.labels
        known = {task: getattr(labels, f"{task}s") for task in TENSORS}
        with self._counting:
            try:
                with tempfile.TemporaryDirectory(prefix="corrections-") as folder:
                    self.services.corrections(Path(folder))
                    self._ready, self._trouble = readiness(read_corrections(Path(folder)), known), ""
            except (RuntimeError, OSError) as error:
                self._ready, self._trouble = None, str(error)


def _comparison(version: Version | None) -> Comparison | None:
    try:
        return Comparison.from_dict(version.about.figures) if version else None
    except (KeyError, TypeError):
        return None


_PAGE = (
    '<section class="vd-retrain" aria-label="Retrain"><p class="vd-retrain-says" role="status"></p>'
    '<p class="vd-failed vd-retrain-trouble" role="alert" hidden></p><div class="vd-retrain-columns">'
    '<section aria-labelledby="vd-retrain-1"><h3 id="vd-retrain-1">What will be learnt</h3>'
    '<div class="vd-actions"><button type="button" class="vd-main" data-retrain="start" disabled>Retrain</button></div>'
    '<div data-part="ready"><p class="vd-quiet">Counting the corrections.</p></div></section>'
    '<section aria-labelledby="vd-retrain-2"><h3 id="vd-retrain-2">The run</h3><div data-part="run"></div></section>'
    '<section aria-labelledby="vd-retrain-3"><h3 id="vd-retrain-3">The verdict</h3><div data-part="verdict"></div>'
    '</section></div><section aria-labelledby="vd-retrain-4"><h3 id="vd-retrain-4">Versions</h3>'
    '<div data-part="timeline"></div></section></section>'
)
