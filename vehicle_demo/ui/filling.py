"""Add pictures to a gallery from the page: uploaded files or a Hub dataset, never a folder of the server."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from vehicle_demo.gallery.building import Progress
from vehicle_demo.gallery.gallery import GalleryError
from vehicle_demo.gallery.sources import SUFFIXES, Source, open_files, open_hub_dataset
from vehicle_demo.ui.galleries import SAMPLE
from vehicle_demo.ui.limits import TooManyError, take_import
from vehicle_demo.ui.people import NotAllowedError, person_of
from vehicle_demo.ui.ranklist import progress_html
from vehicle_demo.ui.services import Services

_LISTED = 20


def build(services: Services, menu: gr.Dropdown) -> Any:
    """The accordion; `menu` learns of new galleries. Returns the event that ends when one has been built again."""

    def on_fill(name: str, files: list[str] | None, dataset: str, request: gr.Request) -> Iterator[tuple[str, Any]]:
        recognizer = services.recognizer()
        bad: list[tuple[str, str]] = []
        added = known = 0
        try:
            person_of(request)
            take_import(request)
            if name == SAMPLE:
                raise GalleryError(f"The gallery {SAMPLE} stays as it ships. Choose another name.")
            for source in sources_of(files, dataset):
                progress = Progress(source.total)
                for progress in services.galleries.fill(recognizer, name, source):
                    yield progress_html(progress), gr.skip()
                added, known = added + progress.added, known + progress.known
                bad += progress.bad
        except (NotAllowedError, TooManyError, GalleryError) as error:
            yield said_html(str(error), bad, "alert"), gr.Dropdown(choices=services.galleries.names())
            return
        more = f" {known:,} pictures were there already." if known else ""
        sentence = f"{added:,} vehicles added to {name}.{more} Choose it in the gallery menu."
        yield said_html(sentence, bad, "status"), gr.Dropdown(choices=services.galleries.names())

    def on_again(name: str, request: gr.Request) -> Iterator[tuple[str, Any]]:
        recognizer = services.recognizer()
        progress = Progress(None)
        try:
            person_of(request)
            take_import(request)
            for progress in services.galleries.rebuild(recognizer, name):
                yield progress_html(progress), gr.skip()
        except (NotAllowedError, TooManyError, GalleryError) as error:
            yield said_html(str(error), list(progress.bad), "alert"), gr.skip()
            return
        sentence = f"{progress.added:,} vehicles of {name} are there for {services.default_choice} now."
        yield said_html(sentence, list(progress.bad), "status"), gr.skip()

    def on_cancel(name: str) -> tuple[str, Any]:
        state = services.galleries.filling(services.recognizer(), name)
        added = state.progress.added if state else 0
        bad = list(state.progress.bad) if state else []
        sentence = f"Stopped. {added:,} vehicles added to {name} are kept; fill it again to go on."
        return said_html(sentence, bad, "status"), gr.Dropdown(choices=services.galleries.names())

    with gr.Accordion("Add pictures", open=False, elem_id="vd-filling"):
        with gr.Row():
            with gr.Column(min_width=300):
                name = gr.Textbox("mine", label="Name of the gallery", max_lines=1)
                dataset = dataset_field()
            files = files_field("vd-filling-files")
        with gr.Row():
            start = gr.Button("Fill the gallery", variant="primary")
            stop = gr.Button("Cancel")
        said = gr.HTML("", elem_id="vd-filling-said")
        filled = start.click(
            on_fill,
            [name, files, dataset],
            [said, menu],
            concurrency_id="filling",
            concurrency_limit=2,
            show_progress="hidden",
            api_visibility="private",
        )
        # Pressed by a button that the page shows where a gallery is another checkpoint's; see static/gallery.js.
        again = gr.Button("Build it again", visible="hidden", elem_id="vd-filling-again")
        rebuilt = again.click(
            on_again,
            menu,
            [said, menu],
            concurrency_id="filling",
            concurrency_limit=2,
            show_progress="hidden",
            api_visibility="private",
        )
        stop.click(
            on_cancel,
            name,
            [said, menu],
            cancels=[filled, rebuilt],
            show_progress="hidden",
            api_visibility="private",
        )
    return rebuilt


def sources_of(files: list[str] | None, dataset: str) -> list[Source]:
    """What people chose: uploaded files, a dataset on the Hub, or both. Raises GalleryError when nothing is."""
    sources = open_files([Path(path) for path in files or ()])
    if dataset.strip():
        sources.append(open_hub_dataset(dataset.strip()))
    if not sources:
        raise GalleryError("Choose pictures, a .zip or .parquet file, or type the name of a Hub dataset.")
    return sources


def dataset_field() -> gr.Textbox:
    """Where people name a dataset on the Hub."""
    return gr.Textbox("", label="Dataset on the Hub", placeholder="owner/name", max_lines=1)


def files_field(elem_id: str) -> gr.File:
    """Where people put pictures, and files that hold many: what `open_files` reads."""
    return gr.File(
        file_count="multiple",
        file_types=[*sorted(SUFFIXES), ".zip", ".parquet"],
        label="Pictures, .zip or .parquet",
        height=168,
        elem_id=elem_id,
    )


def said_html(sentence: str, bad: list[tuple[str, str]], role: str) -> str:
    """How it ended, with the first of what was passed over and why."""
    listed = "".join(f"<li><strong>{escape(name)}</strong> {escape(reason)}</li>" for name, reason in bad[:_LISTED])
    rest = f"<li>and {len(bad) - _LISTED:,} more</li>" if len(bad) > _LISTED else ""
    passed = f'<p>Passed over:</p><ul class="vd-bad">{listed}{rest}</ul>' if bad else ""
    return f'<div class="vd-said" role="{role}"><p>{escape(sentence)}</p>{passed}</div>'
