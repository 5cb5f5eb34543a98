"""One cell's work: its trial, then what judges it. An error is an event, so that the other cells go on."""

import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from flawsmith.data.errors import PartlyDone, UserError
from flawsmith.data.files import write_json, write_text
from flawsmith.segment.benchmark.cell import Cell
from flawsmith.segment.benchmark.plan import Plan
from flawsmith.segment.benchmark.results import JUDGED, finished, painted, settled
from flawsmith.segment.trial import trial


@dataclass(frozen=True)
class Job:
    """All that a process needs; picklable by being plain."""

    plan: Plan
    cell: Cell
    device: str
    workers: int  # processes that paint

    @property
    def folder(self) -> Path:
        """The cell's folder."""
        return self.plan.output / self.cell.folder


def perform(job: Job) -> Iterator[dict[str, Any]]:
    """The events of the cell's trial and of its judgement, {"failed": why} where one of them could not be finished.

    The traceback of a bug goes to errors/ in the benchmark's folder.
    """
    for part in (_try, _judge):
        try:
            yield from part(job)
        except PartlyDone as error:
            yield {"failed": str(error.found)}
        except UserError as error:
            yield {"failed": str(error)}
        except Exception as error:
            log = Path("errors") / f"{'-'.join(job.cell.folder.parts[1:])}.txt"
            write_text(job.plan.output / log, traceback.format_exc())
            yield {"failed": f"{type(error).__name__}: {error} (a bug: see {log.as_posix()})"}


def _try(job: Job) -> Iterator[dict[str, Any]]:
    """The trial of the cell's arms."""
    plan, cell = job.plan, job.cell
    real = None if cell.real == "all" else cell.real
    config = replace(plan.config, workers=job.workers)
    split, device = plan.split(cell.seed), torch.device(job.device)
    more = (plan.classes, plan.target_of(cell.seed))
    yield from trial(plan.root, split, real, cell.seed, cell.arms, config, job.folder, device, *more)


def _judge(job: Job) -> Iterator[dict[str, Any]]:
    """Integrity and distance of what was painted for the finished arms, once for each set of them."""
    from flawsmith.segment.benchmark.integrity import judge_cell

    plan, cell, arms = job.plan, job.cell, finished(job.folder)
    if not painted(arms) or settled(plan.output, cell):
        return
    yield {"task": "judge", "done": 0, "count": 1}
    source, target = (plan.root, plan.split(cell.seed), cell.real, plan.classes), plan.target_of(cell.seed)
    more = () if target is None else (target,)
    judged = judge_cell(job.folder, *source, arms, torch.device(job.device), cell.seed, *more)
    write_json(job.folder / JUDGED, {**judged, "arms": list(arms)})
    yield {"task": "judge", "done": 1, "count": 1}
