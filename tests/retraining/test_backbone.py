"""A backbone adapted to corrections: a version with a graph of its own, used, built upon and refused as any other."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import torch

from data_tools import __main__ as commands
from tests.models.test_vehicledino import TINY_VIT
from tests.retraining.adaptable import KNOWN, NEW, drawn, write_adaptable, write_pictures, write_said
from tests.retraining.files import Said, write_corrections
from vehicle_demo.models.vehicledino import VehicleDINO
from vehicle_demo.models.weights import read_network
from vehicle_demo.recognition import Recognizer, Vehicle, open_image
from vehicle_demo.recognition.heads import TENSORS, Head, Heads
from vehicle_demo.retraining import adapt
from vehicle_demo.retraining.adapt import normalised
from vehicle_demo.retraining.backbone import adapting_trouble
from vehicle_demo.retraining.compare import ASIDE, HOLDOUT, Comparison
from vehicle_demo.retraining.job import Jobs, Order
from vehicle_demo.retraining.retrain import retrain, versions_of
from vehicle_demo.retraining.sharing import files_of
from vehicle_demo.retraining.shipped import RetrainError, graph_sha256, read_bank
from vehicle_demo.retraining.shown import Shown
from vehicle_demo.retraining.training_pictures import PICTURES_FILE, read_training_pictures
from vehicle_demo.retraining.versions import BUILT_IN, Version, VersionError, Versions

SHIPPED = Path(__file__).parents[2] / "checkpoints" / "vehicledino-nano"
REAL = SHIPPED.parents[2] / "shared" / "data" / PICTURES_FILE
WAIT_S = 300
PHOTO = drawn(next(iter(KNOWN.values())), 5)


@dataclass(frozen=True)
class Loop:
    """A checkpoint, the training's pictures, corrections, and a home with an adapted version that nobody promoted."""

    checkpoint: Path
    data: Path
    corrections: Path
    home: Path

    def versions(self) -> Versions:
        return versions_of(self.home, self.own())

    def own(self) -> Recognizer:
        return Recognizer.from_checkpoint(self.checkpoint)

    def copied(self, home: Path) -> Loop:
        """The same with a home of its own."""
        shutil.copytree(self.home, home)
        return replace(self, home=home)


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    folder = tmp_path_factory.mktemp("adapted")
    data = write_pictures(folder / "data")
    checkpoint, corrections = write_adaptable(folder / "small", data), write_said(folder / "corrections")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapt, "RECIPE", replace(adapt.RECIPE, steps=40))
        commands.main(
            [
                "retrain", f"--checkpoint={checkpoint}", f"--corrections={corrections}", f"--home={folder / 'home'}",
                "--person=ada", "--adapt-backbone", f"--data={data}",
            ]
        )  # fmt: skip
    yield Loop(checkpoint, data, corrections, folder / "home")


def newest(versions: Versions) -> Version:
    return versions.about(versions.names()[0])


def answer(recognizer: Recognizer) -> tuple[str, Vehicle]:
    """The version that answers, and what it says of a vehicle."""
    return recognizer.checkpoint.heads_version, recognizer.describe_batch([PHOTO])[0]


def test_an_adapted_version_names_what_is_new_and_forgets_nothing(adapted: Loop) -> None:
    version = newest(adapted.versions())
    assert version.backbone == version.name and any(file.startswith("graph-") for file in version.files)
    found = Comparison.from_dict(version.about.figures)
    new = found.figures[ASIDE]["model"].top1
    assert new.before.right == 0 and new.after.value > 0.6 and new.before.count >= 10
    assert found.figures[HOLDOUT]["model"].top1.value >= 0 and found.figures[HOLDOUT]["model"].top1.before.count == 30
    assert set(NEW) <= set(version.labels["model"])
    assert version.about.settings["backbone"]["rank"] == adapt.RECIPE.rank


def test_it_answers_by_its_own_graph_once_promoted_and_no_longer_when_rolled_back(
    adapted: Loop, tmp_path: Path
) -> None:
    loop = adapted.copied(tmp_path / "home")
    versions, own = loop.versions(), loop.own()
    name = newest(versions).name
    _, before = answer(own.with_heads(versions.current()))
    versions.promote(name, "ada", BUILT_IN)
    promoted = own.with_heads(versions.current())
    answered, after = answer(promoted)
    assert answered == name and promoted.graph.path != own.graph.path
    assert promoted.checkpoint.title == own.checkpoint.title
    assert not np.allclose(after.embedding, before.embedding, atol=1e-4)
    assert {one.label for one in after.model} & set(NEW)
    # The detector did not learn.
    assert after.category.score == pytest.approx(before.category.score, abs=1e-5)
    versions.roll_back("ada", name)
    answered, again = answer(own.with_heads(versions.current()))
    assert answered == BUILT_IN and again.model == before.model
    np.testing.assert_array_equal(again.embedding, before.embedding)


def test_heads_that_are_fitted_next_read_its_graph(adapted: Loop, tmp_path: Path) -> None:
    loop = adapted.copied(tmp_path / "home")
    versions = loop.versions()
    first = newest(versions).name
    versions.promote(first, "ada", BUILT_IN)
    *_, last = retrain(loop.own(), versions, loop.corrections, "bob")
    assert last.version is not None and (last.version.backbone, last.version.files) == (first, {})
    assert not (versions.folder / last.version.name / "checkpoint").exists()
    versions.promote(last.version.name, "bob", first)
    promoted = loop.own().with_heads(versions.current())
    assert promoted.graph.path.parent == versions.folder / first / "checkpoint"
    assert graph_sha256(promoted.checkpoint) != graph_sha256(loop.own().checkpoint)
    assert len(read_bank(promoted.checkpoint).holdout) == 30
    assert f"graph of `{first}`" in files_of(versions, last.version.name)["README.md"].decode()
    shutil.rmtree(versions.folder / first)
    with pytest.raises(VersionError, match=f"read the graph of {first}, which cannot be used"):
        versions.load(last.version.name)


@pytest.mark.parametrize("how", ["flipped", "gone"])
def test_a_damaged_graph_is_said_so_and_the_last_good_version_answers(adapted: Loop, tmp_path: Path, how: str) -> None:
    loop = adapted.copied(tmp_path / "home")
    versions = loop.versions()
    name = newest(versions).name
    assert versions.verified(name).name == name
    versions.promote(name, "ada", BUILT_IN)
    (graph,) = (versions.folder / name / "checkpoint").glob("graph-*.onnx")
    content = graph.read_bytes()
    graph.unlink() if how == "gone" else graph.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    started = loop.versions()
    assert started.current() is None
    assert graph.name in started.trouble and "The heads built-in go on answering." in started.trouble
    with pytest.raises(VersionError, match=graph.name):
        versions.verified(name)
    versions.roll_back("ada", name)
    with pytest.raises(VersionError, match=graph.name):
        versions.promote(name, "ada", BUILT_IN)


def test_its_files_make_the_same_version_in_another_home(adapted: Loop, tmp_path: Path) -> None:
    name = newest(adapted.versions()).name
    other = versions_of(tmp_path, adapted.own())
    for file, content in files_of(adapted.versions(), name).items():
        path = other.folder / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    other.promote(name, "eve", BUILT_IN)
    answered, vehicle = answer(adapted.own().with_heads(other.current()))
    assert answered == name and {one.label for one in vehicle.model} & set(NEW)


def test_it_is_cancelled_as_every_fit_and_leaves_nothing(adapted: Loop, tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)

    def export(folder: Path) -> object:
        return shutil.copytree(adapted.corrections, folder, dirs_exist_ok=True)

    jobs.start(Order(str(adapted.checkpoint), export, "ada", data=adapted.data))
    end = time.monotonic() + WAIT_S
    while (job := jobs.job) is None or not any(point.stage == "adapting" for point in job.curve):
        assert time.monotonic() < end and (job is None or not job.failure), job
        time.sleep(0.05)
    jobs.cancel()
    while jobs.job.running and time.monotonic() < end:  # type: ignore[union-attr]
        time.sleep(0.05)
    assert jobs.job is not None and jobs.job.failure == "Stopped. Nothing was changed."
    assert versions_of(tmp_path, adapted.own()).names() == []


def test_what_it_lacks_is_said(adapted: Loop, tmp_path: Path) -> None:
    checkpoint = adapted.own().checkpoint
    assert adapting_trouble(checkpoint, adapted.data) == ""
    assert "VEHICLE_DEMO_DATA naming the folder" in adapting_trouble(checkpoint, None)
    assert f"no cars196.parquet in {tmp_path}" in adapting_trouble(checkpoint, tmp_path)
    bare = replace(checkpoint, folder=tmp_path)
    assert "without weights.safetensors" in adapting_trouble(bare, adapted.data)
    with pytest.raises(SystemExit, match=r"no cars196\.parquet"):
        commands.main(
            [
                "retrain", f"--checkpoint={adapted.checkpoint}", f"--corrections={adapted.corrections}",
                f"--home={tmp_path}", "--adapt-backbone", f"--data={tmp_path}",
            ]
        )  # fmt: skip
    assert json.loads((adapted.checkpoint / "checkpoint.json").read_text())["name"] == "small"


def test_pictures_of_the_training_that_are_none_are_said_so(tmp_path: Path) -> None:
    with pytest.raises(RetrainError, match=r"cars196\.parquet cannot be read .*Name the folder"):
        read_training_pictures(tmp_path)
    (tmp_path / PICTURES_FILE).write_bytes(b"words")
    with pytest.raises(RetrainError, match="cannot be read"):
        read_training_pictures(tmp_path)
    rows = [{"image": {"bytes": PHOTO, "path": ""}, "split": "train", "type": "van", "make": None, "name": "Aria Van"}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / PICTURES_FILE)
    with pytest.raises(RetrainError, match="no pictures of the split validation"):
        read_training_pictures(tmp_path)


def test_the_shipped_network_is_adapted_where_real_pictures_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few steps beside a few pictures: the graph says what the weights beside it say, and finds what it found."""
    if not REAL.exists():
        pytest.skip(f"The real pictures are not here: {REAL}")
    table = pq.read_table(REAL)
    some = {split: table.filter(pc.equal(table["split"], split)).slice(0, 60) for split in ("train", "validation")}
    (tmp_path / "data").mkdir()
    pq.write_table(pa.concat_tables(some.values()), tmp_path / "data" / PICTURES_FILE)
    said = []
    for row in some["validation"].slice(0, 24).to_pylist():
        encoded = row["image"]["bytes"]
        width, height = open_image(encoded).size
        said.append(Said(encoded, (0.0, 0.0, width, height), {task: f"New {task}" for task in TENSORS}))
    write_corrections(tmp_path / "corrections", said)
    monkeypatch.setattr(adapt, "RECIPE", replace(adapt.RECIPE, steps=4))
    own = Recognizer.from_checkpoint(SHIPPED)
    versions = versions_of(tmp_path / "home", own)
    *_, last = retrain(own, versions, tmp_path / "corrections", "ada", data=tmp_path / "data")
    assert last.version is not None and last.comparison is not None
    assert last.comparison.figures[HOLDOUT]["model"].top1.before.count == 60
    new = own.with_heads(versions.load(last.version.name))
    seen = np.stack([own.graph.prepare(open_image(one.encoded)) for one in said[:2]])
    before, after = own.graph.run(seen), new.graph.run(seen)
    with torch.no_grad():
        network = read_network(new.checkpoint.folder).eval()
        weights = network(torch.from_numpy(seen))["attribute_features"].numpy()
    np.testing.assert_allclose(after["attribute_features"], weights, atol=1e-3)
    assert np.abs(after["attribute_features"] - before["attribute_features"]).max() > 1e-2
    np.testing.assert_allclose(after["det_classes"].max(axis=(1, 2)), before["det_classes"].max(axis=(1, 2)), atol=1e-2)


def test_a_detector_on_the_same_backbone_keeps_what_it_sees() -> None:
    """Held on to, its maps move much less than where nothing holds them."""
    moved = []
    for weight in (0.0, 20.0):
        torch.manual_seed(0)
        network = VehicleDINO(replace(TINY_VIT, decoder_layers=1, queries=10, attribute_features=32)).eval()
        pictures = normalised(torch.rand(2, 3, 64, 64))
        with torch.no_grad():
            before = torch.cat([one.flatten() for one in network.encode(pictures).maps])
        names = {task: np.array(["a", "b"] * 8) for task in TENSORS}
        shown = Shown(np.random.default_rng(0).integers(0, 255, (16, 3, 64, 64), np.uint8), names, np.ones(16))
        draw = np.random.default_rng(1)
        heads = {
            task: Head(("a", "b"), draw.normal(size=(2, 32)).astype(np.float32), np.zeros(2, np.float32))
            for task in TENSORS
        }
        recipe = replace(adapt.RECIPE, steps=15, rate=5e-3, keep=weight, batch=4)
        *_, last = adapt.adapt(network, Heads("v1", heads), shown, shown, 0, recipe)
        with torch.no_grad():
            after = torch.cat([one.flatten() for one in network.encode(pictures).maps])
        moved.append(float((after - before).square().mean()))
        assert last.done == 15 and not any("lora" in name for name, _ in network.named_parameters())
    assert moved[1] < moved[0] / 2
