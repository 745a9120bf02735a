"""What it takes to open pages in a browser here: Chromium, ONNX Runtime Web from npm, and a web server."""

from __future__ import annotations

import functools
import http.server
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# What a browser that is watched needs not do on a machine of two cores, and what it must where it runs as root.
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium_options(*flags: str) -> dict[str, Any]:
    """How Playwright launches Debian's Chromium: with `QUIET` and these flags.

    Raises:
        FileNotFoundError: it is not installed.
    """
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise FileNotFoundError("Chromium is not installed: apt-get install chromium")
    return {"executable_path": chromium, "args": [*QUIET, *flags]}


@contextmanager
def open_chromium(*flags: str) -> Iterator[Browser]:
    """Debian's Chromium without a window; see `chromium_options`."""
    from playwright.sync_api import sync_playwright

    options = chromium_options(*flags)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**options)
        yield browser
        browser.close()


def installed_runtime() -> Path:
    """The folder of the pinned onnxruntime-web; at first npm installs it, and its files are kept in the environment.

    Raises:
        FileNotFoundError: npm is not there.
        ValueError: npm could not install it; the message has its last words.
    """
    from vehicle_demo.ui.browser_page import RUNTIME

    package = f"{RUNTIME['package']}@{RUNTIME['version']}"
    folder = Path(sys.prefix) / package
    if folder.exists():
        return folder
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm is not installed, which fetches ONNX Runtime Web: apt-get install npm")
    with tempfile.TemporaryDirectory(dir=sys.prefix) as part:
        options = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefix", part]
        said = subprocess.run([npm, "install", *options, package], capture_output=True, text=True)
        if said.returncode:
            raise ValueError(f"npm could not install {package}: {said.stderr[-500:]}")
        kept = Path(part) / "kept"
        kept.mkdir()
        for name in RUNTIME["files"]:
            shutil.move(Path(part) / "node_modules" / RUNTIME["package"] / "dist" / name, kept / name)
        # Another process may have been faster.
        with suppress(OSError):
            kept.rename(folder)
    return folder


@dataclass(frozen=True)
class ServedFolder:
    """A folder behind a web server: its address, and the paths that were asked of it so far."""

    url: str
    asked: list[str] = field(default_factory=list)


@contextmanager
def served_folder(folder: Path, headers: Mapping[str, str]) -> Iterator[ServedFolder]:
    """Serve a folder on 127.0.0.1 and a free port, with these headers on every answer."""
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            super().do_GET()

        def end_headers(self) -> None:
            for name, value in headers.items():
                self.send_header(name, value)
            super().end_headers()

        def log_message(self, *_: object) -> None:
            pass

    Handler.extensions_map = {**Handler.extensions_map, ".mjs": "text/javascript", ".wasm": "application/wasm"}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield ServedFolder(f"http://127.0.0.1:{server.server_port}/", asked)
    finally:
        server.shutdown()
        server.server_close()
