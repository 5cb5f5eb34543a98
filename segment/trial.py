"""One trial: the same network trained on mixtures of real and painted defects, scored on the same held-out parts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import torch

from flawsmith.data.errors import PartlyDone, UsageError
from flawsmith.data.files import read_json, write_json
from flawsmith.data.plan import open_run
from flawsmith.data.read import read
from flawsmith.data.record import Record
from flawsmith.data.select import Selection, select, test_records
from flawsmith.gan.fit import fit
from flawsmith.gan.generate import generate
from flawsmith.gan.trainer import FitConfig
from flawsmith.gan.worker import GenerateConfig
from flawsmith.segment.evaluate import evaluate
from flawsmith.segment.segmenter import Segmenter
from flawsmith.segment.train import TrainConfig, train


@dataclass(frozen=True)
class Arm:
    """What one network learns from: real defects (the draw, none, or the whole pool) and equal shares of painters."""

    painters: tuple[str, ...] = ()
    real: Literal["drawn", "none", "all"] = "drawn"


ARMS = {
    "real": Arm(),
    "real+paste": Arm(("paste",)),
    "real+poisson": Arm(("poisson",)),
    "real+gan": Arm(("gan",)),
    "real+gan+paste": Arm(("gan", "paste")),
    "gan": Arm(("gan",), real="none"),
    "all-real": Arm(real="all"),
}


@dataclass(frozen=True)
class TrialConfig:
    """How much work each step of a trial does; the same for every arm."""

    fit: FitConfig = field(default_factory=FitConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    count: int = 300  # images from each painter: enough that a crop is rarely seen twice in a training
    workers: int = 2  # processes that paint

    def __post_init__(self) -> None:
        if self.count < 2:
            raise UsageError("--count", "a trial paints at least 2 images", self.count)


def trial(
    root: Path,
    split: Path | None,
    real: int | None,
    seed: int,
    arms: Sequence[str],
    config: TrialConfig,
    output: Path,
    device: torch.device,
    classes: Sequence[str] | None = None,
) -> Iterator[dict[str, Any]]:
    """Runs the arms into `output` and writes results.json there; what is finished there is not done again.

    Yields {"task", "step" or "done", "steps" or "count", …}; the last item has "results", a dict of arm → metrics.
    """
    unknown = [arm for arm in arms if arm not in ARMS]
    if unknown or not arms:
        raise UsageError("--arms", f"arms are {', '.join(ARMS)}", ", ".join(unknown) or "none")
    _open(output, root, split, real, seed, config, classes)
    drawn = select(root, split, real, classes, seed)
    painters = dict.fromkeys(painter for arm in arms for painter in ARMS[arm].painters)
    if painters:
        yield from _prepare(drawn, tuple(painters), config, output, seed, device)
    for name in arms:
        everything = ARMS[name].real == "all"
        selection = select(root, split, None, drawn.classes, seed) if everything else drawn
        records = test_records(root, split, drawn.classes)
        yield from _run_arm(name, selection, records, config, output, seed, device)
    results = {name: read_json(output / "arms" / name / "eval" / "metrics.json") for name in arms}
    write_json(output / "results.json", _results(results, real, seed))
    yield {"task": "scores", "done": 1, "count": 1, "results": results}


def mixture(painters: Sequence[str], sets: Mapping[str, Sequence[Record]]) -> tuple[Record, ...]:
    """Equal shares of the painters' records, from different places of the lists: the same index has the same shape."""
    mixed: list[Record] = []
    for index, painter in enumerate(painters):
        records = sets[painter]
        start, stop = (len(records) * part // len(painters) for part in (index, index + 1))
        mixed += records[start:stop]
    return tuple(mixed)


def _open(
    output: Path,
    root: Path,
    split: Path | None,
    real: int | None,
    seed: int,
    config: TrialConfig,
    classes: Sequence[str] | None,
) -> None:
    """Starts the folder, or takes up one begun with the same plan: other arms may join, nothing else may differ."""
    plan = {
        "data": root.resolve().name,
        "split": sha256(split.read_bytes()).hexdigest() if split else None,
        "real": real,
        "seed": seed,
        "classes": None if classes is None else list(classes),
        "config": {key: value for key, value in asdict(config).items() if key != "workers"},
    }
    open_run(output, plan)


def _prepare(
    drawn: Selection, painters: tuple[str, ...], config: TrialConfig, output: Path, seed: int, device: torch.device
) -> Iterator[dict[str, Any]]:
    """Fits once and lets every painter paint once; without the GAN among them, the bank of real defects is enough."""
    learned = "gan" in painters
    run = output / ("fit" if learned else "bank")
    yield from _task("fit", fit(drawn, config.fit if learned else replace(config.fit, steps=0), run, seed, device))
    for painter in painters:
        wanted = GenerateConfig(count=config.count, painter=painter)
        painting = generate(run, drawn.good, wanted, output / "synthetic" / painter, seed, device, config.workers)
        try:
            yield from _task(f"paint: {painter}", painting)
        except PartlyDone as short:  # a few places were impossible: the arm goes on with the images there are
            yield {"task": f"paint: {painter}", "done": config.count, "count": config.count, "note": str(short)}


def _run_arm(
    name: str,
    selection: Selection,
    test: Sequence[Record],
    config: TrialConfig,
    output: Path,
    seed: int,
    device: torch.device,
) -> Iterator[dict[str, Any]]:
    """Trains one arm's network and scores it, each where that is not done yet."""
    arm, model, scores = ARMS[name], output / "arms" / name / "model", output / "arms" / name / "eval"
    if (scores / "metrics.json").exists():
        return
    if not (model / "model.safetensors").exists():
        learned = replace(selection, defects=()) if arm.real == "none" else selection
        sets = {painter: read(output / "synthetic" / painter).records for painter in arm.painters}
        painted = mixture(arm.painters, sets)
        yield from _task(f"{name}: train", train(learned, painted, config.train, model, seed, device))
    yield from _task(f"{name}: evaluate", evaluate(Segmenter.load(model, device), test, scores))


def _task(name: str, events: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The events under the name of what is being done."""
    for event in events:
        yield {**event, "task": name}


def _results(results: Mapping[str, Any], real: int | None, seed: int) -> dict[str, Any]:
    """The file results.json: one trial an arm; a single seed allows no verdict."""
    trials = [{"arm": arm, "real": real, "seed": seed, "metrics": metrics} for arm, metrics in results.items()]
    return {"verdict": "none: one seed is no evidence", "trials": trials, "gains": []}
