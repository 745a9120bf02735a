"""A promoted version with a graph of its own: every copy of the app answers by it, and what embeddings it made anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.graphs import write_graph
from tests.retraining.drawn_heads import ABOUT, heads
from tests.retraining.small import write_retrainable
from tests.ui.retrainable import asking, new_app, opened
from tests.ui.test_rescoring import items, queued
from vehicle_demo.gallery.sources import open_source
from vehicle_demo.retraining.versions import BUILT_IN
from vehicle_demo.ui import rescoring
from vehicle_demo.ui.browser_page import build_page
from vehicle_demo.ui.services import Services

GREY = Image.new("RGB", (200, 100), (90, 90, 90))
_COUNTS = {"categories": 6, "types": 4, "makes": 5, "models": 7, "colours": 3}


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return new_app(tmp_path)


@pytest.fixture
def version(services: Services, tmp_path: Path) -> str:
    """A version whose graph finds a smaller vehicle than the checkpoint's own."""
    folder = write_retrainable(tmp_path / "adapted")
    (folder / "model.onnx").unlink()
    graph = write_graph(
        folder / "graph-0123.onnx", [(0.5, 0.5, 0.3, 0.3)], [0.9], counts=_COUNTS, plate=((0.5, 0.7, 0.3, 0.1), 0.8)
    )
    values = json.loads((folder / "checkpoint.json").read_text())
    (folder / "checkpoint.json").write_text(json.dumps({**values, "graphs": {"fp32": graph.name}}))
    return services.versions().add(heads(7, extra=1), ABOUT, checkpoint=folder).name


def width(services: Services) -> float:
    """Of the vehicle that is found, as a share of the picture's."""
    box = services.recognizer().recognize(GREY).vehicles[0].box
    return (box.x2 - box.x1) / GREY.width


def test_every_copy_of_the_app_answers_by_the_graph_and_as_before_once_it_is_rolled_back(
    services: Services, version: str, tmp_path: Path
) -> None:
    other = opened(tmp_path)
    assert width(services) == width(other) == pytest.approx(0.5)
    assert asking(services)("promote", version=version, seen=BUILT_IN)["heads"] == version
    for copy in (services, other, opened(tmp_path)):
        assert width(copy) == pytest.approx(0.3)
        assert copy.recognizer().checkpoint.heads_version == version
        assert copy.recognizer() is copy.recognizer()  # it is not loaded for every picture
    told = asking(other)("look")
    assert "a graph of its own" in told["timeline"]
    asking(other)("roll back", seen=version)
    assert width(services) == width(other) == pytest.approx(0.5)


def test_a_copy_that_finds_the_graph_damaged_goes_on_with_the_last_good_version(
    services: Services, version: str, tmp_path: Path
) -> None:
    services.versions().promote(version, "ada", BUILT_IN)
    graph = services.versions().folder / version / "checkpoint" / "graph-0123.onnx"
    graph.write_bytes(graph.read_bytes()[:-1])
    other = opened(tmp_path)
    assert width(services) == width(other) == pytest.approx(0.5)
    assert "graph-0123.onnx is damaged" in asking(other)("look")["trouble"]


def test_galleries_of_the_other_graph_are_refused_and_can_be_built_again(
    services: Services, version: str, tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    GREY.save(tmp_path / "photos" / "a.png")
    own, galleries = services.recognizer(), services.galleries
    *_, _ = galleries.fill(own, "mine", open_source(tmp_path / "photos"))
    services.versions().promote(version, "ada", BUILT_IN)
    now = services.recognizer()
    assert len(galleries.gallery(now, "mine")) == 0
    assert galleries.earlier(now, "mine") == "drawn-nano model"
    *_, _ = galleries.rebuild(now, "mine")
    assert len(galleries.gallery(now, "mine")) == len(galleries.gallery(own, "mine")) == 1


def test_the_review_queue_is_predicted_again_by_the_graph(services: Services, version: str) -> None:
    numbers = queued(services, 3)
    before = items(services, numbers)
    services.versions().promote(version, "ada", BUILT_IN)
    assert rescoring.count_waiting(services) == (3, 0) and rescoring.rescore(services)
    now = items(services, numbers)
    assert {item.heads_version for item in now} == {version}
    assert [item.model for item in now] != [item.model for item in before]
    services.versions().roll_back("ada", version)
    assert rescoring.rescore(services)
    assert {item.heads_version for item in items(services, numbers)} == {BUILT_IN}


def test_the_page_in_the_browser_downloads_the_graph(services: Services, version: str) -> None:
    services.versions().promote(version, "ada", BUILT_IN)
    page = build_page(services.recognizer())
    manifest = json.loads(page.files["manifest.json"])  # type: ignore[arg-type]
    assert list(manifest["graphs"]) == ["fp32"] and manifest["heads"]
    assert manifest["graphs"]["fp32"]["url"].endswith("-graph-0123.onnx")
    assert manifest["checkpoint"]["heads_version"] == version
    assert page.files[manifest["graphs"]["fp32"]["url"]] == services.recognizer().graph.path


def test_without_pictures_of_the_training_the_option_is_off_and_says_why(tmp_path: Path) -> None:
    services = new_app(tmp_path)
    (tmp_path / "checkpoints" / "nano" / "run.json").write_text("{}")
    ask = asking(services)
    assert "VEHICLE_DEMO_DATA naming the folder" in ask("look")["cannot_adapt"]
    told = ask("start", adapt=True)
    assert "VEHICLE_DEMO_DATA naming the folder" in told["says"] and not told["busy"]


def test_with_them_it_is_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cars196.parquet").touch()
    monkeypatch.setenv("VEHICLE_DEMO_DATA", str(tmp_path))
    services = new_app(tmp_path)
    assert "without run.json" in asking(services)("look")["cannot_adapt"]
    (tmp_path / "checkpoints" / "nano" / "run.json").write_text("{}")
    assert asking(services)("look")["cannot_adapt"] == ""
