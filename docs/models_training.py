r"""How soon models have learned: pixel AP against seconds of training, inside the pool, never on a test part.

python docs/models_training.py FOLDER --classes blowhole,crack,break --learn blowhole,crack --work runs/models

Every class is learned alone, on half of the groups of the pool of seed 0, and scored on the other half. The rate of
learning falls to 0 at the last step, so that each number of steps is a training of its own. The baseline learns in
float32; the own network in what is fastest on this machine. The work folder goes on where it stopped.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from statistics import mean
from time import perf_counter, process_time
from types import ModuleType
from unittest.mock import patch

import torch

from flawsmith.data import device
from flawsmith.data.files import read_json, write_json
from flawsmith.data.read import read
from flawsmith.data.select import select, test_records
from flawsmith.data.split import make_split
from flawsmith.segment.evaluate import evaluate
from flawsmith.segment.models.choose import load_trained
from flawsmith.segment.train import TrainConfig, train

CPU = torch.device("cpu")
TIMES = 5  # goal


@dataclass(frozen=True)
class Cell:
    """One training."""

    model: str
    steps: int
    defect: str
    fold: int  # seed of the split of the pool
    seed: int  # of the draw and the training

    @property
    def name(self) -> str:
        """Of its folder."""
        return "-".join(map(str, asdict(self).values())).replace(":", "_")


@dataclass(frozen=True)
class Point:
    """What trainings of one model with so many steps came to, in the mean."""

    steps: int
    seconds: float
    processor: float  # seconds of all threads: what other work on the machine changes less
    score: float  # pixel AP


def run(cell: Cell, pool: Path, real: int, work: Path, exact: bool, weights: str | None) -> dict[str, float]:
    """Trains and scores, or reads what came of it."""
    done = work / "done" / f"{cell.name}.json"
    if done.exists():
        return dict(read_json(done))
    split = work / f"split{cell.fold}.json"
    if not split.exists():
        make_split(read(pool), 0.5, cell.fold).save(split)
    selection = select(pool, split, real, (cell.defect,), cell.seed)
    config = TrainConfig(model=cell.model, steps=cell.steps, weights=weights)
    output = work / f"{cell.name}-{perf_counter():.0f}"  # one that was interrupted is begun anew
    with in_float32() if exact else nullcontext():
        start, begun = perf_counter(), process_time()
        for _ in train(selection, (), config, output, cell.seed, CPU):
            pass
        seconds, processor = perf_counter() - start, process_time() - begun
    records = test_records(pool, split, (cell.defect,))
    for _ in evaluate(load_trained(output, CPU), records, output / "eval"):
        pass
    score = read_json(output / "eval" / "metrics.json")["overall"]["pixel_ap"]
    found = {"seconds": seconds, "processor": processor, "score": score}
    write_json(done, found)
    return found


def in_float32() -> AbstractContextManager[object]:
    """While it lasts, the processor is taken for one without bfloat16."""
    return patch.object(device, "cpu_has_bfloat16", lambda: False)


def points(found: dict[Cell, dict[str, float]], model: str) -> Iterator[Point]:
    """The means of a model, by steps."""
    for steps in sorted({cell.steps for cell in found if cell.model == model}):
        of_steps = [one for cell, one in found.items() if (cell.model, cell.steps) == (model, steps)]
        yield Point(steps, *(mean(one[what] for one in of_steps) for what in ("seconds", "processor", "score")))


def verdict(own: Sequence[Point], baseline: Sequence[Point]) -> str:
    """How much sooner the own network is as good as the baseline at its end."""
    end = baseline[-1]
    enough = next((one for one in own if one.score >= end.score), None)
    if enough is None:
        return f"the own network never has the {end.score:.3f} of the baseline: goal ≥ {TIMES} × MISSED"
    times, processor = end.seconds / enough.seconds, end.processor / enough.processor
    met = "met" if times >= TIMES else "MISSED"
    words = f"{end.score:.3f} after {end.seconds:.0f} s, {enough.score:.3f} after {enough.seconds:.0f} s"
    return f"{words}: {times:.1f} × sooner ({processor:.1f} × by processor time); goal ≥ {TIMES}: {met}"


def sibling(name: str) -> ModuleType:
    """Another script of this folder."""
    found = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    """The options."""

    def listed(text: str) -> tuple[str, ...]:
        return tuple(text.split(","))

    def numbers(text: str) -> tuple[int, ...]:
        return tuple(map(int, text.split(",")))

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--classes", type=listed, required=True, help="of the pool")
    parser.add_argument("--learn", type=listed, help="of them those that are learned; default: all")
    parser.add_argument("--model", default="fast")
    parser.add_argument("--steps", type=numbers, default=(50, 100, 150))
    parser.add_argument("--baseline", default="smp:resnet18")
    parser.add_argument("--baseline-steps", type=numbers, default=(75, 150))
    parser.add_argument("--baseline-weights", help="as for train --weights; default: random ones")
    parser.add_argument("--real", type=int, default=10)
    parser.add_argument("--folds", type=numbers, default=(0, 1))
    parser.add_argument("--seeds", type=numbers, default=(0, 1))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, required=True)
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> None:
    """Prints a line for each model and number of steps, and how much sooner the own one is as good."""
    options = parse(words)
    torch.set_num_threads(options.threads)
    options.work.mkdir(parents=True, exist_ok=True)
    pool = sibling("experiment").pool_folder(read(options.folder), options.classes, options.work / "pool")
    plans = [(options.model, steps) for steps in options.steps]
    plans += [(options.baseline, steps) for steps in options.baseline_steps]
    found: dict[Cell, dict[str, float]] = {}
    for defect, fold, seed in product(options.learn or options.classes, options.folds, options.seeds):
        for model, steps in plans:  # in turn, so that other work on the machine slows both alike
            cell = Cell(model, steps, defect, fold, seed)
            other = model == options.baseline
            weights = options.baseline_weights if other else None
            found[cell] = run(cell, pool, options.real, options.work, other, weights)
            print(f"{cell.name}: {found[cell]['score']:.3f} after {found[cell]['seconds']:.0f} s", flush=True)
    print("\n| model | steps | seconds | processor seconds | pixel AP |\n| --- | --- | --- | --- | --- |")
    for model in (options.model, options.baseline):
        for one in points(found, model):
            print(f"| `{model}` | {one.steps} | {one.seconds:.1f} | {one.processor:.1f} | {one.score:.3f} |")
    print("\n" + verdict(list(points(found, options.model)), list(points(found, options.baseline))))


if __name__ == "__main__":
    main()
