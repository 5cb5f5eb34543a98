"""Frames from a thread that reads to one that is slower: what waits, what is dropped, and how long each one took."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from threading import Condition, Thread
from time import perf_counter
from typing import Any, Generic, Literal, TypeVar, get_args

import numpy as np

from flawsmith.data.errors import UserError

Policy = Literal["none", "oldest", "newest"]
POLICIES: tuple[Policy, ...] = get_args(Policy)
ROOM = 4  # frames that wait: enough to ride out an uneven disk, a tenth of a second of a camera
RECENT = 10_000  # latencies that percentiles are taken of: a stream may last for days

Item = TypeVar("Item")
Clock = Callable[[], float]


class Stalled(Exception):
    """Nothing has come in time."""


@dataclass
class Queue(Generic[Item]):
    """A queue of `room` items between two threads, each with the time at which it came.

    When it is full, "none" makes the reader wait, "oldest" drops what has waited longest, "newest" what comes.
    """

    policy: Policy
    room: int = ROOM
    clock: Clock = perf_counter
    dropped: int = 0
    _items: deque[tuple[Item, float]] = field(default_factory=deque)
    _change: Condition = field(default_factory=Condition)
    _ended: bool = False
    _closed: bool = False
    _error: Exception | None = None

    def put(self, item: Item) -> bool:
        """Adds an item by the policy; False once nobody wants any more."""
        with self._change:
            if self.policy == "none":
                self._change.wait_for(lambda: len(self._items) < self.room or self._closed)
            elif len(self._items) >= self.room:
                self.dropped += 1
                if self.policy == "newest":
                    return not self._closed
                self._items.popleft()
            self._items.append((item, self.clock()))
            self._change.notify_all()
            return not self._closed

    def end(self, error: Exception | None = None) -> None:
        """Says that no more will come, and why."""
        with self._change:
            self._ended, self._error = True, error
            self._change.notify_all()

    def get(self, timeout: float | None = None) -> tuple[Item, float] | None:
        """The next item and when it came; None after the last one.

        Raises Stalled after `timeout` seconds, and after the last item what `end` was given.
        """
        with self._change:
            if not self._change.wait_for(lambda: bool(self._items) or self._ended, timeout):
                raise Stalled
            if self._items:
                self._change.notify_all()
                return self._items.popleft()
            if self._error is not None:
                raise self._error
            return None

    def close(self) -> None:
        """Says that nobody wants any more."""
        with self._change:
            self._closed = True
            self._change.notify_all()


def flow(source: Iterator[Item], queue: Queue[Item], place: str, timeout: float | None) -> Iterator[tuple[Item, float]]:
    """Reads `source` in a thread of its own, and yields its items with the time at which each came.

    Raises what the source raises after its last item, and UserError where none has come for `timeout` seconds.
    """
    reader = Thread(target=_pump, args=(source, queue), name=f"reads {place}", daemon=True)  # may hang in a driver
    reader.start()
    try:
        while (got := queue.get(timeout)) is not None:
            yield got
    except Stalled:
        fix = "check the camera or the line, or raise --timeout"
        raise UserError(place, "the stream has stalled", f"no frame for {timeout:g} s", fix) from None
    finally:
        queue.close()
        reader.join(0.5)  # it ends at its next frame; one that hangs ends with the process


def _pump(source: Iterator[Item], queue: Queue[Item]) -> None:
    try:
        for item in source:
            if not queue.put(item):
                break
    except Exception as error:  # told where it is wanted
        queue.end(error)
    else:
        queue.end()


@dataclass
class Meter:
    """How fast results come, and how long after its arrival each one did."""

    clock: Clock = perf_counter
    done: int = 0
    _first: float | None = None
    _last: float = 0.0
    _recent: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT))

    def add(self, came: float) -> None:
        """Counts a result that is complete now, of what came at that time."""
        self._first = came if self._first is None else self._first
        self._last = self.clock()
        self._recent.append(self._last - came)
        self.done += 1

    @property
    def rate(self) -> float:
        """Results a second since the first arrival."""
        passed = self._last - (self._first or 0.0)
        return self.done / passed if self.done and passed > 0 else 0.0

    def latency(self, percent: float) -> float:
        """That percentile of the latencies in milliseconds, of the last 10,000."""
        return float(np.percentile(self._recent, percent)) * 1000 if self._recent else 0.0

    def text(self) -> str:
        """As it is shown beside a bar."""
        return f"{self.rate:.1f}/s, latency p50 {self.latency(50):.0f} ms, p99 {self.latency(99):.0f} ms"

    def facts(self) -> dict[str, Any]:
        """As it is written to a summary."""
        latency = {f"p{percent}": round(self.latency(percent), 3) for percent in (50, 99)}
        return {"done": self.done, "per_second": round(self.rate, 3), "latency_ms": latency}
