"""Fitting heads on features: what is new is learnt, what was known stays, and the same input gives the same heads."""

from __future__ import annotations

import numpy as np
import pytest

from tests.retraining.clusters import examples, knowing
from vehicle_demo.recognition.heads import Heads
from vehicle_demo.retraining.fit import SETTINGS, Fitted, Step, Taught, fit
from vehicle_demo.retraining.shipped import Examples, RetrainError

KNOWN, NEW = range(8), (8, 9)


def taught(part: Examples, weight: float = 1.0) -> Taught:
    return Taught(part, np.full(len(part), weight, np.float32))


def right(heads: Heads, part: Examples, task: str = "model") -> float:
    head = heads[task]
    return float((head.logits(part.features).argmax(axis=1) == part.numbers(task, head.names)).mean())


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


def test_what_nobody_is_certain_of_teaches_nothing() -> None:
    """Vehicles of model 8 called model 0: certain people are followed, people at odds are not."""
    part = examples([8], 20, 2)
    wrong = Examples(part.features, {task: np.full(20, f"{task} 0") for task in part.truth})
    data = knowing(range(4)), examples(range(4), 20, 1)
    margins = []
    for weight in (1.0, 0.0):
        new = fitted(list(fit(*data, taught(wrong, weight), taught(examples([1], 0))))).heads
        logits = new["model"].logits(part.features)
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
