"""The order in which plates are asked about, and that no two people are asked about one at a time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.annotation.drawn_plates import new_item
from vehicle_demo.annotation.queue import Filter, Progress, Queue
from vehicle_demo.annotation.store import ANSWER, NO_PLATE, NOT_READABLE, SKIP, UNDO, Said, Store
from vehicle_demo.annotation.work import Pace


def numbers(queue: Queue, holder: str, count: int = 9, chosen: Filter | None = None, first: tuple[int, ...] = ()):
    return [item.id for item in queue.take(holder, holder, count, chosen, first)]


def test_the_least_sure_comes_first_and_what_is_skipped_last(store: Store) -> None:
    sure, unsure, unread, middle = store.add(
        [new_item(1, least=0.9), new_item(2, least=0.1), new_item(3, ""), new_item(4, least=0.5)]
    )
    queue = Queue(store)
    assert numbers(queue, "ann") == [unread, unsure, middle, sure]
    store.record(Said(unsure, "ann", SKIP, "c1"), "ann")
    assert numbers(queue, "ann") == [unread, middle, sure, unsure]
    store.record(Said(unsure, "ann", UNDO, "c2", undoes="c1"))
    assert numbers(queue, "ann", 2) == [unread, unsure]
    store.record(Said(unread, "ann", NOT_READABLE, "c3"))
    assert numbers(queue, "ann") == [unsure, middle, sure]
    assert numbers(queue, "ann", first=(sure,)) == [sure, unsure, middle]


def test_filters(store: Store) -> None:
    uk, cn, short = store.add(
        [new_item(1, "AB12CDE", source="a"), new_item(2, "A1B234", source="b"), new_item(3, "AB1", source="b")]
    )
    queue = Queue(store)
    assert numbers(queue, "ann", chosen=Filter(source="b")) == [cn, short]
    assert numbers(queue, "ann", chosen=Filter(layout="uk")) == [uk]
    assert numbers(queue, "ann", chosen=Filter(length=3)) == [short]
    assert numbers(queue, "ann", chosen=Filter(source="a", length=3)) == []
    assert numbers(queue, "ann", chosen=Filter(source="b"), first=(uk,)) == [uk, cn, short]
    choices = queue.choices()
    assert (
        choices.sources == ("a", "b") and choices.layouts == ("cn blue", "other", "uk") and choices.lengths == (3, 6, 7)
    )
    assert queue.progress(Filter(source="b")) == Progress(2, 0, 0, 0)


def test_no_two_people_get_the_same_item_while_it_is_leased(store: Store) -> None:
    store.add([new_item(number, least=number / 100) for number in range(1, 41)])
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda who: numbers(Queue(store), f"page {who}", 5), range(8)))
    assert sorted(number for some in taken for number in some) == list(range(1, 41))
    assert numbers(Queue(store), "late") == []
    assert numbers(Queue(store), "page 3", 5) == taken[3]  # the page was loaded again


def test_a_lapsed_lease_frees_the_item_and_loses_no_answer(store: Store) -> None:
    (number,) = store.add([new_item(1)])
    slow = Queue(store, lease_s=-1)
    assert numbers(slow, "ann") == [number]
    assert numbers(Queue(store), "bob") == [number]
    store.record(Said(number, "ann", ANSWER, "c1", "ANN"), "ann")
    assert numbers(Queue(store), "cy") == []  # settled
    store.record(Said(number, "bob", ANSWER, "c2", "BOB"), "bob")
    assert [event.value for event in store.events(number)] == ["ANN", "BOB"]


def test_an_answer_ends_the_lease_and_an_undone_one_opens_the_item_again(store: Store) -> None:
    (number,) = store.add([new_item(1)])
    queue = Queue(store)
    assert numbers(queue, "ann") == [number]
    store.record(Said(number, "ann", ANSWER, "c1", "X"), "ann")
    store.record(Said(number, "ann", UNDO, "c2", undoes="c1"), "ann")
    assert numbers(queue, "bob") == [number]
    assert numbers(queue, "ann") == []


def test_progress_and_history_count_what_holds(store: Store) -> None:
    one, two, three, four = store.add([new_item(number) for number in range(4)])
    queue = Queue(store)
    store.record(Said(one, "ann", ANSWER, "c1", "ONE", 1.0))
    store.record(Said(one, "ann", ANSWER, "c2", "UNO", 3.0))
    store.record(Said(two, "ann", NOT_READABLE, "c3", seconds=2.0))
    store.record(Said(three, "bob", NO_PLATE, "c4"))
    store.record(Said(four, "ann", ANSWER, "c5", "FOUR", 9.0))
    store.record(Said(four, "ann", UNDO, "c6", undoes="c5"))
    assert queue.progress() == Progress(4, 1, 1, 1) and queue.progress().done == 3
    assert [event.client for event in queue.history("ann")] == ["c3", "c2", "c1"]
    assert [event.client for event in queue.history("bob")] == ["c4"]
    assert (
        queue.pace("ann") == Pace(3, 2.0) and queue.pace("bob") == Pace(1, None) and queue.pace("cy") == Pace(0, None)
    )
