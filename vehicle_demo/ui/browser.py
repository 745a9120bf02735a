"""The In-browser tab, and the routes of the page that it opens: recognition that never sends a photo anywhere."""

from __future__ import annotations

import mimetypes
import os
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

import gradio as gr
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from vehicle_demo.recognition import CheckpointError, Recognizer
from vehicle_demo.ui.browser_page import HEADERS, RUNTIME, Page, build_page
from vehicle_demo.ui.services import Services

PATH = "/browser/"
_FOR_EVER = "public, max-age=31536000, immutable"
# Not every system knows these.
_TYPES = {".mjs": "text/javascript", ".js": "text/javascript", ".wasm": "application/wasm"}


def build(services: Services) -> gr.Tab:
    """The tab: what the page does, how large it is, and the way there."""
    with gr.Tab("In browser", id="browser") as tab:
        gr.HTML(_tab_html(services))
    return tab


def routes(services: Services) -> list[Route]:
    """The page at `PATH`. VEHICLE_DEMO_ORT_WEB names a folder to take ONNX Runtime Web from in place of the CDN."""
    served = _Served(services)

    async def to_folder(request: Request) -> Response:
        return RedirectResponse(f"{request.url.path}/")

    return [Route(PATH.rstrip("/"), to_folder), Route(f"{PATH}{{name:path}}", served.send)]


@dataclass
class _Served:
    """The page of the recogniser that answers now; built anew when other heads do."""

    services: Services
    _of: Recognizer | None = None
    _page: Page | None = None
    _lock: Lock = field(default_factory=Lock)

    def page(self) -> Page:
        answering = self.services.recognizer()
        with self._lock:
            if self._page is None or answering is not self._of:
                named = os.environ.get("VEHICLE_DEMO_ORT_WEB", "")
                self._page = build_page(answering, self.services.examples, "../", Path(named) if named else None)
                self._of = answering
            return self._page

    async def send(self, request: Request) -> Response:
        try:
            page = await run_in_threadpool(self.page)
        except (CheckpointError, FileNotFoundError) as error:
            return PlainTextResponse(str(error), 503)
        name = request.path_params["name"] or "index.html"
        source = page.files.get(name)
        if source is None:
            return PlainTextResponse("There is no such file here. Reload the page.", 404)
        headers = {**HEADERS, "Cache-Control": _FOR_EVER if name in page.kept else "no-cache"}
        kind = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
        if isinstance(source, bytes):
            return Response(source, media_type=kind, headers=headers)
        return FileResponse(source, media_type=kind, headers=headers)


def _tab_html(services: Services) -> str:
    checkpoint = services.recognizer().checkpoint
    precision = "int8" if "int8" in checkpoint.graphs else next(iter(checkpoint.graphs))
    files = [checkpoint.graph_path(precision), checkpoint.reader_path, checkpoint.corners_path]
    model = sum(path.stat().st_size for path in files if path) / 1e6
    runtime = sum(RUNTIME["files"][name]["bytes"] for name in RUNTIME["ways"]["wasm"].values()) / 1e6
    return (
        '<section class="vd-in-browser"><h2>Recognise on your own device</h2>'
        "<p>The same network on a page of its own, run by your browser: the photo never leaves this device, and after "
        "the first visit it works without a connection.</p>"
        f"<p>The first visit downloads the model ({model:.1f} MB) and ONNX Runtime Web ({runtime:.1f} MB, less when "
        "compressed); with WebGPU, where your browser has it, both are larger.</p>"
        f'<p><a class="vd-open" href="{PATH.lstrip("/")}" target="_blank" rel="noopener">Open the page</a></p>'
        "</section>"
    )
