"""The order in which vehicles are asked about, who is asked, and what waits for a second person or a decision."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.annotation.drawn_vehicles import new_vehicle
from vehicle_demo.annotation.review import CONFLICTS, Review, ReviewFilter, ReviewProgress, opinions_wanted
from vehicle_demo.annotation.store import ANSWER, BAD_PICTURE, DECISION, REDO, SKIP, UNDO, UNSURE, Said, Store
from vehicle_demo.annotation.urgency import NEW

A5, TT, M3 = "Audi A5 Coupe 2012", "Audi TT Hatchback 2011", "BMW M3 Coupe 2012"


def numbers(store: Store, person: str, chosen: ReviewFilter | None = None, **more: Any) -> list[int]:
    """What this person is asked, by a page that gives it all back."""
    review = Review(store)
    review.release(person)
    return [task.item.id for task in review.take(person, person, more.pop("count", 9), chosen, **more)]


def answer(store: Store, number: int, person: str, model: str | None = TT, kind: str = ANSWER) -> str:
    value = {"type": None, "make": model.split()[0], "model": model} if model and kind == ANSWER else None
    client = f"{person} {number} {len(store.events(number))}"
    store.record(Said(number, person, kind, client, value, 1.0), person)
    return client


def test_the_most_urgent_comes_first_and_what_is_skipped_last(store: Store) -> None:
    low, high, middle = store.add([new_vehicle(n, f"Audi {n}", urgency) for n, urgency in enumerate((0.1, 0.9, 0.5))])
    assert numbers(store, "ann") == [high, middle, low]
    skipped = answer(store, high, "ann", kind=SKIP)
    assert numbers(store, "ann") == [middle, low, high]
    store.record(Said(high, "ann", UNDO, "u1", undoes=skipped))
    assert numbers(store, "ann", count=1) == [high]
    answer(store, high, "ann", kind=UNSURE)
    assert numbers(store, "ann") == [middle, low]
    assert numbers(store, "ann", first=(high, low)) == [high, low, middle]


def test_one_class_does_not_fill_the_day(store: Store) -> None:
    store.add([new_vehicle(n, A5, 0.9) for n in range(8)])
    store.add([new_vehicle(n, M3, 0.6) for n in range(8, 12)])
    asked = [store.vehicle(number).best()["model"] for number in numbers(store, "ann", count=9)]
    assert asked[0] == A5 and Counter(asked) == {A5: 6, M3: 3}


def test_filters_by_source_reason_and_make(store: Store) -> None:
    audi, bmw, new = store.add(
        [new_vehicle(1, source="a"), new_vehicle(2, M3, source="b"), new_vehicle(3, source="b", reason=NEW)]
    )
    assert numbers(store, "ann", ReviewFilter(source="b", make="BMW")) == [bmw]
    assert numbers(store, "ann", ReviewFilter(reason=NEW)) == [new]
    assert numbers(store, "ann", ReviewFilter(make="Audi", source="a")) == [audi]
    choices = Review(store).choices()
    assert choices.sources == ("a", "b") and choices.makes == ("Audi", "BMW") and NEW in choices.reasons
    assert Review(store).progress(ReviewFilter(source="b")) == ReviewProgress(2, 0, 0, 0, 0, 0)


def test_what_looks_nearly_the_same_is_asked_about_once(store: Store) -> None:
    one, two, other, three = store.add(
        [new_vehicle(n, urgency=u, alike=g) for n, (u, g) in enumerate([(0.2, 1), (0.8, 1), (0.5, 2), (0.3, 1)])]
    )
    tasks = Review(store).take("ann", "page", 9)
    assert [task.item.id for task in tasks] == [two, other]
    assert [item.id for item in tasks[0].together] == [one, three] and tasks[1].together == ()
    assert Review(store).take("bob", "bob", 9) == []  # held together
    for number in (two, one):
        answer(store, number, "page")
    Review(store).release("page")
    assert numbers(store, "ann") == [other, three]


def test_a_page_keeps_what_it_holds_and_nobody_else_gets_it(store: Store) -> None:
    store.add([new_vehicle(n, f"Audi {n % 7}", n / 100) for n in range(1, 31)])
    with ThreadPoolExecutor(6) as pool:
        taken = list(pool.map(lambda page: [t.item.id for t in Review(store).take("p", str(page), 5)], range(6)))
    assert sorted(number for some in taken for number in some) == list(range(1, 31))
    assert Review(store).take("p", "late", 5) == []
    answer(store, taken[2][0], "2")
    assert [task.item.id for task in Review(store).take("2", "2", 5)] == taken[2][1:]


def test_a_lapsed_lease_loses_no_answer(store: Store) -> None:
    (number,) = store.add([new_vehicle(1)])
    assert len(Review(store, lease_s=-1).take("ann", "ann", 1)) == 1
    assert numbers(store, "bob") == [number]
    answer(store, number, "ann")
    answer(store, number, "bob")
    assert [event.person for event in store.events(number)] == ["ann", "bob"]


def test_a_second_person_is_asked_without_being_told(store: Store) -> None:
    once, twice = store.add([new_vehicle(1, A5), new_vehicle(2, M3, opinions=2)])
    answer(store, once, "ann")
    answer(store, twice, "ann")
    assert numbers(store, "ann") == []
    assert Review(store).progress() == ReviewProgress(2, 2, 0, 0, 1, 0)
    (task,) = Review(store).take("bob", "bob", 9)
    assert task.item.id == twice and not task.conflict
    answer(store, twice, "bob")
    assert numbers(store, "cy") == [] and Review(store).progress() == ReviewProgress(2, 2, 0, 0, 0, 0)


def test_a_conflict_waits_for_a_decision(store: Store) -> None:
    (number, _) = store.add([new_vehicle(1, opinions=2), new_vehicle(2, M3)])
    answer(store, number, "ann", A5)
    answer(store, number, "bob", kind=BAD_PICTURE)
    conflicts = ReviewFilter(decide=CONFLICTS)
    assert Review(store).progress().conflicts == 1
    (task,) = Review(store).take("cy", "cy", 9, conflicts)
    assert task.item.id == number and task.conflict
    assert [(event.person, event.kind) for event in task.opinions] == [("ann", ANSWER), ("bob", BAD_PICTURE)]
    decided = {"status": ANSWER, "type": None, "make": "Audi", "model": A5}
    store.record(Said(number, "cy", DECISION, "d1", decided), "cy")
    assert Review(store).progress().conflicts == 0 and numbers(store, "ann", conflicts) == []
    store.record(Said(number, "cy", UNDO, "u1", undoes="d1"))
    assert numbers(store, "ann", conflicts) == [number]


def test_the_history_of_a_vehicle_says_what_was_undone(store: Store) -> None:
    (number,) = store.add([new_vehicle(1)])
    first = answer(store, number, "ann", A5)
    store.record(Said(number, "ann", UNDO, "u1", undoes=first))
    store.record(Said(number, "ann", REDO, "r1", undoes=first))
    second = answer(store, number, "ann", kind=UNSURE)
    store.record(Said(number, "ann", UNDO, "u2", undoes=second))
    past = Review(store).past(number, "bob")
    assert [(event.person, event.kind, undone) for event, undone in past.events] == [
        ("ann", ANSWER, False),
        ("ann", UNSURE, True),
    ]
    assert past.events[0][0].value["model"] == A5 and past.hidden == 0


def test_who_is_to_answer_without_knowing_of_others_is_told_of_none(store: Store) -> None:
    (number,) = store.add([new_vehicle(1, opinions=2)])
    answer(store, number, "ann", A5)
    answer(store, number, "bob", kind=SKIP)
    past = Review(store).past(number, "bob")
    assert [(event.person, event.kind) for event, _ in past.events] == [("bob", SKIP)] and past.hidden == 1
    answer(store, number, "bob", TT)
    assert [event.person for event, _ in Review(store).past(number, "bob").events] == ["ann", "bob", "bob"]


def test_what_another_person_said_is_told_but_for_what_one_is_to_answer_oneself(store: Store) -> None:
    known, blind, undone = store.add([new_vehicle(1), new_vehicle(2, opinions=2), new_vehicle(3)])
    for number in (known, blind, undone):
        client = answer(store, number, "ann")
    store.record(Said(undone, "ann", UNDO, "u1", undoes=client))
    review = Review(store)
    assert [event.item for event in review.history_of("ann", "ann")] == [blind, known]
    assert [event.item for event in review.history_of("ann", "bob")] == [known]
    answer(store, blind, "bob")
    assert [event.item for event in review.history_of("ann", "bob")] == [blind, known]
    assert review.history_of("ann", "bob", 1)[0].item == blind and review.people() == ["ann", "bob"]


def test_names_that_people_gave(store: Store) -> None:
    one, two, three = store.add([new_vehicle(n) for n in range(3)])
    answer(store, one, "ann", "Audi Q5 SUV 2012")
    answer(store, two, "ann", kind=UNSURE)
    undone = answer(store, three, "ann", "Audi Nonsense")
    store.record(Said(three, "ann", UNDO, "u1", undoes=undone))
    assert Review(store).names() == {"type": (), "make": ("Audi",), "model": ("Audi Q5 SUV 2012",)}


def test_the_share_of_second_opinions_follows_from_the_picture() -> None:
    wanted = [opinions_wanted(str(number).encode(), 0.2) for number in range(2000)]
    assert 0.15 < wanted.count(2) / 2000 < 0.25
    assert wanted == [opinions_wanted(str(number).encode(), 0.2) for number in range(2000)]
    assert opinions_wanted(b"x", 0.0) == 1 and opinions_wanted(b"x", 1.0) == 2
