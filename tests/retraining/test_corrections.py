"""Reading the corrections data set, and seeing each corrected vehicle once."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from data_tools.pictures import photos
from tests.graphs import write_checkpoint, write_graph
from tests.retraining.files import Said, part_of, write_corrections
from vehicle_demo.recognition import Box, CheckpointError, Recognizer, open_image
from vehicle_demo.retraining.cache import Cache
from vehicle_demo.retraining.corrections import read_corrections
from vehicle_demo.retraining.features import GraphOfFeatures, Step, described
from vehicle_demo.retraining.shipped import RetrainError

SHIPPED = Path(__file__).parents[2] / "checkpoints" / "vehicledino-nano"
TRUTH = {"type": "suv", "make": "Ember", "model": "Ember E1"}


def picture(shade: int, size: tuple[int, int] = (64, 48)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (shade, shade, shade)).save(buffer, "PNG")
    return buffer.getvalue()


def said(shade: int, **more: object) -> Said:
    return replace(Said(picture(shade), (4.0, 4.0, 60.0, 44.0), TRUTH), **more)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [said(shade) for shade in range(0, 240, 20)]
    rows += [said(7, status="bad picture"), said(8, truth={**TRUTH, "model": None}, weight=None)]
    rows += [said(9, truth=dict.fromkeys(TRUTH)), said(10, weight=0.25, truth={**TRUTH, "make": "Dorado"})]
    return write_corrections(tmp_path / "corrections", rows)


def test_rows_say_what_a_vehicle_is_and_where_its_picture_belongs(folder: Path) -> None:
    found = read_corrections(folder)
    assert len(found.rows) == 14 and found.statuses == {"answer": 15, "bad picture": 1}
    for row, encoded in found.pictures():
        assert part_of(encoded) == row.part and row.box.to_list() == [4, 4, 60, 44]
    weights = {(row.truth["make"], row.truth["model"], row.weight) for row in found.rows}
    assert weights == {("Ember", "Ember E1", 1.0), ("Ember", "", 1.0), ("Dorado", "Ember E1", 0.25)}


def test_the_digest_follows_what_can_be_learnt(folder: Path, tmp_path: Path) -> None:
    again = write_corrections(tmp_path / "again", [said(20)])
    other = write_corrections(tmp_path / "other", [said(20, truth={**TRUTH, "type": "van"})])
    digests = {read_corrections(one).data for one in (folder, again, other)}
    assert len(digests) == 3
    assert read_corrections(write_corrections(tmp_path / "same", [said(20)])).data == read_corrections(again).data


def test_a_folder_that_cannot_be_used_is_said_so(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RetrainError, match=r"There are no corrections yet.*Review tab"):
        read_corrections(tmp_path)
    path = folder / "data" / "validation.parquet"
    pq.write_table(pq.read_table(path).drop(["weight"]), path)
    with pytest.raises(RetrainError, match="lacks the columns weight"):
        read_corrections(folder)
    path.write_bytes(b"PAR1 nonsense PAR1")
    with pytest.raises(RetrainError, match=r"cannot be read .*Export the corrections again"):
        read_corrections(folder)


def test_names_may_be_plain_words(tmp_path: Path) -> None:
    folder = write_corrections(tmp_path, [said(20)])
    path = folder / "data" / f"{part_of(picture(20))}.parquet"
    table = pq.read_table(path)
    for task, name in TRUTH.items():
        table = table.set_column(table.schema.get_field_index(task), task, pa.array([name]))
    pq.write_table(table.replace_schema_metadata(None), path)
    assert read_corrections(folder).rows[0].truth == TRUTH


@pytest.fixture
def recognizer(tmp_path: Path) -> Recognizer:
    return Recognizer.from_checkpoint(write_checkpoint(tmp_path / "nano"))


def last(recognizer: Recognizer, folder: Path, cache: Cache) -> Step:
    *_, step = described(recognizer, read_corrections(folder), cache)
    return step


def test_each_vehicle_is_seen_once(
    recognizer: Recognizer, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = Cache(tmp_path / "features", "graph")
    first = last(recognizer, folder, cache)
    assert first.examples is not None and first.examples.features.shape == (14, 32) and len(first.kept) == 14
    assert first.examples.truth["make"].tolist() == [row.truth["make"] for row in first.kept]
    with monkeypatch.context() as patch:
        patch.setattr(Recognizer, "prepare_boxes", lambda *_: pytest.fail("seen again"))
        again = last(recognizer, folder, cache)
    assert again.examples is not None
    np.testing.assert_array_equal(again.examples.features, first.examples.features)
    next((tmp_path / "features").iterdir()).write_bytes(b"nonsense")
    mended = last(recognizer, folder, cache)
    assert mended.examples is not None
    np.testing.assert_array_equal(mended.examples.features, first.examples.features)


def test_a_picture_of_several_vehicles_is_decoded_once(
    recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a phone's photo that takes longer than to look at a vehicle in it."""
    decoded: list[object] = []

    def opened(encoded: bytes) -> Image.Image:
        decoded.append(encoded)
        return open_image(encoded)

    monkeypatch.setattr("vehicle_demo.recognition.recognizer.open_image", opened)
    boxes = [(4.0, 4.0, 60.0, 44.0), (8.0, 8.0, 9.0, 9.0), (10.0, 4.0, 50.0, 40.0)]
    folder = write_corrections(tmp_path / "some", [said(20, box=box) for box in boxes])
    step = last(recognizer, folder, Cache(tmp_path / "features", "graph"))
    assert len(step.kept) == 2 and len(step.bad) == 1 and len(decoded) == 1


def test_features_alone_are_those_that_recognition_has() -> None:
    """With the shipped graph, most of which is left out for it."""
    recognizer = Recognizer.from_checkpoint(SHIPPED)
    photo = next(photos())
    vehicles = recognizer.recognize(photo).vehicles
    assert len(vehicles) > 4
    boxes = [vehicle.box for vehicle in vehicles]
    alone = GraphOfFeatures(recognizer).run(recognizer.prepare_boxes(photo, boxes))
    whole = np.stack([one["attribute_features"][0] for one in recognizer.describe_boxes(photo, boxes)])
    np.testing.assert_allclose(alone, whole, atol=1e-4)


def test_a_graph_that_takes_one_picture_at_a_time_gives_several_features(tmp_path: Path) -> None:
    """As published: N is 1, and heads read the embedding."""
    recognizer = Recognizer.from_checkpoint(write_graph(tmp_path / "m.onnx", [(0.5, 0.5, 0.5, 0.5)], [0.9], batch=1))
    pictures = [recognizer.prepare_boxes(picture(shade), [Box(0, 0, 64, 48)])[0] for shade in (0, 120, 240)]
    features = GraphOfFeatures(recognizer).run(pictures)
    assert features.shape == (3, 256) and len(np.unique(features[:, 0])) == 3


def test_a_graph_that_was_damaged_meanwhile_is_said_so(recognizer: Recognizer) -> None:
    recognizer.graph.path.write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match=r"model.onnx cannot be read .*Fetch the checkpoint again"):
        GraphOfFeatures(recognizer)


def test_the_last_of_a_few_is_seen_though_the_one_after_it_is_not(recognizer: Recognizer, tmp_path: Path) -> None:
    rows = [said(shade) for shade in (20, 40, 60)]
    folder = write_corrections(tmp_path / "some", [*rows, Said(b"no picture", (0, 0, 9, 9), TRUTH)])
    step = last(recognizer, folder, Cache(tmp_path / "features", "graph"))
    assert len(step.kept) == 3 and len(step.bad) == 1
    known = last(recognizer, folder, Cache(tmp_path / "features", "graph"))
    assert known.kept == step.kept


def test_another_graph_sees_anew(recognizer: Recognizer, folder: Path, tmp_path: Path) -> None:
    for graph in ("one", "other"):
        last(recognizer, folder, Cache(tmp_path / "features", graph))
    assert len(list((tmp_path / "features").iterdir())) == 28


def test_what_cannot_be_seen_is_passed_over_with_the_reason(recognizer: Recognizer, tmp_path: Path) -> None:
    rows = [said(20), Said(b"no picture", (0, 0, 9, 9), TRUTH), said(30, box=(5.0, 5.0, 6.0, 6.0))]
    step = last(recognizer, write_corrections(tmp_path / "some", rows), Cache(tmp_path / "features", "graph"))
    assert len(step.kept) == 1 and len(step.bad) == 2
    assert any("too small. Draw it again" in reason for reason in step.bad)


def test_a_full_disk_costs_only_the_cache(recognizer: Recognizer, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "features").write_text("a file where the folder would be")
    step = last(recognizer, folder, Cache(tmp_path / "features", "graph"))
    assert len(step.kept) == 14
