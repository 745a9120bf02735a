"""Fitting heads on features: what is new is learnt, what was known stays, and the same input gives the same heads."""

from __future__ import annotations

import numpy as np
import pytest

from tests.retraining.clusters import examples, knowing
from vehicle_demo.recognition.heads import Heads
from vehicle_demo.retraining.fit import Fitted, Step, Taught, fit
from vehicle_demo.retraining.settings import SETTINGS, Setting, Wishes
from vehicle_demo.retraining.shipped import Examples, RetrainError

KNOWN, NEW = range(8), (8, 9)


def taught(part: Examples, weight: float = 1.0) -> Taught:
    return Taught(part, np.full(len(part), weight, np.float32))


def right(heads: Heads, part: Examples, task: str = "model") -> float:
    named = heads.logits(part.features)[task].argmax(axis=1)
    return float((named == part.numbers(task, heads[task].names)).mean())


def fitted(steps: list[Step]) -> Fitted:
    last = steps[-1]
    assert last.fitted is not None and last.done == last.total
    return last.fitted


@pytest.fixture(scope="module")
def steps() -> list[Step]:
    """Two new models, and some of a known one that had been called otherwise."""
    return list(
        fit(knowing(KNOWN), examples(KNOWN, 20, 1), taught(examples([*NEW, 3], 12, 2)), taught(examples(NEW, 10, 3)))
    )


def test_new_names_are_learnt_and_what_was_known_stays(steps: list[Step]) -> None:
    new, start, held = fitted(steps).heads, knowing(KNOWN), examples(KNOWN, 30, 4)
    assert new["model"].names == (*start["model"].names, "model 8", "model 9")
    assert new["make"].names == (*start["make"].names, "make 4")
    assert new["type"].names == (*start["type"].names, "type 2")
    assert right(new, examples(NEW, 30, 5)) > 0.9
    for task in ("type", "make", "model"):
        assert right(new, held, task) > right(start, held, task) - 0.01


def test_the_setting_is_chosen_on_what_is_kept_aside_and_said(steps: list[Step]) -> None:
    new = fitted(steps)
    assert set(new.chosen.values()) <= set(SETTINGS)
    assert new.settings()["why"] == "of 8 settings the best on 20 corrections kept aside"
    losses = [step.loss for step in steps]
    assert losses[-1] < losses[0] and [step.done for step in steps] == sorted(step.done for step in steps)
    said = [step.accuracy for step in steps]
    assert said[19] is not None and said[19] > 0.9 and said[20:] == [None] * (len(said) - 20)


def test_the_same_seed_gives_the_same_heads(steps: list[Step]) -> None:
    data = (knowing(KNOWN), examples(KNOWN, 10, 1), taught(examples(NEW, 5, 2)), taught(examples(NEW, 0)))
    one, same, other = (fitted(list(fit(*data, seed=seed))).heads["model"].weight for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_with_few_kept_aside_the_usual_setting_is_taken() -> None:
    few = fit(knowing(KNOWN), examples(KNOWN, 10, 1), taught(examples(NEW, 5, 2)), taught(examples(NEW, 3, 3)))
    assert fitted(list(few)).why.startswith("the usual setting: fewer than 20")


def test_a_new_model_implies_the_make_and_type_that_its_corrections_say() -> None:
    """Where models tell of makes, a new one does too: by its own head alone its make would stay unknown."""
    start = knowing(KNOWN, implying=True)
    new = fitted(list(fit(start, examples(KNOWN, 20, 1), taught(examples(NEW, 12, 2)), taught(examples(NEW, 10, 3)))))
    made = new.heads["make"].of_model
    assert made is not None and [new.heads["make"].names[place] for place in made[-2:]] == ["make 4", "make 4"]
    np.testing.assert_array_equal(made[:-2], start["make"].of_model)
    assert right(new.heads, examples(NEW, 30, 5), "make") > 0.9
    assert right(new.heads, examples(KNOWN, 30, 4), "make") > right(start, examples(KNOWN, 30, 4), "make") - 0.01


def test_what_nobody_is_certain_of_teaches_nothing() -> None:
    """Vehicles of model 8 called model 0: certain people are followed, people at odds are not."""
    part = examples([8], 20, 2)
    wrong = Examples(part.features, {task: np.full(20, f"{task} 0") for task in part.truth})
    data = knowing(range(4)), examples(range(4), 20, 1)
    margins = []
    for weight in (1.0, 0.0):
        new = fitted(list(fit(*data, taught(wrong, weight), taught(examples([1], 0))))).heads
        logits = new.logits(part.features)["model"]
        margins.append(float((logits[:, 0] - logits[:, 1:].max(axis=1)).mean()))
    certain, unsure = margins
    assert certain > unsure + 1


def test_a_rare_name_is_not_drowned_by_a_common_one() -> None:
    many, few = examples([8], 100, 2), examples([9], 3, 3)
    both = taught(many).joined(taught(few))
    new = fitted(list(fit(knowing(KNOWN), examples(KNOWN, 20, 1), both, taught(examples(NEW, 0)))))
    assert right(new.heads, examples([9], 30, 6)) > 0.8


def test_a_vehicle_without_a_make_teaches_its_model_alone() -> None:
    part = examples(NEW, 10, 2)
    alone = Examples(part.features, {**part.truth, "make": np.full(20, ""), "type": np.full(20, "")})
    new = fitted(list(fit(knowing(KNOWN), examples(KNOWN, 20, 1), taught(alone), taught(examples(NEW, 0))))).heads
    assert new["make"].names == knowing(KNOWN)["make"].names and "" not in new["type"].names
    assert right(new, examples(NEW, 30, 5)) > 0.9


def test_nothing_to_learn_from_is_said_so() -> None:
    with pytest.raises(RetrainError, match=r"all kept aside\. Correct some more"):
        next(fit(knowing(KNOWN), examples(KNOWN, 5), taught(examples(NEW, 0)), taught(examples(NEW, 5))))


def test_what_a_person_decides_is_taken_and_the_rest_is_tried() -> None:
    wishes = Wishes(decay=7.0)
    assert {one.decay for one in wishes.settings()} == {7.0} and len(wishes.settings()) == 5
    assert wishes.usual() == Setting(0.001, 0.1, 7.0)
    assert Wishes(0.01, 0.5, 2.0).settings() == (Setting(0.01, 0.5, 2.0),)
    for bad in (0.0, float("nan"), 1e9):
        with pytest.raises(ValueError, match="The rate is to be from 1e-05 to"):
            Wishes(rate=bad)


def test_a_setting_that_is_all_decided_is_not_chosen_again() -> None:
    start, known = knowing(range(4)), examples(range(4), 20, 1)
    taught = Taught(examples([4], 12, 2), np.ones(12, np.float32))
    choosing = Taught(examples([4], 40, 3), np.ones(40, np.float32))
    *_, last = fit(start, known, taught, choosing, wishes=Wishes(0.01, 0.5, 2.0))
    assert last.fitted is not None and set(last.fitted.chosen.values()) == {Setting(0.01, 0.5, 2.0)}
    assert last.fitted.why == "the setting that was asked for" and last.total == 100
