"""The page around the tabs: name, purpose, checkpoint with its model card, and the way to the API."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from vehicle_demo.ui import benchmark, browser, desk, gallery, plates, recognise, retrain, review, signing, syncing
from vehicle_demo.ui import map as map_tab
from vehicle_demo.ui.services import Services
from vehicle_demo.ui.theme import theme

_STATIC = Path(__file__).parent / "static"
TITLE = "VehicleDINO Studio"
_LOOKS_S = 15


def build(services: Services) -> gr.Blocks:
    """The whole page; launch it with `launch_options`."""
    checkpoint = services.recognizer().checkpoint

    def on_look() -> str:
        return _top_html(services)

    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as page:
        with gr.Row(elem_classes="vd-topbar"):
            top = gr.HTML(_top_html(services), padding=False)
            signing.build()
        # Another visitor, or another process, may promote other heads while this page is open.
        for moment in (page.load, gr.Timer(_LOOKS_S).tick):
            moment(on_look, None, top, show_progress="hidden", api_visibility="private")
        syncing.connect(services)
        desk.connect("plates", plates.served(services))
        desk.connect("review", review.served(services))
        with gr.Tabs():
            recognise.build(services)
            gallery.build(services)
            map_tab.build(services)
            plates.build()
            review.build(services)
            retrain.build(services)
            benchmark.build(services)
            browser.build(services)
        if checkpoint.model_card is not None:
            with gr.Accordion("Model card", open=False, elem_id="vd-card"):
                gr.Markdown(_without_front_matter(checkpoint.model_card.read_text()))
    page.queue(default_concurrency_limit=4)
    return page


def _top_html(services: Services) -> str:
    checkpoint = services.recognizer().checkpoint
    return (
        f'<header class="vd-top"><h1>{TITLE}</h1><p>Find every vehicle in a photo: type, make, model and plate.</p>'
        f'<nav><a href="#vd-card">{escape(checkpoint.name)} {escape(checkpoint.version)}, '
        f"heads <span data-heads>{escape(checkpoint.heads_version)}</span></a>"
        '<a href="?view=api">API</a></nav></header>'
    )


def launch_options(services: Services) -> dict[str, Any]:
    """What `Blocks.launch` needs of ours: looks, scripts, routes, and the limit on uploads."""
    web = signing.app_kwargs()
    scripts = "".join(f"<script>{path.read_text()}</script>" for path in sorted(_STATIC.glob("*.js")))
    return {
        "theme": theme(),
        "css_paths": sorted(_STATIC.glob("*.css")),
        "head": scripts,
        "max_file_size": "32mb",
        "footer_links": ["api"],
        "mcp_server": True,
        "app_kwargs": {**web, "routes": [map_tab.PLOTLY, *browser.routes(services), *web["routes"]]},
    }


def _without_front_matter(text: str) -> str:
    if text.startswith("---\n"):
        return text.split("---\n", 2)[2]
    return text
