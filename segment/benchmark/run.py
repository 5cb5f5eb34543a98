"""Running a benchmark: cell after cell or several at once, results after each, the report at the end."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import torch

from flawsmith.data.errors import UserError
from flawsmith.data.lock import locked
from flawsmith.gan.production.ray import refuse_without_ray
from flawsmith.segment.benchmark.cell import Cell
from flawsmith.segment.benchmark.job import Job, perform
from flawsmith.segment.benchmark.plan import Plan, Prepared, prepare
from flawsmith.segment.benchmark.processes import Events, apart
from flawsmith.segment.benchmark.progress import Progress
from flawsmith.segment.benchmark.ray import apart_on_ray
from flawsmith.segment.benchmark.results import finished, settled, write_results
from flawsmith.segment.benchmark.setting import begin


def run(plan: Plan, device: torch.device, workers: int = 1, executor: str = "processes") -> Iterator[dict[str, Any]]:
    """Does what of the plan is not done yet, `workers` cells at a time; what is finished is not done again.

    `executor` is who does it: "processes" of this machine, or "ray", a cluster.

    Yields {"task", "done" and "count" in seconds of work, "text"}, with "note" where something went wrong. The last
    item has "results", the content of results.json, "report", a path, and "failed", a dict of cell → why it could not
    be finished: one that fails does not stop the others. Raises UserError where no trial at all could be finished,
    UsageError where another command is at work in the folder.
    """
    with locked(plan.output):
        yield from held(plan, device, workers, executor)


def held(plan: Plan, device: torch.device, workers: int, executor: str) -> Iterator[dict[str, Any]]:
    """The same, in a folder that is held."""
    from flawsmith.segment.benchmark.report import write_report

    if executor == "ray":
        refuse_without_ray()
    prepared = prepare(plan)
    plan = replace(plan, budgets=prepared.budgets)
    begin(plan, prepared, device)
    progress = start(plan, prepared)
    yield progress.event()
    failed: dict[str, str] = {}
    results: dict[str, Any] | None = None
    jobs = [
        Job(plan, cell, str(device), plan.config.workers if workers == 1 and executor == "processes" else 1)
        for cell in plan.cells
        if not settled(plan.output, cell)
    ]
    with closing(performed(jobs, workers, executor)) as events:
        for cell, event in events:
            if "failed" in event:
                failed[str(cell)] = "; ".join([*filter(None, [failed.get(str(cell))]), event["failed"]])
            elif "end" in event:
                progress.end(cell, _trials(plan, cell))
                results = write_results(plan.output) if any(_trials(plan, one) for one in plan.cells) else None
            else:
                progress.update(cell, event, _trials(plan, cell))
            note = event.get("note") or event.get("failed")
            yield progress.event() | ({"note": f"{cell}: {note}"} if note else {})
    if not any(_trials(plan, cell) for cell in plan.cells):
        raise UserError(plan.output, "no trial could be finished", next(iter(failed.values()), None))
    results = results or write_results(plan.output)
    yield progress.event() | {"results": results, "report": write_report(plan.output, results), "failed": failed}


def outlook(plan: Plan) -> dict[str, Any]:
    """What `run` would do, for a dry run: nothing is written. Raises what `prepare` raises."""
    prepared = prepare(plan)
    plan = replace(plan, budgets=prepared.budgets)
    event = start(plan, prepared).event()
    target = prepared.data.get("target")
    judged = (
        {
            "target": f"{target['name']}, {target['images']} images of {target['groups']} groups",
            "match": ", ".join(map("=".join, target["match"].items())),
        }
        if target
        else {}
    )
    return {
        "data": f"{prepared.data['images']} images of {prepared.data['groups']} groups",
        **judged,
        "real": ", ".join(map(str, plan.budgets)),
        "seeds": ", ".join(map(str, plan.seeds)),
        "arms": ", ".join(plan.arms),
        "done": event["text"],
        "left": f"about {(event['count'] - event['done']) / 60:.0f} minutes on two CPU cores",
        "notes": " ".join(prepared.data["notes"]) or "none",
    }


def start(plan: Plan, prepared: Prepared) -> Progress:
    """The progress of what is finished already."""
    train = plan.config.train
    train = replace(train, augment=replace(train.augment, turn=prepared.turn))
    work = {cell: cell.work(replace(plan.config, train=train), prepared.scored[cell.seed]) for cell in plan.cells}
    progress = Progress(work)
    for cell in plan.cells:
        if settled(plan.output, cell):
            progress.end(cell, _trials(plan, cell))
    return progress


def performed(jobs: Sequence[Job], workers: int, executor: str) -> Events:
    """The events of the jobs, wherever they are done."""
    if executor == "ray":
        return apart_on_ray(jobs, workers, perform)
    return apart(jobs, workers, perform) if workers > 1 else here(jobs)


def here(jobs: Sequence[Job]) -> Events:
    """Performs the jobs one after the other in this process; yields (cell, event), after each job {"end"}."""
    for job in jobs:
        for event in perform(job):
            yield job.cell, event
        yield job.cell, {"end": True}


def _trials(plan: Plan, cell: Cell) -> int:
    """How many of the cell's arms are finished."""
    return len(set(cell.arms) & set(finished(plan.output / cell.folder)))
