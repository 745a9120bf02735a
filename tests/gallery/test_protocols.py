"""Protocols and their figures: cases worked by hand, and scikit-learn as an independent judge."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score

from data_tools.__main__ import main
from data_tools.evaluate import evaluate
from tests.data_tools.files import jpeg
from tests.drawn_gallery import drawn_items
from tests.graphs import write_checkpoint
from vehicle_demo.gallery.building import build
from vehicle_demo.gallery.gallery import Gallery, GalleryError, Item
from vehicle_demo.gallery.measuring import PROTOCOLS, lines, measure
from vehicle_demo.gallery.metrics import bootstrapped, over_trials, retrieval
from vehicle_demo.gallery.protocols import TRIALS, Report, Rows, Step, cross_camera, leave_out, vehicleid
from vehicle_demo.gallery.reranking import rerank
from vehicle_demo.gallery.sources import open_source
from vehicle_demo.recognition import Recognizer


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def blurred(vehicles: int, cameras: int = 3, noise: float = 1.6, seed: int = 0) -> Rows:
    """Every vehicle before every camera, so noisy that neighbours are often others."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(vehicles, 32)).repeat(cameras, axis=0)
    identities = np.repeat([f"V{number}" for number in range(vehicles)], cameras)
    seen = np.tile([str(camera) for camera in range(cameras)], vehicles)
    return Rows(identities, seen, unit(centres + rng.normal(0, noise, centres.shape)))


def reported(steps: Iterator[Step]) -> Report:
    *_, last = steps
    assert last.report is not None and last.done == last.total
    return last.report


def test_average_precision_is_scikit_learns() -> None:
    rows = blurred(12)
    asking, asked = rows.take(rows.cameras == "0"), rows.take(rows.cameras != "1")  # with the queries' own pictures
    distances = 1 - asking.embeddings @ asked.embeddings.T
    found = retrieval(distances, asking.identities, asked.identities, asking.cameras, asked.cameras)
    expected, hits = [], []
    for row, identity in zip(distances, asking.identities, strict=True):
        kept = ~((asked.identities == identity) & (asked.cameras == "0"))
        expected.append(average_precision_score(asked.identities[kept] == identity, -row[kept]))
        hits.append(asked.identities[kept][row[kept].argmin()] == identity)
    np.testing.assert_allclose(found.precisions, expected)
    assert found.map == pytest.approx(np.mean(expected)) and found.cmc[1] == np.mean(hits)
    assert 0.1 < found.map < 0.95  # no easy case


def test_bootstrap_intervals_are_those_of_the_mean() -> None:
    """Half of many queries find their match first, the others third: the mean's standard error is known."""
    queries = 400
    distances = np.tile([[0.1, 0.2, 0.3]], (queries, 1))
    distances[::2] = [0.3, 0.2, 0.1]
    found = retrieval(distances, ["a"] * queries, ["a", "b", "c"], ["1"] * queries, ["2"] * 3, ranks=(1, 2, 3))
    estimates = bootstrapped(found)
    assert estimates == bootstrapped(found)
    assert estimates["rank1"].value == found.cmc[1] == 0.5 and estimates["map"].value == found.map
    margin = 1.96 * 0.5 / np.sqrt(queries)
    assert estimates["rank1"].low == pytest.approx(0.5 - margin, abs=0.01)
    assert estimates["rank1"].high == pytest.approx(0.5 + margin, abs=0.01)
    assert (estimates["rank3"].low, estimates["rank3"].high) == (1.0, 1.0)


def test_the_spread_of_trials_is_one_standard_deviation() -> None:
    (estimate,) = over_trials([{"map": 0.4}, {"map": 0.6}, {"map": 0.5}]).values()
    assert (estimate.value, estimate.low, estimate.high) == pytest.approx((0.5, 0.4, 0.6))


def test_cross_camera_by_hand() -> None:
    """a is nearest to its own other picture, b to a's; c is before no other camera; the rest cannot ask."""
    angles = np.radians([0, 50, 90, 10, 80, 0, 0])
    rows = Rows(
        np.array(["a", "b", "c", "a", "b", "", "a"]),
        np.array(["1", "1", "1", "2", "2", "2", ""]),
        np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32),
    )
    (table,) = reported(cross_camera(rows)).tables
    assert table.counts == {"queries": 2, "skipped": 1, "gallery": 2, "passed over": 2}
    assert table.plain["map"].value == 1.0 and table.plain["rank1"].value == 1.0
    rows.embeddings[4] = rows.embeddings[2] * -1
    (table,) = reported(cross_camera(rows)).tables
    assert table.plain["map"].value == pytest.approx((1 + 1 / 2) / 2)
    assert [table.plain[f"rank{rank}"].value for rank in (1, 2, 20)] == [0.5, 1.0, 1.0]


def test_reranked_figures_are_those_of_the_reranked_distances() -> None:
    rows = blurred(20)
    (table,) = reported(cross_camera(rows)).tables
    asking, asked = rows.take(rows.cameras == "0"), rows.take(rows.cameras != "0")
    distances = rerank(asking.embeddings, asked.embeddings)
    found = retrieval(distances, asking.identities, asked.identities, asking.cameras, asked.cameras)
    assert table.reranked is not None
    assert table.reranked["map"].value == found.map != table.plain["map"].value


def test_vehicleid_asks_with_all_but_one_picture_of_each_vehicle() -> None:
    rows = blurred(30)
    rows.identities[-3:] = ["alone", "", ""]
    report = reported(vehicleid(rows))
    assert [table.name for table in report.tables] == ["29 vehicles"]
    (table,) = report.tables
    assert table.counts == {"queries": 29 * 2 * TRIALS, "skipped": 0, "gallery": 29, "trials": 10, "passed over": 3}
    # With one right answer, average precision is one over its rank: between Rank-1 and Rank-20.
    assert table.plain["rank1"].value < table.plain["map"].value < table.plain["rank20"].value
    assert table.plain["rank1"].low < table.plain["rank1"].value < table.plain["rank1"].high
    again = reported(vehicleid(rows)).tables[0]
    assert (again.plain, again.reranked) == (table.plain, table.reranked)
    assert reported(vehicleid(rows, seed=1)).tables[0].plain != table.plain


def test_vehicleid_has_its_test_sizes_and_all_where_there_are_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vehicle_demo.gallery.protocols.TEST_SIZES", (8, 16, 24))
    tables = reported(vehicleid(blurred(20, cameras=2))).tables
    assert [(table.name, table.counts["queries"]) for table in tables] == [
        (f"{size} vehicles", size * TRIALS) for size in (8, 16, 20)
    ]


@pytest.mark.parametrize("noise", [0.05, 1.6])
def test_left_out_vehicles_are_told_from_known_ones(noise: float) -> None:
    rows = blurred(20, cameras=6, noise=noise)
    report = reported(leave_out(rows.identities, rows.embeddings, "identities"))
    (table,) = report.tables
    # Four of 20 are left out with six rows each; of the others three ask against three.
    counts = {"known": 16 * 3 * TRIALS, "unknown": 4 * 6 * TRIALS, "trials": TRIALS, "k": 3, "passed over": 0}
    assert table.counts == counts and table.reranked is None
    if noise < 1:
        assert table.plain["auroc"].value == 1.0 and table.plain["fpr95"].value == 0.0
    else:
        assert 0.5 < table.plain["auroc"].value < 0.99
    assert report.novelty is not None
    known, unknown = report.novelty
    assert (len(known), len(unknown)) == (table.counts["known"], table.counts["unknown"])
    assert np.median(known) < np.median(unknown)


def of(identities: list[str], cameras: list[str]) -> Rows:
    return Rows(np.array(identities), np.array(cameras), unit(np.eye(len(identities)) + 0.1))


@pytest.mark.parametrize(
    ("steps", "sentence"),
    [
        (lambda: cross_camera(of(["", ""], ["1", "2"])), "columns image, vehicle_id and camera_id"),
        (lambda: cross_camera(of(["a", "a"], ["7", "7"])), "one camera, 7. Add pictures of the same vehicles"),
        (lambda: cross_camera(of(["a", "b"], ["7", "8"])), "first camera, 7, is seen by another one. Add"),
        (lambda: vehicleid(of(["a", "a", "b", ""], [""] * 4)), "two vehicles or more with two pictures each"),
        (lambda: leave_out(np.array(["a", "a", "b"]), np.eye(3), "makes"), "pictures of more makes, several of each"),
        (lambda: leave_out(np.array(["", ""]), np.eye(2), "makes"), "pictures of more makes, several of each"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said_with_what_to_add(steps: Callable[[], Any], sentence: str) -> None:
    with pytest.raises(GalleryError, match=sentence):
        reported(steps())


def test_more_pairs_than_fit_in_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vehicle_demo.gallery.protocols._MOST_DISTANCES", 10)
    with pytest.raises(GalleryError, match="fewer pictures"):
        reported(cross_camera(blurred(4)))


def test_too_many_rows_are_measured_without_reranking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vehicle_demo.gallery.protocols.RERANKED_UP_TO", 10)
    for protocol in (cross_camera, vehicleid):
        (table,) = reported(protocol(blurred(6))).tables
        assert table.reranked is None and [variant for variant, _ in table.variants] == [""]


def test_names_that_the_network_gave_are_no_truth(tmp_path: Path) -> None:
    rows = blurred(20, cameras=6)
    gallery = Gallery(tmp_path, "nano", 32)
    items = drawn_items(120)
    gallery.add(rows.embeddings, items)
    with pytest.raises(GalleryError, match="names come from their source"):
        reported(measure(gallery, "open-set-make"))
    told = [Item(f"{number}told", make=item.make) for number, item in enumerate(items)]
    gallery.add(rows.embeddings, told)
    (table,) = reported(measure(gallery, "open-set-make")).tables
    assert table.counts["passed over"] == 120 and table.counts["k"] == 10


def test_an_empty_gallery_and_an_unknown_protocol_are_said(tmp_path: Path) -> None:
    gallery = Gallery(tmp_path, "nano", 32)
    with pytest.raises(GalleryError, match="Add some in the Gallery tab"):
        measure(gallery, "vehicleid")
    with pytest.raises(GalleryError, match="Choose one of: cross-camera"):
        measure(gallery, "nonsense")


def write_fleet(path: Path, vehicles: int) -> None:
    """Brightness tells vehicles apart, though not well; one row is of no known vehicle, one of no known camera."""
    seen = [(vehicle, camera) for vehicle in range(vehicles) for camera in (1, 2, 3)]
    rng = np.random.default_rng(5)
    pictures = [jpeg(Image.fromarray(_noisy(20 + 12 * vehicle, rng))) for vehicle, _ in seen]
    identities, cameras = ([pair[side] for pair in seen] for side in (0, 1))
    table = {
        "image": [{"bytes": picture, "path": f"{number}.jpg"} for number, picture in enumerate(pictures)],
        "split": ["validation"] * len(seen),
        "vehicle_id": pa.array([*identities[:-2], None, 3], pa.int32()),
        "camera_id": pa.array([*cameras[:-1], None], pa.int32()),
        "type": ["car"] * len(seen),
    }
    pq.write_table(pa.table(table), path)


def _noisy(brightness: int, rng: np.random.Generator) -> np.ndarray:
    shade = brightness + rng.integers(-12, 13)
    return np.clip(shade + rng.normal(0, 20, (64, 64, 3)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a checkpoint, `reid.parquet`, and the gallery `fleet` filled from it by `index`."""
    home = tmp_path_factory.mktemp("fleet")
    write_checkpoint(home / "checkpoint")
    write_fleet(home / "reid.parquet", 15)
    main(["index", "--source", str(home / "reid.parquet"), "--gallery", "fleet", *_of(home)])
    return home


def _of(home: Path) -> list[str]:
    return ["--home", str(home), "--checkpoint", str(home / "checkpoint")]


def test_evaluate_and_a_gallery_of_the_same_pictures_agree_to_the_digit(fleet: Path, tmp_path: Path) -> None:
    recognizer = Recognizer.from_checkpoint(fleet / "checkpoint")
    expected = evaluate(recognizer, fleet, "validation")["reid"]
    gallery = Gallery(tmp_path, "nano", recognizer.embedding_size)
    assert [progress.bad for progress in build(gallery, recognizer, open_source(fleet / "reid.parquet"))][-1] == ()
    (table,) = reported(measure(gallery, "cross-camera")).tables
    assert {name: table.plain[name].value for name in ("map", "rank1", "rank5")} == {
        name: expected[name] for name in ("map", "rank1", "rank5")
    }
    assert {name: table.counts[name] for name in ("queries", "skipped")} == {"queries": 14, "skipped": 1}
    assert (expected["queries"], expected["skipped"]) == (14, 1) and 0.05 < expected["map"] < 0.95
    assert table.counts["passed over"] == 2


def test_both_commands_print_the_same_digits(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["evaluate", "--checkpoint", str(fleet / "checkpoint"), "--data", str(fleet)])
    evaluated = dict(line.split()[:2] for line in capsys.readouterr().out.splitlines())
    main(["measure-gallery", "--gallery", "fleet", "--protocol", "cross-camera", *_of(fleet)])
    header, *printed = capsys.readouterr().out.splitlines()
    measured = dict(line.split()[:2] for line in printed)
    assert "95 % bootstrap interval over queries" in header
    for name in ("map", "rank1", "rank5", "queries", "skipped"):
        assert measured[name] == evaluated[f"reid.{name}"]
    assert "re-ranked.map" in measured and measured["passed_over"] == "2"
    with pytest.raises(SystemExit, match="no gallery of that name"):
        main(["measure-gallery", "--gallery", "none", "--protocol", "cross-camera", *_of(fleet)])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_figure_has_a_name_of_its_own(protocol: str, tmp_path: Path) -> None:
    rows = blurred(20, cameras=6)
    gallery = Gallery(tmp_path, "nano", 32)
    items = [Item(str(n), **_told(item)) for n, item in enumerate(drawn_items(120))]
    gallery.add(rows.embeddings, items)
    names = [name for name, *_ in lines(reported(measure(gallery, protocol)))]
    assert len(names) == len(set(names)) and all(" " not in name for name in names)


def _told(item: Item) -> dict[str, Any]:
    return {name: getattr(item, name) for name in ("vehicle_id", "camera", "type", "make", "model")}
