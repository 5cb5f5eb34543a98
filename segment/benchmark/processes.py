"""Cells in several processes: what each tells comes back through a pipe, and none outlives the first process."""

import signal
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

import torch

from flawsmith.data.interrupts import deaf
from flawsmith.segment.benchmark.cell import Cell
from flawsmith.segment.benchmark.job import Job

Perform = Callable[[Job], Iterator[dict[str, Any]]]  # picklable: a function of a module
Events = Generator[tuple[Cell, dict[str, Any]], None, None]  # which can be closed, with all that it started
GRACE = 10.0  # seconds in which a process that is told to end may remove what it has half written


def apart(jobs: Sequence[Job], workers: int, perform: Perform) -> Events:
    """Performs the jobs, `workers` at a time, each in a process of its own; yields (cell, event) as they come.

    A process that dies is an event {"failed"}; after the last event of a cell comes {"end"}.
    """
    threads = max(1, torch.get_num_threads() // workers)
    waiting, running = list(jobs), dict[Connection, tuple[Cell, BaseProcess]]()
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                _start(waiting.pop(0), perform, threads, running)
            for pipe in wait(list(running)):
                assert isinstance(pipe, Connection)
                cell, process = running[pipe]
                try:
                    yield cell, pipe.recv()
                except EOFError:
                    del running[pipe]
                    pipe.close()
                    process.join()
                    if process.exitcode:
                        yield cell, {"failed": f"its process died (exit code {process.exitcode}); out of memory?"}
                    yield cell, {"end": True}
    finally:
        _stop([process for _, process in running.values()])


def _start(job: Job, perform: Perform, threads: int, running: dict[Connection, tuple[Cell, BaseProcess]]) -> None:
    """Starts a process; spawn, since torch's threads do not survive a fork."""
    context = get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(job, perform, sender, threads), daemon=True)
    with deaf():
        process.start()
    sender.close()  # then the end of the process is the end of the pipe
    running[receiver] = job.cell, process


def _child(job: Job, perform: Perform, pipe: Connection, threads: int) -> None:
    """A process's whole life."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # an exit, unlike a death, removes what is half written
    torch.set_num_threads(threads)
    try:
        for event in perform(job):
            pipe.send(event)
    except BrokenPipeError:
        sys.exit(1)  # the first process is gone


def _stop(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(GRACE)
        if process.is_alive():
            process.kill()
            process.join()
