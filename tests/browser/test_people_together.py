"""Three people in three browsers at once: none is given another's vehicle, and contradictions are decided."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import combinations
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from data_tools.in_browser import chromium_options
from data_tools.serving import ServedApp, served_app
from tests.annotation.drawn_vehicles import new_vehicle
from tests.browser.conftest import FLAGS, WAIT
from tests.browser.test_review import A5, TT, all_is_saved, now, open_review
from tests.graphs import write_checkpoint
from tests.ui.test_review import LABELS
from vehicle_demo.annotation.consensus import CONFLICT, consensus
from vehicle_demo.annotation.review import Review
from vehicle_demo.annotation.store import ANSWER, DECISION, Store
from vehicle_demo.ui.people import users_in

PASSWORD = "correct horse"
# ann and cy call every vehicle an A5, bob a TT.
KEYS = {"ann": "1", "bob": "2", "cy": "1"}
SAYS = {"ann": A5, "bob": TT, "cy": A5}
# So many vehicles wait for one person, for two, and for all three.
ONE, TWO, THREE = 42, 6, 3
# Whatever the server gives this page is noted.
NOTES = """window.given = [];
const own = window.fetch;
window.fetch = async (...asked) => {
  const answer = await own(...asked);
  const told = String(asked[1]?.body).includes('"review_take"') ? await answer.clone().json() : {};
  window.given.push(...told.leased ?? []);
  return answer;
};"""


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[ServedApp]:
    """An app in which three people may write."""
    for name in KEYS:
        users_in(tmp_path).put(name, PASSWORD)
    labels = {**LABELS, "models": [*LABELS["models"][:-1], TT]}
    with served_app(str(write_checkpoint(tmp_path / "checkpoint", labels=labels)), home=tmp_path) as app:
        yield app


@pytest.fixture
def pages(browser: Browser, shared: ServedApp) -> Iterator[dict[str, Page]]:
    """A page of each person, signed in, in a browser of their own."""
    with ExitStack() as stack:
        pages = {}
        for name in KEYS:
            own = browser.browser_type.launch(**chromium_options(*FLAGS))
            stack.callback(own.close)
            pages[name] = own.new_page(viewport={"width": 1440, "height": 900})
            pages[name].add_init_script(NOTES)
            pages[name].goto(shared.url)
            sign_in(pages[name], name)
        yield pages


def sign_in(page: Page, name: str) -> None:
    page.get_by_role("button", name="Sign in").click(timeout=WAIT)
    form = page.get_by_role("dialog")
    form.get_by_label("Name").fill(name)
    form.get_by_label("Password").fill(PASSWORD)
    form.get_by_role("button", name="Sign in").click()
    expect(page.locator(".vd-signing")).to_contain_text(name, timeout=WAIT)


def all_answer(pages: dict[str, Page], store: Store, expected: int) -> None:
    """Each presses their key whenever a vehicle is shown, until so many answers are there."""
    began = time.monotonic()
    while len(answers(store)) < expected:
        assert time.monotonic() - began < 6 * WAIT / 1000, f"{len(answers(store))} of {expected} answers"
        for name, page in pages.items():
            if now(page).is_visible():
                page.keyboard.press(KEYS[name])


def answers(store: Store) -> list[tuple[int, str]]:
    """(vehicle, person) of every answer, as they came."""
    with store.reading() as connection:
        rows = connection.exec_driver_sql(f"SELECT item, person FROM events WHERE kind = '{ANSWER}' ORDER BY id")
        return [(row.item, row.person) for row in rows]


def test_three_people_share_the_work_and_contradictions_are_decided(pages: dict[str, Page], tmp_path: Path) -> None:
    store = Store(tmp_path / "labels")
    wanted = [1] * ONE + [2] * TWO + [3] * THREE
    numbers = store.add([new_vehicle(n, source="shared", opinions=count) for n, count in enumerate(wanted)])
    opinions = dict(zip(numbers, wanted, strict=True))
    for page in pages.values():
        open_review(page, "shared")
    all_answer(pages, store, sum(wanted))
    for page in pages.values():
        all_is_saved(page)
    said = answers(store)
    assert Counter(item for item, _ in said) == opinions and len(set(said)) == len(said)
    assert min(Counter(person for _, person in said).values()) >= 5  # all three were at it
    # What one was given of those that wait for one person, no other was.
    given = {name: set(page.evaluate("window.given")) for name, page in pages.items()}
    for one, other in combinations(given.values(), 2):
        assert not {number for number in one & other if opinions[number] == 1}
    people = {number: {person for item, person in said if item == number} for number in numbers}
    torn = {number for number, who in people.items() if len({SAYS[person] for person in who}) > 1}
    assert len(torn) >= THREE
    assert {number for number, agreed in consensus(store).items() if agreed.status == CONFLICT} == torn
    page = pages["cy"]
    expect(page.locator(".vd-review .vd-work-progress")).to_contain_text(f"{len(torn)} in conflict", timeout=WAIT)
    page.get_by_label("Ask about").select_option("conflicts")
    for _ in torn:
        expect(page.get_by_role("list", name="What people said").get_by_role("listitem").first).to_be_visible(
            timeout=WAIT
        )
        page.keyboard.press("1")
    expect(page.locator(".vd-work-says:visible")).to_contain_text("No conflict waits", timeout=WAIT)
    all_is_saved(page)
    assert Review(store).progress().conflicts == 0
    for number in torn:
        decision = store.labels(number)[DECISION]
        assert decision.person == "cy" and decision.value["model"] == A5
        assert consensus(store)[number].status == ANSWER
