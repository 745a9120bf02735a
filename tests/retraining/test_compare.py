"""Old heads against new ones: figures with intervals worked out elsewhere, what got worse first, and the verdict."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.retraining.clusters import examples, knowing, shown
from vehicle_demo.recognition.heads import Heads
from vehicle_demo.retraining.compare import ASIDE, HOLDOUT, Comparison, Measured, compare
from vehicle_demo.retraining.shares import Change, Share
from vehicle_demo.retraining.shipped import Examples


def compared(old: Heads, new: Heads, aside: Examples, holdout: Examples | None = None) -> Comparison:
    held = holdout or examples(range(8), 25, 1)
    return compare(Measured(old, held, aside), Measured(new, held, aside), shown(aside))


def blind(heads: Heads, task: str, name: str) -> Heads:
    """The same heads, to which one name never occurs."""
    head = heads[task]
    bias = head.bias - 1000 * np.array([one == name for one in head.names], np.float32)
    return Heads("blind", {**heads.heads, task: replace(head, bias=bias)})


def test_wilsons_interval_by_the_book() -> None:
    """Newcombe (Statistics in Medicine 17, 857-872, 1998), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29."""
    for right, count, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert Share(right, count).interval == pytest.approx((low, high), abs=2e-4)
    assert Share(0, 0).value == 0 and Share(0, 0).interval == (0, 1)


def test_the_interval_of_a_paired_change_by_the_book() -> None:
    """Newcombe (Statistics in Medicine 17, 2635-2650, 1998), table II, method 10: (a, b, c, d) and the limits."""
    for both, gained, lost, neither, low, high in (
        (36, 12, 2, 0, 0.0569, 0.3404),
        (54, 0, 0, 0, -0.0664, 0.0664),
    ):
        count = both + gained + lost + neither
        change = Change(Share(both + lost, count), Share(both + gained, count), gained, lost)
        assert change.interval == pytest.approx((low, high), abs=1e-4)


def test_names_that_were_learnt_are_a_gain_and_the_hold_out_is_told_apart() -> None:
    found = compared(knowing(range(8)), knowing(range(10), "v1-abcdef"), examples([8, 9], 20, 2))
    gain = found.figures[ASIDE]["model"].top1
    assert gain.before.right == 0 and gain.after.value > 0.8 and gain.interval[0] > 0.6
    assert abs(found.figures[HOLDOUT]["model"].top1.value) <= 0.02
    assert found.better and found.verdict.startswith("Promote: ") and "model 0.0 to" in found.verdict
    assert {one.name for one in found.improved[:2]} <= {"type 2", "make 4"}


def test_what_was_forgotten_comes_first_and_speaks_against_promoting() -> None:
    old = knowing(range(8))
    found = compared(old, blind(old, "model", "model 5"), examples([5, 6], 10, 2))
    assert (found.worse[0].name, found.worse[0].change.after.right) == ("model 5", 0)
    assert not found.better
    assert found.verdict.startswith("Do not promote: on the hold-out model falls by 12.")
    assert {one.truth for one in found.turned} == {"model 5"}
    assert {one.part for one in found.worse if one.name == "model 5"} == {ASIDE, HOLDOUT}
    pictures = [int(one.picture, 16) for one in found.turned]
    assert pictures and all(number < 10 for number in pictures) and found.turned[0].box == (4, 4, 60, 44)


def test_confusions_count_who_was_taken_for_whom() -> None:
    old = knowing(range(8))
    aside = examples([5, 6], 10, 2)
    found = compared(old, blind(old, "model", "model 5"), aside).confusions[ASIDE]["model"]
    assert found.names[0] == "model 5" and len(found.names) <= 8
    assert found.before[0][0] == 10 and sum(found.after[0]) == 10 and found.after[0][0] == 0
    assert all(len(row) == len(found.names) + 1 for row in (*found.before, *found.after))
    assert compared(old, old, examples([1], 5, 2, 0.0)).confusions[ASIDE]["model"].names == ()


def test_no_difference_is_said_to_be_none() -> None:
    same = knowing(range(8))
    found = compared(same, same, examples([1, 2], 10, 2))
    assert not found.better and found.verdict.startswith("No clear difference yet")
    assert found.worse == found.improved == found.turned == ()


def test_without_corrections_kept_aside_the_verdict_says_so() -> None:
    same = knowing(range(8))
    found = compared(same, same, examples([1], 0))
    assert found.verdict.startswith("Nothing was kept aside") and not found.better


def test_a_vehicle_without_a_name_counts_neither_way() -> None:
    part = examples([1, 2], 10, 2)
    half = Examples(part.features, {**part.truth, "make": np.where(np.arange(20) % 2, part.truth["make"], "")})
    figures = compared(knowing(range(8)), knowing(range(8)), half).figures[ASIDE]
    assert figures["make"].top1.before.count == 10 and figures["model"].top1.before.count == 20


def test_it_comes_back_from_json() -> None:
    old = knowing(range(8))
    found = compared(old, blind(old, "make", "make 1"), examples([2, 3], 10, 2))
    assert found.turned and Comparison.from_dict(json.loads(json.dumps(found.to_dict()))) == found
