"""Cells on a Ray cluster: each in an actor of its own, and none outlives the first process."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from flawsmith.data.errors import UserError
from flawsmith.data.files import PART
from flawsmith.data.formats.reading import source_of
from flawsmith.gan.production.cluster import (
    PATIENCE,
    Sight,
    actor,
    connected,
    device_there,
    kill,
    nodes,
    not_installed,
    out_of_patience,
    resource_of,
)
from flawsmith.segment.benchmark.cell import Cell
from flawsmith.segment.benchmark.job import Job
from flawsmith.segment.benchmark.processes import Events, Perform

_BEGUN = {"begun": True}  # what a trial tells first: it has found room in the cluster


def apart_on_ray(jobs: Sequence[Job], workers: int, perform: Perform) -> Events:
    """Performs the jobs, `workers` at a time, as actors; yields (cell, event) as they come.

    An actor that dies is an event {"failed"}; after the last event of a cell comes {"end"}. Raises UserError where a
    node does not see what is shared, and where the cluster has no room for a single one.
    """
    if not jobs:
        return
    with connected() as ray:
        stage = Stage(ray, jobs, workers, perform)
        try:
            yield from stage.perform()
        finally:
            stage.end()


class Trial:
    """What an actor is: one cell's trial."""

    def ready(self) -> None:
        """None, once it lives and has nothing to do."""

    def perform(self, job: Job, perform: Perform, sight: Sight, threads: int) -> Iterator[dict[str, Any] | UserError]:
        """That it has begun, then the events of the trial; a UserError where this node does not see the files."""
        yield _BEGUN
        try:
            sight.share()
        except UserError as error:
            yield error
            return
        torch.set_num_threads(threads)
        yield from perform(replace(job, device=device_there(job.device)))


@dataclass
class Running:
    """An actor, its job, and whether it has begun."""

    actor: Any
    job: Job
    begun: bool = False


class Stage:
    """The jobs that wait, and those that are performed, by the events they will tell."""

    def __init__(self, ray: Any, jobs: Sequence[Job], workers: int, perform: Perform) -> None:
        plan, device = jobs[0].plan, jobs[0].device
        resource = resource_of(device)
        places = nodes(ray, resource)
        self.ray, self.waiting = ray, list(jobs)
        self.most = min(workers, sum(node[resource] for node in places))
        threads = share(places, resource, self.most)
        self.kind = actor(ray, Trial, device, threads)
        target = plan.target_of(jobs[0].cell.seed)
        more = [] if target is None or target.split is None else [source_of(target.root).path, target.split]
        shown = Sight.here(source_of(plan.root).path, plan.output, plan.split(jobs[0].cell.seed), *more)
        self.terms = perform, shown, threads
        self.running: dict[Any, Running] = {}

    def perform(self) -> Iterator[tuple[Cell, dict[str, Any]]]:
        """The events of all jobs."""
        while self.waiting or self.running:
            while self.waiting and len(self.running) < self.most:
                self.start(self.waiting.pop(0))
            told, _ = self.ray.wait(list(self.running), num_returns=1, timeout=PATIENCE)
            if not told and not any(one.begun for one in self.running.values()):
                raise out_of_patience()
            for events in told:
                yield from self.hear(events)

    def start(self, job: Job) -> None:
        """One more actor, with its job."""
        trial = self.kind.remote()
        events = trial.perform.options(num_returns="streaming").remote(job, *self.terms)
        self.running[events] = Running(trial, job)

    def hear(self, events: Any) -> Iterator[tuple[Cell, dict[str, Any]]]:
        """What a trial has to tell: that it has begun, an event, or its end."""
        one = self.running[events]
        cell = one.job.cell
        try:
            event = self.ray.get(next(events))
        except StopIteration:
            self.leave(events)
            yield cell, {"end": True}
        except self.ray.exceptions.RayError as error:
            problem = not_installed(error)
            if problem is not None:
                raise problem from error
            self.leave(events)
            raised = isinstance(error, self.ray.exceptions.RayTaskError)
            died = "its process died on the cluster; out of memory?"
            yield cell, {"failed": f"{type(error.cause).__name__}: {error.cause}" if raised else died}
            yield cell, {"end": True}
        else:
            if isinstance(event, UserError):
                raise event
            self.running[events] = self.running.pop(events)  # now the last to be heard: a fast one keeps none waiting
            one.begun = True
            if event != _BEGUN:
                yield cell, event

    def leave(self, events: Any) -> None:
        """An actor has done its job, or is dead."""
        one = self.running.pop(events)
        kill(self.ray, [one.actor])
        _sweep(one.job)

    def end(self) -> None:
        """Ends all actors, whatever they are doing."""
        kill(self.ray, [one.actor for one in self.running.values()])
        for one in self.running.values():
            _sweep(one.job)
        self.running = {}


def share(places: Sequence[Mapping[str, int]], resource: str, workers: int) -> int:
    """How many CPUs each of `workers` actors may have; an actor's are all of one node, as is its GPU."""

    def fits(each: int) -> bool:
        return sum(min(place["CPU"] // each, place[resource]) for place in places) >= workers

    most = max(place["CPU"] for place in places)
    return max(filter(fits, range(1, most + 1)), default=1)


def _sweep(job: Job) -> None:
    """Removes what was half written: a killed process cannot."""
    for part in job.folder.rglob(f".*{PART}"):
        part.unlink(missing_ok=True)
