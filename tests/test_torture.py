"""Faults in short, and that what looks for broken promises finds them. `make torture` injects thousands."""

import errno
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import Pipe
from pathlib import Path
from random import Random
from shutil import copytree

import numpy as np
import pytest
import torch
import torture
import torture_kills as kills
import torture_sets as sets
import torture_tools as tools
import torture_training as training
from PIL import Image
from torture_tools import Bench, Fault, Row, Seen, Skipped

from flawsmith.data import checkpoint
from flawsmith.data import image as images
from flawsmith.data.clean import good_parts
from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.files import cannot_write
from flawsmith.data.sources import SOURCES
from flawsmith.gan import trainer
from flawsmith.gan.bank import Bank
from flawsmith.gan.production import crew
from flawsmith.gan.production.config import GenerateConfig
from flawsmith.gan.production.crew import Paint, hire_worker
from flawsmith.gan.production.generate import How, generate
from flawsmith.gan.production.task import Task

CPU = torch.device("cpu")
PROGRAM = Path(__file__).with_name("torture.py")


@pytest.fixture(scope="module")
def bench(parts: Path, bank: Bank, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A bench with the run that needs no training."""
    bench = Bench(tmp_path_factory.mktemp("bench"), Random(3), quick=True, count=24)
    bench.count = 24
    bench.__dict__.update(parts=parts, run=bench.folder / "run")
    bank.save(bench.run / "bank.safetensors")
    return bench


def paint(bench: Bench, output: Path, count: int = 24) -> Path:
    """A set painted by this process."""
    where = {"run": str(bench.run), "clean": str(bench.parts), "region": "auto"}
    config = GenerateConfig(count, "paste")
    list(generate(bench.run, good_parts(bench.parts, None), config, output, 0, CPU, where=where))
    return output


def test_the_program_prints_a_table_and_keeps_its_promises() -> None:
    """A full disk, mounted where nobody else sees it."""
    line = [sys.executable, str(PROGRAM), "--quick", "--only", "R7"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=300)
    rows = [re.split(r" ?\| ?", one)[1:-1] for one in done.stdout.splitlines()[2:]]
    assert done.returncode == 0, done.stdout + done.stderr
    assert [row[0] for row in rows] == ["R7"] and rows[0][5] in ("kept", "skipped")


def test_a_fault_of_no_name_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["torture.py", "--only", "R99"])
    with pytest.raises(SystemExit, match="2"):
        torture.main()
    assert "no faults R99; there are R1, R2, R3" in capsys.readouterr().err


def test_a_broken_promise_is_exit_code_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["torture.py"])
    monkeypatch.setenv("TORTURE_APART", "1")  # stay in this process
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", os.environ.get("CUDA_VISIBLE_DEVICES", "0"))
    monkeypatch.setattr(torture, "FAULTS", (Fault("R1", "one", "", _skips), Fault("R2", "other", "", _fails)))
    assert torture.main() == 1
    said = capsys.readouterr().out
    assert "| R1 | one | 0 |  | not permitted | skipped |" in said and "it was / lost; one | BROKEN |" in said


def test_a_killed_command_goes_on_to_the_same_bytes(bench: Bench) -> None:
    seen, output = Seen(), bench.fresh()
    kills._killed_until_done(bench, seen, output, 1, 2)
    assert tools.tree(output) == bench.expected and not seen.broken and not tools.leavings(output)


def test_a_command_that_is_told_to_stop_does(bench: Bench) -> None:
    row = Row.of(Fault("R2", "", "", kills.signals), bench)
    assert row.verdict == "kept", row


def test_losses_that_are_no_numbers_are_skipped_then_undone_then_the_end(bench: Bench) -> None:
    row = Row.of(Fault("R17", "", "", training.losses), bench)
    assert row.verdict == "kept", row


def test_unguarded_losses_would_be_noticed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer.math, "isfinite", lambda value: True)
    monkeypatch.setattr(trainer.torch, "isfinite", lambda value: torch.tensor(True))
    row = Row.of(Fault("R17", "", "", training.losses), bench)
    assert row.verdict == "BROKEN"


def test_checkpoints_survive_a_kill(bench: Bench) -> None:
    seen = Seen()
    training.killed_writes(bench, seen, 5)
    assert seen.times == 5 and not seen.broken


def test_a_careless_write_of_checkpoints_would_be_noticed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(content[:1000])
            file.flush()
            time.sleep(0.05)
            file.write(content[1000:])

    monkeypatch.setattr(checkpoint, "write_bytes", careless)
    with pytest.raises(UserError, match="cannot be read"):
        training.killed_writes(bench, Seen(), 30)


def test_a_careless_write_of_images_would_be_noticed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def careless(path: Path) -> Iterator[Path]:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield path
        if path.name == "000005.png":
            os.truncate(path, 100)
            raise cannot_write(path, OSError(errno.ENOSPC, "No space left on device"))

    expected = tools.tree(paint(bench, bench.fresh()))
    monkeypatch.setattr(images, "atomic", careless)
    output = bench.fresh()
    with pytest.raises(UserError):
        paint(bench, output)
    assert tools.damaged(output, expected) == ["images/000005.png"]
    monkeypatch.undo()
    (output / "images" / "000005.png").unlink()
    assert tools.damaged(output, expected) == [] and tools.tree(paint(bench, output)) == expected


def test_images_painted_twice_are_noticed(bench: Bench) -> None:
    output = paint(bench, bench.fresh(), 3)
    names = {f"images/{index:06d}.png" for index in range(3)}
    before = tools.stamps(output, names)
    (output / "images" / "000001.png").unlink()
    paint(bench, output, 3)
    after = tools.stamps(output, names)
    assert [name for name in sorted(names) if before[name] != after[name]] == ["images/000001.png"]


def _brighter(output: Path) -> None:
    """One pixel far from any paint."""
    path = output / "images" / "000002.png"
    pixels = np.array(Image.open(path))
    mask = np.array(Image.open(output / "masks" / "000002.png")) > 0
    rows, columns = np.nonzero(~mask)
    far = np.argmax(np.hypot(rows - np.nonzero(mask)[0].mean(), columns - np.nonzero(mask)[1].mean()))
    pixels[rows[far], columns[far]] ^= 1
    Image.fromarray(pixels).save(path)


def _wider(output: Path) -> None:
    """A mask with a corner that nobody painted."""
    path = output / "masks" / "000002.png"
    mask = np.array(Image.open(path)) > 0
    mask[:2, :2] = ~mask[:2, :2]
    Image.fromarray(mask).save(path)


def _in_coco(key: str, value: object) -> object:
    def change(output: Path) -> None:
        path = output / "annotations.json"
        document = json.loads(path.read_text())
        document["annotations"][2][key] = value
        path.write_text(json.dumps(document))

    return change


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (_brighter, "a pixel changed where alpha is 0"),
        (_wider, "a label without a change"),
        (_wider, "COCO and PNG differ"),
        (_in_coco("bbox", [0, 0, 1, 1]), "a box"),
        (_in_coco("area", 1), "an area of 1"),
        (_in_coco("id", 1), "an id is there twice"),
        (lambda output: None, None),
    ],
)
def test_each_lie_of_a_label_is_noticed(bench: Bench, damage: object, word: str | None) -> None:
    with sets.supports() as painted_on:
        output = paint(bench, bench.fresh(), 4)
    damage(output)  # type: ignore[operator]
    seen = Seen()
    sets.examine_labels(bench.parts, output, painted_on, seen)
    assert any(word in one for one in seen.broken) if word else not seen.broken


def test_a_pickle_that_is_loaded_would_be_noticed(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(training.Canary(tmp_path / "canary")))
    assert (tmp_path / "canary").exists()


@pytest.mark.parametrize("name", training.FILES)
def test_hostile_checkpoints_are_refused_before_anything_is_made(bench: Bench, name: str, tmp_path: Path) -> None:
    for content in (pickle.dumps(training.Canary(tmp_path / "canary")), b"", b"\xff" * 99):
        run = copytree(bench.run, bench.fresh())
        (run / name).write_bytes(content)
        config = GenerateConfig(2, "gan")
        with pytest.raises(UserError, match=rf"{name}: the checkpoint cannot be read"):
            list(generate(run, good_parts(bench.parts, None), config, tmp_path / "out", 0, CPU))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("left", [(), ("plan.json",), ("plan.json", SOURCES)])
def test_a_set_that_was_hardly_begun_is_taken_up(bench: Bench, left: tuple[str, ...]) -> None:
    """A kill or a full disk between the first two files once made a folder that was refused as somebody else's."""
    whole, output = paint(bench, bench.fresh(), 3), bench.fresh()
    output.mkdir()
    for name in left:
        (output / name).write_bytes((whole / name).read_bytes())
    assert tools.tree(paint(bench, output, 3)) == tools.tree(whole)


def littering(task: Task) -> Paint:
    """A worker that finds what a killed one has left half written."""
    (task.output / "images").mkdir()
    (task.output / "images" / ".00ff.part").touch()
    return hire_worker(task)


def test_a_finished_set_has_no_half_written_file_of_a_worker_that_was_killed(bench: Bench, tmp_path: Path) -> None:
    good, how = good_parts(bench.parts, None), How(hire=littering)
    list(generate(bench.run, good, GenerateConfig(2, "paste"), tmp_path / "out", 0, CPU, how=how))
    assert tools.leavings(tmp_path / "out") == []


@dataclass
class Clock:
    """What tells the time to a test; only waiting moves it."""

    now: float = 0.0

    def monotonic(self) -> float:
        """Seconds."""
        return self.now


class Stubborn:
    """A process that cannot be told to end."""

    def __init__(self, clock: Clock) -> None:
        self.alive, self.clock = True, clock

    def terminate(self) -> None:
        """Is not heard."""

    def join(self, timeout: float | None = None) -> None:
        """Waits as long as it may."""
        self.clock.now += timeout or 0

    def is_alive(self) -> bool:
        return self.alive

    def kill(self) -> None:
        self.alive = False


def test_processes_that_do_not_end_share_one_time_of_grace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(crew, "time", clock)
    group, pipes = [Stubborn(clock) for _ in range(8)], [Pipe()[0] for _ in range(8)]
    with crew.Crew(Task(tmp_path, (), GenerateConfig(1), tmp_path, 0, "cpu"), 8) as one:
        one.running = {pipe: (process, []) for pipe, process in zip(pipes, group, strict=True)}  # type: ignore[misc]
    assert clock.now == crew.GRACE and not any(process.alive for process in group)


def test_a_process_that_has_no_more_work_is_not_disturbed_while_it_ends(tmp_path: Path) -> None:
    """A signal that came while the interpreter shut down was shown as an ignored exception."""
    ours, theirs = Pipe()
    ours.close()
    before = signal.getsignal(signal.SIGTERM)
    try:
        crew._work(Task(tmp_path, (), GenerateConfig(1), tmp_path, 0, "cpu"), lambda task: iter, theirs)  # type: ignore[arg-type,return-value]
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_what_somebody_else_has_written_is_still_refused(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / SOURCES).write_text("{}\n")
    with pytest.raises(UsageError, match="the output must be new, empty"):
        paint(bench, tmp_path, 3)


def _nothing(bench: Bench, seen: Seen) -> str:
    return "nothing was injected"


def _fails(bench: Bench, seen: Seen) -> str:
    seen.times = 1
    seen.must(False, "it was | lost")
    return "one"


def _skips(bench: Bench, seen: Seen) -> str:
    raise Skipped("not permitted")


def _crashes(bench: Bench, seen: Seen) -> str:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("examine", "verdict"), [(_nothing, "BROKEN"), (_fails, "BROKEN"), (_skips, "skipped"), (_crashes, "BROKEN")]
)
def test_a_row_says_what_became_of_its_fault(bench: Bench, examine: tools.Examine, verdict: str) -> None:
    row = Row.of(Fault("R0", "injected", "expected", examine), bench)
    assert row.verdict == verdict and str(row).count("|") == 7
