"""How fast the Gallery and Map tabs answer in headless Chromium: a search, the sample's map, a large map panned."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data_tools.in_browser import open_chromium
from data_tools.serving import served_app

if TYPE_CHECKING:
    from playwright.sync_api import Page

_WAIT_MS = 180_000
_MANY = "many"
# Draws WebGL on the processor: there is no graphics card in most machines that measure.
_SOFTWARE_GL = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")
_DESK: Any = {"width": 1440, "height": 900}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m data_tools benchmark-tabs`."""
    parser.add_argument("--runs", type=int, default=20, help="searches")
    parser.add_argument("--map-rows", type=int, default=20_000, help="made-up vehicles of the large map")


def run(args: argparse.Namespace) -> None:
    """Print the figures of an app with a new home; the page's own clock times what is seen.

    Raises:
        FileNotFoundError: there is no Chromium. Playwright comes with tests/requirements.txt.
    """
    with tempfile.TemporaryDirectory() as home:
        _fill(Path(home), args.map_rows)
        with served_app(home=Path(home)) as app, open_chromium(*_SOFTWARE_GL) as browser:
            page = browser.new_page(viewport=_DESK)
            page.goto(app.url)
            _print("search, a vehicle of the sample as query", _searches(page, args.runs))
            first, done = page.evaluate(_MAP_OPENS)
            _print("the sample's map: PCA on the page", [first])
            _print("the sample's map: t-SNE on the page", [done])
            page.locator(".vd-map [name=gallery]").select_option(_MANY)
            page.get_by_role("button", name="Cancel").and_(page.locator(".vd-map button")).click(timeout=_WAIT_MS)
            _print(f"map of {args.map_rows:,}: a frame while panning", _panned(page))


def _print(title: str, milliseconds: Sequence[float]) -> None:
    p95 = f"   p95 {np.percentile(milliseconds, 95):8.1f} ms" if len(milliseconds) > 1 else ""
    print(f"{title:44} median {np.median(milliseconds):8.1f} ms{p95}", flush=True)


def _fill(home: Path, rows: int) -> None:
    """Make the large gallery of an app that has this home: rows near one of 500 centres, without thumbnails."""
    from vehicle_demo.gallery.gallery import Item
    from vehicle_demo.ui.galleries import Galleries
    from vehicle_demo.ui.services import find_services

    recognizer = find_services().recognizer()
    rng = np.random.default_rng(0)
    centre = rng.integers(500, size=rows)
    drawn = rng.normal(size=(500, recognizer.embedding_size))[centre]
    drawn += rng.normal(0, 0.5, drawn.shape)
    drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
    items = [Item(f"{row:064x}", vehicle_id=f"V{number}") for row, number in enumerate(centre)]
    Galleries(home / "galleries", home / "no sample").gallery(recognizer, _MANY).add(drawn.astype(np.float32), items)


def _searches(page: Page, runs: int) -> list[float]:
    """Milliseconds from a click on "Use as query" to the new results with their pictures, once the sample is filled."""
    page.get_by_role("tab", name="Gallery").click()
    page.wait_for_selector(".vd-hit", timeout=_WAIT_MS)
    page.wait_for_function("!document.querySelector('.vd-filling progress')", timeout=_WAIT_MS)
    page.reload()
    page.get_by_role("tab", name="Gallery").click()
    page.wait_for_selector(".vd-hit", timeout=_WAIT_MS)
    return [page.evaluate(_SEARCH, 3 + number % 7) for number in range(runs)]


def _panned(page: Page) -> list[float]:
    """Milliseconds between frames while the pointer drags the map about."""
    box = page.locator(".vd-map-stage").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate(_WATCH_FRAMES)
    for step in range(60):
        page.mouse.move(x + 120 * np.sin(step / 6), y + 80 * np.cos(step / 6))
    page.mouse.up()
    return list(page.evaluate("window.frames_seen"))


_SEARCH = """async (place) => {
  const name = () => document.querySelector('.vd-query h3')?.textContent, before = name(), begun = performance.now();
  document.querySelectorAll('.vd-hit-actions [data-ask]')[place].click();
  while (name() === before) await new Promise(requestAnimationFrame);
  await Promise.all([...document.querySelectorAll('.vd-hit img')].map((image) => image.decode()));
  return performance.now() - begun;
}"""
# When the points are first drawn, and when the last iteration is: [ms, ms].
_MAP_OPENS = """async () => {
  const begun = performance.now(), frame = () => new Promise(requestAnimationFrame);
  const of = (part) => document.querySelector(`.vd-map ${part}`);
  document.querySelector('#vd-map-tab-button').click();
  while (!of('.vd-map-canvas')?.data) await frame();
  const first = performance.now() - begun;
  while (!of('.vd-map-status [role=status]').textContent.includes('1,000 iterations')) await frame();
  return [first, performance.now() - begun];
}"""
_WATCH_FRAMES = """() => {
  window.frames_seen = [];
  let last = performance.now();
  requestAnimationFrame(function frame(now) {
    window.frames_seen.push(now - last);
    last = now;
    requestAnimationFrame(frame);
  });
}"""
