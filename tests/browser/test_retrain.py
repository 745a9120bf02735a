"""The Retrain tab in Chromium: versions promoted and rolled back from two pages, a run begun and cancelled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from data_tools.serving import PROJECT, ServedApp
from tests.annotation.drawn_vehicles import new_vehicle
from tests.browser.conftest import PHONE, WAIT
from tests.retraining.clusters import shown
from vehicle_demo.annotation.store import ANSWER, Said, Store
from vehicle_demo.recognition import Recognizer
from vehicle_demo.retraining.compare import Measured, compare
from vehicle_demo.retraining.retrain import versions_of
from vehicle_demo.retraining.shipped import built_in_heads, read_bank
from vehicle_demo.retraining.versions import BUILT_IN, About, Versions

# A button as an older look at the page would have it.
_LATE = """version => {
    const button = Object.assign(document.createElement('button'), {type: 'button', textContent: 'late'});
    Object.assign(button.dataset, {retrain: 'promote', version, seen: 'built-in'});
    document.querySelector('.vd-retrain').append(button);
}"""


@pytest.fixture
def versions(app: ServedApp, home: Path) -> Iterator[Versions]:
    """Two versions of the running app's heads; afterwards the built-in ones answer again."""
    recognizer = Recognizer.from_checkpoint(PROJECT / "checkpoints" / "vehicledino-nano")
    own, bank = built_in_heads(recognizer.checkpoint), read_bank(recognizer.checkpoint)
    found = versions_of(home, recognizer)
    draw = np.random.default_rng(0)
    for _ in range(2):
        moved = {}
        for task, head in own.items():
            noise = draw.normal(scale=0.02, size=head.weight.shape).astype(np.float32)
            moved[task] = replace(head, weight=head.weight + noise)
        aside = bank.replay.where(np.arange(100))
        old, new = (Measured(heads, bank.holdout, aside) for heads in (own, replace(own, heads=moved)))
        comparison = compare(old, new, shown(aside))
        found.add(moved, About(BUILT_IN, "", {}, comparison.to_dict(), "ada"))
    yield found
    while found.state().promoted:
        found.roll_back("ada", found.state().answering)


def open_retrain(page: Page) -> None:
    page.get_by_role("tab", name="Retrain").click(timeout=WAIT)
    expect(page.locator(".vd-answering")).to_be_visible(timeout=WAIT)


def answers(page: Page, name: str) -> None:
    """Both the list and the top bar say that this version answers."""
    expect(page.locator(".vd-answering")).to_contain_text(f"{name} answers", timeout=WAIT)
    expect(page.locator(".vd-top [data-heads]")).to_have_text(name, timeout=WAIT)


def test_two_pages_promote_at_once_and_roll_back(
    open_page: Callable[..., Page], app: ServedApp, versions: Versions
) -> None:
    newest, older = versions.names()[:2]
    one, other = open_page(app.url), open_page(app.url)
    for page in (one, other):
        open_retrain(page)
        answers(page, BUILT_IN)
    expect(one.locator(".vd-retrain-verdict")).to_be_visible(timeout=WAIT)
    one.get_by_role("button", name=f"Promote {newest}").first.click()
    answers(one, newest)
    expect(one.locator(".vd-retrain-says")).to_have_text(f"{newest} answers now.")
    other.evaluate(_LATE, older)
    other.get_by_role("button", name="late").click()
    expect(other.locator(".vd-retrain-says")).to_contain_text(f"{newest} answers now, not built-in", timeout=WAIT)
    answers(other, newest)
    other.get_by_role("button", name="Roll back").click()
    answers(other, BUILT_IN)
    answers(one, BUILT_IN)  # without a click: the page looks by itself


def test_a_run_begins_and_can_be_cancelled(open_page: Callable[..., Page], app: ServedApp, home: Path) -> None:
    store = Store(home / "labels")
    for place, number in enumerate(store.add([new_vehicle(9000 + place, source="retrain") for place in range(30)])):
        truth = {"type": "coupe", "make": "Ember", "model": "Ember E1"}
        store.record(Said(number, "ann", ANSWER, f"retrain {place}", truth))
    store.close()
    page = open_page(app.url, **PHONE)
    open_retrain(page)
    expect(page.locator(".vd-retrain-count")).to_contain_text("corrections", timeout=WAIT)
    start = page.get_by_role("button", name="Retrain", exact=True)
    start.click(timeout=WAIT)
    cancel = page.get_by_role("button", name="Cancel").locator("visible=true")
    cancel.click(timeout=WAIT)
    expect(page.get_by_role("alert").locator("visible=true")).to_have_text(
        "Stopped. Nothing was changed.", timeout=WAIT
    )
    expect(start).to_be_enabled(timeout=WAIT)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
