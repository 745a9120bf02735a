"""The Benchmark tab: a gallery and a published protocol in, figures out, with the command that prints them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import gradio as gr

from vehicle_demo.gallery.gallery import GalleryError
from vehicle_demo.gallery.measuring import PROTOCOLS, measure
from vehicle_demo.ui.cards import message_html
from vehicle_demo.ui.figures import Measured, report_html, stale_html, words_html, working_html
from vehicle_demo.ui.galleries import SAMPLE
from vehicle_demo.ui.ranklist import header_html
from vehicle_demo.ui.services import Services

_READY = message_html("Press Run to measure this gallery.", "empty")
_STOPPED = message_html("Stopped. Press Run to begin again.", "empty")
_FIRST = next(iter(PROTOCOLS))


def build(services: Services) -> gr.Tab:
    """The tab and its handlers."""
    tab = _Tab(services)
    return tab.build()


def run(services: Services, name: str, protocol: str) -> Iterator[tuple[str, Measured | None]]:
    """Measure a gallery: HTML of how far it is, then of the report or of what is wrong, with what is being measured."""
    began, measured = time.monotonic(), None
    recognizer = services.recognizer()
    try:
        gallery = services.galleries.existing(recognizer, name)
        measured = Measured(name, len(gallery), gallery.storage.checkpoint, protocol)
        state = services.galleries.filling(recognizer, name)
        if state is not None and state.running:
            raise GalleryError(
                f"{name} is being filled. Figures of a part say nothing of the whole: press Run when it is done."
            )
        for step in measure(gallery, protocol):
            if step.report is None:
                yield working_html(step, time.monotonic() - began), measured
            else:
                yield report_html(measured, step.report), measured
    except GalleryError as error:
        yield message_html(str(error), "error"), measured


class _Tab:
    """The tab's handlers around the services; what a visitor's figures are of goes through them as `Measured`."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def build(self) -> gr.Tab:
        titles = [(protocol.title, name) for name, protocol in PROTOCOLS.items()]
        with gr.Tab("Benchmark", id="benchmark") as tab:
            measured = gr.State(None)
            header = gr.HTML("", padding=False, elem_classes="vd-benchmark-head")
            with gr.Row(elem_classes="vd-benchmark-bar"):
                menu = gr.Dropdown([SAMPLE], value=SAMPLE, label="Gallery", min_width=140)
                protocol = gr.Dropdown(titles, value=_FIRST, label="Protocol", min_width=220)
                start = gr.Button("Run", variant="primary", min_width=96, scale=0)
                stop = gr.Button("Cancel", interactive=False, min_width=96, scale=0)
            words = gr.HTML(words_html(_FIRST), padding=False)
            note = gr.HTML("", padding=False)
            results = gr.HTML(_READY, padding=False)
            timer = gr.Timer(1, active=False)

            private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
            about = [header, timer, note]
            chosen = [menu, protocol, measured]
            tab.select(self._on_open, chosen, [menu, *about], **private)
            timer.tick(self._about, chosen, about, **private)
            for choice in (menu, protocol):
                choice.input(self._on_choice, chosen, [words, *about], **private)
            running = start.click(
                self._on_run,
                [menu, protocol],
                [results, measured, note, stop],
                concurrency_id="benchmark",
                concurrency_limit=2,
                trigger_mode="always_last",
                **private,
            )
            # While it runs something else may have been chosen, to which header and note belong.
            running.then(self._about, chosen, about, **private)
            stop.click(self._on_stop, None, [results, stop], cancels=running, **private)
        return tab

    def _on_open(self, name: str, protocol: str, measured: Measured | None) -> list[Any]:
        return [gr.Dropdown(choices=self._services.galleries.names()), *self._about(name, protocol, measured)]

    def _on_choice(self, name: str, protocol: str, measured: Measured | None) -> list[Any]:
        return [words_html(protocol), *self._about(name, protocol, measured)]

    def _on_run(self, name: str, protocol: str) -> Iterator[list[Any]]:
        begin: list[Any] = ["", gr.Button(interactive=True)]
        for shown, measured in run(self._services, name, protocol):
            yield [shown, measured, *begin]
            # Something else may be chosen from now on, which has a note of its own.
            begin = [gr.skip(), gr.skip()]
        yield [*[gr.skip()] * 3, gr.Button(interactive=False)]

    def _on_stop(self) -> list[Any]:
        return [_STOPPED, gr.Button(interactive=False)]

    def _about(self, name: str, protocol: str, measured: Measured | None) -> list[Any]:
        """Header, timer, which runs only while the gallery is being filled, and the line over figures gone stale."""
        recognizer = self._services.recognizer()
        try:
            gallery = self._services.galleries.existing(recognizer, name)
        except GalleryError as error:
            return [message_html(str(error), "error"), gr.Timer(active=False), ""]
        state = self._services.galleries.filling(recognizer, name)
        header = header_html(gallery, name, self._services.default_choice, state)
        note = stale_html(measured, name, protocol, len(gallery)) if measured else ""
        return [header, gr.Timer(active=state is not None and state.running), note]
