"""What faults are injected with: commands in processes of their own, full disks, folders compared, verdicts."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parent))

PATIENCE = 120.0  # s on the clock, after which what is waited for counts as never coming
LINGER = 15.0  # s in which processes that have nobody to work for must have ended
TICK = 0.005
STARTED = ("torch", "flawsmith.cli", "flawsmith.gan.fit", "flawsmith.gan.production.replay")  # imported once for all
TRACES = ("Traceback", "Exception ignored")
LEAVINGS = (".part", ".lock")


class Skipped(Exception):
    """This machine does not permit the fault."""


@dataclass(frozen=True)
class End:
    """How a command ended."""

    code: int  # -9: killed
    told: str  # what it printed, on both streams
    seconds: float  # on the clock, but for `plain`

    @property
    def last(self) -> str:
        """Its last line, or where there is a traceback, the beginning of that."""
        lines = self.told.strip().splitlines() or [""]
        return next((line for line in lines if line.startswith(TRACES)), lines[-1])

    @property
    def in_order(self) -> bool:
        """No traceback, nothing that Python says of exceptions it could not raise."""
        return not any(line.startswith(TRACES) for line in self.told.splitlines())


class Command:
    """`flawsmith` with arguments, in a session of its own; forked from a process that has imported everything."""

    def __init__(self, log: Path, arguments: Sequence[object], most: int | None = None) -> None:
        self.log, self.begun = log, time.monotonic()
        context = get_context("forkserver")
        context.set_forkserver_preload(list(STARTED))
        self.process = context.Process(target=run_command, args=(log, [str(one) for one in arguments], most))
        self.process.start()
        self.pid = self.process.pid or 0

    def wait(self, seconds: float = PATIENCE) -> End:
        """Its end; raises AssertionError where it does not come."""
        self.process.join(seconds)
        if self.process.is_alive():
            self.kill()
            raise AssertionError(f"no end within {seconds:.0f} s")
        told = self.log.read_text(errors="replace") if self.log.exists() else ""
        return End(self.process.exitcode or 0, told, time.monotonic() - self.begun)

    def kill(self) -> None:
        """SIGKILL for the command and all that it started, at once."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.join()

    def gone(self) -> bool:
        """Whether all that it started ends soon."""
        end = time.monotonic() + LINGER
        while members(self.pid):
            if time.monotonic() > end:
                return False
            time.sleep(TICK)
        return True

    def until(self, holds: Callable[[], bool]) -> bool:
        """Waits until something holds; False where the command ended before."""
        end = time.monotonic() + PATIENCE
        while not holds():
            if not self.process.is_alive():
                return False
            assert time.monotonic() < end, "it never came"
            time.sleep(TICK)
        return True


def run_command(log: Path, arguments: list[str], most: int | None) -> None:
    """The life of a command; with at most so many bytes in a file."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    for stream in (1, 2):
        os.dup2(handle, stream)
    if most is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    from flawsmith.cli import main

    main(arguments, prog_name="flawsmith")


def plain(arguments: Sequence[object]) -> End:
    """`flawsmith` as a user starts it, imports and all; in seconds of processor time."""
    line = [sys.executable, "-c", "from flawsmith.cli import main; main()", *map(str, arguments)]
    begun = _spent()
    done = subprocess.run(line, capture_output=True, text=True, errors="replace", timeout=PATIENCE)
    return End(done.returncode, done.stdout + done.stderr, _spent() - begun)


def _spent() -> float:
    """Seconds of processor time of all that was waited for: what others do on the machine does not count."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def members(session: int) -> list[int]:
    """The living processes of a session, but for its leader."""
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, own = place.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(own) == session and state != "Z" and int(place.parent.name) != session:
            found.append(int(place.parent.name))
    return found


def painters(session: int) -> list[int]:
    """The processes that paint for a command."""
    return [pid for pid in members(session) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def tree(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file below a folder, by relative path."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}


def leavings(folder: Path) -> list[str]:
    """Temporary files and locks that lie about."""
    return [path.name for path in folder.rglob(".*") if path.name.endswith(LEAVINGS)]


def journalled(folder: Path) -> set[str]:
    """The images that the journal has whole lines of."""
    path = folder / "journal.jsonl"
    if not path.exists():
        return set()
    lines = path.read_bytes().splitlines(keepends=True)
    entries = [json.loads(line) for line in lines if line.endswith(b"\n")]
    return {one["image"] for one in entries if "image" in one}


def stamps(folder: Path, names: Iterator[str] | set[str]) -> dict[str, tuple[int, int]]:
    """Inode and time of files: both change when one is written again."""
    return {name: ((folder / name).stat().st_ino, (folder / name).stat().st_mtime_ns) for name in names}


def damaged(folder: Path, whole: Mapping[str, str]) -> list[str]:
    """Files under a final name that are not as in the finished set; the journal alone may be in the making."""
    found = tree(folder).items()
    return [name for name, digest in found if name not in ("journal.jsonl", ".lock") and whole.get(name) != digest]


@contextmanager
def disk(folder: Path, size: int) -> Iterator[Callable[[int], None]]:
    """A disk of `size` bytes mounted at `folder`; yields what changes its size. Raises Skipped where not permitted."""
    folder.mkdir(parents=True, exist_ok=True)
    _system("mount", "-t", "tmpfs", "-o", f"size={size}", "torture", str(folder))
    try:
        yield lambda new: _system("mount", "-o", f"remount,size={new}", str(folder))
    finally:
        _system("umount", "-l", str(folder))


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """The folder mounted over itself, and read-only; root too is refused. Raises Skipped where not permitted."""
    _system("mount", "--bind", str(folder), str(folder))
    try:
        _system("mount", "-o", "remount,ro,bind", str(folder))
        yield
    finally:
        _system("umount", "-l", str(folder))


def _system(*line: str) -> None:
    try:
        done = subprocess.run(line, capture_output=True, text=True)
    except OSError as error:
        raise Skipped(str(error)) from error
    if done.returncode:
        raise Skipped(f"{line[0]}: {done.stderr.strip()}")


def into_own_namespace() -> None:
    """Begins this program anew where what it mounts is seen by nobody else; goes on as it is where it cannot."""
    if os.environ.get("TORTURE_APART") or not sys.platform.startswith("linux"):
        return
    os.environ["TORTURE_APART"] = "1"
    how = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    try:
        able = subprocess.run([*how, "true"], capture_output=True).returncode == 0
    except OSError:
        able = False
    if able:
        os.execvp(how[0], [*how, sys.executable, *sys.argv])


@dataclass
class Bench:
    """A small data set, a run fitted for a few steps, and folders to spoil."""

    folder: Path
    random: Random
    quick: bool = False
    used: int = 0
    count: int = 300  # images of a set

    def __post_init__(self) -> None:
        if self.quick:
            self.count = 96

    @cached_property
    def parts(self) -> Path:
        """4 pits, 4 scratches, 8 good parts."""
        from conftest import make_parts  # here: every command would import pytest

        return make_parts(self.folder / "parts")

    @cached_property
    def run(self) -> Path:
        """Fitted for three steps: what its GAN paints is poor, but paint it is."""
        run = self.folder / "run"
        end = self.command("fit", self.parts, "-o", run, "--steps", 3, "--device", "cpu").wait()
        assert end.code == 0, end.told
        return run

    @cached_property
    def whole(self) -> Path:
        """The set painted without any fault."""
        output = self.folder / "whole"
        end = self.generate(output).wait()
        assert end.code == 0, end.told
        return output

    @cached_property
    def expected(self) -> dict[str, str]:
        """Its tree."""
        return tree(self.whole)

    def fresh(self) -> Path:
        """A path that nobody has used."""
        self.used += 1
        return self.folder / f"{self.used:03d}"

    def command(self, *arguments: object, most: int | None = None) -> Command:
        """A command that runs."""
        self.used += 1
        return Command(self.folder / f"{self.used:03d}.log", arguments, most)

    def painting(self, output: Path, *more: object, count: object = None, workers: int = 1) -> list[object]:
        """The arguments that paint the set; later ones win."""
        wanted = ["-n", count or self.count, "--painter", "paste", "--workers", workers, "--device", "cpu"]
        return ["generate", self.run, "--clean", self.parts, "-o", output, *wanted, *more]

    def generate(
        self, output: Path, *more: object, count: object = None, workers: int = 1, most: int | None = None
    ) -> Command:
        """A `generate` that runs."""
        return self.command(*self.painting(output, *more, count=count, workers=workers), most=most)


@dataclass
class Seen:
    """What a fault's function has seen: what was broken, and figures."""

    times: int = 0
    broken: list[str] = field(default_factory=list)

    def must(self, holds: bool, what: str) -> bool:
        """Notes a promise that was not kept."""
        if not holds:
            self.broken.append(what)
        return holds


Examine = Callable[[Bench, Seen], str]  # what was measured, in words


@dataclass(frozen=True)
class Fault:
    """One row of the table."""

    name: str
    injected: str
    expected: str
    examine: Examine


@dataclass(frozen=True)
class Row:
    """What came of it."""

    fault: Fault
    times: int
    measured: str
    verdict: str  # "kept", "BROKEN", "skipped"
    seconds: float

    @classmethod
    def of(cls, fault: Fault, bench: Bench) -> Row:
        """Injects the fault."""
        seen, begun = Seen(), time.monotonic()
        try:
            measured = fault.examine(bench, seen)
            verdict = "BROKEN" if seen.broken or not seen.times else "kept"
        except Skipped as why:
            measured, verdict = str(why), "skipped"
        except Exception as error:
            trace = traceback.format_exc().strip().splitlines()
            print("\n".join(trace), file=sys.stderr)
            measured, verdict = f"{type(error).__name__}: {error}", "BROKEN"
        wrong = "; ".join(dict.fromkeys(seen.broken))
        told = " ".join(f"{wrong}; {measured}".split()) if wrong else measured
        return cls(fault, seen.times, told, verdict, time.monotonic() - begun)

    def __str__(self) -> str:
        """As a line of the table."""
        one = self.fault
        cells = (one.name, one.injected, str(self.times), one.expected, self.measured, self.verdict)
        return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


HEAD = "| | fault | times | promised | measured | verdict |\n| --- | --- | --- | --- | --- | --- |"
