"""Many pictures at once into the review queue: uploaded files, a dataset on the Hub, or the example photos."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import gradio as gr
from PIL import Image

from vehicle_demo.annotation.store import StoreError
from vehicle_demo.gallery.building import Progress
from vehicle_demo.gallery.gallery import Gallery, GalleryError
from vehicle_demo.gallery.sources import Source, open_files
from vehicle_demo.recognition import CheckpointError, ImageError, Recognizer, Vehicle, open_image
from vehicle_demo.ui.cards import message_html
from vehicle_demo.ui.filling import dataset_field, files_field, said_html, sources_of
from vehicle_demo.ui.intake import new_vehicles, unsure
from vehicle_demo.ui.labels import Labels
from vehicle_demo.ui.limits import TooManyError, take_import
from vehicle_demo.ui.people import NotAllowedError, person_of
from vehicle_demo.ui.ranklist import progress_html
from vehicle_demo.ui.services import Services

_BATCH = 8
_STOPPED = "Stopped. What was added is kept; the rest is added when it is begun again."


def build(services: Services) -> None:
    """The accordion under the desk."""

    def run(sources: list[Source], everything: bool) -> Iterator[str]:
        bad: list[tuple[str, str]] = []
        added = known = 0
        try:
            recognizer = services.recognizer()
            gallery = services.galleries.gallery(recognizer)
            for source in sources:
                progress = Progress(source.total)
                for progress in take_in(services.labels, recognizer, gallery, source, everything):
                    yield progress_html(progress)
                added, known, bad = added + progress.added, known + progress.known, [*bad, *progress.bad]
        # A table may be damaged in its middle, the Hub may go away: each library has its own exception for that.
        except (GalleryError, CheckpointError, StoreError, OSError, ValueError, RuntimeError) as error:
            yield said_html(f"{error} What was added before is kept.", bad, "alert")
            return
        more = f" {known:,} pictures were there already." if known else ""
        yield said_html(f"{added:,} vehicles added to the queue.{more}", bad, "status")

    def on_files(files: list[str] | None, dataset: str, everything: bool, request: gr.Request) -> Iterator[str]:
        try:
            person_of(request)
            take_import(request)
            sources = sources_of(files, dataset or "")
        except (NotAllowedError, TooManyError, GalleryError) as error:
            yield message_html(str(error), "error")
            return
        yield from run(sources, everything)

    def on_examples(everything: bool, request: gr.Request) -> Iterator[str]:
        try:
            person_of(request)
            take_import(request)
        except (NotAllowedError, TooManyError) as error:
            yield message_html(str(error), "error")
            return
        yield from run(open_files(list(services.examples)), everything)

    def on_stop() -> str:
        return said_html(_STOPPED, [], "status")

    with gr.Accordion("Add pictures", open=False, elem_id="vd-importing"):
        with gr.Row():
            files = files_field("vd-importing-files")
            dataset = dataset_field()
        everything = gr.Checkbox(False, label="All vehicles, also those that the model is sure of")
        with gr.Row():
            start = gr.Button("Add to the queue", variant="primary")
            examples = gr.Button("Add the example photos")
            stop = gr.Button("Cancel")
        said = gr.HTML("", elem_id="vd-importing-said")
        shared: dict[str, Any] = {
            "outputs": said,
            "concurrency_id": "filling",
            "concurrency_limit": 2,
            "show_progress": "hidden",
            "api_visibility": "private",
        }
        runs: list[Any] = [
            start.click(on_files, [files, dataset, everything], **shared),
            examples.click(on_examples, everything, **shared),
        ]
        for one in runs:
            one.then(None, js="() => { vehicleDemo.refill('review'); }", api_visibility="private")
        stop.click(
            on_stop,
            None,
            said,
            cancels=runs,
            show_progress="hidden",
            api_visibility="private",
        )


def take_in(
    labels: Labels, recognizer: Recognizer, gallery: Gallery | None, source: Source, everything: bool = False
) -> Iterator[Progress]:
    """Put a source's vehicles into the queue, saying how far it is after each batch; stop by not asking for the next.

    What is added stays: one that was stopped or killed goes on where it was, as pictures are passed over whose vehicles
    are in the queue, or that had none to ask about when these heads looked. Pictures that cannot be read are listed.

    Args:
        everything: also vehicles that the model is sure of.

    Raises:
        StoreError: the queue cannot be written.
    """
    began = time.monotonic()
    progress = Progress(source.total)
    left = source.entries()
    store, checkpoint = labels.store(), recognizer.checkpoint
    how = " ".join((checkpoint.title, checkpoint.heads_version, "all" if everything else "unsure"))
    while entries := list(islice(left, _BATCH)):
        contents: dict[str, bytes] = {}
        images: list[Image.Image] = []
        bad = list(progress.bad)
        known = 0
        for entry in entries:
            try:
                content = entry.read()
                name = hashlib.sha256(content).hexdigest()
                if name in contents or store.holds_vehicles(name) or store.looked_through(name, how):
                    known += 1
                    continue
                images.append(open_image(content))
                contents[name] = content
            except (ImageError, OSError) as error:
                bad.append((entry.name, str(error)))
        new = [
            one
            for content, vehicles in zip(contents.values(), _found(recognizer, source, images), strict=True)
            for one in new_vehicles(
                recognizer,
                content,
                [v for v in vehicles if everything or unsure(v, recognizer.checkpoint.thresholds)],
                gallery,
                source.name,
            )
        ]
        store.add(new)
        asked = {hashlib.sha256(one.content).hexdigest() for one in new}
        store.remember_looked_through([name for name in contents if name not in asked], how)
        progress = replace(
            progress,
            done=progress.done + len(entries),
            added=progress.added + len(new),
            known=progress.known + known,
            bad=tuple(bad),
            seconds=time.monotonic() - began,
        )
        yield progress


def _found(recognizer: Recognizer, source: Source, images: list[Image.Image]) -> list[tuple[Vehicle, ...]]:
    if source.single:
        return [(vehicle,) for vehicle in recognizer.describe_batch(images)]
    shown = recognizer.checkpoint.thresholds.detection
    return [found.above(shown).vehicles for found in recognizer.recognize_batch(images)]
