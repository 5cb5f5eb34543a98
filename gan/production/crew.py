"""Processes that paint: each image is told of as soon as it is written, and one that dies costs the others nothing."""

import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from flawsmith.data.errors import UserError
from flawsmith.data.interrupts import deaf
from flawsmith.gan.production.task import Task

Entry = dict[str, Any]
Paint = Callable[[Sequence[int]], Iterator[Entry]]  # the entries of items, as they are done
Hire = Callable[[Task], Paint]  # picklable: makes what paints, in the process that is to paint

CHUNK = 16  # items that a process is given at a time
TRIES = 3  # times that an item is begun whose process died, or which raised an error
BARREN = 12  # deaths, for each process, without a single entry between them: then it is not the items
GRACE = 3.0  # seconds in which a process that is told to end may finish what it writes


def hire_worker(task: Task) -> Paint:
    """A worker with its painter loaded, keeping to one core."""
    import torch

    from flawsmith.gan.production.worker import Worker

    torch.set_num_threads(1)
    return Worker(task).paint


def paint_here(task: Task, indices: Iterator[int], hire: Hire = hire_worker) -> Iterator[Entry]:
    """The entries of all items, painted by this process."""
    paint = hire(task)
    while chunk := list(islice(indices, CHUNK)):
        yield from safely(paint, chunk)


def safely(paint: Paint, chunk: Sequence[int]) -> Iterator[Entry]:
    """The entries of a chunk; an item that raises an error is tried again by itself, and then given up."""
    waiting, tries = deque([list(chunk)]), Counter[int]()
    while waiting:
        items = waiting.popleft()
        done = set()
        try:
            for entry in paint(items):
                done.add(entry["index"])
                yield entry
        except UserError:
            raise  # the disk is full, the checkpoint is damaged: the next item would meet the same
        except Exception as error:
            left = [item for item in items if item not in done]
            if len(left) > 1:
                waiting.extend([item] for item in left)
                continue
            tries[left[0]] += 1
            if tries[left[0]] < TRIES:
                waiting.append(left)
            else:
                yield given_up(left[0], f"{type(error).__name__}: {error}")


def given_up(index: int, reason: str) -> Entry:
    """The entry of an item that could not be made."""
    return {"index": index, "rejected": {reason: TRIES}, "broken": True}


class Crew:
    """A number of processes; `paint` gives them work. Used as a context: at its end none is left."""

    def __init__(self, task: Task, workers: int, hire: Hire = hire_worker) -> None:
        self.task, self.workers, self.hire = task, workers, hire
        self.running: dict[Connection, tuple[BaseProcess, list[int]]] = {}  # and the items that are with each
        self.deaths = Counter[int]()
        self.barren = 0  # deaths since the last entry

    def paint(self, indices: Iterator[int]) -> Iterator[Entry]:
        """The entries of all items, in whatever order they are done."""
        again: deque[int] = deque()  # items whose process died: each alone, so that the one to blame is found
        for _ in range(self.workers):
            self.start()
        for one in list(self.running):
            self.give(one, indices, again)
        while any(items for _, items in self.running.values()):
            for pipe in wait([pipe for pipe, (_, items) in self.running.items() if items]):
                assert isinstance(pipe, Connection)
                try:
                    kind, content = pipe.recv()
                except (EOFError, ConnectionResetError):
                    yield from self.bury(pipe, again)
                    self.give(self.start(), indices, again)
                    continue
                items = self.running[pipe][1]
                if kind == "error":
                    raise content
                items.remove(content["index"])
                self.barren = 0
                yield content
                if not items:
                    self.give(pipe, indices, again)
            for one, (_, items) in self.running.items():
                if again and not items:
                    self.give(one, indices, again)

    def give(self, pipe: Connection, indices: Iterator[int], again: deque[int]) -> None:
        """The next items to a process; none, where there are none."""
        items = [again.popleft()] if again else list(islice(indices, CHUNK))
        self.running[pipe] = (self.running[pipe][0], items)
        if items:
            with suppress(OSError):  # it died while it had nothing to do: its pipe's end is what is read next
                pipe.send(list(items))

    def bury(self, pipe: Connection, again: deque[int]) -> Iterator[Entry]:
        """What becomes of the items that were with a process that died: the first was being made, all are made again.

        Raises UserError where process after process dies and none ever gets an item done.
        """
        process, items = self.running.pop(pipe)
        pipe.close()
        process.join()
        self.barren += 1
        if self.barren > BARREN * self.workers:
            found = f"exit code {process.exitcode}, {self.barren} times in a row"
            raise UserError("--workers", "the processes that paint must live", found, "use fewer, or free memory")
        if not items:
            return
        self.deaths[items[0]] += 1
        if self.deaths[items[0]] >= TRIES:
            yield given_up(items.pop(0), f"its process died (exit code {process.exitcode}); out of memory?")
        again.extend(items)

    def start(self) -> Connection:
        """One more process; spawn, since torch's threads do not survive a fork."""
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(self.task, self.hire, theirs), daemon=True)
        with deaf():
            process.start()
        theirs.close()  # then the end of the process is the end of the pipe
        self.running[ours] = (process, [])
        return ours

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *_: object) -> None:
        """Ends all processes: those that are at work may finish writing, no longer than GRACE seconds in all."""
        processes = [process for process, _ in self.running.values()]
        for pipe in self.running:
            pipe.close()
        for process in processes:
            process.terminate()
        end = time.monotonic() + GRACE
        for process in processes:
            process.join(max(end - time.monotonic(), 0))
            if process.is_alive():
                process.kill()
                process.join()


def _work(task: Task, hire: Hire, pipe: Connection) -> None:
    """A process's whole life."""
    signal.signal(signal.SIGTERM, _leave)
    try:
        paint = hire(task)
        while True:
            for entry in safely(paint, pipe.recv()):
                pipe.send(("entry", entry))
    except UserError as error:
        pipe.send(("error", error))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the first process is gone, or wants no more
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it ends anyway: a signal now would only show a traceback


def _leave(*_: object) -> None:
    raise SystemExit(1)  # an exit, unlike a death, removes what is half written
