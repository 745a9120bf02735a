"""Which labels look wrong, how certain several people are together, and who is asked about it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.annotation.drawn_vehicles import new_vehicle
from tests.annotation.test_review import A5, M3, TT, answer, numbers
from vehicle_demo.annotation.cleaning import ERROR, crowd_quality, likely_errors
from vehicle_demo.annotation.consensus import CONFLICT, consensus
from vehicle_demo.annotation.review import ERRORS, Review, ReviewFilter
from vehicle_demo.annotation.store import ANSWER, DECISION, Said, Store
from vehicle_demo.recognition.results import Scored


def ranked(best: str, share: float = 0.6) -> tuple[Scored, ...]:
    others = [name for name in (A5, TT, M3) if name != best]
    return (Scored(best, share), Scored(others[0], (1 - share) / 2), Scored(others[1], (1 - share) / 4))


def test_names_that_the_network_contradicts_look_wrong_the_worst_first() -> None:
    thought = {number: ranked((A5, TT, M3)[number % 3]) for number in range(60)} | {7: ranked(TT, 0.9)}
    named = {number: each[0].label for number, each in thought.items()} | {7: M3, 21: TT}
    found = likely_errors(named, thought)
    assert list(found) == [7, 21]
    assert {doubt.reason for doubt in found.values()} == {ERROR}
    assert found[7].why == f"named {M3}, which the network gave 2%; {TT} had 90%"
    assert found[7].score > found[21].score > 0.5


def test_a_name_that_the_network_does_not_know_is_left_alone() -> None:
    thought = {number: ranked((A5, TT)[number % 2]) for number in range(20)}
    named = {number: each[0].label for number, each in thought.items()} | {4: "Trabant 601"}
    assert likely_errors(named, thought) == {}


@pytest.mark.parametrize("named", [{}, {1: A5}, {1: A5, 2: A5}])
def test_of_one_name_nothing_can_be_told(named: dict[int, str]) -> None:
    assert likely_errors(named, {number: ranked(TT) for number in named}) == {}


def votes(pairs: int, apart: int) -> dict[int, dict[str, str]]:
    """Vehicles that ann and bob named; of the last ones each said something else."""
    first = {number: (A5, TT, M3)[number % 3] for number in range(pairs)}
    second = {number: M3 if number >= pairs - apart and name != M3 else name for number, name in first.items()}
    return {number: {"ann": first[number], "bob": second[number]} for number in first}


def test_who_agrees_is_surer_than_who_does_not_and_lots_fall_the_same_way() -> None:
    said = votes(30, apart=6)
    thought = {number: ranked(TT, 0.4) for number in said}
    quality = crowd_quality(said, thought)
    assert quality is not None and set(quality) == set(said)
    agreed = [value for number, value in quality.items() if len(set(said[number].values())) == 1]
    apart = [value for number, value in quality.items() if len(set(said[number].values())) == 2]
    assert 0 <= max(apart) < min(agreed) <= 1
    before = np.random.get_state()[1].tolist()  # type: ignore[index]
    assert crowd_quality(said, thought) == quality
    assert np.random.get_state()[1].tolist() == before  # type: ignore[index]


NO_TWO_AGREE = {number: {"ann": A5, "bob": TT} for number in range(12)}
ONE_NAME = {number: {"ann": A5, "bob": A5} for number in range(12)}


@pytest.mark.parametrize("said", [{}, votes(9, apart=0), NO_TWO_AGREE, ONE_NAME])
def test_with_too_little_to_go_by_nothing_is_said(said: dict[int, dict[str, str]]) -> None:
    assert crowd_quality(said, {number: ranked(TT) for number in said}) is None


def test_doubted_labels_are_asked_about_and_a_decision_ends_the_doubt(store: Store) -> None:
    known = store.add([new_vehicle(number, A5 if number % 2 else M3) for number in range(24)])
    for place, number in enumerate(known):
        answer(store, number, "ann", A5 if place % 2 else M3)
    wrong, waiting, torn = store.add([new_vehicle(30, A5), new_vehicle(31, A5), new_vehicle(32, A5)])
    answer(store, wrong, "ann", M3)
    answer(store, torn, "ann", M3)
    answer(store, torn, "bob", A5)
    doubted = ReviewFilter(decide=ERRORS)
    (task,) = Review(store).take("bob", "bob", 9, doubted)
    assert task.item.id == wrong and task.item.urgency.reason == ERROR and f"named {M3}" in task.item.urgency.why
    assert [event.person for event in task.opinions] == ["ann"]
    assert numbers(store, "bob") == [waiting]
    assert numbers(store, "bob", ReviewFilter(decide=ERRORS, make="BMW")) == []
    decided = {"status": ANSWER, "type": None, "make": "Audi", "model": A5}
    store.record(Said(wrong, "bob", DECISION, "d1", decided), "bob")
    assert numbers(store, "bob", doubted) == []


def test_many_vehicles_named_by_two_get_cleanlab_s_figure(store: Store) -> None:
    said = votes(14, apart=2)
    several = store.add([new_vehicle(number, A5) for number in said])
    (alone,) = store.add([new_vehicle(20, A5)])
    for number, names in zip(several, said.values(), strict=True):
        for person, name in names.items():
            answer(store, number, person, name)
    answer(store, alone, "ann", A5)
    told = consensus(store)
    agreed = [told[number] for number in several[:12]]
    assert all(each.status == ANSWER and each.people == 2 and each.weight >= told[alone].weight for each in agreed)
    apart = [told[number] for number, names in zip(several, said.values(), strict=True) if len(set(names.values())) > 1]
    assert apart and all(each.status == CONFLICT and each.weight < told[alone].weight for each in apart)
    assert consensus(store) == told
