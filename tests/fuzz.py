"""Damages small data sets of every format, reads them, and looks whether the reader keeps its promises.

    python tests/fuzz.py --count 10000 --seed 0 --workers 2
    python tests/fuzz.py --one 4711 --keep case    # the data set of one finding, left in a folder, and its traceback

A file's number alone decides its format and its damage: odd ones are damaged as trees, even ones as bytes. Each is read
in a process of its own memory limit, whose end, by a signal or for too much time, is a finding like any exception.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from itertools import chain
from pathlib import Path
from queue import Empty, Queue
from random import Random
from stat import S_ISDIR
from threading import Thread
from typing import Any, TextIO

sys.path.insert(0, str(Path(__file__).parent))

import numpy as np
from fuzz_damage import damaged
from fuzz_seeds import source

from flawsmith.data.check import check
from flawsmith.data.convert import convert
from flawsmith.data.errors import UserError
from flawsmith.data.formats import detect
from flawsmith.data.formats.reading import Source
from flawsmith.data.formats.scratch import scratch
from flawsmith.data.formats.size import size_of
from flawsmith.data.image import read_mask
from flawsmith.data.listing import bad_class
from flawsmith.data.problem import Problem
from flawsmith.data.read import read
from flawsmith.data.record import GOOD, DataSet, Record
from flawsmith.data.sample import load

LOSSLESS = ("coco", "cvat", "labelme", "labelstudio", "webdataset", "manifest")
TARGETS = (*LOSSLESS, *LOSSLESS, "yolo", "mvtec", "png", "imagefolder")  # to write an accepted set in
MEMORY = 2**30  # bytes of address space beyond what the libraries take
HANG = 10  # s of processor time, after which a file counts as one that never ends
ASLEEP = 60  # s on the clock: waiting for what never comes; long, for machines that do other things too
SLOW = 2  # s of processor time that a small file may take
SENTINEL = "nothing outside the case may change"


class Broken(AssertionError):
    """A promise that was not kept."""


@dataclass(frozen=True)
class Outcome:
    """What became of one data set."""

    verdict: str  # "accepted", "refused", or what went wrong, as "exception: …"
    name: str = ""  # of the seed
    problems: tuple[tuple[str, str, str, str], ...] = ()  # level, file, what, fix
    images: int = 0
    seconds: float = 0.0  # of the processor
    note: str = ""  # a traceback, or why an accepted set could not be written
    number: int = -1

    @property
    def sound(self) -> bool:
        """True unless it is a finding."""
        return self.verdict in ("accepted", "refused") and self.seconds < SLOW


def examine(data: Source, output: Path, to: str | None) -> Outcome:
    """Reads a data set and, where it is accepted, writes it in the format `to` and reads that; raises Broken."""
    try:
        report = check(data)
    except UserError as reason:
        return Outcome("refused", problems=(("error", str(reason.where), _one_line(reason), str(reason.fix)),))
    problems = tuple(map(_plain, report.problems))
    json.dumps(report.json(), default=str)
    _hold(report.text().isprintable() or all(line.isprintable() for line in report.text().split("\n")), "text")
    if report.errors:
        return Outcome("refused", problems=problems)
    dataset = read(data)
    _invariants(dataset)
    note = ""
    if to is not None:
        try:
            for _ in convert(data, output, to):
                pass
        except UserError as reason:
            note = f"{to}: {_one_line(reason)}"
        else:
            if to in LOSSLESS:
                _same(dataset, read(Source(output)), to)
    return Outcome("accepted", problems=problems, images=len(dataset.records), note=note)


def _hold(true: bool, what: str) -> None:
    if not true:
        raise Broken(what)


def _one_line(reason: UserError) -> str:
    text = str(reason)
    _hold("\n" not in text and "\0" not in text, f"an error of several lines: {text!r}")
    return text


def _plain(problem: Problem) -> tuple[str, str, str, str]:
    """A problem's cells, all of which say something in few words."""
    cells = (problem.level, problem.file, problem.what, problem.fix)
    _hold(all(cells), f"a problem with an empty cell: {cells!r}")
    _hold(len(problem.file) < 1200 and len(problem.what) < 1200, f"an endless problem: {str(cells)[:300]}")
    return cells


def _invariants(dataset: DataSet) -> None:
    """What holds for every data set that is accepted."""
    names = [record.name for record in dataset.records]
    _hold(len(set(names)) == len(names), f"names twice: {names}")
    _hold(list(dataset.classes) == sorted(set(dataset.classes)), f"classes out of order: {dataset.classes}")
    for name in dataset.classes:
        _hold(bad_class(name) is None and name.casefold() != GOOD and name == name.strip(), f"class {name!r}")
    for record in dataset.records:
        _record(dataset, record)


def _record(dataset: DataSet, record: Record) -> None:
    """What holds for each of its records."""
    place = record.image.absolute()
    _hold(
        any(place.is_relative_to(one.absolute()) and ".." not in place.parts for one in (dataset.root, scratch())),
        f"an image outside: {place}",
    )
    _hold(place.is_file() and bool(record.name) and bool(record.group), f"no image, name or group: {record}")
    _hold(set(record.defects) <= set(dataset.classes), f"classes {record.defects}")
    sample = load(record, dataset.classes)
    size = size_of(record.image)
    _hold(sample.image.shape[:2] == size, f"image {sample.image.shape}, header {size}")
    _hold(sample.masks.dtype == bool and sample.masks.shape == (len(dataset.classes), *size), "masks of another size")
    for label in record.labels:
        if isinstance(label.mask, Path):
            mask = read_mask(label.mask)
            _hold(mask.shape == size and bool((mask == label.value if label.value else mask > 0).any()), "mask file")
            continue
        patch = label.mask.patch(*size)
        top, left = patch.top, patch.left
        bottom, right = top + patch.mask.shape[0], left + patch.mask.shape[1]
        _hold(patch.mask.dtype == bool and bool(patch.mask.any()), f"an object without a pixel: {label}")
        _hold(0 <= top <= bottom <= size[0] and 0 <= left <= right <= size[1], f"a patch outside its image: {label}")
        _hold(type(top) is int and type(left) is int, "places that are no plain numbers")


def _same(one: DataSet, other: DataSet, to: str) -> None:
    """Both hold the same images, with the same pixels of the same classes."""
    _invariants(other)
    _hold(_content(one) == _content(other), f"other pixels after writing {to}: {_content(one)} {_content(other)}")


def _content(dataset: DataSet) -> list[tuple[str, list[tuple[str, str]]]]:
    """Of each image a digest of its file and of the pixels of each of its classes."""
    found = []
    for record in dataset.records:
        masks = load(record, record.defects).masks
        digests = [sha256(np.packbits(mask)).hexdigest()[:12] for mask in masks]
        image = sha256(record.image.read_bytes()).hexdigest()[:12]
        found.append((image, sorted(zip(record.defects, digests, strict=True))))
    return sorted(found)


def case(number: int, folder: Path) -> tuple[str, Source, str]:
    """Writes the damaged data set of that number; the seed's name, what is read, and the format to write."""
    random = Random(f"flawsmith {number}")
    seed, files = damaged(random, tree=bool(number % 2))
    data = seed.write(folder, files)
    if random.random() < 0.1:
        data = replace(data, reading=replace(data.reading, format=random.choice(detect.FORMATS)))
    if random.random() < 0.1 and not seed.packed:
        data = replace(data, path=folder / random.choice(seed.labels))
    if random.random() < 0.1:
        data = Source(data.path)
    return seed.name, data, random.choice(TARGETS)


def run_number(number: int, work: Path) -> Outcome:
    """One damaged data set from its making to its verdict; nothing outside its own output may change."""
    place = work / "a" / "b" / "case"  # names with .. would land in the folders above
    try:
        name, data, to = case(number, place / "in")
        before, start = _listing(work), time.process_time()
        found = examine(data, place / "out", to)
        spent = time.process_time() - start
        shutil.rmtree(place / "out", ignore_errors=True)
        after = _listing(work)
        _hold(before == after, f"files that changed: {sorted(set(before.items()) ^ set(after.items()))}")
        return Outcome(**asdict(found) | {"name": name, "seconds": spent, "number": number})
    finally:
        shutil.rmtree(place, ignore_errors=True)
        for left in scratch().iterdir():
            shutil.rmtree(left, ignore_errors=True)


def _listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of all that is below a folder, links not followed."""
    found = {}
    for path in (Path(place) / name for place, below, files in os.walk(folder) for name in chain(below, files)):
        about = path.lstat()
        found[str(path)] = (0, 0) if S_ISDIR(about.st_mode) else (about.st_size, about.st_mtime_ns)
    return found


def serve(answers: TextIO) -> None:
    """Reads a task a line from the parent, and answers each in one line of JSON."""
    _limit()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        work = Path(folder).resolve()
        (work / "a" / "b").mkdir(parents=True)
        for place in (work, work / "a", work / "a" / "b"):
            (place / "sentinel.png").write_text(SENTINEL)
        for task in sys.stdin:
            signal.setitimer(signal.ITIMER_PROF, HANG)  # the signal ends the process
            outcome = _answer(json.loads(task), work)
            signal.setitimer(signal.ITIMER_PROF, 0)
            print(json.dumps(asdict(outcome)), file=answers, flush=True)


def _answer(task: dict[str, Any], work: Path) -> Outcome:
    import traceback

    start = time.process_time()
    try:
        if "number" in task:
            return run_number(task["number"], work)
        data = source(Path(task["path"]), task["options"])
        found = examine(data, Path(task["output"]), task["to"])
        return Outcome(**asdict(found) | {"seconds": time.process_time() - start})
    except BaseException as reason:  # whatever it is, it is a finding
        kind = "broken promise" if isinstance(reason, Broken) else "exception"
        verdict = f"{kind}: {type(reason).__name__}: {str(reason)[:300]}"
        return Outcome(verdict, note=traceback.format_exc(limit=-12), number=task.get("number", -1))


def _limit() -> None:
    """Leaves the process a gigabyte beyond what it has now."""
    import scipy.ndimage  # noqa: F401  # and all else that a reader imports late
    import yaml  # noqa: F401

    for name in detect.FORMATS:
        detect.module(name)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class Worker:
    """A process that examines one data set after another, replaced where one of them ends it."""

    def __init__(self, *command: str, asleep: float = ASLEEP) -> None:
        self.command = command or (sys.executable, str(Path(__file__).resolve()), "--serve")
        self.asleep = asleep
        self._process: subprocess.Popen[str] | None = None
        self._folder = ""  # for all that the process writes: one that was killed leaves it behind
        self._lines: Queue[str | None] = Queue()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def path(self, path: Path, output: Path, to: str | None = None, **options: Any) -> Outcome:
        """Examines what lies at a path."""
        return self._ask({"path": str(path), "output": str(output), "to": to, "options": options})

    def number(self, number: int) -> Outcome:
        """Examines a damaged data set."""
        return self._ask({"number": number})

    def _ask(self, task: Mapping[str, Any]) -> Outcome:
        process = self._process or self._start()
        assert process.stdin is not None
        print(json.dumps(task), file=process.stdin, flush=True)
        number = task.get("number", -1)
        try:
            line = self._lines.get(timeout=self.asleep)
        except Empty:
            self._end()
            return Outcome(f"time-out: no answer within {self.asleep} s", number=number)
        if line is None:
            code = process.wait()
            self._end()
            why = f"signal {signal.Signals(-code).name}" if code < 0 else f"end of the process: exit code {code}"
            return Outcome(f"time-out: {HANG} s of work" if code == -signal.SIGPROF else why, number=number)
        found = json.loads(line)
        return Outcome(**found | {"problems": tuple(map(tuple, found["problems"]))})

    def _start(self) -> subprocess.Popen[str]:
        """A new process, of whose answers a thread makes a queue."""
        self._folder = tempfile.mkdtemp(prefix="fuzz-")
        quiet = os.environ | {
            "TMPDIR": self._folder,
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "MALLOC_ARENA_MAX": "1",
        }
        process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=quiet)
        self._process, self._lines = process, Queue()
        Thread(target=_pass_on, args=(process.stdout, self._lines), daemon=True).start()
        return process

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            shutil.rmtree(self._folder, ignore_errors=True)


def _pass_on(lines: TextIO, queue: Queue[str | None]) -> None:
    for line in lines:
        queue.put(line)
    queue.put(None)


def fuzz(numbers: Sequence[int], workers: int = 1) -> Iterator[Outcome]:
    """The outcomes of these numbers, in no order."""
    queue: Queue[Outcome | None] = Queue()

    def work(share: Sequence[int]) -> None:
        with Worker() as worker:
            for number in share:
                queue.put(worker.number(number))
        queue.put(None)

    with ThreadPoolExecutor(workers) as pool, ExitStack() as stack:
        stack.callback(pool.shutdown)
        for first in range(workers):
            pool.submit(work, numbers[first::workers])
        for _ in range(workers):
            yield from iter(queue.get, None)


def tell(outcomes: Sequence[Outcome], seconds: float) -> str:
    """The figures by format, and what to run again."""
    lines = [f"{'format':<15} {'files':>6} {'accepted':>9} {'longest':>9}"]
    for name in sorted({one.name for one in outcomes if one.name}):
        own = [one for one in outcomes if one.name == name]
        share = sum(one.verdict == "accepted" for one in own) / len(own)
        lines.append(f"{name:<15} {len(own):>6} {share:>9.1%} {max(one.seconds for one in own):>7.2f} s")
    notes = Counter(one.note.split(";")[0][:150] for one in outcomes if one.note and one.verdict == "accepted")
    lines += [f"accepted, not written ({count}): {note}" for note, count in notes.most_common(12)]
    bad = [one for one in outcomes if not one.sound]
    for one in sorted(bad, key=lambda one: one.number):
        what = one.verdict if one.verdict not in ("accepted", "refused") else f"slow: {one.seconds:.1f} s"
        lines.append(f"FINDING {one.number}: {what}\n  again: python tests/fuzz.py --one {one.number} --keep case")
    lines.append(f"{len(outcomes)} files in {seconds:.0f} s, {len(bad)} findings")
    return "\n".join(lines)


def main() -> int:
    """0 where nothing was found."""
    parser = argparse.ArgumentParser(description="Damages data sets and reads them.")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="number of the first file")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--one", type=int, help="a single file, read in this process")
    parser.add_argument("--keep", type=Path, help="where to leave that one")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(sys.stdout)
        return 0
    if given.one is not None:
        return _one(given.one, given.keep or Path(tempfile.mkdtemp(prefix="fuzz-")) / "case")
    start, outcomes = time.monotonic(), []
    for outcome in fuzz(range(given.seed, given.seed + given.count), given.workers):
        outcomes.append(outcome)
        if not outcome.sound:
            print(f"{outcome.number}: {outcome.verdict}\n{outcome.note}", file=sys.stderr, flush=True)
        if len(outcomes) % 500 == 0:
            print(f"{len(outcomes)} files, {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    print(tell(outcomes, time.monotonic() - start))
    return int(not all(one.sound for one in outcomes))


def _one(number: int, folder: Path) -> int:
    name, data, to = case(number, folder / "in")
    print(f"{name}, to be written as {to}: {data.path}")
    found = examine(data, folder / "out", to)
    print(found.verdict, found.note, *found.problems, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
