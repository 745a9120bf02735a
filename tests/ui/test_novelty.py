"""Known or unknown on a card, by sign and word, and in the files to take away."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.drawn_gallery import drawn_items, unit_clusters
from tests.ui.test_ui import IMAGE, recognition
from vehicle_demo.gallery.gallery import Gallery
from vehicle_demo.recognition import Novelty, Recognition
from vehicle_demo.recognition.checkpoint import Thresholds
from vehicle_demo.ui.cards import cards_html
from vehicle_demo.ui.exports import to_csv
from vehicle_demo.ui.novelty import Known, compared

ROWS = unit_clusters(66)


def seen(embedding: np.ndarray) -> Recognition:
    found = recognition()
    return replace(found, vehicles=(replace(found.vehicles[0], embedding=embedding),))


def test_a_recognition_is_joined_with_the_gallery_and_says_how_long_that_took(tmp_path: Path) -> None:
    gallery = Gallery(tmp_path, "nano 1")
    gallery.add(ROWS[:60], drawn_items(60))
    gallery.calibrate()
    # Quantised graphs give lengths near 1, not at it.
    old, new = (compared(seen(row), gallery).vehicles[0].novelty for row in (ROWS[3] * 1.02, ROWS[63]))
    assert old is not None and old.known and old.score == pytest.approx(0, abs=2e-3)
    assert new is not None and not new.known and new.score > 1
    answer = compared(seen(ROWS[63]), gallery).to_dict()
    assert answer["vehicles"][0]["novelty"] == {"score": pytest.approx(new.score), "known": False}
    assert answer["timings_ms"]["total"] == pytest.approx(42 + answer["timings_ms"]["novelty"], abs=0.2)
    assert compared(replace(recognition(), vehicles=()), gallery).vehicles == ()


def test_a_gallery_with_too_few_vehicles_leaves_it_open(tmp_path: Path) -> None:
    found = seen(ROWS[0])
    assert compared(found, Gallery(tmp_path, "nano 1")) is found
    html = cards_html(IMAGE, found, Thresholds(), "nano FP32", Known("mine", None))
    assert "too few vehicles" in html and "vd-known" not in html and "vd-unknown" not in html


def test_a_gallery_that_is_being_filled_asks_for_a_moment() -> None:
    """A visitor's first sight of the app: the sample is filled in the background."""
    html = cards_html(IMAGE, seen(ROWS[0]), Thresholds(), "nano FP32", Known("sample", None, filling=True))
    assert "sample is being filled just now" in html and "too few" not in html


@pytest.mark.parametrize(("known", "sign", "word"), [(True, "\u2713", "known"), (False, "?", "unknown")])
def test_the_card_says_it_by_sign_and_word_and_the_file_too(known: bool, sign: str, word: str) -> None:
    found = seen(ROWS[0])
    told = replace(found, vehicles=(replace(found.vehicles[0], novelty=Novelty(0.5, known)),))
    html = cards_html(IMAGE, told, Thresholds(), "nano FP32", Known("<mine>", 0.6))
    assert f'<span class="vd-{word}"><span aria-hidden="true">{sign}</span> {word}</span>' in html
    assert "gallery &lt;mine&gt;: distance 0.500, known up to 0.600" in html
    (row,) = csv.DictReader(io.StringIO(to_csv(told.to_dict())))
    assert (row["novelty"], row["known"]) == ("0.5", str(known))


def test_a_gallery_that_cannot_be_opened_says_why_on_the_card() -> None:
    html = cards_html(IMAGE, recognition(), Thresholds(), "nano FP32", Known("mine", None, "It is damaged."))
    assert "It is damaged." in html
