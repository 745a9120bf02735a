"""A backbone adapted to corrections: a version with a graph of its own, used, built upon and refused as any other."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from data_tools import __main__ as commands
from tests.retraining.adaptable import KNOWN, NEW, drawn, write_adaptable, write_pictures, write_said
from vehicle_demo.recognition import Recognizer
from vehicle_demo.retraining import adapt
from vehicle_demo.retraining.backbone import adapting_trouble
from vehicle_demo.retraining.compare import ASIDE, HOLDOUT, Comparison
from vehicle_demo.retraining.job import Jobs, Order
from vehicle_demo.retraining.retrain import retrain, versions_of
from vehicle_demo.retraining.sharing import files_of
from vehicle_demo.retraining.shipped import graph_sha256, read_bank
from vehicle_demo.retraining.versions import BUILT_IN, Version, VersionError, Versions

WAIT_S = 300
PHOTO = drawn(next(iter(KNOWN.values())), 5)


@dataclass(frozen=True)
class Loop:
    """A checkpoint, the training's pictures, corrections, and a home with an adapted version that nobody promoted."""

    checkpoint: Path
    data: Path
    corrections: Path
    home: Path
    printed: str

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
    yield Loop(checkpoint, data, corrections, folder / "home", "")


def newest(versions: Versions) -> Version:
    return versions.about(versions.names()[0])


def answer(recognizer: Recognizer) -> dict:
    found = recognizer.recognize(PHOTO).to_dict()
    del found["timings_ms"]
    return found


def test_an_adapted_version_names_what_is_new_and_forgets_nothing(adapted: Loop) -> None:
    version = newest(adapted.versions())
    assert version.backbone == version.name and any(file.startswith("graph-") for file in version.files)
    found = Comparison.from_dict(version.about.figures)
    new = found.figures[ASIDE]["model"].top1
    assert new.before.right == 0 and new.after.value > 0.8 and new.before.count >= 10
    assert found.figures[HOLDOUT]["model"].top1.value >= 0 and found.figures[HOLDOUT]["model"].top1.before.count == 30
    assert set(NEW) <= set(version.labels["model"])
    assert version.about.settings["backbone"]["rank"] == adapt.RECIPE.rank


def test_it_answers_by_its_own_graph_once_promoted_and_no_longer_when_rolled_back(
    adapted: Loop, tmp_path: Path
) -> None:
    loop = adapted.copied(tmp_path / "home")
    versions, own = loop.versions(), loop.own()
    name = newest(versions).name
    before = answer(own.with_heads(versions.current()))
    versions.promote(name, "ada", BUILT_IN)
    promoted = own.with_heads(versions.current())
    after = answer(promoted)
    assert after["heads_version"] == name and promoted.graph.path != own.graph.path
    assert promoted.checkpoint.title == own.checkpoint.title
    one, other = (np.array(found["vehicles"][0]["embedding"]) for found in (before, after))
    assert not np.allclose(one, other, atol=1e-4)
    # Its detector did not learn.
    assert [v["category"] for v in after["vehicles"]] == pytest.approx([v["category"] for v in before["vehicles"]])
    versions.roll_back("ada", name)
    assert answer(own.with_heads(versions.current())) == before


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
    assert answer(adapted.own().with_heads(other.current()))["heads_version"] == name


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
