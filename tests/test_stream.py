"""A queue between two threads: what it drops, what it keeps, when it gives up. No test sleeps."""

from collections.abc import Iterator
from itertools import count
from threading import Event

import pytest

from flawsmith.data.errors import UserError
from flawsmith.segment.stream import Meter, Policy, Queue, Stalled, flow


def _rest(queue: Queue[int]) -> list[int]:
    queue.end()
    return [item for item, _ in iter(queue.get, None)]


@pytest.mark.parametrize(("policy", "kept"), [("oldest", [4, 5, 6]), ("newest", [0, 1, 2])])
def test_a_consumer_that_takes_nothing_loses_what_the_policy_says(policy: Policy, kept: list[int]) -> None:
    queue: Queue[int] = Queue(policy, room=3)
    assert all(queue.put(number) for number in range(7))
    assert queue.dropped == 4 and _rest(queue) == kept


@pytest.mark.parametrize(("policy", "seen"), [("oldest", [0, 2, 5, 7, 8]), ("newest", [0, 1, 2, 4, 7])])
def test_a_slow_consumer_takes_one_of_three(policy: Policy, seen: list[int]) -> None:
    queue: Queue[int] = Queue(policy, room=2)
    got = []
    for number in range(9):
        queue.put(number)
        if number % 3 == 0:  # 0, 3 and 6
            item = queue.get(0)
            got += [item[0]] if item else []
    got += _rest(queue)
    assert got == seen and queue.dropped == 9 - len(seen)


def test_without_dropping_the_reader_waits_and_nothing_is_lost() -> None:
    queue: Queue[int] = Queue("none", room=2)
    assert [item for item, _ in flow(iter(range(50)), queue, "a.mp4", None)] == list(range(50))
    assert queue.dropped == 0


def test_items_have_the_time_at_which_they_came() -> None:
    clock = count(10)
    queue: Queue[str] = Queue("none", clock=lambda: next(clock))
    queue.put("a")
    queue.put("b")
    assert (queue.get(), queue.get()) == (("a", 10), ("b", 11))


def test_what_was_read_comes_before_the_readers_error() -> None:
    def breaking() -> Iterator[int]:
        yield from (1, 2)
        raise UserError("a.mkv", "breaks off")

    got = []
    with pytest.raises(UserError, match="breaks off"):
        for item, _ in flow(breaking(), Queue("none"), "a.mkv", None):
            got.append(item)
    assert got == [1, 2]


def test_a_source_that_gives_nothing_has_stalled() -> None:
    over = Event()

    def hanging() -> Iterator[int]:
        yield 1
        over.wait(30)

    items = flow(hanging(), Queue("oldest"), "rtsp://camera", 0.01)
    assert next(items)[0] == 1
    with pytest.raises(UserError, match=r"rtsp://camera: the stream has stalled; found no frame for 0\.01 s"):
        next(items)
    over.set()
    with pytest.raises(Stalled):
        Queue[int]("none").get(0)


def test_a_consumer_that_leaves_ends_the_reader() -> None:
    read = []

    def endless() -> Iterator[int]:
        for number in count():
            read.append(number)
            yield number

    items = flow(endless(), Queue("none", room=2), "camera", None)
    assert next(items)[0] == 0
    items.close()  # type: ignore[attr-defined]
    before = len(read)
    assert len(read) == before <= 5


def test_figures_of_a_meter() -> None:
    now = iter([1.0, 2.0, 4.0])  # done
    meter = Meter(lambda: next(now))
    for came in (0.0, 1.5, 2.0):
        meter.add(came)
    assert meter.facts() == {"done": 3, "per_second": 0.75, "latency_ms": {"p50": 1000.0, "p99": 1980.0}}
    assert meter.text() == "0.8/s, latency p50 1000 ms, p99 1980 ms"
    assert Meter().facts() == {"done": 0, "per_second": 0.0, "latency_ms": {"p50": 0.0, "p99": 0.0}}
