"""From a folder of corrections to a new version of the heads, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from vehicle_demo.recognition import Recognizer
from vehicle_demo.retraining import features
from vehicle_demo.retraining.calibration import calibrated
from vehicle_demo.retraining.compare import Comparison, compare
from vehicle_demo.retraining.corrections import read_corrections
from vehicle_demo.retraining.settings import Wishes
from vehicle_demo.retraining.shipped import RetrainError, built_in_heads, read_bank
from vehicle_demo.retraining.versions import About, Version, Versions, folder_of

Stage = Literal["looking", "learning", "comparing"]


@dataclass(frozen=True)
class Step:
    """How far it is within a stage; `loss` and `accuracy` (on corrections kept aside) while it learns.

    The last step has the `version` that was written, its `comparison` with the heads before it, and which corrections
    could not be used (`bad`).
    """

    stage: Stage
    done: int
    total: int
    loss: float | None = None
    accuracy: float | None = None
    version: Version | None = None
    comparison: Comparison | None = None
    bad: tuple[str, ...] = ()


def versions_of(home: Path, recognizer: Recognizer) -> Versions:
    """The versions of a recogniser's heads in this home."""
    checkpoint = recognizer.checkpoint
    return Versions(folder_of(home, checkpoint), checkpoint.title, recognizer.features)


def retrain(
    recognizer: Recognizer,
    versions: Versions,
    folder: Path,
    person: str,
    seed: int = 0,
    wishes: Wishes | None = None,
) -> Iterator[Step]:
    """Fit new heads from the corrections in a folder, starting from those that answer now, and write them down.

    Nobody answers by them until they are promoted.

    Args:
        recognizer: the checkpoint with the heads of its own graph.

    Raises:
        RetrainError: there is nothing to learn from, or the checkpoint lacks what that needs.
        VersionError: the version could not be written.
    """
    # Brings torch, which only a fit needs.
    from vehicle_demo.retraining.fit import Taught, fit

    checkpoint = recognizer.checkpoint
    corrections = read_corrections(folder)
    bank = read_bank(checkpoint)
    start = versions.current() or built_in_heads(checkpoint)
    cache = features.Cache.beside(versions.folder, checkpoint)
    for seen in features.described(recognizer, corrections, cache):
        yield Step("looking", seen.done, seen.total)
    if seen.examples is None or not seen.kept:
        raise RetrainError(f"None of the {seen.total} corrections can be used: {seen.bad[0]}")
    parts = np.array([row.part for row in seen.kept])
    every = Taught(seen.examples, np.array([row.weight for row in seen.kept], np.float32))
    taught, choosing = (every.where(parts == part) for part in ("train", "validation"))
    for learnt in fit(start, bank.replay, taught, choosing, seed, wishes):
        yield Step("learning", learnt.done, learnt.total, learnt.loss, learnt.accuracy)
    assert learnt.fitted is not None
    yield Step("comparing", 0, 1)
    heads = calibrated(learnt.fitted.heads, bank.holdout)
    shown = [row for row in seen.kept if row.part == "test"]
    comparison = compare(start, heads, bank.holdout, seen.examples.where(parts == "test"), shown)
    counts = {part: int((parts == part).sum()) for part in ("train", "validation", "test")}
    about = About(
        start.version,
        corrections.data,
        {**learnt.fitted.settings(), "seed": seed, "corrections_of": counts},
        comparison.to_dict(),
        person,
    )
    yield Step("comparing", 1, 1, version=versions.add(heads.heads, about), comparison=comparison, bad=seen.bad)
