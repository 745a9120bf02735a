"""Cards, exports and the checkpoint menu."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.graphs import EMBEDDED, write_checkpoint, write_embedder
from tests.retraining.drawn_heads import ABOUT, heads
from vehicle_demo.recognition import Box, CheckpointError, PlateReading, Recognition, Scored, Vehicle, recognizer
from vehicle_demo.recognition.checkpoint import Thresholds
from vehicle_demo.recognition.results import Character
from vehicle_demo.retraining.versions import BUILT_IN
from vehicle_demo.ui.cards import cards_html, message_html
from vehicle_demo.ui.exports import to_csv
from vehicle_demo.ui.novelty import Known
from vehicle_demo.ui.services import find_services
from vehicle_demo.ui.stage import stage_html

KNOWN = Known("sample", 0.7)
IMAGE = Image.new("RGB", (4000, 3000), (80, 90, 100))


def recognition(make: str = "Audi", score: float = 0.9) -> Recognition:
    labels = (Scored("Audi A5 Coupe 2012", score), Scored("BMW X3", 1 - score))
    plate = PlateReading("AB1", 0.7, Box(1000, 900, 1200, 960), tuple(Character(c, 0.9) for c in "AB1"))
    vehicle = Vehicle(
        box=Box(500, 400, 2500, 2000),
        category=Scored("car", 0.8),
        type=(Scored("coupe", 0.9),),
        make=(Scored(make, 0.9),),
        model=labels,
        novelty=None,
        plate=plate,
        embedding=np.zeros(256, np.float32),
    )
    return Recognition("nano", "built-in", 4000, 3000, {"detect": 20.0, "total": 42.0}, (vehicle,))


def test_a_12_megapixel_picture_is_sent_reduced_with_boxes_in_its_own_pixels() -> None:
    html = stage_html(IMAGE, recognition())
    assert len(html) < 100_000
    assert 'viewBox="0 0 4000 3000"' in html and 'x="500.0" y="400.0" width="2000.0" height="1600.0"' in html
    assert "car 0.80" in html


def test_unsure_labels_say_so() -> None:
    sure = cards_html(IMAGE, recognition(score=0.9), Thresholds(), "nano FP32", KNOWN)
    unsure = cards_html(IMAGE, recognition(score=0.4), Thresholds(), "nano FP32", KNOWN)
    assert "unsure: Audi A5 Coupe 2012?" in unsure and "unsure:" not in sure


def test_a_card_says_as_much_as_is_sure_from_the_make_down() -> None:
    names = ("Audi", "suv", "Q5", "2012")
    levels = tuple(Scored(name, score) for name, score in zip(names, (0.9, 0.7, 0.4, 0.3), strict=True))
    plain = recognition(score=0.3)
    shown = replace(plain, vehicles=(replace(plain.vehicles[0], levels=levels),))
    html = cards_html(IMAGE, shown, Thresholds(), "nano FP32", KNOWN)
    assert "an Audi SUV, model unsure: Audi A5 Coupe 2012?" in html
    rows = html[html.index("vd-levels") :].split("</section>")[0].split("<li")[1:]
    assert ["unsure" in row for row in rows] == [False, False, True, True]
    assert "make Audi" in rows[0] and "70%" in rows[1] and "year 2012" in rows[3]
    lower = cards_html(IMAGE, shown, Thresholds(type=0.8), "nano FP32", KNOWN)
    assert "an Audi, type unsure:" in lower
    assert "an Audi Q5 SUV, year unsure:" in cards_html(IMAGE, shown, Thresholds(model=0.35), "n", KNOWN)
    assert "> unsure: Audi A5" in cards_html(IMAGE, shown, Thresholds(make=0.95), "n", KNOWN)
    assert "vd-levels" not in cards_html(IMAGE, plain, Thresholds(), "n", KNOWN)


def test_what_only_embeds_can_be_chosen_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finder = write_checkpoint(tmp_path / "all" / "a-finder")
    write_embedder(tmp_path / "all" / "b-looker")
    monkeypatch.setattr(recognizer, "FINDER", finder)
    services = find_services(tmp_path / "all", tmp_path / "none", tmp_path / "home")
    assert list(services.choices) == ["drawn-nano FP32", "looker FP32"]
    by_finder, by_looker = (services.recognizer(name).recognize(IMAGE).vehicles[0] for name in services.choices)
    assert by_looker.box == by_finder.box and by_looker.model == by_finder.model
    assert by_looker.embedding.shape == (EMBEDDED,) != by_finder.embedding.shape
    # Heads that are promoted for the one that names answer whatever embeds.
    versions = services.versions("drawn-nano FP32")
    versions.promote(versions.add(heads(1, extra=1), ABOUT).name, "ada", BUILT_IN)
    new_by_finder, new_by_looker = (services.recognizer(name).recognize(IMAGE).vehicles[0] for name in services.choices)
    assert new_by_looker.model == new_by_finder.model != by_finder.model
    np.testing.assert_allclose(new_by_looker.embedding, by_looker.embedding)


def test_a_visitor_meets_the_shipped_finder_first() -> None:
    first, *others = find_services().choices
    assert first == "vehicledino-nano FP32" and {"clip-senet-small FP32", "vericar-small FP32"} < set(others)


def test_labels_cannot_bring_markup_into_the_page() -> None:
    html = cards_html(IMAGE, recognition(make="<img src=x onerror=alert(1)>"), Thresholds(), "n", KNOWN)
    assert "<img src=x" not in html and "&lt;img src=x" in html
    assert "<script>" not in message_html("<script>", "error")


def test_csv_has_a_line_a_vehicle_and_runs_no_formula() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(recognition(make="=1+1").to_dict()))))
    assert len(rows) == 1
    assert rows[0]["make"] == "'=1+1" and rows[0]["plate"] == "AB1" and float(rows[0]["x2"]) == 2500


def test_a_colour_is_called_a_guess_and_left_out_where_none_is_told() -> None:
    plain = recognition()
    (vehicle,) = plain.vehicles
    coloured = replace(plain, vehicles=(replace(vehicle, colour=(Scored("teal", 0.6), Scored("grey", 0.4))),))
    html, without = (cards_html(IMAGE, found, Thresholds(), "n", KNOWN) for found in (coloured, plain))
    assert "a guess" in html and "teal" in html and "60%" in html and "<h4>colour" not in without
    rows = [next(csv.DictReader(io.StringIO(to_csv(found.to_dict())))) for found in (coloured, plain)]
    assert [row["colour"] for row in rows] == ["teal", ""] and rows[0]["colour_score"] == "0.6"


def test_the_menu_offers_every_precision_and_the_wanted_checkpoint_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_checkpoint(tmp_path / "all" / "shipped")
    other = write_checkpoint(tmp_path / "other", name="other")
    assert list(find_services(tmp_path / "all", tmp_path).choices) == ["drawn-nano FP32"]
    monkeypatch.setenv("VEHICLE_DEMO_CHECKPOINT", str(other))
    services = find_services(tmp_path / "all", tmp_path)
    assert list(services.choices) == ["other FP32", "drawn-nano FP32"]
    assert services.recognizer().checkpoint.name == "other"
    assert services.recognizer("drawn-nano FP32") is services.recognizer("drawn-nano FP32")
    with pytest.raises(CheckpointError, match="Choose one of: other FP32, drawn-nano FP32"):
        services.recognizer("gone")


def test_the_wanted_checkpoint_is_taken_though_one_in_the_folder_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_checkpoint(tmp_path / "all" / "shipped")
    monkeypatch.setenv("VEHICLE_DEMO_CHECKPOINT", str(write_checkpoint(tmp_path / "other")))
    assert find_services(tmp_path / "all", tmp_path).recognizer().checkpoint.folder == tmp_path / "other"


def test_no_checkpoint_at_all_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="VEHICLE_DEMO_CHECKPOINT"):
        find_services(tmp_path, tmp_path)
