"""Signing in by the form, and that an answer given without a name waits for one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from data_tools.serving import served_app
from tests.browser.conftest import PHONE, WAIT
from tests.browser.test_plates import all_is_saved, correct, desk
from tests.graphs import write_checkpoint, write_reader
from vehicle_demo.annotation.queue import Queue
from vehicle_demo.annotation.store import Store
from vehicle_demo.ui.people import users_in


def sign_in(page: Page, password: str) -> None:
    form = page.get_by_role("dialog")
    form.get_by_label("Password").fill(password)
    form.get_by_role("button", name="Sign in").click()


def test_an_answer_waits_until_its_person_has_signed_in(open_page: Callable[..., Page], tmp_path: Path) -> None:
    checkpoint = write_checkpoint(tmp_path / "checkpoint", reader="reader.onnx")
    write_reader(checkpoint / "reader.onnx", "READER1")
    users_in(tmp_path).put("ann", "correct horse")
    with served_app(str(checkpoint), home=tmp_path) as app:
        page = open_page(app.url)
        page.get_by_role("tab", name="Plates").click()
        expect(page.locator(".vd-plates .vd-work-says")).to_contain_text("Sign in at the top", timeout=WAIT)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("dialog").get_by_label("Name").fill("ann")
        sign_in(page, "wrong horse")
        expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("do not belong together", timeout=WAIT)
        sign_in(page, "correct horse")
        sign_out = page.get_by_role("button", name="Sign out")
        expect(sign_out).to_be_visible(timeout=WAIT)
        expect(page.locator(".vd-signing")).to_contain_text("ann")
        expect(desk(page)).to_be_visible(timeout=WAIT)  # without loading the page again
        said = [correct(page, "A")]
        assert "1 of 60 plates, 1 yours" in str(page.locator(".vd-plates .vd-work-progress").text_content())
        all_is_saved(page)
        sign_out.click()
        expect(page.get_by_role("button", name="Sign in")).to_be_visible(timeout=WAIT)
        page.locator(".vd-slot input").first.focus()
        said += [correct(page, "B")]
        expect(page.locator(".vd-plates .vd-work-saved")).to_contain_text(
            "1 waiting, kept in this browser", timeout=WAIT
        )
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("dialog").get_by_label("Name").fill("ann")
        sign_in(page, "correct horse")
        all_is_saved(page)
        phone = open_page(app.url, **PHONE)
        phone.get_by_role("button", name="Sign in").tap()
        expect(phone.get_by_role("dialog")).to_be_in_viewport(ratio=1)
    assert [event.value for event in Queue(Store(tmp_path / "labels")).history("ann")] == said[::-1]
