"""The whole way with the shipped checkpoint: 200 pictures relabelled, retrained, compared, promoted, rolled back."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from data_tools.readers import parquet
from data_tools.readers.picture import Picture
from tests.retraining.files import Said, write_corrections
from vehicle_demo.recognition import Recognizer, open_image
from vehicle_demo.recognition.heads import Head, Heads
from vehicle_demo.retraining.compare import ASIDE, HOLDOUT
from vehicle_demo.retraining.retrain import Step, retrain, versions_of
from vehicle_demo.retraining.shipped import BANK_FILE, Bank, built_in_heads, read_bank, write_bank
from vehicle_demo.retraining.versions import About, Versions

PROJECT = Path(__file__).parents[2]
SHIPPED = PROJECT / "checkpoints" / "vehicledino-nano"
DRAWN = PROJECT / "vehicle_demo" / "samples" / "reid.parquet"
REAL = PROJECT.parent / "shared" / "data"
# Not in git: looking at 400 pictures takes most of the time, and gives the same every time.
FEATURES = PROJECT / "cache" / "test_features"
RELABELLED = 200


@dataclass(frozen=True)
class Loop:
    """A checkpoint with its versions and the version that answers before, and a folder of corrections."""

    recognizer: Recognizer
    versions: Versions
    before: str
    corrections: Path
    pictures: list[bytes]


def answers(loop: Loop) -> list[dict]:
    """What the app would answer for a few pictures now."""
    recognizer = loop.recognizer.with_heads(loop.versions.current())
    found = [recognizer.recognize(encoded).to_dict() for encoded in loop.pictures]
    for one in found:
        del one["timings_ms"]
    return found


def without(heads: Heads, withheld: Sequence[str]) -> dict[str, Head]:
    """Heads to which these makes and models never occur."""
    kept = {task: [n for n, name in enumerate(head.names) if name not in withheld] for task, head in heads.items()}
    left = {}
    for task, head in heads.items():
        rows, of_model = kept[task], head.of_model
        if of_model is not None:
            places = {number: place for place, number in enumerate(rows)}
            of_model = np.array([places.get(number, -1) for number in of_model[kept["model"]].tolist()])
        left[task] = Head(tuple(head.names[n] for n in rows), head.weight[rows], head.bias[rows], of_model=of_model)
    return left


def loop_of(home: Path, recognizer: Recognizer, said: Sequence[Said], withheld: Sequence[str]) -> Loop:
    """What the fit starts from: heads to which the withheld makes and models never occur, promoted as a version."""
    versions = versions_of(home, recognizer)
    versions.folder.mkdir(parents=True)
    FEATURES.mkdir(parents=True, exist_ok=True)
    (versions.folder / "features").symlink_to(FEATURES)
    heads = without(built_in_heads(recognizer.checkpoint), withheld)
    before = versions.add(heads, About("built-in", "", {}, {}, "ada")).name
    versions.promote(before, "ada", "built-in")
    pictures = [one.encoded for one in said[:2]]
    return Loop(recognizer, versions, before, write_corrections(home / "corrections", said), pictures)


def whole(encoded: bytes) -> tuple[float, float, float, float]:
    width, height = open_image(encoded).size
    return (0.0, 0.0, float(width), float(height))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Loop:
    """Drawn vehicles, whose makes and models are made up; where the shipped heads know some, those are withheld.

    Models are named without their year, and only where there are pictures enough of one to learn it.
    """
    rows = pq.read_table(DRAWN, columns=["image", "type", "make", "model"]).to_pylist()[:RELABELLED]
    families = Counter(row["model"].rsplit(" ", 1)[0] for row in rows)
    said = []
    for row in rows:
        family = row["model"].rsplit(" ", 1)[0]
        truth = {"type": row["type"], "make": row["make"], "model": family if families[family] >= 12 else None}
        said.append(Said(row["image"]["bytes"], whole(row["image"]["bytes"]), truth))
    recognizer = Recognizer.from_checkpoint(SHIPPED)
    return loop_of(tmp_path_factory.mktemp("home"), recognizer, said, recognizer.checkpoint.labels.drawn)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Loop:
    """Photos of six models, which are withheld: from the heads that answer, from the replay and from the hold-out."""
    if not (REAL / "cars196.parquet").exists():
        pytest.skip(f"The real pictures are not here: {REAL}")
    by_model: dict[str, list[Picture]] = defaultdict(list)
    for picture in parquet.read(REAL, "cars196"):
        if picture.split == "train" and picture.model:
            by_model[picture.model].append(picture)
    withheld = sorted(by_model)[::33]
    chosen = [picture for name in withheld for picture in by_model[name]][:RELABELLED]
    said = [
        Said(
            picture.encoded,
            whole(picture.encoded),
            {task: getattr(picture, task) for task in ("type", "make", "model")},
        )
        for picture in chosen
    ]
    home = tmp_path_factory.mktemp("home")
    return loop_of(home, Recognizer.from_checkpoint(_without(home / "checkpoint", withheld)), said, withheld)


def _without(folder: Path, withheld: list[str]) -> Path:
    """The shipped checkpoint with a bank that knows nothing of these models."""
    folder.mkdir()
    for path in SHIPPED.iterdir():
        if path.name != BANK_FILE:
            (folder / path.name).symlink_to(path)
    shipped = Recognizer.from_checkpoint(SHIPPED).checkpoint
    bank = read_bank(shipped)
    replay, holdout = (part.where(~np.isin(part.truth["model"], withheld)) for part in (bank.replay, bank.holdout))
    write_bank(folder / BANK_FILE, shipped, Bank(replay, holdout))
    return folder


@pytest.mark.parametrize("pictures", ["drawn", "real"])
def test_what_was_withheld_is_learnt_without_forgetting_and_rolling_back_restores_all(
    pictures: str, request: pytest.FixtureRequest
) -> None:
    loop: Loop = request.getfixturevalue(pictures)
    before = answers(loop)
    assert {one["heads_version"] for one in before} == {loop.before}

    steps: Iterator[Step] = retrain(loop.recognizer, loop.versions, loop.corrections, "ada")
    *_, last = steps
    assert last.version is not None and last.comparison is not None and last.bad == ()
    assert answers(loop) == before  # nobody answers by it yet

    model = last.comparison.figures[ASIDE]["model"].top1
    assert model.before.count >= 30
    assert model.value >= 0.2, last.comparison.verdict
    for task, figures in last.comparison.figures[HOLDOUT].items():
        assert figures.top1.value > -0.01, (task, last.comparison.verdict)
        uncalibrated_before, uncalibrated = figures.calibration
        assert uncalibrated < uncalibrated_before + 0.05, (task, figures.calibration)
        before_fit, after_fit = figures.calibration
        assert after_fit < before_fit + 0.03, (task, figures.calibration)
    assert last.comparison.better and last.comparison.verdict.startswith("Promote")
    new = set(last.version.labels["model"]) - set(
        (loop.versions.current() or built_in_heads(loop.recognizer.checkpoint))["model"].names
    )
    assert len(new) >= 2 and last.version.about.parent == loop.before

    loop.versions.promote(last.version.name, "ada", loop.before)
    promoted = loop.recognizer.with_heads(loop.versions.current()).checkpoint
    assert promoted.temperatures != loop.recognizer.checkpoint.temperatures
    after = answers(loop)
    assert {one["heads_version"] for one in after} == {last.version.name}
    assert new <= set(promoted.labels.models)
    assert [v["model"] for one in after for v in one["vehicles"]] != [
        v["model"] for one in before for v in one["vehicles"]
    ]
    loop.versions.roll_back("ada", last.version.name)
    assert json.dumps(answers(loop)) == json.dumps(before)
