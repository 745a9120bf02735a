"""The Review tab by keyboard, touch and pointer, in Chromium; and that nothing said is lost or counted twice."""

from __future__ import annotations

import os
import re
import time
import zipfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from statistics import median, quantiles

import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import text

from data_tools.serving import ServedApp
from tests.annotation.drawn_vehicles import new_vehicle
from tests.browser.conftest import PHONE, WAIT
from vehicle_demo.annotation.items import NewVehicle
from vehicle_demo.annotation.store import ANSWER, UNDO, Event, Said, Store, event_of

A5, TT, BMW = "Audi A5 Coupe 2012", "Audi TT Hatchback 2011", "BMW"
_PICTURES = count(1000)
# Milliseconds from each key to the next vehicle's picture, by the page's own clock.
_NOTE_NEXT = """() => {
  const image = document.querySelector('.vd-review-picture img');
  let pressed;
  window.untilNext = [];
  document.addEventListener('keydown', () => { pressed = performance.now(); }, true);
  const seen = () => image.decode().then(() => window.untilNext.push(performance.now() - pressed), () => {});
  new MutationObserver(seen).observe(image, {attributeFilter: ['src']});
}"""


@pytest.fixture
def store(app: ServedApp, home: Path) -> Iterator[Store]:
    """The running app's labels, with nothing held by the pages of earlier tests."""
    store = Store(home / "labels")
    with store.writing() as connection:
        connection.execute(text("DELETE FROM leases"))
    yield store
    store.close()


def vehicles(store: Store, source: str, number: int, alike: int | None = None) -> list[int]:
    """Put as many vehicles into the queue, the first the most urgent; their numbers."""
    return store.add([_vehicle(source, 1 - place / 1000, alike) for place in range(number)])


def _vehicle(source: str, urgency: float, alike: int | None) -> NewVehicle:
    return new_vehicle(next(_PICTURES), urgency=urgency, source=source, alike=alike)


def open_review(page: Page, source: str) -> None:
    """The tab with the vehicles of this source alone."""
    page.get_by_role("tab", name="Review").click()
    expect(page.locator(f'.vd-review option[value="{source}"]')).to_have_count(1, timeout=WAIT)
    page.get_by_label("Source").select_option(source)
    expect(page.locator(".vd-review figcaption")).to_contain_text(f"{source},", timeout=WAIT)


def now(page: Page) -> Locator:
    """The current vehicle in the queue's strip."""
    return page.locator(".vd-review .vd-work-strip .vd-now")


def before(page: Page) -> Locator:
    """The vehicle that was last answered, in the strip."""
    return page.locator(".vd-review .vd-work-strip .vd-before").last


def field(page: Page) -> Locator:
    """Where names are typed."""
    return page.get_by_role("combobox", name="Find a model")


def all_is_saved(page: Page) -> None:
    expect(page.locator(".vd-review .vd-work-saved")).to_have_attribute("data-waiting", "0", timeout=WAIT)


def press(page: Page, *keys: str) -> None:
    """Keys for the vehicle that is shown."""
    expect(now(page)).to_be_visible(timeout=WAIT)
    for key in keys:
        page.keyboard.press(key)


def until(page: Page, true: Callable[[], bool]) -> None:
    """Wait for what the page does not show."""
    for _ in range(WAIT // 100):
        if true():
            return
        page.wait_for_timeout(100)
    raise AssertionError("It did not come.")


def latest(store: Store, number: int) -> Event:
    """What holds of the vehicle."""
    return store.labels(number)["vehicle"]


def test_answers_by_keyboard_are_kept_once_and_in_order(
    open_page: Callable[..., Page], app: ServedApp, store: Store
) -> None:
    numbers = vehicles(store, "fast", 24)
    page = open_page(app.url)
    open_review(page, "fast")
    for place in range(24):
        press(page, "12"[place % 2])
    all_is_saved(page)
    expect(page.locator(".vd-review .vd-work-progress")).to_contain_text("24 of 24 vehicles", timeout=WAIT)
    events = [event for number in numbers for event in store.events(number)]
    assert [event.item for event in events] == numbers  # each once
    assert sorted(events, key=lambda event: event.id) == events  # in the order of the queue
    assert [event.value["model"] for event in events] == [A5, TT] * 12
    assert {(event.value["make"], event.kind) for event in events} == {("Audi", ANSWER)}
    expect(page.locator(".vd-work-says:visible")).to_contain_text("No vehicle is left")


def test_answers_at_eight_a_second_are_all_there_once_and_in_order(
    open_page: Callable[..., Page], app: ServedApp, store: Store
) -> None:
    """VEHICLE_DEMO_ANSWERS=1000 asks for a thousand of them, which takes two minutes; `-s` prints how fast it was."""
    wanted = int(os.environ.get("VEHICLE_DEMO_ANSWERS", "160"))
    numbers = vehicles(store, "steady", wanted)
    page = open_page(app.url)
    open_review(page, "steady")
    page.evaluate(_NOTE_NEXT)
    began = time.monotonic()
    late = 0
    for place in range(wanted):
        due = began + place / 8
        if (left := due - time.monotonic()) > 0:
            page.wait_for_timeout(left * 1000)
        press(page, "12"[place % 2])
        late += time.monotonic() > due + 1 / 8
    spent = time.monotonic() - began
    all_is_saved(page)
    waits = page.evaluate("window.untilNext")
    with store.reading() as connection:
        query = text("SELECT e.* FROM events e JOIN items i ON i.id = e.item WHERE i.source = :source ORDER BY e.id")
        events = [event_of(row) for row in connection.execute(query, {"source": "steady"})]
    print(f"{len(events)} answers in {spent:.1f} s, {wanted / spent:.1f} a second; {late} keys later than their turn")
    print(f"answer to next picture: median {median(waits):.0f} ms, p95 {quantiles(waits, n=20)[-1]:.0f} ms")
    assert len(waits) > 0.9 * wanted and median(waits) < 150
    assert [event.item for event in events] == numbers  # none lost, none doubled, in the order of the queue
    assert [event.value["model"] for event in events] == [(A5, TT)[place % 2] for place in range(wanted)]
    assert {event.kind for event in events} == {ANSWER}
    expect(page.locator(".vd-review .vd-work-progress")).to_contain_text(f"{wanted} of {wanted} vehicles", timeout=WAIT)


def test_the_history_of_a_vehicle_is_a_key_or_a_click_away(
    open_page: Callable[..., Page], app: ServedApp, store: Store
) -> None:
    told, other = vehicles(store, "past", 2)
    store.record(Said(told, "ann", ANSWER, "past 1", {"type": None, "make": "Audi", "model": A5}))
    store.record(Said(told, "ann", UNDO, "past 2", undoes="past 1"))
    page = open_page(app.url)
    open_review(page, "past")
    past = page.get_by_role("region", name="History of this vehicle")
    press(page, "Alt+h")
    expect(past).to_contain_text("Others have said something too. It is shown once you have answered.", timeout=WAIT)
    press(page, "Alt+h")
    expect(past).to_be_hidden()
    press(page, "2")
    all_is_saved(page)
    page.get_by_role("button", name="History", exact=True).click()
    expect(past).to_contain_text("Nobody has said anything of this vehicle yet.", timeout=WAIT)
    press(page, "ArrowLeft")
    expect(past).to_be_hidden()
    page.get_by_role("button", name="History", exact=True).click()
    events = past.get_by_role("listitem")
    expect(events).to_have_count(2, timeout=WAIT)
    expect(events.first).to_contain_text(f"ann{A5}undone")
    expect(events.first.locator("span")).to_have_css("text-decoration-line", "line-through")
    expect(events.last).to_contain_text(TT)
    assert latest(store, told).value["model"] == TT and store.events(other) == []
    page.get_by_text("Answers", exact=True).locator("visible=true").click()
    answers = page.locator(".vd-review .vd-work-history")
    expect(answers.get_by_role("listitem").first).to_contain_text(TT, timeout=WAIT)
    store.record(Said(other, "ann", ANSWER, "past 3", {"type": None, "make": "Audi", "model": A5}))
    answers.get_by_label("Of").select_option("ann")
    expect(answers.get_by_role("listitem").first).to_contain_text(A5, timeout=WAIT)


def test_every_key_says_what_the_legend_says(open_page: Callable[..., Page], app: ServedApp, store: Store) -> None:
    make, unsure, bad, skipped, found, undone = vehicles(store, "keys", 6)
    page = open_page(app.url)
    open_review(page, "keys")
    expect(field(page)).to_be_focused()
    press(page, "Alt+2")
    press(page, "0")
    press(page, "Alt+x")
    press(page, "Escape")
    expect(before(page)).to_have_text("skipped")
    page.keyboard.type("bmv m3 cuope")  # two slips
    expect(page.get_by_role("option", name="BMW M3 Coupe 2012")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(before(page)).to_have_text("\u2713 BMW M3 Coupe 2012")
    press(page, "1", "Alt+z")
    expect(page.locator(".vd-review .vd-work-strip .vd-before")).to_have_count(3)
    expect(before(page)).to_have_text("\u2713 BMW M3 Coupe 2012")
    page.keyboard.press("Alt+y")
    expect(before(page)).to_have_text(f"\u2713 {A5}")
    page.keyboard.press("Alt+z")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".vd-review-why")).to_contain_text("You said: BMW M3 Coupe 2012")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".vd-review-why")).not_to_contain_text("You said")
    expect(field(page)).to_be_focused()
    all_is_saved(page)
    said = [latest(store, number) for number in (make, unsure, bad, found)]
    assert [event.kind for event in said] == [ANSWER, "unsure", "bad picture", ANSWER]
    assert said[0].value == {"type": None, "make": BMW, "model": None}
    assert said[3].value == {"type": "coupe", "make": BMW, "model": "BMW M3 Coupe 2012"}
    assert store.labels(skipped) == {} and store.labels(undone) == {}
    assert [event.kind for event in store.events(undone)] == [ANSWER, "undo", "redo", "undo"]


def test_a_name_that_is_not_listed_is_added(open_page: Callable[..., Page], app: ServedApp, store: Store) -> None:
    near, new = vehicles(store, "added", 2)
    page = open_page(app.url)
    open_review(page, "added")
    press(page, "Alt+n")
    page.get_by_label("Model, with make").fill("Audi TTs Coupé 2012")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Audi TTS Coupe 2012").click(timeout=WAIT)
    expect(before(page)).to_have_text("\u2713 Audi TTS Coupe 2012")
    page.keyboard.type("Trabant 601")
    expect(page.get_by_role("option", name="Nothing like it")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Model, with make")).to_have_value("Trabant 601")
    page.get_by_label("Make", exact=True).fill("Trabant")
    page.get_by_label("Type", exact=True).select_option("sedan")
    page.get_by_role("button", name="Add and answer").click()
    expect(before(page)).to_have_text("\u2713 Trabant 601", timeout=WAIT)
    all_is_saved(page)
    assert latest(store, near).value["model"] == "Audi TTS Coupe 2012"
    assert latest(store, new).value == {"type": "sedan", "make": "Trabant", "model": "Trabant 601"}


def test_the_box_is_drawn_again_and_alike_ones_go_together(
    open_page: Callable[..., Page], app: ServedApp, store: Store
) -> None:
    first, second, other = vehicles(store, "boxes", 3, alike=5)
    page = open_page(app.url)
    open_review(page, "boxes")
    expect(page.get_by_label("2 more that look nearly the same")).to_be_checked()
    picture = page.locator(".vd-review-picture")
    rect = picture.locator("rect")
    where = rect.get_attribute("width")
    press(page, "Alt+b")
    box = picture.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + box["height"] * 0.2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] * 0.8, steps=3)
    page.mouse.up()
    expect(rect).not_to_have_attribute("width", str(where))
    until(page, lambda: "box" in store.labels(first))
    drawn = store.labels(first)["box"].value
    assert 10 < drawn[0] < 16 and 48 < drawn[2] < 54  # of the window from 0 to 64
    expect(field(page)).to_be_focused()
    press(page, "Alt+b", "Shift+ArrowLeft", "Enter")
    until(page, lambda: store.labels(first)["box"].value[2] < drawn[2])
    press(page, "Alt+1")
    all_is_saved(page)
    said = [latest(store, number).value for number in (first, second, other)]
    assert said[0]["make"] and said[0]["model"] is None and said == [said[0]] * 3
    page.keyboard.press("Alt+z")
    all_is_saved(page)
    assert [set(store.labels(number)) for number in (first, second, other)] == [{"box"}, set(), set()]


def test_who_decides_sees_what_others_said(open_page: Callable[..., Page], app: ServedApp, store: Store) -> None:
    (number,) = vehicles(store, "decided", 1)
    for person, model in (("ann", A5), ("bob", TT)):
        value = {"type": None, "make": "Audi", "model": model}
        store.record(Said(number, person, ANSWER, f"{person} decided", value))
    page = open_page(app.url)
    page.get_by_role("tab", name="Review").click()
    page.get_by_label("Ask about").select_option("conflicts", timeout=WAIT)
    opinions = page.get_by_role("list", name="What people said").get_by_role("listitem")
    expect(opinions).to_have_text([f"ann {A5}", f"bob {TT}"], timeout=WAIT)
    opinions.last.get_by_role("button", name=TT).click()
    all_is_saved(page)
    assert store.labels(number)["decision"].value["model"] == TT
    expect(page.locator(".vd-work-says:visible")).to_contain_text("No conflict waits", timeout=WAIT)


def test_an_uploaded_photo_is_kept_only_with_consent_and_a_card_leads_here(
    open_page: Callable[..., Page], app: ServedApp, photo: Path, store: Store
) -> None:
    page = open_page(app.url)
    card = page.locator(".vd-card:visible").first
    expect(card).to_be_visible(timeout=WAIT)
    page.get_by_label("Keep my photos").check()
    page.locator("#vd-photo input[type=file]").set_input_files(photo)
    expect(page.locator("#vd-results")).to_contain_text(re.compile("in Review|needs a review"), timeout=WAIT)
    card.get_by_role("button", name="Correct", exact=True).click()
    expect(page.get_by_role("tab", name="Review")).to_have_attribute("aria-selected", "true", timeout=WAIT)
    expect(page.locator(".vd-review figcaption")).to_contain_text("recognise,", timeout=WAIT)
    page.locator(".vd-review").get_by_role("button", name="Back to Recognise").click()
    expect(card).to_be_visible()


def test_a_phone_answers_by_touch(open_page: Callable[..., Page], app: ServedApp, store: Store) -> None:
    one, two = vehicles(store, "touched", 2)
    page = open_page(app.url, **PHONE)
    open_review(page, "touched")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name=re.compile(f"2: {TT}")).tap()
    expect(before(page)).to_have_text(f"\u2713 {TT}")
    page.get_by_role("button", name="Unsure").tap()
    all_is_saved(page)
    assert latest(store, one).value["model"] == TT and latest(store, two).kind == "unsure"
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download images and CSV").tap()
    with zipfile.ZipFile(waiting.value.path()) as archive:
        assert any(name.endswith("metadata.csv") for name in archive.namelist())
