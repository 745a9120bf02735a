"""A dataset on the Hub comes into the review queue, in a browser; trouble with the Hub is said."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import datasets
import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import text

from data_tools.serving import ServedApp, served_app
from tests.annotation.drawn_plates import picture
from tests.browser.conftest import WAIT
from tests.fake_hub import FakeHub, fake_hub
from tests.graphs import write_checkpoint
from tests.ui.test_review import LABELS
from vehicle_demo.annotation.store import Store

PICTURES = 3


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    """A dataset of three pictures, one of them damaged, in the usual place of its only split."""
    contents = [*(picture(number) for number in range(1, PICTURES)), b"only words"]
    rows = {"image": [{"bytes": content, "path": f"{n}.png"} for n, content in enumerate(contents)]}
    table = io.BytesIO()
    datasets.Dataset.from_dict(rows, features=datasets.Features({"image": datasets.Image()})).to_parquet(table)
    with fake_hub() as hub:
        hub.repo, hub.created = "someone/cars", True
        hub.files["data/train-00000-of-00001.parquet"] = table.getvalue()
        yield hub


@pytest.fixture
def app(tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedApp]:
    settings = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hub"), "HF_HUB_DISABLE_TELEMETRY": "1"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with served_app(str(write_checkpoint(tmp_path / "checkpoint", labels=LABELS)), home=tmp_path) as app:
        yield app


def test_a_dataset_on_the_hub_comes_into_the_queue(
    open_page: Callable[..., Page], app: ServedApp, hub: FakeHub, tmp_path: Path
) -> None:
    page = open_page(app.url)
    page.get_by_role("tab", name="Review").click(timeout=WAIT)
    part, said = page.locator("#vd-importing"), page.locator("#vd-importing-said")
    part.get_by_role("button", name="Add pictures").click()
    part.get_by_label("Dataset on the Hub").fill("someone/cars")
    part.get_by_label("All vehicles").check()
    add = part.get_by_role("button", name="Add to the queue")
    hub.status = 500
    add.click()
    expect(said).to_contain_text("The dataset someone/cars could not be opened", timeout=6 * WAIT)
    hub.status = 200
    add.click()
    expect(said).to_contain_text(f"{PICTURES - 1} vehicles added to the queue.", timeout=3 * WAIT)
    expect(said).to_contain_text("2.png")  # the one that is no picture
    expect(page.locator(".vd-review figcaption")).to_contain_text("someone/cars,", timeout=WAIT)
    with Store(tmp_path / "labels").reading() as connection:
        sources = connection.execute(text("SELECT source FROM items WHERE kind = 'vehicle'")).scalars().all()
    assert sources == ["someone/cars"] * (PICTURES - 1)
    add.click()
    expect(said).to_contain_text("0 vehicles added to the queue.", timeout=3 * WAIT)
