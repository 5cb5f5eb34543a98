"""What a benchmark's folder remembers: all that was asked for in it so far, and on what."""

import shlex
from collections.abc import Mapping
from importlib.metadata import version
from platform import python_version
from typing import Any

import torch

from flawsmith.data.files import read_json, write_json
from flawsmith.data.formats.reading import name_of
from flawsmith.data.plan import open_run
from flawsmith.segment.benchmark.cell import in_order
from flawsmith.segment.benchmark.plan import Plan, Prepared, recipe
from flawsmith.segment.trial import ARMS, TrialConfig

SETTING = "setting.json"
_NOTHING: Mapping[str, Any] = {"seeds": [], "budgets": [], "arms": [], "pools": {}, "data": {"notes": []}}


def begin(plan: Plan, prepared: Prepared, device: torch.device) -> None:
    """Starts the folder or takes it up, and adds what is asked for now to what was asked for before.

    Raises UsageError where the folder was begun with other data, classes or work.
    """
    open_run(plan.output, prepared.identity)
    for seed, split in prepared.splits.items():
        if not plan.split(seed).exists():
            split.save(plan.split(seed))
    for seed, split in prepared.targets.items():
        path = plan.target_split(seed)
        if not path.exists():
            split.save(path)
    path = plan.output / SETTING
    before = read_json(path) if path.exists() else _NOTHING
    arms = {*before["arms"], *plan.arms}
    setting = {
        "budgets": list(in_order([*before["budgets"], *plan.budgets])),
        "seeds": sorted({*before["seeds"], *plan.seeds}),
        "arms": [arm for arm in ARMS if arm in arms],
        "config": recipe(plan.config),
        "versions": {"python": python_version()} | {name: version(name) for name in ("flawsmith", "numpy", "torch")},
        "device": str(device),
    }
    pools = before["pools"] | {str(seed): mean for seed, mean in prepared.pools.items()}
    notes = list(dict.fromkeys([*before["data"]["notes"], *prepared.data["notes"]]))
    more = {"pools": pools, "data": {**prepared.data, "notes": notes}, "command": command(plan, setting)}
    write_json(path, setting | more)


def command(plan: Plan, setting: Mapping[str, Any]) -> str | None:
    """The line that makes all that the folder holds, folders by their last name; None where no single line does."""
    seeds, usual = setting["seeds"], TrialConfig()
    first, count = seeds[0], len(seeds)
    if seeds != list(range(first, first + count)):
        return None
    words = ["flawsmith", "benchmark", name_of(plan.root), "--real", ",".join(map(str, setting["budgets"]))]
    words += ["--seeds", str(count), "--arms", ",".join(setting["arms"])]
    words += ["--classes", ",".join(plan.classes)] if plan.classes else []
    if plan.target is not None:
        words += ["--target", name_of(plan.target.root)]
        words += ["--match", ",".join(map("=".join, plan.target.match))] if plan.target.match else []
    mine = plan.config
    for option, value, default in (
        ("--model", mine.train.model, usual.train.model),
        ("--weights", mine.train.weights, usual.train.weights),
        ("--shrink", mine.train.shrink, usual.train.shrink),
        ("--seed", first, 0),
        ("--fit-steps", mine.fit.steps, usual.fit.steps),
        ("--steps", mine.train.steps, usual.train.steps),
        ("-n", mine.count, usual.count),
    ):
        words += [option, str(value)] if value != default else []
    turn = mine.train.augment.turn
    words += [] if turn is None else ["--turn" if turn else "--no-turn"]
    return shlex.join([*words, "-o", plan.output.resolve().name])
