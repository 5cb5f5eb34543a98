"""Processes that paint, with painters that only pretend to."""

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from flawsmith.data.errors import UserError
from flawsmith.gan.production.config import GenerateConfig
from flawsmith.gan.production.crew import Crew, Paint, paint_here
from flawsmith.gan.production.task import Task

Entry = dict[str, Any]
POISONED, WRONG = 21, 5


def task(folder: Path) -> Task:
    return Task(folder, (), GenerateConfig(1), folder, 0, "cpu")


def count(folder: Path, index: int) -> int:
    """How often an item has been begun."""
    with (folder / f"begun-{index}").open("a") as file:
        file.write("x")
    return (folder / f"begun-{index}").stat().st_size


def honest(task: Task) -> Paint:
    def paint(indices: Sequence[int]) -> Iterator[Entry]:
        for index in indices:
            count(task.output, index)
            yield {"index": index, "by": os.getpid()}

    return paint


def poisoned(task: Task) -> Paint:
    """One item kills its process each time, another one the first time only; one raises an error."""

    def paint(indices: Sequence[int]) -> Iterator[Entry]:
        for index in indices:
            times = count(task.output, index)
            if index == POISONED or (index == 30 and times == 1):
                os.kill(os.getpid(), 9)
            if index == WRONG:
                raise ZeroDivisionError("by zero")
            yield {"index": index, "by": os.getpid()}

    return paint


def dead(task: Task) -> Paint:
    os.kill(os.getpid(), 9)
    raise AssertionError


def full(task: Task) -> Paint:
    raise UserError(task.output, "cannot be written", "No space left on device")


def endless(task: Task) -> Paint:
    def paint(indices: Sequence[int]) -> Iterator[Entry]:
        for index in indices:
            yield {"index": index, "by": os.getpid()}
            time.sleep(0.2 if index else 60)

    return paint


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_every_item_is_made_once(tmp_path: Path) -> None:
    with Crew(task(tmp_path), 2, honest) as crew:
        entries = list(crew.paint(iter(range(70))))
    assert sorted(entry["index"] for entry in entries) == list(range(70))
    assert len({entry["by"] for entry in entries}) == 2
    assert {file.stat().st_size for file in tmp_path.iterdir()} == {1}


def test_a_process_that_dies_costs_the_others_nothing_and_a_poisoned_item_is_listed(tmp_path: Path) -> None:
    with Crew(task(tmp_path), 2, poisoned) as crew:
        entries = {entry["index"]: entry for entry in crew.paint(iter(range(60)))}
    assert sorted(entries) == list(range(60))
    given_up = {index: entry["rejected"] for index, entry in entries.items() if "rejected" in entry}
    assert set(given_up) == {POISONED, WRONG}
    assert "its process died (exit code -9)" in next(iter(given_up[POISONED]))
    assert given_up[WRONG] == {"ZeroDivisionError: by zero": 3}
    assert (tmp_path / f"begun-{POISONED}").stat().st_size == 3 and (tmp_path / "begun-30").stat().st_size == 2
    begun = sum(file.stat().st_size for file in tmp_path.iterdir())
    assert begun <= 60 + 2 + 1 + 3  # nothing but these three was begun again, and what came after the error once


def test_one_process_lists_what_raises_an_error_too(tmp_path: Path) -> None:
    entries = {entry["index"]: entry for entry in paint_here(task(tmp_path), iter(range(20)), poisoned)}
    assert sorted(entries) == list(range(20)) and entries[WRONG]["rejected"] == {"ZeroDivisionError: by zero": 3}


def test_processes_that_only_die_end_the_run(tmp_path: Path) -> None:
    message = r"processes that paint must live; found exit code -9"
    with pytest.raises(UserError, match=message), Crew(task(tmp_path), 1, dead) as crew:
        list(crew.paint(iter(range(500))))


def test_what_no_item_is_to_blame_for_ends_the_run_with_its_own_message(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No space left on device"), Crew(task(tmp_path), 2, full) as crew:
        list(crew.paint(iter(range(40))))


def test_no_process_is_left_and_the_end_comes_soon(tmp_path: Path) -> None:
    with Crew(task(tmp_path), 2, endless) as crew:
        entries = crew.paint(iter(range(40)))
        pids = {next(entries)["by"] for _ in range(6)}
        start = time.monotonic()
    assert time.monotonic() - start < 120 and not any(alive(pid) for pid in pids)
