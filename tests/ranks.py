"""What test_distributed.py has torchrun start: python ranks.py JOB FOLDER. Each process writes FOLDER/JOB-RANK.json."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from flawsmith.data import device
from flawsmith.data.distributed import ALONE, Group, joined
from flawsmith.data.errors import UserError
from flawsmith.data.select import Selection, select
from flawsmith.gan import fit as fitting
from flawsmith.gan import trainer
from flawsmith.gan.fit import fit
from flawsmith.gan.patches import RealPatches
from flawsmith.gan.trainer import FitConfig
from flawsmith.segment.batches import Batches
from flawsmith.segment.shared import SharedBatchNorm, SharedDropout
from flawsmith.segment.train import TrainConfig, train

CPU = torch.device("cpu")
# Batches of 5 are 2 and 3: shares that differ.
FIT = FitConfig(steps=5, batch=5, patch=32, blanks=7, save_every=2, sample_every=3)
TRAIN = TrainConfig(steps=5, batch=5, patch=64, model="small", widths=(8, 8), average=0.5, lr=1e-2)
# One whose gradients are all above 1e-6 in every step: Adam makes a whole step of 5e-7 too, the first one of seed 0,
# and that is rounding.
SEED = 1
BAD = range(3, 4)  # the step that gets a NaN in one process alone


def losses(folder: Path, group: Group = ALONE) -> list[Any]:
    """What a fit into `folder` tells of each step."""
    return list(fit(select(folder / "parts"), FIT, folder / "fit", 0, CPU, group))


def model_losses(folder: Path, group: Group = ALONE) -> list[Any]:
    """What a training into `folder` tells of each step; it has painted parts and looks for hard places."""
    selection = select(folder / "parts")
    return list(train(selection, selection.defects[:3], TRAIN, folder / "model", SEED, CPU, group))


def spoilt_losses(folder: Path, group: Group = ALONE) -> list[Any]:
    """The same fit into another folder, with a NaN in the last item of one batch."""
    with spoilt(RealPatches, "batch", BAD, group):
        return list(fit(select(folder / "parts"), FIT, folder / "spoilt", 0, CPU, group))


def spoilt_model_losses(folder: Path, group: Group = ALONE) -> list[Any]:
    """The same training into another folder, with a NaN in the last item of one batch."""
    selection = select(folder / "parts")
    with spoilt(Batches, "batch", BAD, group):
        return list(train(selection, selection.defects[:3], TRAIN, folder / "spoilt-model", SEED, CPU, group))


@contextmanager
def spoilt(kind: type, name: str, steps: range, group: Group) -> Iterator[None]:
    """Within it the batch of these steps has a NaN in its last item, which the last process holds."""
    good = getattr(kind, name)

    def bad(self: Any, now: int, *rest: Any) -> Any:
        batch = good(self, now, *rest)
        if now in steps and group.rank == group.world - 1:
            (batch[0] if isinstance(batch, tuple) else batch.image)[-1, 0, 5, 5] = torch.nan
        return batch

    setattr(kind, name, bad)
    try:
        yield
    finally:
        setattr(kind, name, good)


def resumed(folder: Path, group: Group) -> list[Any]:
    """Goes on with what one process began in folder/one, and begins folder/two and stops after three steps."""
    selection = select(folder / "parts")
    begun = fit(selection, FIT, folder / "two", 0, CPU, group)
    for _ in range(3):
        next(begun)
    begun.close()  # type: ignore[attr-defined]
    return list(fit(selection, FIT, folder / "one", 0, CPU, group))


def diverged(folder: Path, group: Group) -> tuple[list[int], str]:
    """The steps of a fit that is spoilt from the third on, in one process alone, and what it ends with."""
    trainer.PATIENCE, fitting.RETURNS = 2, 1  # type: ignore[attr-defined]
    seen: list[int] = []
    try:
        with spoilt(RealPatches, "batch", range(2, 9), group):
            for event in fit(select(folder / "parts"), FIT, folder / "diverged", 0, CPU, group):
                seen.append(event["step"])
    except UserError as error:
        return seen, error.rule
    return seen, "nothing"


def layers(folder: Path, group: Group) -> dict[str, float]:
    """The largest differences of the shared layers from torch's own, which see the whole batch."""
    torch.manual_seed(0)
    share = group.share(5)
    x, weights = 3 + torch.randn(5, 4, 6, 7), torch.randn(5, 4, 6, 7)
    ours, theirs, differences = nn.BatchNorm2d(4), nn.BatchNorm2d(4), {}
    shared = SharedBatchNorm(ours, group)
    for step in range(2):
        part, whole = share.part(x + step).requires_grad_(), (x + step).requires_grad_()
        y, z = shared(part), theirs(whole)
        (y * share.part(weights)).sum().backward()
        (z * weights).sum().backward()
        assert part.grad is not None and whole.grad is not None
        differences |= {"output": largest(y, share.part(z)), "gradient": largest(part.grad, share.part(whole.grad))}
    group.sum_gradients(shared.parameters())
    for (name, mine), other in zip(shared.named_parameters(), theirs.parameters(), strict=True):
        assert mine.grad is not None and other.grad is not None
        differences[f"{name} gradient"] = largest(mine.grad, other.grad)
    differences |= {name: largest(value, shared.state_dict()[name]) for name, value in theirs.state_dict().items()}
    differences["inference"] = largest(shared.eval()(x), theirs.eval()(x))
    torch.manual_seed(1)
    dropped = SharedDropout(nn.Dropout2d(0.5), share)(share.part(x))
    torch.manual_seed(1)
    return {**differences, "dropout": largest(dropped, share.part(nn.Dropout2d(0.5)(x)))}


def largest(first: torch.Tensor, second: torch.Tensor) -> float:
    return float((first - second).detach().abs().max())


def quarrel(folder: Path, group: Group) -> list[str]:
    """The one-line errors of processes that were not given the same."""
    selection, other = select(folder / "parts"), replace(FIT, batch=4 + group.rank)
    found = []
    for begin in (
        lambda: list(fit(selection, FIT, folder / "no", group.rank, CPU, group)),
        lambda: list(fit(selection, other, folder / "no", 0, CPU, group)),
        lambda: list(fit(selection, FIT, folder / f"no-{group.rank}", 0, CPU, group)),
        lambda: list(train(selection, (), TRAIN, folder / "no-model", group.rank, CPU, group)),
    ):
        try:
            begin()
        except UserError as error:
            found.append(str(error))
    return found


def ask(group: Group) -> list[str]:
    """What a command line hears of its events."""
    return list(group.told(iter(["a", "b"])))


def agree(folder: Path, group: Group) -> dict[str, Any]:
    """All that two processes are compared in, with what each of them wrote."""
    written: list[str] = []
    watch(folder, written)
    done: dict[str, Any] = {
        job.__name__: job(folder, group)
        for job in (losses, model_losses, spoilt_losses, spoilt_model_losses, resumed, diverged, layers)
    }
    return {**done, "written": written, "told": ask(group), "quarrel": quarrel(folder, group)}


def watch(folder: Path, written: list[str]) -> None:
    """Keeps a list of what this process makes, changes or removes below the folder."""

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        changes = event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate")
        changes |= event == "open" and bool((arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        if changes and str(arguments[0]).startswith(str(folder)):
            written.append(f"{event} {arguments[0]}")

    sys.addaudithook(hear)


def death(folder: Path, group: Group) -> str:
    """What the first process says when the other is gone after two steps."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # torchrun's: what is looked at is what it does by itself
    selection: Selection = select(folder / "parts")
    try:
        for event in fit(selection, replace(FIT, steps=1000), folder / "death", 0, CPU, group):
            if group.rank == 1 and event["step"] == 2:
                os._exit(9)
    except UserError as error:
        return str(error)
    return "nothing"


def main(job: Callable[[Path, Group], Any], folder: Path) -> None:
    with joined(CPU) as group:
        found = job(folder, group)
        (folder / f"{job.__name__}-{group.rank}.json").write_text(json.dumps(found))
    left = [name for name in threads() if "gloo" in name]
    assert not left, f"the group outlives its end, and its threads may abort Python's: {left}"


def threads() -> list[str]:
    """The names of this process's threads, Python's and others, where the system tells them."""
    return [name.read_text().strip() for name in Path("/proc/self/task").glob("*/comm")]


if __name__ == "__main__":
    device.cpu_has_bfloat16 = lambda: False  # type: ignore[assignment]  # float32: what is compared
    torch.set_num_threads(1)
    main({"agree": agree, "death": death}[sys.argv[1]], Path(sys.argv[2]))
