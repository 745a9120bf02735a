"""The page around the tabs: name, purpose, checkpoint with its model card, and the way to the API."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from vehicle_demo.ui import recognise
from vehicle_demo.ui.services import Services
from vehicle_demo.ui.theme import theme

_STATIC = Path(__file__).parent / "static"
TITLE = "VehicleDINO Studio"


def build(services: Services) -> gr.Blocks:
    """The whole page; launch it with `launch_options`."""
    checkpoint = services.recognizer().checkpoint
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as page:
        gr.HTML(
            f'<header class="vd-top"><h1>{TITLE}</h1><p>Find every vehicle in a photo: type, make, model and plate.</p>'
            f'<nav><a href="#vd-card">{escape(checkpoint.name)} {escape(checkpoint.version)}, '
            f"heads {escape(checkpoint.heads_version)}</a>"
            '<a href="?view=api">API</a></nav></header>'
        )
        with gr.Tabs():
            recognise.build(services)
        if checkpoint.model_card is not None:
            with gr.Accordion("Model card", open=False, elem_id="vd-card"):
                gr.Markdown(_without_front_matter(checkpoint.model_card.read_text()))
    page.queue(default_concurrency_limit=4)
    return page


def launch_options() -> dict[str, Any]:
    """What `Blocks.launch` needs of ours: looks, script, and the limit on uploads."""
    script = (_STATIC / "studio.js").read_text()
    return {
        "theme": theme(),
        "css_paths": _STATIC / "studio.css",
        "head": f"<script>{script}</script>",
        "max_file_size": "32mb",
        "footer_links": ["api"],
    }


def _without_front_matter(text: str) -> str:
    if text.startswith("---\n"):
        return text.split("---\n", 2)[2]
    return text
