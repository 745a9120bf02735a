"""What cleanlab makes of names that people gave, beside what the network thought: which look wrong, which are certain.

Northcutt, Jiang and Chuang, Confident Learning (JAIR 70, 2021); Goh, Tkachenko and Mueller, CROWDLAB (2022).
cleanlab is imported where it is first needed: it takes a second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Final

import numpy as np

from vehicle_demo.annotation.urgency import Urgency
from vehicle_demo.recognition.results import Scored

ERROR: Final = "likely label error"
# Vehicles that several people named from which on CROWDLAB can tell how good each person and the network are.
_ENOUGH = 10
_RANDOM = Lock()
_UNLISTED = "none of the network's likeliest"


def likely_errors(named: Mapping[int, str], ranked: Mapping[int, Sequence[Scored]]) -> dict[int, Urgency]:
    """Which of these names look wrong, the worst first: `score` is one less what the network gave the name.

    As many as confident learning counts, and of all those that got least: a name with few vehicles has no threshold of
    its own that could be relied on. A name that the network thinks of nowhere may be new to it, and is left alone.

    Args:
        named: the name of each vehicle, by its number; `ranked` what the network thought of it, the best first.
    """
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    thought = {scored.label for each in ranked.values() for scored in each}
    items = [item for item, name in named.items() if name in thought]
    if len({named[item] for item in items}) < 2:
        return {}
    classes = sorted(thought)
    labels = np.array([classes.index(named[item]) for item in items])
    shares = _shares([ranked[item] for item in items], classes)
    wrong = find_label_issues(labels, shares, filter_by="low_self_confidence", n_jobs=1)
    quality = get_label_quality_scores(labels, shares)
    found = [
        (item, Urgency(1 - float(score), ERROR, _in_words(named[item], ranked[item])))
        for item, score, bad in zip(items, quality, wrong, strict=True)
        if bad
    ]
    return dict(sorted(found, key=lambda one: -one[1].score))


def crowd_quality(
    votes: Mapping[int, Mapping[str, str]], ranked: Mapping[int, Sequence[Scored]]
) -> dict[int, float] | None:
    """How likely the name that wins is right, in [0, 1], of vehicles that several people named; None with too few.

    CROWDLAB goes by how often people agree with each other and with the network. It needs people who agree somewhere,
    two names or more, and here ten vehicles or more. The same votes in the same order give the same figures.

    Args:
        votes: each vehicle's names by the person who gave them, two or more; `ranked` as in `likely_errors`.
    """
    names = {name for said in votes.values() for name in said.values()}
    agreed = any(max(Counter(said.values()).values()) > 1 for said in votes.values())
    if len(votes) < _ENOUGH or len(names) < 2 or not agreed:
        return None
    from cleanlab.multiannotator import get_label_quality_multiannotator

    classes = sorted(names | {scored.label for item in votes for scored in ranked[item]})
    people = sorted({person for said in votes.values() for person in said})
    labels = np.full((len(votes), len(people)), np.nan)
    for row, said in enumerate(votes.values()):
        for person, name in said.items():
            labels[row, people.index(person)] = classes.index(name)
    shares = _shares([ranked[item] for item in votes], classes)
    # It draws lots where nothing else decides between two names, from a source that all share.
    with _RANDOM:
        before = np.random.get_state()
        np.random.seed(0)
        try:
            told = get_label_quality_multiannotator(
                labels, shares, return_detailed_quality=False, return_annotator_stats=False, verbose=False
            )
        finally:
            np.random.set_state(before)
    return dict(zip(votes, told["label_quality"]["consensus_quality_score"].to_numpy(float), strict=True))


def _shares(ranked: Sequence[Sequence[Scored]], classes: Sequence[str]) -> np.ndarray:
    """(N, K) float64, rows that sum to 1: the scores, and what they leave over in equal parts for all other names.

    No other name gets more than the least of those that are ranked.
    """
    place = {name: number for number, name in enumerate(classes)}
    shares = np.empty((len(ranked), len(classes)))
    for row, each in zip(shares, ranked, strict=True):
        listed = [(place[scored.label], scored.score) for scored in each if scored.label in place]
        left = max(0.0, 1 - sum(scored.score for scored in each))
        row[:] = min(left / max(1, len(classes) - len(listed)), min(scored.score for scored in each))
        for number, score in listed:
            row[number] = score
    return shares / shares.sum(axis=1, keepdims=True)


def _in_words(name: str, ranked: Sequence[Scored]) -> str:
    given = next((f"which the network gave {scored.score:.0%}" for scored in ranked if scored.label == name), _UNLISTED)
    return f"named {name}, {given}; {ranked[0].label} had {ranked[0].score:.0%}"
