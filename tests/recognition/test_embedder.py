"""Graphs that only embed: another one finds and names the vehicles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from tests.graphs import EMBEDDED, write_checkpoint, write_embedder, write_graph
from vehicle_demo.gallery.building import build
from vehicle_demo.gallery.gallery import Gallery
from vehicle_demo.gallery.sources import Entry, Source
from vehicle_demo.recognition import Box, CheckpointError, Recognizer, recognizer
from vehicle_demo.recognition.attention import attend


@pytest.fixture
def finder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recognizer:
    """In place of the shipped checkpoint, one whose answers are known."""
    folder = write_checkpoint(tmp_path / "finder")
    monkeypatch.setattr(recognizer, "FINDER", folder)
    return Recognizer.from_checkpoint(folder)


def half_dark() -> Image.Image:
    picture = Image.new("RGB", (200, 100), (10, 10, 10))
    picture.paste((240, 240, 240), (50, 25, 150, 75))
    return picture


def test_vehicles_are_found_and_named_by_one_and_embedded_by_the_other(tmp_path: Path, finder: Recognizer) -> None:
    both = Recognizer.from_checkpoint(write_embedder(tmp_path / "e", thresholds={"match": 0.9}))
    found, plain = both.recognize(half_dark()), finder.recognize(half_dark())
    (vehicle,), (known,) = found.vehicles, plain.vehicles
    assert vehicle.box == known.box and vehicle.model == known.model and vehicle.plate == known.plate
    assert vehicle.embedding.shape == (EMBEDDED,) == (both.embedding_size,) and known.embedding.shape == (256,)
    # It saw the vehicle's window, not the picture: the crop is light.
    window = both.window(vehicle.box, (200, 100), alone=True)
    expected = both.embed([(half_dark(), window)])[0]
    np.testing.assert_allclose(vehicle.embedding, expected)
    assert expected[0] > both.embed([(half_dark(), None)])[0][0] + 0.5
    assert found.checkpoint == "looker" and both.checkpoint.title == "looker 2"
    assert both.checkpoint.thresholds.match == 0.9 != finder.checkpoint.thresholds.match
    assert both.checkpoint.labels == finder.checkpoint.labels


def test_close_ups_and_pictures_without_vehicles(tmp_path: Path, finder: Recognizer) -> None:
    both = Recognizer.from_checkpoint(write_embedder(tmp_path / "e"))
    dark, light = both.describe_batch([Image.new("RGB", (40, 40), (level,) * 3) for level in (0, 255)])
    assert light.embedding[0] > dark.embedding[0] + 1 and dark.box == Box(0, 0, 40, 40)
    write_graph(
        tmp_path / "finder" / "model.onnx", [], [], counts={"categories": 6, "types": 4, "makes": 5, "models": 7}
    )
    (tmp_path / "finder" / "checkpoint.json").write_text('{"format": 1}')
    assert Recognizer.from_checkpoint(tmp_path / "e").recognize(half_dark()).vehicles == ()


def test_new_heads_leave_the_embedder(tmp_path: Path, finder: Recognizer) -> None:
    both = Recognizer.from_checkpoint(write_embedder(tmp_path / "e"))
    assert both.with_heads(None).recognize(half_dark()).vehicles[0].embedding.shape == (EMBEDDED,)


def test_a_gallery_is_filled_and_searched_by_it(tmp_path: Path, finder: Recognizer) -> None:
    both = Recognizer.from_checkpoint(write_embedder(tmp_path / "e"))
    gallery = Gallery(tmp_path / "gallery", both.checkpoint.title, both.embedding_size)
    paths = []
    for level in (0, 120, 255):
        paths.append(tmp_path / f"{level}.png")
        Image.new("RGB", (40, 40), (level,) * 3).save(paths[-1])
    close_ups = Source("greys", True, 3, lambda: (Entry(path.name, path.read_bytes) for path in paths))
    *_, progress = build(gallery, both, close_ups)
    assert progress.added == 3
    asked = both.embed([(Image.new("RGB", (40, 40), (250,) * 3), None)])
    (hits,) = gallery.search(asked / np.linalg.norm(asked), 3)
    brightness = [np.asarray(Image.open(paths[hit.row])).mean() for hit in hits]
    assert brightness == sorted(brightness, reverse=True)


def test_what_it_looked_at_is_asked_of_the_graph_that_embeds(tmp_path: Path, finder: Recognizer) -> None:
    both = Recognizer.from_checkpoint(write_embedder(tmp_path / "e"))
    found = both.recognize(half_dark())
    *_, last = attend(both, half_dark(), found, 0)
    *_, plain = attend(finder, half_dark(), finder.recognize(half_dark()), 0)
    assert last.attention is not None and plain.attention is not None and last.total == 2 * plain.total
    np.testing.assert_allclose(last.attention["type"].costs, plain.attention["type"].costs)
    assert not np.allclose(last.attention["embedding"].costs, plain.attention["embedding"].costs)


def test_a_graph_that_lacks_only_some_outputs_is_refused_as_before(tmp_path: Path, finder: Recognizer) -> None:
    path = write_graph(tmp_path / "m.onnx", [], [])
    model = onnx.load(path)
    model.graph.output.remove(next(output for output in model.graph.output if output.name == "makes"))
    onnx.save(model, path)
    with pytest.raises(CheckpointError, match="it lacks makes"):
        Recognizer.from_checkpoint(path)
