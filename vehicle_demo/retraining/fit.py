"""New heads from corrections: many settings at once on the same features, of which those kept aside choose one.

Needs torch: whoever serves pictures must not import this.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vehicle_demo.recognition.heads import TENSORS, UNTOLD, Head, Heads
from vehicle_demo.retraining.settings import Setting, Wishes
from vehicle_demo.retraining.shipped import Examples, RetrainError

_NEW = "new"
_STEPS, _BATCH = 100, 128
_REPORTED = 5
# With fewer corrections kept aside chance would choose.
_ENOUGH = 20
# A point lost on what was known weighs as much as so many gained on the corrections.
_FORGETTING = 20
# A new model begins with so much of the height that its own mean would give it. The replay is of pictures that were
# learnt from, so clear that nothing there pushes it back: higher up it takes unclear pictures of other models.
_MODEST = {"model": 0.5}
# What the replay asks for: so much of the true name, the rest of what the heads started from answered.
_TRUTH = 0.6


@dataclass(frozen=True, eq=False)
class Taught:
    """Corrections to learn from: examples with the certainty (N,) of each in [0, 1]."""

    examples: Examples
    weight: np.ndarray

    def where(self, chosen: np.ndarray) -> Taught:
        """Some of them, by a mask (N,)."""
        return Taught(self.examples.where(chosen), self.weight[chosen])

    def joined(self, other: Taught) -> Taught:
        """These and the others after them."""
        features = np.concatenate([self.examples.features, other.examples.features])
        truth = {task: np.concatenate([self.examples.truth[task], other.examples.truth[task]]) for task in TENSORS}
        return Taught(Examples(features, truth), np.concatenate([self.weight, other.weight]))


@dataclass(frozen=True, eq=False)
class Fitted:
    """New heads, by task the setting they were fitted with, and why that one, in words."""

    heads: Heads
    chosen: Mapping[str, Setting]
    why: str

    def settings(self) -> dict[str, Any]:
        """What to write down of it."""
        return {**{task: asdict(setting) for task, setting in self.chosen.items()}, "why": self.why}


@dataclass(frozen=True, eq=False)
class Step:
    """How far fitting is, and the loss.

    `accuracy` is the share of models named right by the best setting among the corrections kept aside to choose by;
    None once those are learnt from too.
    """

    done: int
    total: int
    loss: float
    accuracy: float | None
    fitted: Fitted | None = None


def fit(
    start: Heads, replay: Examples, taught: Taught, choosing: Taught, seed: int = 0, wishes: Wishes | None = None
) -> Iterator[Step]:
    """Fit heads that start as `start` does; the last step has them. The same input and seed give the same heads.

    Every setting is tried on `taught`. For each head that one is taken which names most of `choosing` right and forgets
    little of a part of `replay` that was left out; then it learns from all.

    Raises:
        RetrainError: there is nothing to learn from.
    """
    if not len(taught.examples):
        raise RetrainError("None of the corrections is for learning: they were all kept aside. Correct some more.")
    wishes = wishes or Wishes()
    settings = wishes.settings()
    chosen = dict.fromkeys(TENSORS, wishes.usual())
    why = f"the usual setting: fewer than {_ENOUGH} corrections were kept aside to choose by"
    before, total = 0, _STEPS
    if len(settings) == 1:
        why = "the setting that was asked for"
    elif len(choosing.examples) >= _ENOUGH:
        before, total = _STEPS, 2 * _STEPS
        left_out = np.arange(len(replay)) % 4 == 3
        tried = [dict.fromkeys(TENSORS, setting) for setting in settings]
        trial = _Trial(start, replay.where(~left_out), taught, tried, seed)
        for done in trial.run():
            right = trial.right(choosing.examples)
            yield Step(done, total, float(trial.losses[right.argmax()]), float(right.max()))
        best = trial.best(choosing.examples, replay.where(left_out))
        chosen = {task: settings[number] for task, number in best.items()}
        why = f"of {len(settings)} settings the best on {len(choosing.examples)} corrections kept aside"
    trial = _Trial(start, replay, taught.joined(choosing), [chosen], seed)
    for done in trial.run():
        yield Step(before + done, total, float(trial.losses[0]), None)
    yield Step(total, total, float(trial.losses[0]), None, Fitted(Heads(_NEW, trial.heads(0)), chosen, why))


class _Trial:
    """Several settings, fitted side by side on the same batches; each has a `Setting` for every task.

    All heads of a setting are one matrix (K, D + 1), rows of types, makes and models one after the other, bias last.
    """

    def __init__(
        self, start: Heads, replay: Examples, taught: Taught, settings: Sequence[Mapping[str, Setting]], seed: int
    ) -> None:
        self._before = start
        self._names = {task: _named(head.names, taught.examples.truth[task]) for task, head in start.items()}
        self._slices: dict[str, slice] = {}
        rows, first = [], 0
        for task, head in start.items():
            rows.append(_started(head, self._names[task], taught.examples, replay, task))
            self._slices[task] = slice(first, first + len(rows[-1]))
            first += len(rows[-1])
        self._of_model = {
            task: of for task, head in start.items() if (of := _implied(head, task, self._names, taught)) is not None
        }
        self._start = torch.from_numpy(np.concatenate(rows))
        # What is added to the heads started from, (S, K, D + 1), with the running means of Adam.
        self._learnt = torch.zeros(len(settings), *self._start.shape, requires_grad=True)
        self._mean, self._square = torch.zeros_like(self._learnt), torch.zeros_like(self._learnt)
        self._rate = self._by_row([[one[task].rate for task in TENSORS] for one in settings])
        self._decay = self._by_row([[one[task].decay for task in TENSORS] for one in settings])
        self._share = {task: torch.tensor([one[task].corrections for one in settings]) for task in TENSORS}
        self._replay = self._replayed(start, replay)
        self._taught = self._corrected(taught)
        self._chance = torch.Generator().manual_seed(seed)
        # (S,): the losses on corrections and replay, each weighing the same whatever the setting.
        self.losses = np.zeros(len(settings))

    def run(self) -> Iterator[int]:
        """Learn, yielding now and then how many steps are done."""
        for step in range(_STEPS):
            known, new = (self._losses_of(part.drawn(self._chance)) for part in (self._replay, self._taught))
            losses = torch.stack([known[task] + self._share[task] * new[task] for task in TENSORS]).sum(dim=0)
            self._move(torch.autograd.grad(losses.sum(), self._learnt)[0], step)
            self.losses = torch.stack([*known.values(), *new.values()]).sum(dim=0).detach().numpy()
            if step % _REPORTED == _REPORTED - 1:
                yield step + 1

    def right(self, examples: Examples) -> np.ndarray:
        """(S,): the share of models that each setting names right."""
        return self._right(examples, self._learnt)["model"]

    def best(self, choosing: Examples, known: Examples) -> dict[str, int]:
        """By task the setting that names most of `choosing` right, less what it has forgotten of `known`."""
        right, kept = self._right(choosing, self._learnt), self._right(known, self._learnt)
        best, before = {}, self._before.logits(known.features)
        for task, head in self._before.items():
            said = np.maximum((known.truth[task] != "").sum(), 1)
            was = (before[task].argmax(axis=1) == known.numbers(task, head.names)).sum() / said
            forgotten = np.maximum(was - kept[task], 0)
            best[task] = int((right[task] - _FORGETTING * forgotten).argmax())
        return best

    def heads(self, setting: int) -> dict[str, Head]:
        """The heads of a setting."""
        matrix = (self._start + self._learnt[setting]).detach().numpy()
        return {
            task: Head(
                self._names[task],
                np.ascontiguousarray(matrix[rows, :-1]),
                np.ascontiguousarray(matrix[rows, -1]),
                self._before[task].temperature,
                self._of_model.get(task),
            )
            for task, rows in self._slices.items()
        }

    @torch.no_grad()
    def _move(self, gradient: Tensor, step: int) -> None:
        """One step of AdamW (Loshchilov and Hutter, arXiv 1711.05101) with a rate of its own for each row."""
        self._mean.lerp_(gradient, 0.1)
        self._square.lerp_(gradient**2, 0.001)
        way = self._mean / (1 - 0.9 ** (step + 1))
        way /= (self._square / (1 - 0.999 ** (step + 1))).sqrt() + 1e-8
        # A long stride at first, a short one at the end; what is learnt decays, so towards the heads started from.
        self._learnt -= self._rate * (1 - step / _STEPS) * (way + self._decay * self._learnt)

    @torch.no_grad()
    def _right(self, examples: Examples, learnt: Tensor) -> dict[str, np.ndarray]:
        """(S,) by task: the share of the examples with a true name that each setting names right; 0 of none."""
        logits = self._logits(torch.from_numpy(_with_one(examples.features)), learnt)
        found = {}
        for task in self._slices:
            said = examples.truth[task] != ""
            truth = examples.numbers(task, self._names[task])
            right = logits[task].argmax(dim=-1).numpy() == truth
            found[task] = right[:, said].sum(axis=1) / max(int(said.sum()), 1)
        return found

    def _logits(self, features: Tensor, learnt: Tensor) -> dict[str, Tensor]:
        """(N, D + 1) and (S, K, D + 1) -> (S, N, K) by task, as `Heads.logits` has them."""
        own = torch.einsum("nd,skd->snk", features, self._start + learnt)
        logits = {task: own[..., rows] for task, rows in self._slices.items()}
        probabilities = logits["model"].softmax(dim=-1)
        for task, of_model in self._of_model.items():
            of = _one_hot(of_model, len(self._names[task]))
            logits[task] = logits[task] + (probabilities @ of + UNTOLD).log()
        return logits

    def _losses_of(self, batch: _Part) -> dict[str, Tensor]:
        """(S,) by task: the weighted mean of the cross entropies."""
        logits = self._logits(batch.features, self._learnt)
        losses = {}
        for task in self._slices:
            each = -(logits[task].log_softmax(dim=-1) * batch.answers[task]).sum(dim=-1)
            losses[task] = (each * batch.weight[task]).sum(dim=1) / batch.weight[task].sum().clamp(min=1e-6)
        return losses

    def _corrected(self, taught: Taught) -> _Part:
        answers, weight = {}, {}
        for task, names in self._names.items():
            numbers = taught.examples.numbers(task, names)
            answers[task] = _one_hot(numbers, len(names))
            # Between a weight for each example and one for each class, so that neither few nor many drown the others.
            even = 1 / np.sqrt(np.maximum(np.bincount(numbers[numbers >= 0], minlength=len(names)), 1))
            weight[task] = torch.from_numpy((taught.weight * even[numbers] * (numbers >= 0)).astype(np.float32))
        return _Part(torch.from_numpy(_with_one(taught.examples.features)), answers, weight)

    def _replayed(self, start: Heads, replay: Examples) -> _Part:
        answers, weight, logits = {}, {}, start.logits(replay.features)
        for task, head in start.items():
            answered = torch.from_numpy(logits[task]).softmax(dim=1)
            before = F.pad(answered, (0, len(self._names[task]) - len(head.names)))
            numbers = replay.numbers(task, self._names[task])
            mixed = _TRUTH * _one_hot(numbers, len(self._names[task])) + (1 - _TRUTH) * before
            answers[task] = torch.where(torch.from_numpy(numbers >= 0)[:, None], mixed, before)
            weight[task] = torch.ones(len(replay))
        return _Part(torch.from_numpy(_with_one(replay.features)), answers, weight)

    def _by_row(self, values: list[list[float]]) -> Tensor:
        """A value for each setting and task -> (S, K, 1), one for each row of the matrices."""
        counts = torch.tensor([rows.stop - rows.start for rows in self._slices.values()])
        return torch.tensor(values).repeat_interleave(counts, dim=1)[..., None]


@dataclass(frozen=True, eq=False)
class _Part:
    """Features (N, D + 1) with, by task, the answers that are asked for (N, K), as shares, and weights (N,)."""

    features: Tensor
    answers: Mapping[str, Tensor]
    weight: Mapping[str, Tensor]

    def drawn(self, chance: torch.Generator) -> _Part:
        """A batch, each example in it once; all where there are no more."""
        chosen = torch.randperm(len(self.features), generator=chance)[:_BATCH]
        return _Part(
            self.features[chosen],
            {task: answers[chosen] for task, answers in self.answers.items()},
            {task: weight[chosen] for task, weight in self.weight.items()},
        )


def _named(names: tuple[str, ...], truth: np.ndarray) -> tuple[str, ...]:
    """The names with the new ones after them, in the order of the alphabet."""
    return (*names, *sorted(set(truth.tolist()) - set(names) - {""}))


def _implied(head: Head, task: str, names: Mapping[str, tuple[str, ...]], taught: Taught) -> np.ndarray | None:
    """What each model is by the head's `of_model`; a new one is what most of its corrections say, -1 without one."""
    if head.of_model is None:
        return None
    numbers, truth = taught.examples.numbers(task, names[task]), taught.examples.truth["model"]
    told = [numbers[(truth == name) & (numbers >= 0)] for name in names["model"][len(head.of_model) :]]
    new = [int(np.bincount(of).argmax()) if len(of) else -1 for of in told]
    return np.append(head.of_model, np.array(new, np.int64))


def _started(head: Head, names: tuple[str, ...], taught: Examples, replay: Examples, task: str) -> np.ndarray:
    """(K, D + 1): the head's rows, and for each new name the way from the mean of all features to that of its own."""
    known = np.concatenate([head.weight, head.bias[:, None]], axis=1)
    middle = np.concatenate([replay.features, taught.features]).mean(axis=0)
    length = np.linalg.norm(head.weight, axis=1).mean()
    rows = []
    for name in names[len(head.names) :]:
        own = taught.features[taught.truth[task] == name].mean(axis=0)
        way = own - middle
        way *= length / max(float(np.linalg.norm(way)), 1e-6)
        rows.append(
            np.append(way, head.bias.mean() - way @ middle - (1 - _MODEST.get(task, 1)) * (way @ (own - middle)))
        )
    return np.concatenate([known, np.array(rows, np.float32).reshape(-1, known.shape[1])]).astype(np.float32)


def _one_hot(numbers: np.ndarray, count: int) -> Tensor:
    """(N,) -> (N, count) float32; a row of zeros for -1."""
    return torch.from_numpy((numbers[:, None] == np.arange(count)).astype(np.float32))


def _with_one(features: np.ndarray) -> np.ndarray:
    return np.concatenate([features, np.ones((len(features), 1), np.float32)], axis=1)
