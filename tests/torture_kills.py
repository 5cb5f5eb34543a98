"""Faults of processes: killed, stopped, two at once, one of several lost; and shards, which must not show."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any

from torture_tools import Bench, Fault, Seen, journalled, leavings, members, painters, plain, stamps, tree

if TYPE_CHECKING:  # torch takes seconds to import, and each command of the bench imports this file
    from flawsmith.gan.production.crew import Entry, Paint
    from flawsmith.gan.production.task import Task

POISONED = 21  # the item that kills whoever paints it
SOON = 5.0  # s in which a command stops; longer than it takes, for machines that do other things too
AT_ONCE = 4.0  # the same; without load it is a tenth of a second


def kills(bench: Bench, seen: Seen) -> str:
    """R1: SIGKILL for all processes of a run at random moments, again and again until it is done."""
    redone: list[int] = []
    rewritten = 0
    for workers, wanted in ((1, 2), (2, 3)) if bench.quick else ((1, 25), (2, 50)):
        while seen.times < wanted:
            output = bench.fresh()
            worst, before = _killed_until_done(bench, seen, output, workers, min(wanted - seen.times, 5))
            redone += worst
            after = stamps(output, set(before))
            rewritten += sum(before[name] != after[name] for name in before)
            seen.must(tree(output) == bench.expected, "other bytes than without a kill")
            seen.must(not leavings(output), "temporary files are left")
            rmtree(output)
    seen.must(rewritten == 0, f"{rewritten} images of the journal painted again")
    seen.must(max(redone) <= 1, f"{max(redone)} images a process painted again after a kill")
    return f"same bytes; images painted twice: {sum(redone)} in all, at most {max(redone)} a process and kill"


def _killed_until_done(
    bench: Bench, seen: Seen, output: Path, workers: int, times: int
) -> tuple[list[int], dict[str, tuple[int, int]]]:
    """Images that each kill cost, a process; and inode and time of those that were in the journal by then."""
    costs, safe = [], dict[str, tuple[int, int]]()
    span = 0.8 * _span(bench) / times
    for _ in range(times):
        command = bench.generate(output, workers=workers)
        if bench.random.random() < 0.9:  # else while it still starts
            done = len(journalled(output))
            command.until(lambda done=done: _lines(output) > done)  # type: ignore[misc]
        time.sleep(bench.random.uniform(0, 2 * span))
        alive = command.process.is_alive()
        command.kill()
        seen.times += alive
        seen.must(command.gone(), "a process outlived the kill")
        known = journalled(output)
        images = {f"images/{one.name}" for one in (output / "images").glob("[!.]*")} if output.exists() else set()
        if (output / "journal.jsonl").exists():
            costs.append(-(-len(images - known) // workers))
            safe = stamps(output, known) | safe
    end = bench.generate(output, workers=workers).wait()
    seen.must(end.code == 0 and end.in_order, f"resumed with exit code {end.code}: {end.last}")
    return costs or [0], safe


def _span(bench: Bench) -> float:
    """Seconds between the first and the last image of a set."""
    files = sorted(path.stat().st_mtime for path in (bench.whole / "images").iterdir())
    return files[-1] - files[0]


def _lines(output: Path) -> int:
    path = output / "journal.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def signals(bench: Bench, seen: Seen) -> str:
    """R2: SIGTERM and SIGINT, once and twice."""
    slowest = {1: 0.0, 2: 0.0}
    codes = {signal.SIGTERM: 143, signal.SIGINT: 130}
    for number, times, workers in _stops(bench.quick):
        seen.times += 1
        output = bench.fresh()
        command = bench.generate(output, workers=workers)
        assert command.until(lambda: _lines(output) > 3), "it ended before"  # noqa: B023
        begun = time.monotonic()
        for _ in range(times):
            for pid in (command.pid, *(members(command.pid) if number == signal.SIGINT else ())):  # as a terminal does
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            time.sleep(0.02 if times == 2 else 0)
        end = command.wait()
        took = time.monotonic() - begun
        slowest[times] = max(slowest[times], took)
        what = f"{signal.Signals(number).name} ×{times}"
        seen.must(end.code == codes[number], f"{what}: exit code {end.code}")
        seen.must(took < (SOON if times == 1 else AT_ONCE), f"{what}: stopped after {took:.1f} s")
        seen.must(end.in_order, f"{what}: {end.last}")
        if times == 1:
            seen.must(end.last == "interrupted: give the same command again to go on", f"{what}: {end.last}")
            seen.must(leavings(output) == [], f"{what}: temporary files are left")
        seen.must(command.gone(), f"{what}: processes are left")
        again = bench.generate(output).wait()
        seen.must(again.code == 0 and tree(output) == bench.expected, f"{what}: not resumed to the same bytes")
    return (
        f"once: within {slowest[1]:.1f} s, twice: within {slowest[2]:.1f} s; no process left; resumed to the same bytes"
    )


def _stops(quick: bool) -> Sequence[tuple[signal.Signals, int, int]]:
    if quick:
        return ((signal.SIGTERM, 1, 1), (signal.SIGINT, 2, 1))
    both = (signal.SIGTERM, signal.SIGINT)
    return [(number, times, workers) for number in both for times in (1, 2) for workers in (1, 2)]


def shards(bench: Bench, seen: Seen) -> str:
    """R3: one, three and seven shards in any order, by one process or two, joined."""
    for count in (3,) if bench.quick else (1, 3, 7):
        output = bench.fresh()
        numbers = list(range(1, count + 1))
        bench.random.shuffle(numbers)
        for number, workers in zip(numbers, cycle((1, 2)), strict=False):
            end = bench.generate(output, "--shard", f"{number}/{count}", workers=workers).wait()
            seen.must(end.code == 0, f"shard {number}/{count}: {end.last}")
        whole = bench.fresh()
        joining = bench.command("merge", output, "-o", whole)
        joining.until((whole / "images").exists)
        time.sleep(bench.random.uniform(0, 0.05))
        joining.kill()
        end = bench.command("merge", output, "-o", whole).wait()
        seen.times += 1
        seen.must(end.code == 0 and tree(whole) == bench.expected, f"{count} shards: other bytes: {end.last}")
    alike = [_together(bench, number) for number in (1, 8)]
    seen.times += 1
    seen.must(alike[0] == alike[1], "the GAN paints other bytes where eight images are painted at once")
    return f"same bytes; also {len(alike[0])} files by the GAN, one image at a time and eight"


def _together(bench: Bench, number: int) -> dict[str, str]:
    """The files of a few images that a worker paints so many at once."""
    import torch

    from flawsmith.data.clean import good_parts
    from flawsmith.gan.gate import GateConfig
    from flawsmith.gan.production.config import GenerateConfig
    from flawsmith.gan.production.generate import digested, one_thread
    from flawsmith.gan.production.task import Task
    from flawsmith.gan.production.worker import Worker
    from flawsmith.gan.scene import SceneConfig

    assert not torch.cuda.is_available()
    config = GenerateConfig(16, "gan", scene=SceneConfig(least_fill=0.0, faintest=0.0), gate=GateConfig(False, False))
    task = Task(bench.run, digested(good_parts(bench.parts, None)), config, bench.fresh(), 0, "cpu")
    worker = Worker(task)
    worker.painter = Together(worker.painter, number)
    with one_thread():
        made = [entry for entry in worker.paint(range(8 if bench.quick else 16)) if "image" in entry]
    assert made
    return tree(task.output)


class Together:
    """A painter that takes jobs of so many images at once; its network's batch stays what it is on the device."""

    def __init__(self, painter: Any, together: int) -> None:
        self.painter, self.together = painter, together

    def __getattr__(self, name: str) -> Any:
        return getattr(self.painter, name)


def lost(bench: Bench, seen: Seen) -> str:
    """R4: a process that paints is killed; an item that kills each process it meets."""
    workers = 2
    for _ in range(1 if bench.quick else 4):
        output = bench.fresh()
        command = bench.generate(output, workers=workers)
        target = bench.random.randrange(1, bench.count // 2)
        assert command.until(lambda: _lines(output) >= target and len(painters(command.pid)) == workers)  # noqa: B023
        os.kill(bench.random.choice(painters(command.pid)), signal.SIGKILL)
        end = command.wait()
        seen.times += 1
        seen.must(end.code == 0 and tree(output) == bench.expected, f"one killed: other bytes: {end.last}")
        seen.must(not leavings(output), f"one killed: {leavings(output)} left")
    code, good, tries = _poisoned(bench, seen)
    return f"one killed: same bytes; poisoned: exit code {code}, tried {tries} times, the other {good} images the same"


def _poisoned(bench: Bench, seen: Seen) -> tuple[int, int, int]:
    """Exit code, images that were made, tries of the one that was not."""
    import json

    import torch

    from flawsmith.data.clean import good_parts
    from flawsmith.data.errors import PartlyDone
    from flawsmith.gan.production.config import GenerateConfig
    from flawsmith.gan.production.generate import How, generate

    output, code = bench.fresh(), 0
    where = {"run": str(bench.run), "clean": str(bench.parts), "region": "auto"}
    good, config = good_parts(bench.parts, None), GenerateConfig(bench.count, "paste")
    how = How(2, hire=hire_poisoned)
    try:
        list(generate(bench.run, good, config, output, 0, torch.device("cpu"), where=where, how=how))
    except PartlyDone as error:
        code = error.exit_code
        seen.must("its process died" in str(error), f"poisoned: {error}")
    seen.times += 1
    made = [json.loads(line) for line in (output / "provenance.jsonl").read_text().splitlines()]
    names = {one["image"] for one in made} | {one["mask"] for one in made}
    seen.must(code == 3, f"poisoned: exit code {code}")
    seen.must(len(made) == bench.count - 1, f"poisoned: {len(made)} of {bench.count} images")
    seen.must(all(tree(output)[name] == bench.expected[name] for name in names), "poisoned: other bytes")
    tries = (output / "tries").stat().st_size
    seen.must(tries == 3, f"poisoned: tried {tries} times")
    (output / "tries").unlink()
    end = bench.generate(output).wait()  # the poison is gone
    seen.must(end.code == 0 and tree(output) == bench.expected, f"given again: {end.last}")
    return code, len(made), tries


def hire_poisoned(task: Task) -> Paint:
    """A worker that dies of one item, each time."""
    from flawsmith.gan.production.crew import hire_worker

    paint = hire_worker(task)

    def painted(indices: Sequence[int]) -> Iterator[Entry]:
        for index in indices:
            if index == POISONED:
                with (task.output / "tries").open("a") as file:
                    file.write("x")
                os.kill(os.getpid(), signal.SIGKILL)
            yield from paint([index])

    return painted


def two(bench: Bench, seen: Seen) -> str:
    """R6: a second command in a folder at work."""
    output = bench.fresh()
    first = bench.generate(output)
    assert first.until(lambda: _lines(output) > 3)
    os.kill(first.pid, signal.SIGSTOP)  # so that it cannot end before the second one is there
    idle = plain(bench.painting(bench.fresh(), "--dry-run")).seconds
    before = tree(output)
    slowest = 0.0
    for _ in range(1 if bench.quick else 3):
        end = plain(bench.painting(output))
        seen.times += 1
        slowest = max(slowest, end.seconds - idle)
        seen.must(end.code == 2 and "another command is writing here" in end.last, f"exit code {end.code}: {end.last}")
        seen.must(f"process {first.pid} on " in end.last, f"it does not say which: {end.last}")
    seen.must(slowest < 2, f"refused after {slowest:.1f} s more than starting takes")
    seen.must(tree(output) == before, "the second one changed something")
    os.kill(first.pid, signal.SIGCONT)
    end = first.wait()
    seen.must(end.code == 0 and tree(output) == bench.expected, f"the first one was disturbed: {end.last}")
    return (
        f"exit code 2, {max(slowest, 0):.1f} s after the {idle:.1f} s that starting takes; it names the other process"
    )


KILLS = (
    Fault(
        "R1",
        "all processes killed (SIGKILL) at random moments, 1 and 2 workers",
        "same bytes, no temporary files, at most one image a process painted twice",
        kills,
    ),
    Fault(
        "R2",
        "SIGTERM, SIGINT, once and twice",
        "stops within 5 s, the second time at once; exit code 143 or 130; resumes",
        signals,
    ),
    Fault(
        "R3",
        "1, 3 and 7 shards in any order, 1 and 2 workers, batches of 1 and 8; merge killed once",
        "same bytes after merge",
        shards,
    ),
    Fault(
        "R4",
        "one worker killed; an image that kills its worker each time",
        "same bytes; given up after 3 tries, exit code 3, all others made",
        lost,
    ),
    Fault("R6", "a second command in the same folder", "refused within 2 s, naming the first", two),
)
