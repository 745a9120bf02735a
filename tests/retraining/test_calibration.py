"""Temperatures: a confidence of so much per cent is right so often, whatever was learnt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.retraining.clusters import examples, knowing, shown
from vehicle_demo.recognition.heads import Heads
from vehicle_demo.retraining.calibration import best_temperature, calibrated, calibration_error
from vehicle_demo.retraining.compare import ASIDE, HOLDOUT, Measured, compare
from vehicle_demo.retraining.shipped import Examples


def louder(heads: Heads, times: float) -> Heads:
    """The same answers, so many times as sure."""
    return Heads("loud", {task: replace(h, weight=h.weight * times, bias=h.bias * times) for task, h in heads.items()})


def test_temperature_undoes_overconfidence() -> None:
    rng = np.random.default_rng(0)
    honest = rng.normal(0, 1.5, (4000, 5))
    probabilities = np.exp(honest) / np.exp(honest).sum(axis=1, keepdims=True)
    truth = np.array([rng.choice(5, p=row) for row in probabilities])
    assert best_temperature(honest * 3, truth) == pytest.approx(3, rel=0.1)
    assert calibration_error(honest, truth) < 0.03 < 0.15 < calibration_error(honest * 3, truth)


def test_each_head_gets_the_temperature_under_which_the_hold_out_is_likeliest() -> None:
    holdout, aside = (examples(range(8), 200, seed, noise=2.2) for seed in (1, 2))
    quiet = calibrated(knowing(range(8)), holdout)
    loud = louder(knowing(range(8)), 3)
    calm = calibrated(loud, holdout)
    for task, head in calm.items():
        assert head.temperature == pytest.approx(3 * quiet[task].temperature, rel=0.01)
    figures = compare(Measured(loud, holdout, aside), Measured(calm, holdout, aside), shown(aside)).figures
    for part in (HOLDOUT, ASIDE):
        before, after = figures[part]["model"].calibration
        assert after < before / 2 and figures[part]["model"].top1.value == 0


def test_a_head_of_which_the_hold_out_says_nothing_keeps_its_temperature() -> None:
    heads = knowing(range(8))
    heads = Heads("warm", {task: replace(head, temperature=1.5) for task, head in heads.items()})
    part = examples(range(8), 20, 1)
    silent = Examples(part.features, {**part.truth, "make": np.full(len(part), "")})
    found = calibrated(heads, silent)
    assert found["make"].temperature == 1.5 and found["model"].temperature != 1.5
