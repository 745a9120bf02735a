"""From a folder of corrections to a new version of the heads, step by step."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from vehicle_demo.recognition import ImageError, Recognizer
from vehicle_demo.recognition.heads import Head, Heads
from vehicle_demo.retraining.backbone import adapted_to, adapting_trouble
from vehicle_demo.retraining.cache import Cache
from vehicle_demo.retraining.calibration import calibrated
from vehicle_demo.retraining.compare import Measured, compare
from vehicle_demo.retraining.compare_plates import PlatesToCompare
from vehicle_demo.retraining.corrections import Correction, Corrections, read_corrections
from vehicle_demo.retraining.features import described
from vehicle_demo.retraining.plates import described_plates, read_plate_bank
from vehicle_demo.retraining.settings import Wishes
from vehicle_demo.retraining.shipped import Bank, Examples, RetrainError, built_in_heads, read_bank, reader_sha256
from vehicle_demo.retraining.steps import Stage, Step
from vehicle_demo.retraining.versions import About, Versions, folder_of


def versions_of(home: Path, recognizer: Recognizer) -> Versions:
    """The versions of a recogniser's heads in this home: those of the checkpoint that names, whatever embeds."""
    checkpoint = recognizer.naming
    return Versions(folder_of(home, checkpoint), checkpoint.title, recognizer.features, reader_sha256(checkpoint))


def retrain(
    recognizer: Recognizer,
    versions: Versions,
    folder: Path,
    person: str,
    seed: int = 0,
    wishes: Wishes | None = None,
    data: Path | None = None,
) -> Iterator[Step]:
    """Fit new heads from the corrections in a folder, starting from those that answer now, and write them down.

    Nobody answers by them until they are promoted.

    Args:
        recognizer: the checkpoint with the heads of its own graph.
        data: the folder of the training's pictures; with it the backbone is adapted too, and the version has a graph.

    Raises:
        RetrainError: there is nothing to learn from, or the checkpoint lacks what that needs.
        VersionError: the version could not be written.
    """
    told = _Told(read_corrections(folder), versions, seed, wishes)
    answering = versions.current()
    recognizer = recognizer.with_heads(answering)
    if data is not None and (trouble := adapting_trouble(recognizer.checkpoint, data)):
        raise RetrainError(trouble)
    bank = read_bank(recognizer.checkpoint)
    start = answering or built_in_heads(recognizer.checkpoint)
    vehicles = yield from _vehicles(told, recognizer, bank, start)
    before = Measured(start, bank.holdout, vehicles.aside)
    checkpoint, settings = start.checkpoint, {**vehicles.settings, "seed": seed}
    with TemporaryDirectory(prefix="adapted-") as room:
        if data is not None:
            if not vehicles.settings:
                raise RetrainError("Nobody has named vehicles to learn from, so the backbone stays as it is.")
            try:
                adapted = yield from adapted_to(told.corrections, recognizer, vehicles.heads, data, Path(room), seed)
            except ImageError as error:
                raise RetrainError(f"A picture in {data} cannot be used: {error}") from error
            bank, checkpoint = adapted.bank, adapted.recognizer.checkpoint.folder
            before = replace(before, holdout=adapted.holdout_before)
            # Not from the heads that taught the backbone: they know the corrections by which a setting is chosen.
            vehicles = yield from _vehicles(told, adapted.recognizer, bank, start, "relearning")
            settings |= {**vehicles.settings, "backbone": adapted.settings}
        plates = yield from _plates(told, recognizer, start)
        bad = (*vehicles.bad, *plates.bad)
        if not vehicles.settings and not plates.settings:
            raise RetrainError(f"None of the corrections can be learnt from: {bad[0]}")
        yield Step("comparing", 0, 1)
        heads = Heads(vehicles.heads.version, vehicles.heads.heads, plates.characters, checkpoint)
        after = Measured(heads, bank.holdout, vehicles.aside)
        comparison = compare(before, after, vehicles.shown, plates.compared)
        settings |= plates.settings
        about = About(start.version, told.corrections.data, settings, comparison.to_dict(), person)
        version = versions.add(heads.heads, about, heads.characters, checkpoint)
    yield Step("comparing", 1, 1, version=version, comparison=comparison, bad=bad)


@dataclass(frozen=True, eq=False)
class _Told:
    """What every fit of one retraining has in common."""

    corrections: Corrections
    versions: Versions
    seed: int
    wishes: Wishes | None


@dataclass(frozen=True, eq=False)
class _Vehicles:
    """Heads that have learnt from vehicles, or those before, and vehicles kept aside.

    `settings` are empty where nothing was learnt.
    """

    heads: Heads
    aside: Examples
    shown: Sequence[Correction]
    settings: Mapping[str, Any]
    bad: tuple[str, ...]


def _vehicles(
    told: _Told, recognizer: Recognizer, bank: Bank, start: Heads, learning: Stage = "learning"
) -> Generator[Step, None, _Vehicles]:
    """Fit the heads of type, make and model, unless nobody said anything of vehicles; `learning` names that stage."""
    corrections = told.corrections
    if not corrections.rows:
        return _Vehicles(start, bank.holdout.where(np.zeros(len(bank.holdout), bool)), (), {}, ())
    # Brings torch, which only a fit needs.
    from vehicle_demo.retraining.fit import Taught, fit
    from vehicle_demo.retraining.threads import one_thread

    for seen in described(recognizer, corrections, Cache.beside(told.versions.folder, recognizer.checkpoint)):
        yield Step("looking", seen.done, seen.total)
    if seen.examples is None or not seen.kept:
        raise RetrainError(f"None of the {seen.total} corrections can be used: {seen.bad[0]}")
    parts = np.array([row.part for row in seen.kept])
    every = Taught(seen.examples, np.array([row.weight for row in seen.kept], np.float32))
    taught, choosing = (every.where(parts == part) for part in ("train", "validation"))
    aside, shown = seen.examples.where(parts == "test"), [row for row in seen.kept if row.part == "test"]
    if not len(taught.examples) and corrections.plates:
        return _Vehicles(start, aside, shown, {}, (*seen.bad, f"{len(parts)} vehicles: all of them were kept aside"))
    with one_thread():
        for learnt in fit(start, bank.replay, taught, choosing, told.seed, told.wishes):
            yield Step(learning, learnt.done, learnt.total, learnt.loss, learnt.accuracy)
    assert learnt.fitted is not None
    return _Vehicles(
        calibrated(learnt.fitted.heads, bank.holdout),
        aside,
        shown,
        {**learnt.fitted.settings(), "corrections_of": _counts(parts)},
        seen.bad,
    )


@dataclass(frozen=True, eq=False)
class _Plates:
    """The reader's last layer that has learnt from plates, or the one before, None for its own.

    `settings` are empty where nothing was learnt.
    """

    characters: Head | None
    compared: PlatesToCompare | None
    settings: Mapping[str, Any]
    bad: tuple[str, ...]


def _plates(told: _Told, recognizer: Recognizer, start: Heads) -> Generator[Step, None, _Plates]:
    """Fit the reader's last layer, unless nobody read a plate, or the checkpoint lacks what that needs."""
    corrections = told.corrections
    if not corrections.plates:
        return _Plates(start.characters, None, {}, ())
    try:
        bank = read_plate_bank(recognizer)
    except RetrainError as error:
        return _Plates(start.characters, None, {}, (f"{len(corrections.plates)} plates: {error}",))
    from vehicle_demo.retraining.characters import fit_characters

    cache = Cache.of_reader(told.versions.folder, recognizer.checkpoint)
    yield Step("looking", 0, len(corrections.plates))
    kept, examples, bad = described_plates(recognizer, corrections.folder, cache)
    parts = np.array([plate.part for plate in kept])
    if not (parts == "train").any():
        return _Plates(start.characters, None, {}, (*bad, f"{len(kept)} plates: all of them were kept aside"))
    before = start.characters or bank.characters
    taught, choosing, aside = (examples.where(parts == part) for part in ("train", "validation", "test"))
    for learnt in fit_characters(before, bank.replay, taught, choosing, told.seed, told.wishes):
        yield Step("reading", learnt.done, learnt.total, learnt.loss, learnt.accuracy)
    assert learnt.fitted is not None
    shown = [plate for plate in kept if plate.part == "test"]
    return _Plates(
        learnt.fitted.head,
        PlatesToCompare(before, learnt.fitted.head, bank.holdout, aside, shown),
        {**learnt.fitted.settings(), "plates_of": _counts(parts)},
        bad,
    )


def _counts(parts: np.ndarray) -> dict[str, int]:
    return {part: int((parts == part).sum()) for part in ("train", "validation", "test")}
