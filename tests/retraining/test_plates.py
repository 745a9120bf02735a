"""Plates that people read teach the reader's last layer: in one version with the heads, compared, rolled back."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from data_tools.retrain import lines
from tests.retraining.drawn_heads import ABOUT, heads, versions
from tests.retraining.drawn_plates import WITHHELD, fill, withholding, write_teachable
from vehicle_demo.annotation.corrections import write_dataset
from vehicle_demo.annotation.store import Store
from vehicle_demo.recognition import Box, CheckpointError, Recognizer
from vehicle_demo.recognition.heads import Head, Heads
from vehicle_demo.recognition.plates import CHARACTERS
from vehicle_demo.recognition.reader import slots_by
from vehicle_demo.recognition.rectify import corners_of
from vehicle_demo.retraining.compare import ASIDE, CHARACTER, HOLDOUT, PLATE, Comparison, Measured, compare
from vehicle_demo.retraining.compare_plates import PlatesToCompare
from vehicle_demo.retraining.corrections import read_corrections
from vehicle_demo.retraining.plates import PLATE_BANK_FILE, PlateExamples, ReadPlate, read_plate_bank
from vehicle_demo.retraining.retrain import Step, retrain, versions_of
from vehicle_demo.retraining.shipped import RetrainError, built_in_heads, read_bank
from vehicle_demo.retraining.versions import BUILT_IN, About, VersionError, Versions

READ = 200


@dataclass(frozen=True)
class Loop:
    """A recogniser with its versions, one of which answers and does not know all characters, and what people read."""

    recognizer: Recognizer
    versions: Versions
    before: str
    corrections: Path
    plates: list[tuple[bytes, Box, str]]

    def readings(self) -> list[dict[str, object] | None]:
        """What the app would read now."""
        recognizer = self.recognizer.with_heads(self.versions.current())
        found = [recognizer.read_plate(picture, corners_of(box)) for picture, box, _ in self.plates[:40]]
        return [one.to_slots_dict() if one else None for one in found]


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Loop:
    home = tmp_path_factory.mktemp("home")
    recognizer = Recognizer.from_checkpoint(write_teachable(home / "checkpoint"))
    versions = versions_of(home, recognizer)
    own = built_in_heads(recognizer.checkpoint)
    less = withholding(read_plate_bank(recognizer).characters)
    before = versions.add(own.heads, About(BUILT_IN, "", {}, {}, "ada"), less).name
    versions.promote(before, "ada", BUILT_IN)
    store = Store(home / "labels")
    plates = fill(store, recognizer.with_heads(versions.current()), READ)
    assert write_dataset(store, home / "corrections", {}) == 0  # no vehicles
    store.close()
    return Loop(recognizer, versions, before, home / "corrections", plates)


def exact(readings: list[dict[str, object] | None], loop: Loop) -> float:
    texts = [text for *_, text in loop.plates[: len(readings)]]
    return float(np.mean([one is not None and one["text"] == text for one, text in zip(readings, texts, strict=True)]))


def test_read_plates_teach_the_reader_without_forgetting_and_rolling_back_restores_all(loop: Loop) -> None:
    before = loop.readings()
    assert exact(before, loop) == 0
    steps: list[Step] = list(retrain(loop.recognizer, loop.versions, loop.corrections, "ada"))
    last = steps[-1]
    assert last.version is not None and last.comparison is not None and last.bad == ()
    assert {step.stage for step in steps} == {"looking", "reading", "comparing"}
    losses = [step.loss for step in steps if step.loss is not None]
    assert losses[-1] < losses[0] and any(step.accuracy for step in steps)
    assert loop.readings() == before  # nobody answers by it yet

    aside, held = (last.comparison.plates[part] for part in (ASIDE, HOLDOUT))
    assert aside.exact.before.count >= 10 and aside.exact.value >= 0.2, last.comparison.verdict
    assert aside.cer[1] < aside.cer[0]
    assert held.exact.before.count == 120 and held.exact.value > -0.01, last.comparison.verdict
    for figures in last.comparison.figures[HOLDOUT].values():  # nobody said anything of vehicles
        assert figures.top1.value == 0
    assert last.comparison.verdict.startswith("Promote: plate got better") and last.comparison.better
    assert {one.name for one in last.comparison.improved if one.task == CHARACTER} >= set(WITHHELD)
    assert "corrections kept aside, plates read exactly: 0.0000 ->" in "\n".join(lines(last.comparison))
    assert Comparison.from_dict(json.loads(json.dumps(last.comparison.to_dict()))) == last.comparison
    settings = last.version.about.settings
    assert settings["character"] and sum(settings["plates_of"].values()) == READ and settings["why_character"]

    loop.versions.promote(last.version.name, "ada", loop.before)
    answering = loop.recognizer.with_heads(loop.versions.current())
    assert answering.checkpoint.heads_version == last.version.name
    assert exact(loop.readings(), loop) > 0.5
    loop.versions.roll_back("ada", last.version.name)
    assert json.dumps(loop.readings()) == json.dumps(before)


def test_plates_are_of_the_part_that_their_picture_belongs_to_for_ever(loop: Loop) -> None:
    found = read_corrections(loop.corrections)
    assert len(found.plates) == READ and found.rows == ()
    assert {plate.part for plate in found.plates} == {"train", "validation", "test"}
    assert all(plate.text != plate.predicted for plate in found.plates)
    assert found.data != replace(found, plates=found.plates[1:]).data


def test_the_same_seed_gives_the_same_layer(loop: Loop) -> None:
    from vehicle_demo.retraining.characters import fit_characters

    bank = read_plate_bank(loop.recognizer)
    few = bank.holdout.where(np.arange(30))
    layers = []
    for seed in (0, 0, 1):
        *_, last = fit_characters(bank.characters, bank.replay, few, few.where(np.arange(0)), seed)
        assert last.fitted is not None and last.fitted.why.startswith("the usual setting")
        layers.append(last.fitted.head.weight)
    np.testing.assert_array_equal(layers[0], layers[1])
    assert not np.array_equal(layers[0], layers[2])
    with pytest.raises(RetrainError, match="None of the plates is for learning"):
        next(fit_characters(bank.characters, bank.replay, few.where(np.arange(0)), few))


def test_the_readers_own_layer_beside_it_reads_the_same(loop: Loop) -> None:
    bank, reader = read_plate_bank(loop.recognizer), loop.recognizer.reader
    assert reader is not None
    picture, box, _ = loop.plates[0]
    seen = [loop.recognizer.prepare_plate(picture, corners_of(box))]
    np.testing.assert_allclose(slots_by(bank.characters, reader.describe(seen)), reader.run(seen), atol=1e-4)
    np.testing.assert_array_equal(reader.read(seen, None), reader.run(seen))


def test_a_layer_for_another_reader_is_refused(tmp_path: Path) -> None:
    layer = Head(CHARACTERS, np.zeros((37, 96), np.float32), np.zeros(37, np.float32))
    found = Versions(tmp_path, "drawn-nano 1", 32, "one reader")
    name = found.add(heads(0), ABOUT, layer).name
    plain = found.add(heads(1), ABOUT).name
    loaded = found.load(name).characters
    assert loaded is not None and loaded.names == CHARACTERS and found.load(plain).characters is None
    other = Versions(tmp_path, "drawn-nano 1", 32, "another reader")
    with pytest.raises(VersionError, match="fitted for another plate reader than drawn-nano 1 has"):
        other.promote(name, "ada", BUILT_IN)
    assert other.promote(plain, "ada", BUILT_IN).answering == plain
    assert versions(tmp_path).about(plain).reader == ""


def test_a_recogniser_without_such_a_reader_refuses_the_layer(loop: Loop) -> None:
    own = built_in_heads(loop.recognizer.checkpoint)
    layer = Head(CHARACTERS, np.zeros((37, 7), np.float32), np.zeros(37, np.float32))
    with pytest.raises(CheckpointError, match="fitted on another plate reader"):
        loop.recognizer.with_heads(Heads("v1", own.heads, layer))


def test_a_checkpoint_that_cannot_teach_its_reader_says_so(loop: Loop, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    for path in loop.recognizer.checkpoint.folder.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / PLATE_BANK_FILE).unlink()
    recognizer = Recognizer.from_checkpoint(folder)
    with pytest.raises(RetrainError, match=r"comes without plates.safetensors.*plate-bank --checkpoint"):
        read_plate_bank(recognizer)
    with pytest.raises(RetrainError, match=f"{READ} plates: vehicledino-nano comes without plates.safetensors"):
        list(retrain(recognizer, versions_of(tmp_path, recognizer), loop.corrections, "ada"))
    (folder / PLATE_BANK_FILE).symlink_to(loop.recognizer.checkpoint.folder / PLATE_BANK_FILE)
    graph = onnx.load(folder / "reader.onnx")
    graph.producer_name = "another"
    (folder / "reader.onnx").unlink()
    onnx.save(graph, folder / "reader.onnx")
    with pytest.raises(RetrainError, match="made with another plate reader than vehicledino-nano has"):
        read_plate_bank(Recognizer.from_checkpoint(folder))


def test_what_is_misread_now_is_listed_with_its_picture(loop: Loop) -> None:
    bank, vehicles = read_plate_bank(loop.recognizer), read_bank(loop.recognizer.checkpoint)
    own = built_in_heads(loop.recognizer.checkpoint)
    some = bank.holdout.where(np.arange(10))
    shown = [ReadPlate("test", f"{row:064x}", Box(1, 2, 30, 40), text, "") for row, text in enumerate(some.texts)]
    wrong = replace(bank.characters, weight=-bank.characters.weight)
    empty = vehicles.holdout.where(np.arange(0))
    side = Measured(own, empty, empty)
    found = compare(side, side, [], PlatesToCompare(bank.characters, wrong, some, some, shown))
    right = found.plates[ASIDE].exact.before.right
    assert right >= 8 and found.plates[ASIDE].exact.after.right == 0 and found.plates[ASIDE].cer[1] > 0.5
    turned = [one for one in found.turned if one.task == PLATE]
    assert len(turned) == right and turned[0].box == (1, 2, 30, 40) and turned[0].truth != turned[0].after
    assert found.verdict.startswith("Do not promote: on the hold-out plate falls by") and not found.better
    assert found.worse[0].task == CHARACTER and "blank" not in {one.name for one in found.worse}


def test_what_a_publisher_has_greyed_out_is_right_whatever_is_read() -> None:
    some = PlateExamples(np.zeros((1, 8, 4), np.float32), np.array(["A-1"]))
    assert some.slots.tolist() == [[10, -1, 1, 36, 36, 36, 36, 36]]
