"""How fast the page of recognition is in headless Chromium by WASM: first result, and steady time a picture."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_WAIT_MS = 180_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools benchmark-browser`."""
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/vehicledino-nano"))
    parser.add_argument("--runs", type=int, default=15, help="pictures of each kind after the first")


def run(args: argparse.Namespace) -> None:
    """Print the figures; times end when the cards are on the page. Playwright comes with tests/requirements.txt.

    Raises:
        FileNotFoundError: there is no Chromium, or no npm to fetch ONNX Runtime Web with.
    """
    import tempfile

    from data_tools.in_browser import installed_runtime, open_chromium, served_folder
    from data_tools.pictures import photo_with
    from data_tools.static_space import write_static_space
    from vehicle_demo.recognition import Recognizer
    from vehicle_demo.ui.browser_page import HEADERS

    recognizer = Recognizer.from_checkpoint(args.checkpoint, "int8")
    photos = {count: photo_with(recognizer, count) for count in (1, 5)}
    with tempfile.TemporaryDirectory() as folder, open_chromium() as browser:
        write_static_space(args.checkpoint, Path(folder), installed_runtime())
        print(f"Chromium {browser.version}")
        for threads, headers in (("threads", HEADERS), ("one thread", {})):
            with served_folder(Path(folder), headers) as site:
                _measure(browser, site.url, threads, photos, args.runs)


def _measure(browser: Browser, url: str, name: str, photos: Mapping[int, bytes], runs: int) -> None:
    import numpy as np

    context = browser.new_context(viewport={"width": 1440, "height": 900})
    for visit in ("first visit", "second visit"):
        page = context.new_page()
        first = _until_cards(page, photos[1], url)
        print(f"{visit + ' to first result, ' + name:40} {first / 1000:8.2f} s      ({page.inner_text('#how')})")
        # From the second visit on the service worker sends the headers that give threads.
        if visit == "first visit":
            for count, photo in photos.items():
                times = [_until_cards(page, photo) for _ in range(runs)]
                told = f"recognise, {count} vehicle{'s' if count > 1 else ''}, {name}"
                print(f"{told:40} median {np.median(times):8.1f} ms   p95 {np.percentile(times, 95):8.1f} ms")
        page.close()
    context.close()


def _until_cards(page: Page, photo: bytes, url: str | None = None) -> float:
    """Milliseconds from the choice of a photo, or from the opening of the page, to its cards."""
    if url is not None:
        page.goto(url)
    page.evaluate(_WATCH)
    begun = page.evaluate("performance.timeOrigin" if url else "performance.timeOrigin + performance.now()")
    page.set_input_files("#file", {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": photo})
    page.wait_for_selector("html[data-drawn]", timeout=_WAIT_MS)
    return float(page.get_attribute("html", "data-drawn") or "") - begun


# When the next cards are drawn, by the page's own clock: what is asked from outside comes late.
_WATCH = """() => {
  delete document.documentElement.dataset.drawn;
  const watch = new MutationObserver(() => {
    if (!document.querySelector('.vd-cards')) return;
    watch.disconnect();
    document.documentElement.dataset.drawn = performance.timeOrigin + performance.now();
  });
  document.querySelector('#results').innerHTML = '';
  watch.observe(document.querySelector('#results'), {childList: true});
}"""
