"""One trial: the same network trained on mixtures of real and painted defects, scored on the same held-out parts."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from flawsmith.data.errors import PartlyDone, UsageError, UserError
from flawsmith.data.files import read_json, write_json
from flawsmith.data.formats.reading import Data
from flawsmith.data.plan import open_run
from flawsmith.data.record import Record
from flawsmith.data.sources import merged, read_sources
from flawsmith.gan.fit import fit
from flawsmith.gan.gate import GateConfig
from flawsmith.gan.production.config import GenerateConfig
from flawsmith.gan.production.generate import generate
from flawsmith.gan.trainer import FitConfig
from flawsmith.segment.across import material
from flawsmith.segment.evaluate import evaluate
from flawsmith.segment.material import Material, Real
from flawsmith.segment.model import load_model
from flawsmith.segment.models.choose import is_trained
from flawsmith.segment.target import Target, title
from flawsmith.segment.train import TrainConfig, train


@dataclass(frozen=True)
class Arm:
    """What one network learns from: real defects, and equal shares of painters."""

    painters: tuple[str, ...] = ()
    real: Real = "drawn"


ARMS = {
    "real": Arm(),
    "real+paste": Arm(("paste",)),
    "real+poisson": Arm(("poisson",)),
    "real+gan": Arm(("gan",)),
    "real+gan+paste": Arm(("gan", "paste")),
    "gan": Arm(("gan",), real="none"),
    "first-real": Arm(real="first"),  # the same real ones, and nothing of the target: its good parts may do harm
    "target-real": Arm(real="target"),  # as many of the target's own: what labelling there would bring
    "all-real": Arm(real="all"),
}
SECONDS = "seconds.json"  # of a trial: fit and painters; of an arm: train and evaluate


@dataclass(frozen=True)
class TrialConfig:
    """How much work each step of a trial does; the same for every arm."""

    fit: FitConfig = field(default_factory=FitConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    count: int = 300  # images from each painter: enough that a crop is rarely seen twice in a training
    gate: GateConfig = field(default_factory=GateConfig)
    workers: int = 2  # processes that paint

    def __post_init__(self) -> None:
        if self.count < 2:
            raise UsageError("--count", "a trial paints at least 2 images", self.count)


def trial(
    root: Data,
    split: Path | None,
    real: int | None,
    seed: int,
    arms: Sequence[str],
    config: TrialConfig,
    output: Path,
    device: torch.device,
    classes: Sequence[str] | None = None,
    target: Target | None = None,
) -> Iterator[dict[str, Any]]:
    """Runs the arms into `output` and writes results.json there; what is finished there is not done again.

    With a target, what is learned of this product is painted on the target's good parts, and its defects judge.

    Yields {"task", "arm" where it is one's, "step" or "done", "steps" or "count", …}, with "note" where something
    went wrong; the last item has "results", a dict of arm → metrics. An arm that fails does not stop the others:
    PartlyDone is raised at the end, or the error itself where it is a bug or no arm is left.
    """
    check_arms(arms, target is not None)
    _open(output, root, split, real, seed, config, classes, target)
    data = material(root, split, real, seed, classes, target)
    painters = tuple(dict.fromkeys(painter for arm in arms for painter in ARMS[arm].painters))
    broken: dict[str, Exception] = {}  # painters
    failed: dict[str, Exception] = {}  # arms
    if painters:
        yield from _prepare(data, painters, config, output, seed, device, broken)
    for name in arms:
        missing = [broken[painter] for painter in ARMS[name].painters if painter in broken]
        if missing:
            failed[name] = missing[0]
            continue
        yield from _guard(name, _run_arm(name, data, config, output, seed, device), failed)
    finished = [name for name in arms if name not in failed]
    if finished:
        results = {name: read_json(output / "arms" / name / "eval" / "metrics.json") for name in finished}
        write_json(output / "results.json", _results(results, real, seed))
        yield {"task": "scores", "done": 1, "count": 1, "results": results}
    _report(output, failed, len(finished))


def check_arms(arms: Sequence[str], across: bool = False) -> None:
    """Raises UsageError where there is none, one that is not among ARMS, or a target's where there is no target."""
    known = [arm for arm in ARMS if across or ARMS[arm].real not in ("first", "target")]
    unknown = [arm for arm in arms if arm not in known]
    if unknown or not arms:
        more = "" if across else "; with --target also first-real, target-real"
        raise UsageError("--arms", f"arms are {', '.join(known)}{more}", ", ".join(unknown) or "none")


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
    root: Data,
    split: Path | None,
    real: int | None,
    seed: int,
    config: TrialConfig,
    classes: Sequence[str] | None,
    target: Target | None,
) -> None:
    """Starts the folder, or takes up one begun with the same plan: other arms may join, nothing else may differ."""
    plan: dict[str, Any] = {
        "data": title(root, target),
        "split": sha256(split.read_bytes()).hexdigest() if split else None,
        "real": real,
        "seed": seed,
        "classes": None if classes is None else list(classes),
        "config": {key: value for key, value in asdict(config).items() if key != "workers"},
    }
    if target is not None:
        plan["target split"] = sha256(target.split.read_bytes()).hexdigest() if target.split else None
        plan["match"] = [list(pair) for pair in target.match]
    open_run(output, plan)


def _prepare(
    data: Material,
    painters: tuple[str, ...],
    config: TrialConfig,
    output: Path,
    seed: int,
    device: torch.device,
    broken: dict[str, Exception],
) -> Iterator[dict[str, Any]]:
    """Fits once and lets every painter paint once; without the GAN among them, the bank of real defects is enough.

    Painters that cannot paint get into `broken`; a fit that fails spoils the GAN alone, since the bank comes before it.
    """
    drawn, learned = data.fitted, "gan" in painters
    run = output / ("fit" if learned else "bank")
    spoilt: dict[str, Exception] = {}
    fitting = fit(drawn, config.fit if learned else replace(config.fit, steps=0), run, seed, device)
    yield from _guard("fit", _task("fit", fitting, output), spoilt)
    if spoilt:
        broken |= dict.fromkeys(("gan",) if (run / "bank.safetensors").exists() else painters, spoilt["fit"])
    for painter in painters:
        if painter not in broken:
            wanted = GenerateConfig(count=config.count, painter=painter, gate=config.gate)
            painting = generate(run, data.clean, wanted, output / "synthetic" / painter, seed, device, config.workers)
            yield from _guard(painter, _task(f"paint: {painter}", _as_far(painting, config.count), output), broken)


def _as_far(painting: Iterator[dict[str, Any]], count: int) -> Iterator[dict[str, Any]]:
    """The events; where a few places were impossible, the arm goes on with the images there are."""
    try:
        yield from painting
    except PartlyDone as short:
        yield {"done": count, "count": count, "note": str(short)}


def _run_arm(
    name: str, data: Material, config: TrialConfig, output: Path, seed: int, device: torch.device
) -> Iterator[dict[str, Any]]:
    """Trains one arm's network and scores it, each where that is not done yet; one half done is done anew."""
    arm, folder = ARMS[name], output / "arms" / name
    model, scores = folder / "model", folder / "eval"
    if (scores / "metrics.json").exists():
        return
    shutil.rmtree(scores, ignore_errors=True)
    if not is_trained(model):
        shutil.rmtree(model, ignore_errors=True)
        sets = {painter: data.painted(output / "synthetic" / painter) for painter in arm.painters}
        painted = mixture(arm.painters, sets)
        made_from = merged(*(read_sources(output / "synthetic" / painter) for painter in arm.painters))
        training = train(data.learned(arm.real), painted, config.train, model, seed, device, made_from=made_from)
        yield from _task(f"{name}: train", training, folder, arm=name)
    scoring = evaluate(load_model(model, device), data.test, scores)
    yield from _task(f"{name}: evaluate", scoring, folder, arm=name)


def _task(name: str, events: Iterator[dict[str, Any]], folder: Path, **about: str) -> Iterator[dict[str, Any]]:
    """The events under the name of what is being done; its seconds go into the folder's seconds.json at the end.

    Those of all runs are added up: to find a painted set finished takes no second, and what painted it did.
    """
    start, worked = perf_counter(), False
    for event in events:
        worked = True
        yield {**event, **about, "task": name}
    if worked:
        path = folder / SECONDS
        known = read_json(path) if path.exists() else {}
        part = name.rpartition(": ")[2]
        write_json(path, known | {part: round(known.get(part, 0) + perf_counter() - start, 1)})


def _guard(name: str, events: Iterator[dict[str, Any]], failed: dict[str, Exception]) -> Iterator[dict[str, Any]]:
    """The events; an error ends them, is kept in `failed`, and is told as a note: the others go on."""
    try:
        yield from events
    except Exception as error:
        failed[name] = error
        yield {"task": name, "done": 0, "count": 1, "note": f"{name}: {error}"}


def _report(output: Path, failed: Mapping[str, Exception], finished: int) -> None:
    """Raises PartlyDone where arms failed; the first error itself where it is a bug, or nothing else is left."""
    errors = list(failed.values())
    bugs = [error for error in errors if not isinstance(error, UserError)]
    if bugs or (errors and not finished):
        raise (bugs or errors)[0]
    if errors:
        why = "; ".join(f"{arm} ({error})" for arm, error in failed.items())
        raise PartlyDone(output, "some arms could not be finished", why, "give the same command again")


def _results(results: Mapping[str, Any], real: int | None, seed: int) -> dict[str, Any]:
    """The file results.json: one trial an arm; a single seed allows no verdict."""
    trials = [{"arm": arm, "real": real, "seed": seed, "metrics": metrics} for arm, metrics in results.items()]
    return {"verdict": "none: one seed is no evidence", "trials": trials, "gains": []}
