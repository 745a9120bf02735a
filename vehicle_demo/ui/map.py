"""The Map tab: every vehicle of a gallery as a point, near those that its embedding is near to.

The page's script (static/map.js) asks the functions of `_Desk`; what it sends is checked before it is used.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from html import escape
from importlib.metadata import version
from importlib.resources import files
from typing import Annotated, Any, Literal, TypeVar

import gradio as gr
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route

from vehicle_demo.annotation.store import StoreError
from vehicle_demo.gallery.gallery import Gallery, GalleryError, Item, Selection
from vehicle_demo.gallery.mapping import Maps
from vehicle_demo.gallery.open_set import own_novelty
from vehicle_demo.gallery.projection import FEWEST, ITERATIONS, STAGES, Settings, can_settle, settings_for
from vehicle_demo.gallery.storage import FILTERED
from vehicle_demo.recognition import CheckpointError, ImageError
from vehicle_demo.ui.colouring import Colouring, by_number, by_word
from vehicle_demo.ui.exports import FACTS, rows_csv
from vehicle_demo.ui.figure import draw
from vehicle_demo.ui.intake import Sight, put_sights, queued, sight_of
from vehicle_demo.ui.limits import TooManyError, take_recognition
from vehicle_demo.ui.people import NotAllowedError, person_of
from vehicle_demo.ui.services import Services

MOST_POINTS = 20_000
_NEIGHBOURS = 10
_COLOURS = {
    "vehicle_id": "identity", "type": "type", "make": "make", "model": "model", "camera": "camera",
    "colour": "colour", "novelty": "novelty", "confidence": "confidence",
}  # fmt: skip
_FILTERS = {name: _COLOURS.get(name, name) for name in FILTERED}
_Row = Annotated[int, Field(ge=0, lt=2**31)]
_RELOAD = "The page sent something that makes no sense here. Reload it."


async def _send_plotly(_: Request) -> FileResponse:
    path = str(files("plotly") / "package_data" / "plotly.min.js")
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return FileResponse(path, media_type="text/javascript", headers=headers)


# plotly.js as the Python package ships it; the version in its address makes it safe to keep for ever.
PLOTLY = Route(f"/studio/plotly-{version('plotly')}.min.js", _send_plotly)


class _Ask(BaseModel):
    """Which map: of which gallery and rows, and how made.

    `only` are the rows of a selection, None for all; `part`: also while the gallery is being filled.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    gallery: str
    filters: dict[Literal[FILTERED], str] = {}  # type: ignore[valid-type]
    only: list[_Row] | None = Field(None, max_length=MOST_POINTS)
    perplexity: float | None = None
    seed: int = Field(0, ge=0, lt=2**31)
    part: bool = False


class _Look(_Ask):
    watcher: str = Field(max_length=64)
    have: int = -1


class _Coloured(_Ask):
    by: Literal[tuple(_COLOURS)]  # type: ignore[valid-type]


class _Drawn(_Coloured):
    kind: Literal["png", "svg"]


class _Near(_Ask):
    row: _Row


class _Rows(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    gallery: str
    rows: list[_Row] = Field(max_length=MOST_POINTS)


class _Shown(_Rows):
    rows: list[_Row] = Field(max_length=64)


class _Sent(_Rows):
    rows: list[_Row] = Field(max_length=16)


class _Named(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    gallery: str


_Model = TypeVar("_Model", bound=BaseModel)


def build(services: Services) -> gr.Tab:
    """The tab. Its script mounts itself when the tab is first opened, and only then loads plotly.js."""
    with gr.Tab("Map", id="map", elem_id="vd-map-tab") as tab:
        gr.HTML(
            _page_html(),
            js_on_load="vehicleDemo.mountMap(element, server);",
            server_functions=served(services),
            elem_id="vd-map",
        )
    return tab


def served(services: Services) -> list[Callable[..., Any]]:
    """What the page's script may ask, by name: each takes a dictionary, and answers nonsense with a sentence."""
    desk = _Desk(services)

    def map_review(sent: Any, request: gr.Request) -> dict[str, Any]:
        try:
            person_of(request)
            return desk.review(_Sent.model_validate(sent), lambda: take_recognition(request))
        except (ValidationError, LookupError):
            return {"error": _RELOAD}
        except (NotAllowedError, GalleryError, StoreError, ImageError, CheckpointError) as error:
            return {"error": str(error)}

    asked: list[tuple[str, type[BaseModel], Callable[[Any], Any]]] = [
        ("map_menu", _Named, desk.menu),
        ("map_look", _Look, desk.look),
        ("map_leave", _Look, desk.leave),
        ("map_colours", _Coloured, desk.colours),
        ("map_items", _Shown, desk.items),
        ("map_near", _Near, desk.near),
        ("map_table", _Rows, desk.table),
        ("map_figure", _Drawn, desk.figure),
    ]
    return [*(_checked(*function) for function in asked), map_review]


def _checked(name: str, model: type[_Model], answer: Callable[[_Model], Any]) -> Callable[[Any], Any]:
    """A function for the page's script: what it sent as `model`, and a sentence under `error` where that fails."""

    def call(sent: Any) -> Any:
        try:
            return answer(model.model_validate(sent))
        except (ValidationError, LookupError, UnicodeError):
            return {"error": _RELOAD}
        except GalleryError as error:
            return {"error": str(error)}

    call.__name__ = name
    return call


@dataclass(frozen=True, eq=False)
class _Desk:
    """Answers what the script asks, in plain values; arrays go as base64."""

    services: Services
    maps: Maps = field(default_factory=Maps)

    def menu(self, asked: _Named) -> dict[str, Any]:
        """What can be chosen: galleries, and what to filter this one by."""
        storage = self._gallery(asked.gallery).storage
        filters = {name: {"says": says, "values": storage.values(name)} for name, says in _FILTERS.items()}
        return {"galleries": self.services.galleries.names(), "filters": filters}

    def look(self, asked: _Look) -> dict[str, Any]:
        """The map as it is now, or how far the gallery is filled; coordinates only where `have` is not the latest."""
        gallery = self._gallery(asked.gallery)
        filling = self.services.galleries.filling(self.services.recognizer(), asked.gallery)
        if filling is not None and filling.running and not asked.part:
            progress = filling.progress
            return {"state": "filling", "done": progress.done, "total": progress.total, "rows": len(gallery)}
        if not len(gallery):
            return {"state": "empty", "says": "This gallery is empty. Add pictures in the Gallery tab."}
        allowed, rows = self._rows(gallery, asked)
        if not len(rows):
            return {"state": "empty", "says": "No vehicle fits this filter. Take a part of it away."}
        settings = settings_for(len(rows), asked.perplexity, asked.seed)
        now = self.maps.look(gallery, rows, settings, asked.watcher)
        answer: dict[str, Any] = {"state": now.state, "done": now.iterations, "total": STAGES * ITERATIONS}
        answer |= {"says": now.problem, "seconds": now.seconds_left}
        if now.state == "done":
            answer["says"] = _described(len(allowed), now.coordinates, now.iterations, settings)
        if now.iterations != asked.have:
            answer |= {"rows": _packed(rows.astype("<i4"))}
            answer |= {axis: _packed(now.coordinates[:, place].astype("<f4")) for place, axis in enumerate("xy")}
        return answer

    def leave(self, asked: _Look) -> None:
        """This visitor waits for the map no longer."""
        gallery = self._gallery(asked.gallery)
        rows = self._rows(gallery, asked)[1]
        self.maps.leave(gallery, rows, settings_for(len(rows), asked.perplexity, asked.seed), asked.watcher)

    def colours(self, asked: _Coloured) -> dict[str, Any]:
        """The legend, and each point's place in it."""
        gallery = self._gallery(asked.gallery)
        colouring = _colouring(gallery, self._rows(gallery, asked)[1], asked.by)
        return {"entries": [asdict(entry) for entry in colouring.entries], "codes": _packed(colouring.codes)}

    def items(self, asked: _Shown) -> list[dict[str, Any]]:
        """What these rows are, with thumbnails."""
        found = self._gallery(asked.gallery).storage.items(asked.rows)
        return [_facts(row, item) for row, item in zip(asked.rows, found, strict=True)]

    def near(self, asked: _Near) -> list[dict[str, Any]]:
        """The row itself, then its nearest neighbours on this map, by embedding and exactly."""
        gallery = self._gallery(asked.gallery)
        hits = gallery.neighbours(asked.row, self._rows(gallery, asked)[1], _NEIGHBOURS)
        own = _facts(asked.row, gallery.storage.items([asked.row])[0])
        return [own, *({**_facts(hit.row, hit.item), "score": round(hit.score, 4)} for hit in hits)]

    def table(self, asked: _Rows) -> str:
        """These rows as CSV."""
        every = self._gallery(asked.gallery).storage.columns(*FACTS)
        return rows_csv((row, *every[row]) for row in asked.rows)

    def review(self, asked: _Sent, count: Callable[[], None]) -> dict[str, Any]:
        """Put these rows into the review queue: how many were added, and what of the others.

        Args:
            count: of each picture that goes through the network; raises TooManyError for one too many, and the answer
                then says so under `stopped`, with what was added before.

        Raises:
            GalleryError, StoreError, ImageError: nothing was added.
        """
        gallery, store = self._gallery(asked.gallery), self.services.labels.store()
        sights = [sight_of(gallery, item) for item in gallery.storage.items(asked.rows)]
        shown = [sight for sight in sights if sight is not None]
        new = [sight for sight in shown if not queued(store, sight)]
        told = {"known": len(shown) - len(new), "gone": len(sights) - len(shown), "stopped": ""}
        allowed: list[Sight] = []
        try:
            for sight in new:
                count()
                allowed.append(sight)
        except TooManyError as error:
            told["stopped"] = str(error)
        source = f"gallery {asked.gallery}"
        put_sights(store, self.services.recognizer(), gallery, allowed, source)
        thumbnails = sum(sight.thumbnail for sight in allowed)
        return {**told, "added": len(allowed), "thumbnails": thumbnails, "source": source}

    def figure(self, asked: _Drawn) -> str:
        """The map as a file, in base64."""
        gallery = self._gallery(asked.gallery)
        allowed, rows = self._rows(gallery, asked)
        settings = settings_for(len(rows), asked.perplexity, asked.seed)
        now = self.maps.look(gallery, rows, settings, "a figure")
        if now.state != "done":
            self.maps.leave(gallery, rows, settings, "a figure")
            raise GalleryError("The figure can be drawn when the map is done.")
        made = _described(len(allowed), now.coordinates, now.iterations, settings)
        title = f"{asked.gallery}, {gallery.storage.checkpoint}: {made}"
        picture = draw(now.coordinates, _colouring(gallery, rows, asked.by), title, asked.kind)
        return base64.b64encode(picture).decode()

    def _gallery(self, name: str) -> Gallery:
        return self.services.galleries.existing(self.services.recognizer(), name)

    def _rows(self, gallery: Gallery, asked: _Ask) -> tuple[np.ndarray, np.ndarray]:
        """(rows that fit, those of them on the map): at most `MOST_POINTS`, drawn by the seed."""
        allowed = gallery.storage.select(Selection(**asked.filters))
        if asked.only is not None:
            allowed = np.intersect1d(allowed, np.array(asked.only, np.int64))
        if len(allowed) <= MOST_POINTS:
            return allowed, allowed
        return allowed, np.sort(np.random.default_rng(asked.seed).choice(allowed, MOST_POINTS, replace=False))


def _described(allowed: int, coordinates: np.ndarray, iterations: int, settings: Settings) -> str:
    shown = len(coordinates)
    rows = f"{shown:,} of {allowed:,} rows, drawn by seed" if shown < allowed else f"{shown:,} row{'s' * (shown != 1)}"
    if can_settle(coordinates):
        method = f"t-SNE, {iterations:,} iterations" if iterations else "PCA"
        return f"{rows} · {method} · perplexity {settings.perplexity:.3g} · seed {settings.seed}"
    if shown < FEWEST:
        return f"{rows} · PCA: t-SNE needs at least {FEWEST}"
    return f"{rows} · all embeddings are the same, so every point lies on one spot"


def _colouring(gallery: Gallery, rows: np.ndarray, by: str) -> Colouring:
    if by == "novelty":
        if len(rows) < 2:
            return by_number(np.full(len(rows), np.nan))
        return by_number(_novelty(gallery, rows.tobytes()))
    every = gallery.storage.columns(by)
    values = [every[row][0] for row in rows]
    if by == "confidence":
        return by_number(np.array([np.nan if value is None else value for value in values], np.float64))
    return by_word(values)


@lru_cache(maxsize=8)  # seconds of work for the largest maps
def _novelty(gallery: Gallery, rows: bytes) -> np.ndarray:
    return own_novelty(gallery.storage.embeddings()[np.frombuffer(rows, np.int64)])


def _facts(row: int, item: Item) -> dict[str, Any]:
    told = {says: getattr(item, name) for name, says in _FILTERS.items() if getattr(item, name)}
    if item.plate:
        told["plate"] = item.plate
    picture = f"data:image/jpeg;base64,{base64.b64encode(item.thumbnail).decode()}" if item.thumbnail else ""
    return {"row": row, "facts": told, "picture": picture}


def _packed(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


def _page_html() -> str:
    options = "".join(f'<option value="{name}">{escape(says)}</option>' for name, says in _COLOURS.items())
    return f"""
<section class="vd-map" aria-label="Embedding map" data-plotly="{PLOTLY.path.lstrip("/")}">
  <div class="vd-map-bar">
    <label>Gallery <select name="gallery"></select></label>
    <label>Colour by <select name="by">{options}</select></label>
    <details class="vd-map-menu"><summary>Filter<b></b></summary><div class="vd-map-filters"></div></details>
    <details class="vd-map-menu"><summary>t-SNE</summary><div>
      <label>Perplexity <input name="perplexity" type="number" min="1" max="200" step="any"></label>
      <label>Seed <input name="seed" type="number" min="0" max="2147483647" step="1" value="0"></label>
      <button type="button" data-do="again">Make this map</button></div></details>
    <details class="vd-map-menu"><summary>Figure</summary><div>
      <button type="button" data-figure="png">Download PNG</button>
      <button type="button" data-figure="svg">Download SVG</button></div></details>
    <button type="button" data-do="whole" hidden>Map the whole gallery</button>
    <span class="vd-map-status"><span role="status"></span><progress hidden></progress>
      <button type="button" data-do="cancel" hidden>Cancel</button></span>
  </div>
  <div class="vd-map-body">
    <div class="vd-map-stage">
      <div class="vd-map-canvas" role="img" aria-label="Points of the map; the tray below lists what is chosen"></div>
      <div class="vd-map-message" role="status"><p>Opening the map.</p><button type="button" hidden></button></div>
      <div class="vd-map-tip" hidden></div>
    </div>
    <aside class="vd-map-legend" aria-label="Legend"><ul></ul></aside>
  </div>
  <div class="vd-map-tray" role="region" aria-label="Selection"></div>
  <p class="vd-map-note">Points that lie together have similar embeddings. How far apart groups lie, how large they are
    and how dense says nothing: t-SNE keeps neighbours, not distances.</p>
</section>"""
