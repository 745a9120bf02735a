"""The Gallery tab: a vehicle or a plate in, the most alike of a gallery out."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from vehicle_demo.gallery.gallery import Gallery, GalleryError, Selection
from vehicle_demo.gallery.rank_figure import FORMATS, SHOWN, rank_figure
from vehicle_demo.gallery.ranking import Query, Ranked, Verdict, by_plate, look_alikes, reranked, verdict
from vehicle_demo.recognition import CheckpointError, ImageError
from vehicle_demo.ui import filling
from vehicle_demo.ui.cards import message_html
from vehicle_demo.ui.galleries import SAMPLE
from vehicle_demo.ui.limits import TooManyError, take_recognition
from vehicle_demo.ui.pictures import photo_field
from vehicle_demo.ui.queries import MOST, Search, asked, of_photo, of_plate, of_row
from vehicle_demo.ui.ranklist import header_html, other_checkpoint_html, query_html, results_html
from vehicle_demo.ui.services import Services

# Where a confident match begins in a gallery whose own vehicles do not tell.
_CALIBRATED = "as the checkpoint was calibrated"
_FILTERS = ("camera", "type", "make", "colour")
_TIME = re.compile(r"\d{4}(-\d\d(-\d\d([T ]\d\d(:\d\d(:\d\d(\.\d+)?)?)?)?)?)?")


@dataclass(frozen=True)
class Settings:
    """The tab's controls as an event finds them; an empty filter allows everything."""

    gallery: str
    camera: str
    type: str
    make: str
    colour: str
    since: str
    until: str
    other_camera: bool
    rerank: bool

    def selection(self, search: Search) -> Selection:
        """The rows that may be answered with. Raises GalleryError for a time that is none."""
        camera = search.item.camera if search.item and self.other_camera else ""
        until = _time(self.until)
        return Selection(
            **{name: getattr(self, name) or None for name in _FILTERS},
            since=_time(self.since),
            # A day or an hour counts to its end: no digit, dash or T comes after this letter.
            until=until and f"{until}~",
            not_camera=camera or None,
        )


def build(services: Services) -> gr.Tab:
    """The tab, its handlers, and the public endpoint `/search`."""
    tab = _Tab(services)
    return tab.build()


class _Tab:
    """The tab's handlers around the services; what belongs to one visitor goes through them as a `Search`."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def build(self) -> gr.Tab:
        recognizer = self._services.recognizer()
        # Other tabs send vehicles here before a visitor has seen it: it must be in the page from the start.
        with gr.Tab("Gallery", id="gallery", render_children=True) as tab:
            search = gr.State(Search())
            header = gr.HTML("", elem_id="vd-gallery-head")
            with gr.Row(elem_classes="vd-columns"):
                with gr.Column(scale=2, min_width=300, elem_classes="vd-asking"):
                    query = gr.HTML("", elem_id="vd-gallery-query")
                    photo = photo_field("Search with a photo", 128, "vd-gallery-photo")
                    with gr.Row():
                        plate = gr.Textbox(
                            "", label="Search for a plate", placeholder="AB12 and Enter", max_lines=1, min_width=140
                        )
                        menu = gr.Dropdown([SAMPLE], value=SAMPLE, label="Gallery", min_width=140)
                    with gr.Accordion("Filters", open=False):
                        with gr.Row():
                            filters = [
                                gr.Dropdown([("any", "")], value="", label=name, min_width=120) for name in _FILTERS
                            ]
                            times = [
                                gr.Textbox("", label=label, max_lines=1, min_width=120, visible=False)
                                for label in ("time from", "time to")
                            ]
                        other_camera = gr.Checkbox(False, label="Leave out the query's camera")
                with gr.Column(scale=5, min_width=320):
                    with gr.Row(elem_classes="vd-orders"):
                        least = gr.Slider(
                            0,
                            1,
                            recognizer.checkpoint.thresholds.match,
                            step=0.01,
                            label="Match from cosine",
                            info=_CALIBRATED,
                        )
                        rerank = gr.Checkbox(False, label="Re-rank the top 200 by shared neighbours")
                    results = gr.HTML(message_html("Opening the gallery.", "empty"), elem_id="vd-gallery-results")
                    sender = gr.HTML("", js_on_load=_SENDER.format(name="ask"), elem_classes="vd-sender")
                    drawer = gr.HTML("", js_on_load=_SENDER.format(name="figure"), elem_classes="vd-sender")
            timer = gr.Timer(1, active=False)
            settings = [menu, *filters, *times, other_camera, rerank]
            shown = [query, results, search]
            opened = [header, timer, least, *shown, menu, *filters, *times]
            from_script = gr.JSON(visible=False)
            figure = gr.JSON(visible=False)

            redraw: dict[str, Any] = {
                "inputs": least,
                "js": "(least) => { vehicleDemo.greyed(least); }",
                "api_visibility": "private",
            }

            def on(
                listen: Callable[..., Any], handler: Callable[..., Any], first: Any, outputs: Any, **more: Any
            ) -> None:
                """One way for all searches: the last of several quick choices counts."""
                # Uploaded photos go through the network, which is shared with the Recognise tab.
                uses = {"concurrency_id": "model" if first is photo else "gallery"}
                listen(
                    handler,
                    [*([first] if first else []), search, *settings],
                    outputs,
                    trigger_mode="always_last",
                    concurrency_limit=2,
                    show_progress="minimal",
                    show_progress_on=results,
                    api_visibility="private",
                    **uses,
                    **more,
                ).then(None, **redraw)

            js_ask = "(ask, ...others) => [vehicleDemo.asked, ...others]"
            on(tab.select, self._on_open, from_script, opened, js=js_ask)
            on(sender.click, self._on_ask, from_script, opened, js=js_ask)
            on(menu.input, self._on_gallery, None, opened)
            on(photo.input, self._on_photo, photo, shown)
            on(plate.submit, self._on_plate, plate, shown)
            for choice in filters:
                on(choice.input, self._on_settings, None, shown)
            for box in (other_camera, rerank):
                on(box.input, self._on_settings, None, shown)
            for field in times:
                on(field.submit, self._on_settings, None, shown)
            on(timer.tick, self._on_tick, None, opened)
            least.change(None, **redraw)
            drawer.click(
                self._on_figure,
                [from_script, search, *settings],
                figure,
                js="(kind, ...others) => [vehicleDemo.figureKind, ...others]",
                api_visibility="private",
                concurrency_id="gallery",
                concurrency_limit=2,
            ).then(None, figure, js="(file) => { vehicleDemo.saveFigure(file); }", api_visibility="private")
            rebuilt = filling.build(self._services, menu)
            rebuilt.then(self._on_gallery, [search, *settings], opened, api_visibility="private")
            gr.Button(visible=False).click(
                self.search,
                [
                    gr.File(visible=False, label="image"),
                    gr.Textbox(visible=False, label="gallery"),
                    gr.Number(10, visible=False, label="count", precision=0),
                ],
                gr.JSON(visible=False, label="results"),
                api_name="search",
                concurrency_id="model",
                concurrency_limit=2,
            )
        return tab

    def _on_open(self, ask: Any, search: Search, *settings: Any) -> list[Any]:
        if ask is not None or search.wanted is not None:
            # Another tab's vehicle is on its way here, or the visitor has come back: what is chosen stays.
            return [*self._about(settings[0]), *[gr.skip()] * 4, *self._menus(settings[0])]
        return self._open(settings[0], search, settings)

    def _on_gallery(self, search: Search, *settings: Any) -> list[Any]:
        return self._open(settings[0], search, settings)

    def _on_tick(self, search: Search, *settings: Any) -> list[Any]:
        name = settings[0]
        if search.wanted is None:
            return self._open(name, search, settings)
        state = self._services.galleries.filling(self._services.recognizer(), name)
        if state is not None and state.running:
            return [*self._about(name), *[gr.skip()] * 11]
        # It is full now: what was found in a part of it is looked for again.
        found = self._shown(search, Settings(*settings))
        return [*self._about(name), self._threshold(name), *found, *self._menus(name)]

    def _on_ask(self, ask: Any, search: Search, *settings: Any) -> list[Any]:
        name = ask["gallery"] if isinstance(ask, dict) and isinstance(ask.get("gallery"), str) else settings[0]
        recognizer = self._services.recognizer()
        try:
            gallery = self._gallery(name)
            wanted = asked(search, ask, gallery, name, recognizer, self._services.default_choice)
        except GalleryError as error:
            return [*self._about(settings[0]), *[gr.skip()] * 2, message_html(str(error), "error"), *[gr.skip()] * 8]
        if name != settings[0]:
            return self._open(name, wanted, settings)
        return [*[gr.skip()] * 3, *self._shown(wanted, Settings(*settings)), *[gr.skip()] * 7]

    def _on_photo(self, request: gr.Request, photo: str | None, search: Search, *settings: Any) -> list[Any]:
        if photo is None:
            return [gr.skip()] * 3
        try:
            take_recognition(request)
            return self._shown(of_photo(self._services.recognizer(), photo), Settings(*settings))
        except (TooManyError, ImageError) as error:
            return [gr.skip(), message_html(str(error), "error"), gr.skip()]

    def _on_plate(self, text: str, search: Search, *settings: Any) -> list[Any]:
        try:
            return self._shown(of_plate(text), Settings(*settings))
        except GalleryError as error:
            return [gr.skip(), message_html(str(error), "error"), gr.skip()]

    def _on_settings(self, search: Search, *settings: Any) -> list[Any]:
        return self._shown(search, Settings(*settings)) if search.wanted is not None else [gr.skip()] * 3

    def _on_figure(self, kind: Any, search: Search, *settings: Any) -> dict[str, str]:
        if kind not in FORMATS or search.wanted is None:
            raise gr.Error("There is no rank list to draw yet.", print_exception=False)
        ranked, verdicts = self._ranked(search, Settings(*settings), SHOWN)
        thumbnail = search.item.thumbnail if search.item else b""
        # Through the page, not as a file: what is in the cache could be fetched by others.
        encoded = base64.b64encode(rank_figure(thumbnail, "query", ranked, verdicts, kind)).decode()
        return {"kind": kind, "content": encoded}

    # Also the tool of the app's MCP server, which shows this docstring.
    def search(
        self, request: gr.Request, image: str | None, gallery: str | None = None, count: int = 10
    ) -> list[dict[str, Any]]:
        """Find the vehicles of a gallery that look most like the one in a picture, best first. Read-only.

        The surest vehicle of the picture is looked for; a picture in which none is found is taken whole. Each answer
        has its rank, its cosine score in [-1, 1], its row in the gallery, and what is known of it: vehicle_id, camera,
        type, make, model and plate; what is not known is empty.

        Args:
            image: The picture, at most 32 MB.
            gallery: A name from the app's gallery menu; the sample gallery when empty.
            count: How many to answer with, 1 to 100.
        """
        if image is None:
            raise gr.Error("Send a picture.", print_exception=False)
        try:
            take_recognition(request)
            wanted = of_photo(self._services.recognizer(), image).wanted
            assert isinstance(wanted, Query)
            ranked = look_alikes(self._gallery(gallery or SAMPLE), wanted, min(max(int(count or 10), 1), MOST))
        except (TooManyError, ImageError, CheckpointError, GalleryError) as error:
            raise gr.Error(str(error), print_exception=False) from error
        return [_plain(rank, place) for rank, place in enumerate(ranked, start=1)]

    def _gallery(self, name: str) -> Gallery:
        return self._services.galleries.existing(self._services.recognizer(), name)

    def _about(self, name: str) -> list[Any]:
        """Header and timer, which runs only while the gallery is being filled."""
        try:
            gallery = self._gallery(name)
        except GalleryError as error:
            return [message_html(str(error), "error"), gr.Timer(active=False)]
        state = self._services.galleries.filling(self._services.recognizer(), name)
        header = header_html(gallery, name, self._services.default_choice, state)
        return [header, gr.Timer(active=state is not None and state.running)]

    def _threshold(self, name: str) -> gr.Slider:
        """Where a confident match begins: as this gallery's own vehicles say, or else the checkpoint's."""
        own = self._gallery(name).match_from
        told = "as this gallery's own vehicles say" if own is not None else _CALIBRATED
        match = self._services.recognizer().checkpoint.thresholds.match if own is None else own
        return gr.Slider(value=round(max(match, 0.0), 2), info=told)

    def _open(self, name: str, search: Search, settings: tuple[Any, ...]) -> list[Any]:
        """Another gallery with all its filters free; a query that was of the old one gives way to the first vehicle."""
        head = self._about(name)
        try:
            gallery = self._gallery(name)
        except GalleryError:
            return [*head, *[gr.skip()] * 4, *self._menus(name)]
        head.append(self._threshold(name))
        *_, other_camera, rerank = settings
        free = Settings(name, "", "", "", "", "", "", other_camera, rerank)
        _, *filters = self._menus(name, value="")
        menus = [gr.Dropdown(choices=self._services.galleries.names(), value=name), *filters]
        if search.wanted is None or search.gallery not in ("", name):
            if len(gallery) == 0:
                return [*head, "", self._nothing_html(name), Search(), *menus]
            search = of_row(gallery, name, 0)
        return [*head, *self._shown(search, free), *menus]

    def _nothing_html(self, name: str) -> str:
        recognizer, galleries = self._services.recognizer(), self._services.galleries
        state = galleries.filling(recognizer, name)
        if name != SAMPLE and not (state and state.running) and (earlier := galleries.earlier(recognizer, name)):
            return other_checkpoint_html(name, earlier, self._services.default_choice)
        return message_html(self._nothing(name), "empty")

    def _nothing(self, name: str) -> str:
        galleries = self._services.galleries
        state = galleries.filling(self._services.recognizer(), name)
        if state is not None and state.running:
            return "The first pictures are on their way."
        if name == SAMPLE and not galleries.sample.exists():
            return f"The sample gallery's file {galleries.sample.name} is not here. Add pictures of your own below."
        return "This gallery has no pictures for this checkpoint yet. Add some below."

    def _menus(self, name: str, **chosen: Any) -> list[Any]:
        """The galleries there are, then the filters and times that this one has values for; `chosen` is set in these.

        Without it what is chosen stays.
        """
        updates: list[Any] = [gr.Dropdown(choices=self._services.galleries.names())]
        try:
            storage = self._gallery(name).storage
        except GalleryError:
            return [*updates, *[gr.skip()] * 6]
        for column in _FILTERS:
            values = storage.values(column)
            updates.append(gr.Dropdown(choices=[("any", ""), *values], visible=len(values) > 1, **chosen))
        times = storage.summary().times
        hints = times or ("", "")
        return [*updates, *(gr.Textbox(placeholder=hint, visible=times is not None, **chosen) for hint in hints)]

    def _shown(self, search: Search, settings: Settings) -> list[Any]:
        """The query's and the results' HTML, and the search itself."""
        began = time.perf_counter()
        try:
            ranked, verdicts = self._ranked(search, settings, search.count)
        except GalleryError as error:
            return [query_html(search), message_html(str(error), "error"), search]
        if not ranked and len(self._gallery(settings.gallery)) == 0:
            return [query_html(search), self._nothing_html(settings.gallery), search]
        second = settings.rerank and isinstance(search.wanted, Query)
        spent = (time.perf_counter() - began) * 1000
        return [query_html(search), results_html(search, ranked, verdicts, settings.gallery, spent, second), search]

    def _ranked(self, search: Search, settings: Settings, count: int) -> tuple[list[Ranked], list[Verdict | None]]:
        gallery, selection = self._gallery(settings.gallery), settings.selection(search)
        if isinstance(search.wanted, str):
            ranked = by_plate(gallery, search.wanted, count, selection)
        else:
            assert search.wanted is not None
            ranked = (reranked if settings.rerank else look_alikes)(gallery, search.wanted, count, selection)
        return ranked, [verdict(search.item, place.hit.item) if search.item else None for place in ranked]


# Scripts anywhere in the page start an event of this element by its name.
_SENDER = "vehicleDemo.sends('{name}', () => trigger('click'));"


def _plain(rank: int, place: Ranked) -> dict[str, Any]:
    item = place.hit.item
    known = {name: getattr(item, name) for name in ("vehicle_id", "camera", "type", "make", "model", "plate")}
    return {"rank": rank, "score": round(place.hit.score, 4), "row": place.hit.row, **known}


def _time(text: str) -> str | None:
    if not text.strip():
        return None
    if not _TIME.fullmatch(text.strip()):
        raise GalleryError("A time reads 2026-01-31, or 2026-01-31 08:30.")
    return text.strip().replace(" ", "T")
