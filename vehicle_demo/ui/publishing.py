"""The answers as a private data set with a card, pushed from the Review tab to the place that is synced to."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

import gradio as gr

from vehicle_demo.annotation.publishing import LICENCES, PublishingError
from vehicle_demo.annotation.remote import RemoteError
from vehicle_demo.annotation.store import StoreError
from vehicle_demo.recognition import CheckpointError
from vehicle_demo.ui.filling import said_html
from vehicle_demo.ui.people import NotAllowedError, person_of
from vehicle_demo.ui.services import Services

_NOWHERE = (
    "This app keeps labels on its own disk alone. Start it with VEHICLE_DEMO_DATASET=owner/name, a dataset on the Hub, "
    "to publish them there; downloads above work without."
)


def build(services: Services) -> None:
    """The accordion under the desk."""
    place = services.labels.dataset

    def on_push(licence: str | None, request: gr.Request) -> Iterator[str]:
        try:
            person_of(request)
            if not place:
                raise PublishingError(_NOWHERE)
            yield said_html(f"Sending to {place}. You may go on working.", [], "status")
            rows = services.labels.publish(services.recognizer(), licence or "")
        except (NotAllowedError, PublishingError, StoreError, CheckpointError) as error:
            yield said_html(str(error), [], "alert")
        except RemoteError as error:
            yield said_html(f"{error} Nothing is lost: publish again when that is mended.", [], "alert")
        else:
            yield said_html(f"{place} has {rows:,} vehicle{'s' * (rows != 1)} now.", [], "status")

    with gr.Accordion("Publish the dataset", open=False, elem_id="vd-publishing"):
        if place:
            gr.HTML(
                f"<p>All answers with their pictures go to <strong>{escape(place)}</strong> with a card that has "
                "counts, classes and agreement; at the Hub only into a private dataset. What has not changed is not "
                "sent again.</p>"
            )
        else:
            gr.HTML(f"<p>{escape(_NOWHERE)}</p>")
        with gr.Row(visible=bool(place)):
            licence = gr.Dropdown(
                list(LICENCES), value=None, label="Licence", allow_custom_value=True, elem_id="vd-publishing-licence"
            )
            push = gr.Button("Publish", variant="primary")
        said = gr.HTML("", elem_id="vd-publishing-said")
        push.click(
            on_push,
            licence,
            said,
            concurrency_id="publishing",
            concurrency_limit=1,
            show_progress="hidden",
            api_visibility="private",
        )
