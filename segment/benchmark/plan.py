"""What a benchmark is asked to do, and what can be known of it before the work starts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from flawsmith.data.apart import refuse_overlap
from flawsmith.data.draw import draw
from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.formats.reading import Data, name_of
from flawsmith.data.read import read
from flawsmith.data.record import DataSet, Record
from flawsmith.data.sample import load
from flawsmith.data.select import choose
from flawsmith.data.split import Split, make_split
from flawsmith.segment.across import good_parts
from flawsmith.segment.benchmark.cell import Budget, Cell, grid, in_order
from flawsmith.segment.benchmark.outcome import FIRST, TARGET
from flawsmith.segment.models.choose import refuse_missing
from flawsmith.segment.target import Match, Target, match_classes, title
from flawsmith.segment.train import turned_as_parts_lie
from flawsmith.segment.trial import ARMS, TrialConfig, check_arms

TURNED = "The good parts lie any way round: training patches are turned by any angle, and learned longer."
DEFAULT_ARMS = ("real", "real+paste", "real+gan", "real+gan+paste")


def default_arms(target: Target | None) -> tuple[str, ...]:
    """What is compared where nothing is asked for."""
    return DEFAULT_ARMS if target is None else (*DEFAULT_ARMS, FIRST, TARGET)


@dataclass(frozen=True)
class Plan:
    """What is asked for: every arm at every budget and seed, on one data set, into one folder.

    With a target the arms learn from one product, and are judged by another.
    """

    root: Data
    output: Path
    budgets: tuple[Budget, ...] = (10,)
    seeds: tuple[int, ...] = (0, 1, 2)  # fewer are no evidence
    arms: tuple[str, ...] = DEFAULT_ARMS  # `real` is always among them: it is what the others are compared with
    classes: tuple[str, ...] | None = None
    config: TrialConfig = field(default_factory=TrialConfig)
    target: Target | None = None

    def __post_init__(self) -> None:
        check_arms(self.arms, self.target is not None)
        if self.target is not None:
            self.target.refuse_same(self.root)
        refuse_missing(self.config.train.model)  # before hours of training
        if not self.seeds or min(self.seeds) < 0:
            raise UsageError("--seeds", "at least one seed, none below 0", self.seeds)
        if not self.budgets or any(real != "all" and real < 1 for real in self.budgets):
            found = ", ".join(map(str, self.budgets)) or "none"
            raise UsageError("--real", "budgets are numbers of at least 1, or all", found)
        object.__setattr__(self, "budgets", in_order(self.budgets))
        object.__setattr__(self, "arms", tuple(arm for arm in ARMS if arm in ("real", *self.arms)))

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All there is to do."""
        return grid(self.seeds, self.budgets, self.arms)

    def split(self, seed: int) -> Path:
        """The file of a seed's split."""
        return self.output / "splits" / f"seed-{seed}.json"

    def target_split(self, seed: int) -> Path:
        """The file of a seed's split of the target."""
        return self.output / "splits" / f"target-seed-{seed}.json"

    def target_of(self, seed: int) -> Target | None:
        """The target with a seed's split of it, where there is one."""
        return None if self.target is None else replace(self.target, split=self.target_split(seed))


@dataclass(frozen=True)
class Prepared:
    """What is known before the work starts: each seed's split, how many images it scores, what to say of the data."""

    splits: dict[int, Split]
    scored: dict[int, int]  # images of the test part
    pools: dict[int, float]  # real defect images of a class, mean over classes, that "all" means
    data: dict[str, Any]  # name, classes, numbers of images and groups, notes
    identity: dict[str, Any]  # what must stay the same in the folder
    budgets: tuple[Budget, ...]  # those of the plan; what takes every class whole is "all"
    turn: bool = False  # training patches, by any angle, since the good parts of the first pool lie so
    targets: dict[int, Split] = field(default_factory=dict)  # each seed's split of the target, where there is one


def prepare(plan: Plan) -> Prepared:
    """Reads the data and splits it once a seed; writes nothing.

    Raises UsageError where classes cannot be matched, UserError where a class cannot be learned, nothing can be tested,
    or a target's image is learned from. A budget that some class cannot fill is a note; one that no class can is "all".
    """
    if plan.target is not None:
        return _across(plan, plan.target)
    dataset = read(plan.root)
    classes = choose(dataset, plan.classes)
    splits, scored, pools, shown, notes = {}, {}, {}, {}, list[tuple[int, str]]()
    for seed in plan.seeds:
        split = splits[seed] = _split(plan.split(seed), dataset, seed)
        scored[seed] = _scored(split.test(dataset), classes, plan.root, seed)
        notes += [(seed, split.note)] if split.note else []
        shown[seed] = _held(split.pool(dataset), classes, seed)
        pools[seed] = fmean(shown[seed].values())
    budgets, short = _within(plan.budgets, shown)
    notes += short
    turn = _turned(splits[plan.seeds[0]].pool(dataset), plan)
    notes += [(seed, TURNED) for seed in plan.seeds if turn]
    data = _about(plan.root, classes, dataset, splits[plan.seeds[0]]) | {"notes": _notes(notes, plan.seeds)}
    identity = {"data": data["name"], "classes": list(classes), "masks": _masks(dataset), **_flat(recipe(plan.config))}
    return Prepared(splits, scored, pools, data, identity, budgets, turn)


def _across(plan: Plan, target: Target) -> Prepared:
    """The same where another product judges: it is split too, and `scored` and `pools` are the target's."""
    dataset, judged = read(plan.root), read(target.root)
    match = match_classes(dataset, judged, plan.classes, target.match)
    splits, targets, scored, pools, shown, notes = {}, {}, {}, {}, {}, list[tuple[int, str]]()
    for seed in plan.seeds:
        split = splits[seed] = _split(plan.split(seed), dataset, seed)
        theirs = targets[seed] = _split(plan.target_split(seed), judged, seed)
        refuse_overlap(dataset, split, judged, theirs)
        pool = theirs.pool(judged)
        good_parts(replace(judged, records=pool))
        scored[seed] = _scored(theirs.test(judged), match.scored, target.root, seed)
        pools[seed] = fmean(_showing(pool, match.scored).values())
        for root, one in ((plan.root, split), (target.root, theirs)):
            notes += [(seed, f"{name_of(root)}: {one.note}")] if one.note else []
        notes += [(seed, note) for note in _left_out(plan.root, target.root, match)]
        shown[seed] = _held(split.pool(dataset), match.learned, seed)
        notes += [(seed, note) for note in _few(pool, match, target, plan)]
    budgets, short = _within(plan.budgets, shown)
    notes += [(seed, f"{name_of(plan.root)}: {note}") for seed, note in short]
    first = plan.seeds[0]
    turn = _turned(targets[first].pool(judged), plan)
    notes += [(seed, TURNED) for seed in plan.seeds if turn]
    data = _about(plan.root, match.scored, dataset, splits[first]) | {"notes": _notes(notes, plan.seeds)}
    data["target"] = _about(target.root, match.scored, judged, targets[first]) | {"match": dict(match.names)}
    identity = {
        "data": title(plan.root, target),
        "classes": list(match.learned),
        "masks": _masks(dataset),
        "target masks": _masks(judged),
        "match": dict(match.names),
        **_flat(recipe(plan.config)),
    }
    return Prepared(splits, scored, pools, data, identity, budgets, turn, targets)


def _split(path: Path, dataset: DataSet, seed: int) -> Split:
    """The split that is there, or a new one."""
    return Split.load(path) if path.exists() else make_split(dataset, 0.5, seed)


def _about(root: Data, classes: Sequence[str], dataset: DataSet, split: Split) -> dict[str, Any]:
    """What results.json says of a data set."""
    groups = len({entry.group for entry in split.images})
    return {"name": name_of(root), "classes": list(classes), "images": len(dataset.records), "groups": groups}


def _turned(pool: Sequence[Record], plan: Plan) -> bool:
    return bool(turned_as_parts_lie(plan.config.train, [record for record in pool if record.good]).turn)


def _scored(test: Sequence[Record], classes: Sequence[str], root: Data, seed: int) -> int:
    """How many images are scored: those of the classes, and good ones."""
    shown = sum(bool(set(record.defects) & set(classes)) for record in test)
    if not shown:
        raise UserError(root, f"the test part of seed {seed} must show one of the classes", "none", "add further parts")
    return shown + sum(record.good for record in test)


def _held(pool: Sequence[Record], classes: Sequence[str], seed: int) -> dict[str, int]:
    """How many images of the pool show each class; raises UserError where none does."""
    draw([record for record in pool if not record.good], None, classes, seed)  # which raises
    return _showing(pool, classes)


def _showing(pool: Sequence[Record], classes: Sequence[str]) -> dict[str, int]:
    """How many images of the pool show each class."""
    return {name: sum(name in record.defects for record in pool) for name in classes}


def _left_out(root: Data, target: Data, match: Match) -> list[str]:
    """Notes on classes without a counterpart: images that show no others are not learned from, not scored, not good."""
    sides = ((root, target, match.lost), (target, root, match.unseen))
    return [
        f"Of {name_of(one)} {', '.join(names)} {'is' if len(names) == 1 else 'are'} left out: "
        f"{name_of(other)} has no counterpart."
        for one, other, names in sides
        if names
    ]


def _few(pool: Sequence[Record], match: Match, target: Target, plan: Plan) -> list[str]:
    """Notes on budgets that the target's own pool cannot fill: then the reference learns from fewer."""
    wanted = [real for real in plan.budgets if real != "all"] if TARGET in plan.arms else []
    held = _showing(pool, match.scored)
    counts = ", ".join(f"{name} {count}" for name, count in held.items() if count < max(wanted, default=0))
    name = name_of(target.root)
    return [f"{TARGET} learns from fewer: the pool of {name} holds only {counts} image(s)."] if counts else []


def _within(
    budgets: Sequence[Budget], shown: Mapping[int, Mapping[str, int]]
) -> tuple[tuple[Budget, ...], list[tuple[int, str]]]:
    """The budgets, with "all" for those that take every class whole in some seed's pool, and notes on what is short."""
    taken: list[Budget] = []
    notes: list[tuple[int, str]] = []
    for real in budgets:
        short = {seed: _short(held, real) for seed, held in shown.items()}
        whole = any(len(short[seed]) == len(held) for seed, held in shown.items())
        taken.append("all" if whole else real)
        for seed, names in short.items():
            counts = ", ".join(f"{name} {count}" for name, count in names.items())
            if whole and len(names) == len(shown[seed]):
                notes.append((seed, f"The pool holds fewer than {real} images of every class ({counts}): told as all."))
            elif names and not whole:
                rule = f"The pool holds fewer than {real} images of some classes, which were all taken"
                notes.append((seed, f"{rule}: {counts}."))
    return in_order(taken), notes


def _short(held: Mapping[str, int], real: Budget) -> dict[str, int]:
    """How many images there are of the classes that a budget takes whole."""
    return {name: count for name, count in held.items() if real != "all" and count < real}


def _notes(notes: Sequence[tuple[int, str]], seeds: Sequence[int]) -> list[str]:
    """Each note once, with the seeds that it holds for where those are not all."""
    found: dict[str, list[int]] = {}
    for seed, note in notes:
        found.setdefault(note, []).append(seed)
    return [
        note if len(own) == len(seeds) else f"{note} (seed {', '.join(map(str, own))})" for note, own in found.items()
    ]


def recipe(config: TrialConfig) -> dict[str, Any]:
    """What the trial's configuration makes of its results: all but the number of processes."""
    return {key: value for key, value in asdict(config).items() if key != "workers"}


def _flat(tree: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested settings as one level with dotted names, so that a refusal can name the one that differs."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return flat


def _masks(dataset: DataSet) -> str:
    """A digest of what is labelled where; the images' own digests are in the splits."""
    digest = sha256()
    for record in sorted(dataset.records, key=lambda record: record.name):
        for label in record.labels:
            digest.update(f"{record.name} {label.defect} {label.value} ".encode())
            digest.update(label.mask.read_bytes() if isinstance(label.mask, Path) else b"")
        if any(not isinstance(label.mask, Path) for label in record.labels):
            digest.update(np.packbits(load(record, record.defects).masks).tobytes())
    return digest.hexdigest()
