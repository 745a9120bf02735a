"""Known or unknown, and what the network looked at, on the Recognise tab in Chromium."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance
from playwright.sync_api import Locator, Page, expect

from data_tools.serving import ServedApp
from tests.browser.conftest import WAIT, choose
from tests.browser.test_recognise import upload
from tests.drawn_gallery import fill_home


@pytest.fixture
def page(open_page: Callable[..., Page], app: ServedApp, photo: Path) -> Page:
    """The photo is recognised."""
    page = open_page(app.url)
    shown = page.locator(".vd-canvas img")
    expect(shown).to_be_visible(timeout=WAIT)
    example = shown.get_attribute("src") or ""
    upload(page, photo)
    expect(shown).not_to_have_attribute("src", example, timeout=WAIT)
    expect(card(page)).to_have_attribute("open", "", timeout=WAIT)
    return page


def card(page: Page) -> Locator:
    return page.locator(".vd-card:visible").first


def test_a_vehicle_is_unknown_until_a_picture_of_it_is_added_to_the_gallery(
    page: Page, home: Path, photo: Path, tmp_path: Path
) -> None:
    """No training: the same photo of a moment ago is known as soon as another picture of it is in the gallery."""
    fill_home(home, "open-world", 60)
    page.get_by_role("tab", name="Gallery").click()
    page.get_by_role("tab", name="Recognise").click()  # the menu learns of the new gallery
    choose(page, "Known from gallery", "open-world")
    expect(card(page).locator("summary .vd-unknown")).to_have_text("? unknown", timeout=WAIT)
    expect(card(page).locator(".vd-novelty")).to_contain_text("Add pictures of it to a gallery")
    with Image.open(photo) as image:
        ImageEnhance.Brightness(image.resize((960, 720))).enhance(1.1).save(tmp_path / "another.jpg", quality=85)
    page.get_by_role("tab", name="Gallery").click()
    page.get_by_role("button", name="Add pictures").click()
    page.locator("#vd-filling-files input[type=file]").set_input_files(str(tmp_path / "another.jpg"))
    expect(page.locator("#vd-filling-files")).to_contain_text("another", timeout=WAIT)
    page.get_by_label("Name of the gallery").fill("open-world")
    page.get_by_role("button", name="Fill the gallery").click()
    expect(page.locator("#vd-filling-said")).to_contain_text(re.compile(r"[1-9] vehicles added"), timeout=WAIT)
    page.get_by_role("tab", name="Recognise").click()
    expect(card(page).locator("summary .vd-known")).to_have_text("\u2713 known", timeout=WAIT)
    expect(card(page).locator(".vd-novelty")).to_contain_text("Near a vehicle of gallery open-world")


def test_a_card_shows_what_the_network_looked_at_for_each_head(page: Page) -> None:
    button = card(page).get_by_role("button", name="What did it look at?")
    button.click()
    expect(button).to_be_disabled()
    figure = card(page).locator(".vd-looked")
    expect(figure).to_be_visible(timeout=3 * WAIT)
    expect(button).to_be_enabled()
    picture = figure.locator("[data-of]:visible img").first
    expect(picture).to_have_attribute("alt", re.compile("^Type .*hangs"))
    head = figure.get_by_role("button", name="embedding")
    head.focus()
    page.keyboard.press("Enter")
    expect(head).to_have_attribute("aria-pressed", "true")
    expect(figure.locator("[data-of]:visible")).to_have_count(1)
    expect(figure.locator("[data-of]:visible p")).to_have_text(re.compile("^The embedding hangs most on the "))


def test_looking_can_be_cancelled_and_begun_again(page: Page) -> None:
    button = card(page).get_by_role("button", name="What did it look at?")
    button.click()
    card(page).get_by_role("button", name="Cancel").click(timeout=WAIT)
    expect(card(page).locator(".vd-attention")).to_be_empty()
    expect(button).to_be_enabled()
    button.click()
    expect(card(page).locator(".vd-attention")).to_contain_text("Covering place", timeout=WAIT)
    card(page).get_by_role("button", name="Cancel").click(timeout=WAIT)
    expect(button).to_be_enabled()
