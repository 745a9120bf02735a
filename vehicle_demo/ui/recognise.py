"""The Recognise tab: a photo in, every vehicle boxed and described."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from vehicle_demo.annotation.store import StoreError
from vehicle_demo.gallery.gallery import Gallery, GalleryError
from vehicle_demo.recognition import CheckpointError, ImageError, Recognition, Recognizer, Vehicle, open_image
from vehicle_demo.ui import attention
from vehicle_demo.ui.cards import cards_html, kept_html, message_html
from vehicle_demo.ui.galleries import SAMPLE
from vehicle_demo.ui.intake import RECOGNISE, collecting, new_vehicles, unsure
from vehicle_demo.ui.limits import TooManyError, take_recognition
from vehicle_demo.ui.novelty import Known, compared
from vehicle_demo.ui.people import NotAllowedError, person_of
from vehicle_demo.ui.pictures import data_uri, photo_field
from vehicle_demo.ui.services import Services
from vehicle_demo.ui.stage import stage_html

_CONCURRENT = 2
_CONSENT = (
    "Keep my photos in which the model is unsure of a vehicle, for people to name it. They are stored on this server, "
    "seen by its reviewers, and may be trained on."
)
_KEEPS = (
    "Photos in which the model is unsure of a vehicle are kept on this server for people to name it, and may be "
    "trained on."
)


def build(services: Services) -> gr.Tab:
    """The tab, its handlers, and the public endpoint `/recognize`."""
    wish = collecting()

    def show(source: str | None, choice: str, against: str, kept: Kept = _nothing_kept) -> tuple[str, str]:
        if source is None:
            return message_html("Drop a photo, paste one, use the camera, or choose an example.", "empty"), ""
        try:
            image = open_image(source)
            found, known = _compared(services, image, choice, against)
        except (ImageError, CheckpointError) as error:
            return message_html(str(error), "error"), ""
        thresholds = services.recognizer(choice).checkpoint.thresholds
        return stage_html(image, found), cards_html(image, found, thresholds, choice, known) + kept(found)

    @lru_cache(maxsize=32)
    def show_example(name: str, choice: str, against: str, rows: int) -> tuple[str, str]:
        return show(str(services.examples[_example_names(services).index(name)]), choice, against)

    def rows_of(choice: str, against: str) -> int:
        """How many vehicles the gallery has; 0 also where something cannot be opened, for which there is a sentence."""
        try:
            return len(_gallery(services, choice, against))
        except (CheckpointError, GalleryError):
            return 0

    def on_photo(photo: str | None, choice: str, against: str, agreed: bool, request: gr.Request) -> Any:
        # Taking the photo out of the field clears the field, not what was found in it.
        if photo is None:
            return [gr.skip()] * 4

        def kept(found: Recognition) -> str:
            try:
                person_of(request)
                recognizer, content = services.recognizer(choice), Path(photo).read_bytes()
                thresholds = recognizer.checkpoint.thresholds
                unknown = [v for v in found.above(thresholds.detection).vehicles if unsure(v, thresholds)]
                new = new_vehicles(recognizer, content, unknown, _gallery(services, choice, against), RECOGNISE)
                services.labels.store().add(new)
            except (NotAllowedError, GalleryError, StoreError, OSError) as error:
                return kept_html(f"Nothing of this photo is kept for Review: {error}")
            many = "1 vehicle waits" if len(new) == 1 else f"{len(new)} vehicles wait"
            return kept_html(f"{many} in Review for somebody to name." if new else "Nothing here needs a review.")

        keeps = agreed if wish == "ask" else wish == "always"
        return looked(photo, choice, against, request, kept if keeps else _nothing_kept)

    def on_example(choice: str, against: str, name: str) -> tuple[str, str, str | None, int]:
        if name not in _example_names(services):
            raise gr.Error("This example is not there any more. Reload the page.", print_exception=False)
        rows = rows_of(choice, against)
        found = show_example(name, choice, against, rows)
        return (*found, str(services.examples[_example_names(services).index(name)]), rows)

    def on_start(choice: str, against: str, request: gr.Request) -> tuple[str, str, str | None, int]:
        if not services.examples:
            return on_choice(None, choice, against, request)
        return on_example(choice, against, services.examples[0].name)

    def on_choice(
        source: str | None, choice: str, against: str, request: gr.Request
    ) -> tuple[str, str, str | None, int]:
        return looked(source, choice, against, request)

    def looked(
        source: str | None, choice: str, against: str, request: gr.Request, kept: Kept = _nothing_kept
    ) -> tuple[str, str, str | None, int]:
        """What is shown of a photo, where the visitor may ask for one more; the photo; and the gallery's rows."""
        rows = rows_of(choice, against)
        try:
            if source is not None:
                take_recognition(request)
        except TooManyError as error:
            return message_html(str(error), "error"), "", source, rows
        return (*show(source, choice, against, kept), source, rows)

    def on_return(source: str | None, choice: str, against: str, rows: int, request: gr.Request) -> Any:
        # What was unknown may have been added meanwhile. Gradio also says so of a page that has just been opened, where
        # nothing is shown yet and the first example is on its way.
        looks_again = source is not None and rows_of(choice, against) != rows
        return on_choice(source, choice, against, request) if looks_again else [gr.skip()] * 4

    def known_galleries() -> Any:
        return gr.Dropdown(choices=services.galleries.names())

    def sent(wanted: Any, source: str | None, choice: str) -> tuple[Recognizer, bytes, Vehicle]:
        """The recogniser, the photo's file and the vehicle in it whose card somebody has pressed a button of."""
        recognizer = services.recognizer(choice)
        try:
            content = Path(source or "").read_bytes()
        except OSError as error:
            raise ImageError("The photo is not there any more. Choose it again.") from error
        box = wanted.get("box") if isinstance(wanted, dict) else None
        # Found again, not believed: another photo may be here by now, and scripts may send anything.
        vehicles = recognizer.recognize(content).vehicles
        vehicle = next((vehicle for vehicle in vehicles if vehicle.box.to_list() == box), None)
        if vehicle is None:
            raise ImageError("This vehicle is not in the photo any more. Recognise it again.")
        return recognizer, content, vehicle

    def to_queue(put: Callable[[], int], request: gr.Request) -> dict[str, Any]:
        """What `put` has put into a queue: its number there, or what is wrong."""
        try:
            person_of(request)
            take_recognition(request)
            return {"item": put()}
        except (NotAllowedError, TooManyError, ImageError, CheckpointError, GalleryError, StoreError) as error:
            return {"error": str(error)}

    def on_plate(wanted: Any, source: str | None, choice: str, request: gr.Request) -> dict[str, Any]:
        return to_queue(lambda: services.labels.put_plate(*sent(wanted, source, choice)), request)

    def on_vehicle(wanted: Any, source: str | None, choice: str, against: str, request: gr.Request) -> dict[str, Any]:
        def put() -> int:
            recognizer, content, vehicle = sent(wanted, source, choice)
            gallery = _gallery(services, choice, against)
            (new,) = new_vehicles(recognizer, content, [vehicle], gallery, RECOGNISE)
            return services.labels.store().add([new])[0]

        return to_queue(put, request)

    # Also the tool of the app's MCP server, which shows this docstring.
    def recognize(
        request: gr.Request, image: str | None, checkpoint: str | None = None, gallery: str | None = None
    ) -> dict[str, Any]:
        """Find and describe every vehicle in a picture: boxes, type, make, model, plate, embedding, novelty. Read-only.

        Args:
            image: The picture, at most 32 MB.
            checkpoint: A name from the app's checkpoint menu; the first one when empty.
            gallery: A name from the app's gallery menu, to tell vehicles that are new to it; the sample when empty.
        """
        if image is None:
            raise gr.Error("Send a picture.", print_exception=False)
        try:
            take_recognition(request)
            found, known = _compared(services, image, checkpoint or None, gallery or SAMPLE)
            if gallery and known.problem:
                raise GalleryError(known.problem)
        except (TooManyError, ImageError, CheckpointError, GalleryError) as error:
            raise gr.Error(str(error), print_exception=False) from error
        return found.to_dict()

    # Also a tool of the MCP server.
    def read_plate(
        request: gr.Request, image: str | None, corners: Any = None, checkpoint: str | None = None
    ) -> dict[str, Any]:
        """Read number plates: every one in a photo, or the one in a close-up of a plate. Read-only.

        Each plate has its text (letters and digits, without signs and gaps), a score in [0, 1] (how likely all of it is
        right), its box in pixels, its characters with a score each, and for each of the reader's 8 slots the three
        likeliest characters, the best first and empty for a blank. A picture without a plate gives an empty list.

        Args:
            image: The picture, at most 32 MB.
            corners: Four corners [x, y] in pixels, clockwise from the plate's upper left: only this plate is read, as
                seen from the front. Empty to find the plates.
            checkpoint: A name from the app's checkpoint menu; the first one when empty.
        """
        if image is None:
            raise gr.Error("Send a picture.", print_exception=False)
        try:
            take_recognition(request)
            recognizer = services.recognizer(checkpoint or None)
            picture = open_image(image)
            found = [recognizer.read_plate(picture, corners)] if corners else recognizer.read_photo(picture)
        except (TooManyError, ImageError, CheckpointError) as error:
            raise gr.Error(str(error), print_exception=False) from error
        return {
            "checkpoint": recognizer.checkpoint.name,
            "image": {"width": picture.width, "height": picture.height},
            "plates": [plate.to_slots_dict() for plate in found if plate],
        }

    with gr.Tab("Recognise", id="recognise") as tab:
        source, rows = gr.State(None), gr.State(0)
        with gr.Row(elem_classes="vd-columns"):
            with gr.Column(scale=5, min_width=320):
                stage = gr.HTML(message_html("Looking at the first example.", "empty"), elem_id="vd-stage")
                examples = gr.HTML(_examples_html(services), js_on_load=_EXAMPLE_SCRIPT, elem_id="vd-examples")
                photo = photo_field("Your photo", 176, "vd-photo")
                agreed = gr.Checkbox(False, label=_CONSENT, visible=wish == "ask", elem_id="vd-consent")
                if wish == "always":
                    gr.HTML(kept_html(_KEEPS))
            with gr.Column(scale=3, min_width=320):
                with gr.Row():
                    choice = gr.Dropdown(
                        list(services.choices), value=services.default_choice, label="Checkpoint", min_width=150
                    )
                    against = gr.Dropdown([SAMPLE], value=SAMPLE, label="Known from gallery", min_width=150)
                thresholds = services.recognizer().checkpoint.thresholds
                threshold = gr.Slider(
                    thresholds.detection_floor, 0.95, thresholds.detection, step=0.01, label="Detection threshold"
                )
                cards = gr.HTML("", elem_id="vd-results")
        outputs = [stage, cards, source, rows]
        shared: dict[str, Any] = {
            "concurrency_id": "model",
            "concurrency_limit": _CONCURRENT,
            "api_visibility": "private",
            # By default Gradio drops what is chosen while an earlier choice is still at work.
            "trigger_mode": "always_last",
            "show_progress": "minimal",
            "show_progress_on": stage,
        }
        redraw: dict[str, Any] = {
            "inputs": threshold,
            "js": "(t) => { vehicleDemo.redraw(t); }",
            "api_visibility": "private",
        }
        photo.input(on_photo, [photo, choice, against, agreed], outputs, **shared).then(None, **redraw)
        # A deferred event comes back with the data of the first one, so the name is asked for when it runs.
        examples.click(
            on_example,
            [choice, against, gr.Textbox(visible=False)],
            outputs,
            js="(choice, against) => [choice, against, vehicleDemo.example]",
            **shared,
        ).then(None, **redraw)
        for menu in (choice, against):
            menu.input(on_choice, [source, choice, against], outputs, **shared).then(None, **redraw)
        threshold.change(None, **redraw)
        tab.select(on_return, [source, choice, against, rows], outputs, **shared).then(None, **redraw)
        page = tab.parent.parent
        page.load(on_start, [choice, against], outputs, **shared).then(None, **redraw)
        for begins in (tab.select, page.load):
            begins(known_galleries, None, against, api_visibility="private")
        attention.build(services, source, choice)
        _sender("plate", "plates", on_plate, [source, choice])
        _sender("vehicle", "review", on_vehicle, [source, choice, against])
        gr.Button(visible=False).click(
            recognize,
            [
                gr.File(visible=False, label="image"),
                gr.Textbox(visible=False, label="checkpoint"),
                gr.Textbox("", visible=False, label="gallery"),
            ],
            gr.JSON(visible=False, label="recognition"),
            api_name="recognize",
            concurrency_id="model",
            concurrency_limit=_CONCURRENT,
        )
        gr.Button(visible=False).click(
            read_plate,
            [
                gr.File(visible=False, label="image"),
                gr.JSON(visible=False, label="corners"),
                gr.Textbox(visible=False, label="checkpoint"),
            ],
            gr.JSON(visible=False, label="plates"),
            api_name="read_plate",
            concurrency_id="model",
            concurrency_limit=_CONCURRENT,
        )
    return tab


def _sender(name: str, desk: str, put: Callable[..., Any], inputs: list[Any]) -> None:
    """Lets a card's button of this name send its vehicle to a desk; see static/desk.js."""
    putter = gr.HTML("", js_on_load=f"vehicleDemo.sends('{name}', () => trigger('click'));", elem_classes="vd-sender")
    said = gr.JSON(visible=False)
    putter.click(
        put,
        [gr.JSON(visible=False), *inputs],
        said,
        js="(wanted, ...others) => [vehicleDemo.cardAsked, ...others]",
        trigger_mode="multiple",
        concurrency_id="model",
        concurrency_limit=_CONCURRENT,
        show_progress="hidden",
        api_visibility="private",
    ).then(None, said, js=f"(said) => {{ vehicleDemo.deskReady('{desk}', said); }}", api_visibility="private")


def _gallery(services: Services, choice: str | None, name: str) -> Gallery:
    return services.galleries.existing(services.recognizer(choice), name)


def _compared(services: Services, image: Image.Image | str, choice: str | None, name: str) -> tuple[Recognition, Known]:
    """What is recognised, and what the gallery of this name knows of it; without the gallery novelty stays None."""
    found = services.recognizer(choice).recognize(image)
    try:
        gallery = _gallery(services, choice, name)
        filling = services.galleries.filling(services.recognizer(choice), name)
        return compared(found, gallery), Known(name, gallery.known_within, filling=bool(filling and filling.running))
    except GalleryError as error:
        return found, Known(name, None, str(error))


Kept = Callable[[Recognition], str]


def _nothing_kept(found: Recognition) -> str:
    return ""


_EXAMPLE_SCRIPT = """
element.addEventListener('click', (event) => {
  const example = event.target.closest('[data-example]');
  if (!example) return;
  vehicleDemo.example = example.dataset.example;
  trigger('click');
});
"""


def _example_names(services: Services) -> list[str]:
    return [path.name for path in services.examples]


def _examples_html(services: Services) -> str:
    buttons = "".join(_example_button(path) for path in services.examples)
    return f'<div class="vd-strip" role="group" aria-label="Examples">{buttons}</div>' if buttons else ""


def _example_button(path: Path) -> str:
    name = escape(path.stem.replace("-", " "))
    with Image.open(path) as image:
        picture = data_uri(image.convert("RGB"), 240)
    return (
        f'<button type="button" data-example="{escape(path.name)}" title="{name}">'
        f'<img src="{picture}" alt="Example: {name}"></button>'
    )
