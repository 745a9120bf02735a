"""How far a head's confidence can be believed, and the temperature under which it can."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vehicle_demo.recognition.heads import Heads
from vehicle_demo.recognition.recognizer import softmax
from vehicle_demo.retraining.shipped import Examples

_BINS = 15


def calibrated(heads: Heads, holdout: Examples) -> Heads:
    """The heads with the temperature of each fitted on the hold-out; one that nothing there speaks of keeps its own.

    Only what no head has learnt from will do: of its own lessons it is all too sure. The shipped temperatures come from
    the same split, so that calibration before and after compare fairly there.
    """
    fitted, logits = {}, heads.logits(holdout.features)
    for task, head in heads.items():
        truth = holdout.numbers(task, head.names)
        known = truth >= 0
        if known.any():
            head = replace(head, temperature=best_temperature(logits[task][known], truth[known]))
        fitted[task] = head
    return replace(heads, heads=fitted)


def best_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """The divisor of the logits (N, K) under which the truths (N,) are likeliest (Guo et al., arXiv 1706.04599)."""
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    def surprise(log_temperature: float) -> float:
        return -float(log_softmax(logits / np.exp(log_temperature), axis=1)[np.arange(len(truth)), truth].mean())

    return float(np.exp(minimize_scalar(surprise, bounds=(-3, 3), method="bounded").x))


def calibration_error(logits: np.ndarray, truth: np.ndarray) -> float:
    """Expected calibration error of the top answer in equally wide bins of confidence.

    Args:
        logits: (N, K), already divided by the temperature. truth: (N,), the right answers' numbers.
    """
    probabilities = softmax(logits, 1.0)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    places = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    gaps = [abs(right[places == b].mean() - confidence[places == b].mean()) * (places == b).mean() for b in set(places)]
    return float(sum(gaps))
