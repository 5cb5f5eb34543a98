"""Faults of checkpoints and of training: hostile and damaged files, losses that leave the numbers, crashes."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torture_tools import Bench, Fault, Seen, leavings, tree

FILES = ("bank.safetensors", "generator.safetensors")
STEPS = 9  # of a training that is spoilt
WRITE = 0.003  # s that writing eight megabytes takes, about
LONGER = 15  # of one that is killed


class Canary:
    """Unpickled, it writes a file: what a hostile checkpoint would do."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.write_text, (self.path, "a pickle was executed")


def checkpoints(bench: Bench, seen: Seen) -> str:
    """R16: files of a run that are hostile, damaged, or of something else."""
    from flawsmith.data.errors import UserError

    canary, run = bench.fresh(), bench.fresh()
    shutil.copytree(bench.run, run)
    sound = {name: (run / name).read_bytes() for name in FILES}
    for name in FILES:
        spoilt = dict(_hostile(sound[name], run / name, canary))
        for what, content in spoilt.items():
            (run / name).write_bytes(content)
            end = bench.command(
                "generate", run, "--clean", bench.parts, "-o", bench.fresh(), "-n", 3, "--device", "cpu"
            ).wait()
            seen.times += 1
            fine = end.code == 1 and end.in_order and name in end.last and len(end.told.strip().splitlines()) == 1
            seen.must(fine, f"{name}, {what}: exit code {end.code}: {end.last}")
        flips = 5 if bench.quick else 50
        for _ in range(flips):
            changed = bytearray(sound[name])
            changed[bench.random.randrange(len(changed))] ^= 1 << bench.random.randrange(8)
            (run / name).write_bytes(changed)
            seen.times += 1
            try:
                _open(run)
                seen.must(False, f"{name}: a flipped bit was not noticed")
            except UserError as error:
                seen.must(name in str(error) and "\n" not in str(error), f"{name}: {error}")
        (run / name).write_bytes(sound[name])
    _open(run)
    seen.must(not canary.exists(), "a pickle was executed")
    return f"one line each; {2 * flips} of {2 * flips} flipped bits noticed; no pickle was executed"


def _open(run: Path) -> None:
    import torch

    from flawsmith.gan.run import Run

    Run.open(run).painter("gan", torch.device("cpu"))


def _hostile(sound: bytes, path: Path, canary: Path) -> Iterator[tuple[str, bytes]]:
    """What is in the file instead."""
    import torch
    from safetensors.torch import save

    from flawsmith.data import checkpoint

    yield "a pickle", pickle.dumps(Canary(canary))
    stream = path.with_name("pickle.pt")
    torch.save({"state": Canary(canary)}, stream)
    yield "a file of torch.save", stream.read_bytes()
    stream.unlink()
    yield "nothing", b""
    for share in (0.001, 0.3, 0.999):
        yield f"cut at {share:.1%}", sound[: int(len(sound) * share)]
    yield "a header of 2^60 bytes", struct.pack("<Q", 2**60) + sound[8:]
    yield "text", b"no tensors\n" * 99
    yield "of another program", save({"weight": torch.zeros(3)})
    tensors, config = checkpoint.load(path)
    checkpoint.save(path, dict(list(tensors.items())[1:]), config)
    yield "a tensor missing", path.read_bytes()
    other = next(one for one in FILES if one != path.name)
    yield f"{other} under its name", path.with_name(other).read_bytes()
    deep = [name for name, tensor in tensors.items() if name.startswith("generator.") and tensor.ndim == 4]
    for name in deep[:1]:
        checkpoint.save(path, tensors | {name: tensors[name][:, :1]}, config)
        yield "another architecture", path.read_bytes()
    bad = {name: tensor.clone() for name, tensor in tensors.items()} | {"x.float": torch.tensor([float("nan")])}
    text = json.dumps(config, sort_keys=True)
    about = {"format": checkpoint.FORMAT, "config": text, "sha256": checkpoint._digest(bad, text)}
    yield "NaN", save(bad, {"flawsmith": json.dumps(about)})


def losses(bench: Bench, seen: Seen) -> str:
    """R17: losses that are no numbers, once, thrice, five times, and for ever."""
    from flawsmith.data.checkpoint import load
    from flawsmith.data.errors import UserError
    from flawsmith.gan.run import Run

    for times, value in ((3, "nan"),) if bench.quick else ((1, "nan"), (1, "inf"), (3, "nan")):
        seen.times += 1
        output, steps = bench.fresh(), []
        with _spoilt({4 + k for k in range(times)}, float(value)):
            steps = list(_fit(bench, output))
        skipped = sum(one["skipped"] for one in steps)
        seen.must(len(steps) == STEPS and skipped == times, f"{times} × {value}: {skipped} skipped of {len(steps)}")
        _open(output)  # refuses NaN
    seen.times += 1
    output = bench.fresh()
    with _spoilt({3, 4, 5, 6, 7}, float("nan"), visits=1):
        steps = list(_fit(bench, output))
    back = [one["step"] for one in steps]
    seen.must(back.count(3) == 2 and back[-1] == STEPS, f"5 in a row: steps {back}")
    _open(output)
    seen.times += 1
    output, said = bench.fresh(), ""
    with _spoilt(set(range(3, STEPS)), float("nan")):
        try:
            list(_fit(bench, output))
            seen.must(False, "for ever: it ended as if nothing had been")
        except UserError as error:
            said = str(error)
            seen.must("training diverged" in said and error.exit_code == 4, f"for ever: {said}")
    step = load(output / "state.safetensors")[1]["step"]
    seen.must(step == 2 and not (output / FILES[1]).exists(), f"for ever: the state is of step {step}")
    seen.must(not leavings(output) and Run.open(output).bank.classes == ("pit", "scratch"), "for ever: a damaged run")
    return (
        "1 and 3: skipped, weights finite; 5: back to the last good state, then to the end; "
        "for ever: stops, exit code 4, the last good state kept"
    )


@contextmanager
def _spoilt(steps: set[int], value: float, visits: int = 99) -> Iterator[None]:
    """The painter's loss is `value` in these steps, the first so many times that each is made."""
    from flawsmith.gan.trainer import Trainer

    honest, made = Trainer.step, dict[int, int]()
    honest_update = Trainer.update
    now = [False]

    def step(self: Any, number: int, *rest: Any) -> dict[str, float]:
        made[number] = made.get(number, 0) + 1
        now[0] = number in steps and made[number] <= visits
        return honest(self, number, *rest)

    def update(self: Any, optimiser: Any, loss: Any) -> bool:
        return honest_update(self, optimiser, loss * value if now[0] and optimiser is self.painter else loss)

    Trainer.step, Trainer.update = step, update  # type: ignore[method-assign]
    try:
        yield
    finally:
        Trainer.step, Trainer.update = honest, honest_update  # type: ignore[method-assign]


def _fit(bench: Bench, output: Path, steps: int = STEPS, every: int = 2) -> Iterator[dict[str, Any]]:
    """A training of a few steps with frequent checkpoints."""
    import torch

    from flawsmith.data.select import select
    from flawsmith.gan.fit import fit
    from flawsmith.gan.trainer import FitConfig

    config = FitConfig(steps=steps, batch=2, patch=64, blanks=6, save_every=every, sample_every=1000)
    yield from fit(select(bench.parts), config, output, 0, torch.device("cpu"))


def crashes(bench: Bench, seen: Seen) -> str:
    """R18: SIGKILL while checkpoints are written; and while a run trains, until it is done."""
    within = killed_writes(bench, seen, 5 if bench.quick else 30)
    whole = _trained(bench, seen, 0)
    for _ in range(1 if bench.quick else 4):
        seen.must(
            _trained(bench, seen, 1 if bench.quick else 3) == whole,
            "another curve or other weights than without a kill",
        )
    return f"each loads whole, {within} of the kills were within a write; losses and weights the same as without a kill"


def killed_writes(bench: Bench, seen: Seen, times: int) -> int:
    """Kills a process that writes checkpoints; how many of the kills were within a write."""
    from flawsmith.data.checkpoint import load

    path = bench.fresh() / "state.safetensors"
    path.parent.mkdir()
    within = 0
    for _ in range(times):
        pid = _writer(path)
        while not path.exists():
            time.sleep(0.002)
        time.sleep(bench.random.uniform(0, 0.1))
        end = time.monotonic() + 2
        while not any(path.parent.glob(".*.part")) and time.monotonic() < end:
            pass  # a write takes milliseconds
        time.sleep(bench.random.uniform(0, WRITE))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        seen.times += 1
        tensors, about = load(path)
        seen.must(bool((tensors["weights"] == about["step"]).all()), "a checkpoint of two states")
        parts = list(path.parent.glob(".*.part"))
        within += bool(parts)
        for part in parts:
            part.unlink()
    return within


def _writer(path: Path) -> int:
    """A process that writes one checkpoint after the other."""
    import torch

    from flawsmith.data.checkpoint import save

    pid = os.fork()
    if pid:
        return pid
    try:
        step = 0
        while True:
            save(path, {"weights": torch.full((2_000_000,), float(step))}, {"step": step})
            step += 1
    finally:
        os._exit(1)


def _trained(bench: Bench, seen: Seen, kills: int) -> dict[str, str]:
    """Losses and weights of a training that was killed so many times."""
    from multiprocessing import get_context

    output = bench.fresh()
    for turn in range(kills + 1):
        process = get_context("forkserver").Process(target=_train, args=(bench, output))
        process.start()
        if turn < kills:
            mark = (turn + bench.random.random()) * LONGER / (kills + 1)
            while process.is_alive() and _steps(output) < mark:
                time.sleep(0.01)
            time.sleep(bench.random.uniform(0, 0.05))
            seen.times += process.is_alive()
            process.kill()
        process.join()
    seen.must(process.exitcode == 0, f"the training ended with exit code {process.exitcode}")
    return {name: digest for name, digest in tree(output).items() if not name.startswith((".", "samples"))}


def _train(bench: Bench, output: Path) -> None:
    for _ in _fit(bench, output, LONGER, 3):
        pass


def _steps(output: Path) -> int:
    path = output / "losses.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


TRAINING = (
    Fault(
        "R16",
        "files of a run that are pickles, cut, flipped, of 2^60 bytes, NaN, of another architecture",
        "one line with the file; no pickle executed; every flipped bit noticed",
        checkpoints,
    ),
    Fault(
        "R17",
        "losses that are NaN or infinite: 1, 3, 5 in a row, and for ever",
        "skipped; then back to the last good state; then stopped, with that state kept",
        losses,
    ),
    Fault(
        "R18",
        "SIGKILL while checkpoints are written, and while training",
        "the checkpoint loads; the same losses and weights as without",
        crashes,
    ),
)
