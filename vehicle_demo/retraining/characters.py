"""A new last layer of the plate reader from plates that people read, many settings at once on the same features.

Needs torch: whoever serves pictures must not import this.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vehicle_demo.recognition.heads import Head
from vehicle_demo.recognition.reader import slots_by
from vehicle_demo.retraining.plates import PlateExamples
from vehicle_demo.retraining.settings import CHARACTER_SETTINGS, USUAL_CHARACTERS, Setting, Wishes
from vehicle_demo.retraining.shipped import RetrainError
from vehicle_demo.retraining.threads import one_thread

# Of so many slots each.
_STEPS, _BATCH = 100, 1024
_REPORTED = 5
# As in `fit`, of plates: fewer do not choose, and one forgotten weighs as much as so many learnt.
_ENOUGH, _FORGETTING = 20, 20
# What the replay asks for: so much of the true character, the rest of what the layer started from answered.
_TRUTH = 0.6


@dataclass(frozen=True, eq=False)
class FittedCharacters:
    """A new last layer, the setting it was fitted with, and why that one, in words."""

    head: Head
    chosen: Setting
    why: str

    def settings(self) -> dict[str, Any]:
        """What to write down of it."""
        return {"character": asdict(self.chosen), "why_character": self.why}


@dataclass(frozen=True, eq=False)
class CharacterStep:
    """How far fitting is, and the loss; `accuracy` is the share of plates read exactly by the best setting.

    That is among the plates kept aside to choose by, and None once those are learnt from too.
    """

    done: int
    total: int
    loss: float
    accuracy: float | None
    fitted: FittedCharacters | None = None


def fit_characters(
    start: Head,
    replay: PlateExamples,
    taught: PlateExamples,
    choosing: PlateExamples,
    seed: int = 0,
    wishes: Wishes | None = None,
) -> Iterator[CharacterStep]:
    """Fit a layer that starts as `start` is; the last step has it. The same input and seed give the same layer.

    Every setting is tried on `taught`; that one is taken which reads most of `choosing` and forgets little of a part of
    `replay` that was left out. Then it learns from all.

    Raises:
        RetrainError: there is nothing to learn from.
    """
    with one_thread():
        yield from _fitted(start, replay, taught, choosing, seed, wishes or Wishes())


def _fitted(
    start: Head, replay: PlateExamples, taught: PlateExamples, choosing: PlateExamples, seed: int, wishes: Wishes
) -> Iterator[CharacterStep]:
    if not len(taught):
        raise RetrainError("None of the plates is for learning: they were all kept aside. Correct some more.")
    settings = wishes.settings(CHARACTER_SETTINGS)
    chosen = wishes.usual(USUAL_CHARACTERS)
    why = f"the usual setting: fewer than {_ENOUGH} plates were kept aside to choose by"
    before, total = 0, _STEPS
    if len(settings) == 1:
        why = "the setting that was asked for"
    elif len(choosing) >= _ENOUGH:
        before, total = _STEPS, 2 * _STEPS
        left_out = np.arange(len(replay)) % 4 == 3
        trial = _Trial(start, replay.where(~left_out), taught, settings, seed)
        for done in trial.run():
            right = trial.exact(choosing)
            yield CharacterStep(done, total, float(trial.losses[right.argmax()]), float(right.max()))
        known = replay.where(left_out)
        forgotten = np.maximum(
            exactly_read(slots_by(start, known.features), known.slots).mean() - trial.exact(known), 0
        )
        chosen = settings[int((trial.exact(choosing) - _FORGETTING * forgotten).argmax())]
        why = f"of {len(settings)} settings the best on {len(choosing)} plates kept aside"
    trial = _Trial(start, replay, taught.joined(choosing), [chosen], seed)
    for done in trial.run():
        yield CharacterStep(before + done, total, float(trial.losses[0]), None)
    yield CharacterStep(total, total, float(trial.losses[0]), None, FittedCharacters(trial.head(0), chosen, why))


def exactly_read(logits: np.ndarray, slots: np.ndarray) -> np.ndarray:
    """Logits (..., N, 8, 37) and slots (N, 8) -> (..., N) bool: whether all of a plate that is known is read so."""
    return np.asarray(((logits.argmax(axis=-1) == slots) | (slots < 0)).all(axis=-1))


class _Trial:
    """Several settings, fitted side by side on the same batches of slots; each has a matrix (37, F + 1), bias last."""

    def __init__(
        self, start: Head, replay: PlateExamples, taught: PlateExamples, settings: Sequence[Setting], seed: int
    ) -> None:
        self._before = start
        self._start = torch.from_numpy(np.concatenate([start.weight, start.bias[:, None]], axis=1))
        # What is added to the layer started from: decay leads back to that.
        self._learnt = [torch.zeros_like(self._start, requires_grad=True) for _ in settings]
        self._optimizer = torch.optim.AdamW(
            {"params": [learnt], "lr": setting.rate, "weight_decay": setting.decay}
            for learnt, setting in zip(self._learnt, settings, strict=True)
        )
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimizer, lambda step: 1 - step / _STEPS)
        self._share = torch.tensor([setting.corrections for setting in settings])
        self._known, self._new = self._replayed(start, replay), self._corrected(taught)
        self._chance = torch.Generator().manual_seed(seed)
        # (S,): the losses on plates and replay, each weighing the same whatever the setting.
        self.losses = np.zeros(len(settings))

    def run(self) -> Iterator[int]:
        """Learn, yielding now and then how many steps are done."""
        for step in range(_STEPS):
            known, new = (self._loss(part) for part in (self._known, self._new))
            self._optimizer.zero_grad()
            (known + self._share * new).sum().backward()
            self._optimizer.step()
            self._schedule.step()
            self.losses = (known + new).detach().numpy()
            if step % _REPORTED == _REPORTED - 1:
                yield step + 1

    @torch.no_grad()
    def exact(self, plates: PlateExamples) -> np.ndarray:
        """(S,): the share of plates that each setting reads exactly; 0 of none."""
        if not len(plates):
            return np.zeros(len(self._learnt))
        count, slots, width = plates.features.shape
        logits = self._logits(_with_one(plates.features.reshape(-1, width))).numpy()
        return np.asarray(exactly_read(logits.reshape(-1, count, slots, logits.shape[-1]), plates.slots).mean(axis=1))

    def head(self, setting: int) -> Head:
        """The layer of a setting."""
        matrix = (self._start + self._learnt[setting]).detach().numpy()
        weight, bias = (np.ascontiguousarray(part) for part in (matrix[:, :-1], matrix[:, -1]))
        return Head(self._before.names, weight, bias, self._before.temperature)

    def _logits(self, features: Tensor) -> Tensor:
        """(N, F + 1) -> (S, N, 37)."""
        return torch.einsum("nd,skd->snk", features, self._start + torch.stack(self._learnt))

    def _loss(self, part: _Slots) -> Tensor:
        """(S,): the weighted mean of the cross entropies of a batch, each slot in it once."""
        chosen = torch.randperm(len(part.features), generator=self._chance)[:_BATCH]
        logits = self._logits(part.features[chosen])
        each = -(logits.log_softmax(dim=-1) * part.answers[chosen]).sum(dim=-1)
        return (each * part.weight[chosen]).sum(dim=1) / part.weight[chosen].sum().clamp(min=1e-6)

    def _corrected(self, taught: PlateExamples) -> _Slots:
        features, numbers = _known_slots(taught)
        # Between a weight for each slot and one for each character: blanks are many, a Q is rare.
        even = 1 / np.sqrt(np.maximum(np.bincount(numbers, minlength=len(self._start)), 1))
        return _Slots(_with_one(features), self._one_hot(numbers), torch.from_numpy(even[numbers].astype(np.float32)))

    def _replayed(self, start: Head, replay: PlateExamples) -> _Slots:
        features, numbers = _known_slots(replay)
        answered = torch.from_numpy(start.own_logits(features)).softmax(dim=1)
        answers = _TRUTH * self._one_hot(numbers) + (1 - _TRUTH) * answered
        return _Slots(_with_one(features), answers, torch.ones(len(features)))

    def _one_hot(self, numbers: np.ndarray) -> Tensor:
        return F.one_hot(torch.from_numpy(numbers), len(self._start)).float()


@dataclass(frozen=True, eq=False)
class _Slots:
    """Features (N, F + 1) of slots with the answers that are asked for (N, 37), as shares, and weights (N,)."""

    features: Tensor
    answers: Tensor
    weight: Tensor


def _known_slots(plates: PlateExamples) -> tuple[np.ndarray, np.ndarray]:
    """Features (M, F) and columns (M,) of all slots whose character is known."""
    slots = plates.slots
    return plates.features[slots >= 0], slots[slots >= 0]


def _with_one(features: np.ndarray) -> Tensor:
    return torch.from_numpy(np.concatenate([features, np.ones((len(features), 1), np.float32)], axis=1))
