"""A Hub that answers 500, and one that does not answer: the person sees it, keeps working, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import text

from data_tools.serving import ServedApp, served_app
from tests.annotation.drawn_vehicles import new_vehicle
from tests.browser.conftest import WAIT
from tests.browser.test_review import A5, TT, all_is_saved, before, field, now, open_review, press
from tests.fake_hub import FakeHub, fake_hub
from tests.graphs import write_checkpoint
from tests.ui.test_review import LABELS
from vehicle_demo.annotation.store import Store
from vehicle_demo.annotation.sync import Sync


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with fake_hub() as hub:
        hub.status = 500
        yield hub


@pytest.fixture
def synced(tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedApp]:
    """An app whose labels are kept at the Hub too, which fails from the start."""
    settings = {"VEHICLE_DEMO_DATASET": hub.repo, "HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_made_up"}
    for name, value in {**settings, "HF_HUB_DISABLE_TELEMETRY": "1"}.items():
        monkeypatch.setenv(name, value)
    with served_app(str(write_checkpoint(tmp_path / "checkpoint", labels=LABELS)), home=tmp_path) as app:
        yield app


def clients(store: Store) -> set[str]:
    """Everything that was said, by its identities."""
    with store.reading() as connection:
        return set(connection.execute(text("SELECT client FROM events")).scalars())


def test_a_hub_that_fails_or_hangs_is_said_and_holds_up_nobody(
    open_page: Callable[..., Page], synced: ServedApp, hub: FakeHub, tmp_path: Path
) -> None:
    store = Store(tmp_path / "labels")
    failing, hanging, _ = store.add([new_vehicle(number, source="drawn") for number in range(3)])
    page = open_page(synced.url)
    open_review(page, "drawn")
    line = page.locator(".vd-review [data-sync]")
    expect(line).to_contain_text(f"Not synced to {hub.repo}: The Hub failed with error 500.", timeout=2 * WAIT)
    press(page, "1")
    expect(before(page)).to_have_text(f"\u2713 {A5}")
    all_is_saved(page)
    expect(line).to_contain_text("kept on this server, sent again", timeout=WAIT)
    page.get_by_role("button", name="Publish the dataset").click()
    page.get_by_label("Licence").fill("cc-by-4.0")
    page.get_by_label("Licence").press("Enter")
    push, said = page.get_by_role("button", name="Publish", exact=True), page.locator("#vd-publishing-said")
    push.click()
    expect(said).to_contain_text("The Hub failed with error 500. Nothing is lost: publish again", timeout=3 * WAIT)
    # From now on it takes the questions and does not answer.
    hub.open.clear()
    hub.status = 200
    push.click()
    expect(said).to_contain_text(f"Sending to {hub.repo}. You may go on working.", timeout=WAIT)
    field(page).focus()
    press(page, "2")
    expect(before(page)).to_have_text(f"\u2713 {TT}")
    all_is_saved(page)
    expect(now(page)).to_be_visible()
    assert [event.person for number in (failing, hanging) for event in store.events(number)] == ["local"] * 2
    expect(said).to_contain_text("Sending to")
    hub.open.set()
    expect(said).to_contain_text(f"{hub.repo} has", timeout=3 * WAIT)
    expect(line).to_contain_text(f"Synced to {hub.repo} at", timeout=6 * WAIT)
    after = Store(tmp_path / "after")
    state = Sync(lambda: after, hub.remote()).once()
    assert (state.problem, state.note) == ("", "")
    assert clients(after) == clients(store) and len(clients(after)) == 2
    assert {"README.md"} < set(hub.files)
