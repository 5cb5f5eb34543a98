"""Painting a whole data set: images, masks, manifest, COCO, provenance, a data card; resumable to the byte."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from flawsmith.data.card import write_card
from flawsmith.data.croissant import write_croissant
from flawsmith.data.errors import PartlyDone, UsageError, UserError
from flawsmith.data.files import file_digest, read_json, write_json
from flawsmith.data.lock import locked
from flawsmith.data.painted_set import PLAN, identity_of, write_tables
from flawsmith.data.plan import differences, refuse_content, refuse_difference
from flawsmith.data.record import Record
from flawsmith.data.sources import SOURCES, merged, read_sources
from flawsmith.gan.bank import Bank
from flawsmith.gan.production.config import GenerateConfig
from flawsmith.gan.production.crew import Crew, Hire, hire_worker, paint_here
from flawsmith.gan.production.items import Items
from flawsmith.gan.production.ledger import Entry, Ledger, remove_parts, write_rejected
from flawsmith.gan.production.shard import Shard
from flawsmith.gan.production.summary import Summary
from flawsmith.gan.production.task import Part, Task
from flawsmith.gan.production.versions import versions
from flawsmith.gan.production.worker import digest, one_thread
from flawsmith.gan.run import Run

FEW = 2 * 16  # items a process, below which it is not worth starting: that takes as long as painting so many
DIGITS = 6  # of the numbers in file names, at least

Entries = Generator[Entry, None, None]  # which can be closed, with all that it started
Execute = Callable[[Task, Iterator[int], int, Hire], Entries]  # paints items, with so many workers


@dataclass(frozen=True)
class How:
    """How a set is painted: nothing here changes a byte of it."""

    workers: int = 1
    execute: Execute | None = None  # None: processes of this machine
    hire: Hire = hire_worker


def generate(
    run: Path,
    clean: Sequence[Record],
    config: GenerateConfig,
    output: Path,
    seed: int,
    device: torch.device,
    workers: int = 1,
    shard: Shard | None = None,
    where: Mapping[str, Any] | None = None,
    how: How | None = None,
) -> Iterator[dict[str, Any]]:
    """Paint on the clean parts into `output`; yields {"done", "count"}; resumes by itself.

    `where` names run and clean parts for whoever replays an image. Raises PartlyDone at the end where images had to be
    given up (everything else is complete then), UsageError where the folder was begun differently or is in use.
    """
    how = how or How(workers if device.type == "cpu" else 1)
    opened = Run.open(run)
    items = config.items(opened.bank)
    if not clean:
        raise UserError(
            "--clean", "there are no good parts to paint on", 0, "name a folder with images without defects"
        )
    own = range(len(items)) if shard is None else range(shard.number - 1, len(items), shard.count)
    parts = digested(clean)
    checkpoint = opened.fingerprint(config.painter)
    told = {"shard": None if shard is None else str(shard), "versions": versions(device), "where": dict(where or {})}
    plan = plan_of(opened.bank, config, seed, checkpoint, parts) | told
    with locked(output):
        open_set(output, plan, parts, read_sources(run))
        if note := other_versions(output, plan):
            yield {"done": 0, "count": len(own), "note": note}
        ledger = Ledger(output, len(items))
        count = len(own)
        if ledger.finished and len(ledger) == count:
            ledger.close()
            yield {"done": count, "count": count}
            report_short(output, read_json(output / "summary.json"))
            return
        digits = max(DIGITS, len(str(len(items) - 1)))
        task = Task(run, parts, config, output, seed, str(device), identity_of(plan), checkpoint, digits)
        done = len(ledger)
        with closing(paint(task, ledger.missing(own), count - done, how)) as entries:
            for entry in entries:
                ledger.append(entry | {"class": items.name(entry["index"])})
                done += 1
                yield {"done": done, "count": count}
        remove_parts(output)  # of a process that was killed while it wrote
        report_short(output, finish(output, ledger, items, own, opened.bank))


def digested(clean: Sequence[Record]) -> tuple[Part, ...]:
    """The parts with the digests of their files."""
    with ThreadPoolExecutor(4) as pool:
        return tuple(map(Part, clean, pool.map(lambda record: file_digest(record.image), clean)))


def plan_of(bank: Bank, config: GenerateConfig, seed: int, checkpoint: str, parts: Sequence[Part]) -> dict[str, Any]:
    """Everything that the set is a function of."""
    masks = {part.record.roi for part in parts if part.record.roi is not None}  # often one for all
    known = {mask: file_digest(mask) for mask in masks}
    regions = {part.record.name: known[part.record.roi] for part in parts if part.record.roi is not None}
    told = json.dumps([[part.record.name, part.record.group, part.sha256] for part in parts])
    return {
        "config": config.plan(bank),
        "seed": seed,
        "run": checkpoint,
        "clean": digest(told.encode()),
        "regions": digest(json.dumps(regions, sort_keys=True).encode()) if regions else None,
    }


def open_set(output: Path, plan: dict[str, Any], parts: Sequence[Part], learned_from: Mapping[str, str]) -> None:
    """Start the folder, or take it up where the same was begun; raises UsageError that names what is not the same."""
    sources = merged(learned_from, {part.record.name: part.sha256 for part in parts})
    if (output / PLAN).exists():
        before = read_json(output / PLAN)
        same = {key: value for key, value in plan.items() if key not in ("versions", "where")}
        if isinstance(before, dict) and before.get("clean") != plan["clean"] and (output / SOURCES).exists():
            refuse_changed_part(output, sources)
        refuse_difference(output, before, same)
    else:
        refuse_content(output)
        write_json(output / PLAN, plan)
    if not (output / SOURCES).exists():  # after the plan: a folder with a file but no plan is somebody else's
        write_json(output / SOURCES, sources)


def other_versions(output: Path, plan: Mapping[str, Any]) -> str | None:
    """What has changed since the folder was begun that may change bytes, but not what is painted."""
    before = read_json(output / PLAN).get("versions", {})
    found = "; ".join(differences(before, plan["versions"]))
    return f"{output}: {found}: images may not be the same to the byte, each names its own" if found else None


def refuse_changed_part(output: Path, now: Mapping[str, str]) -> None:
    """Raises UsageError naming the first clean part that is not what it was."""
    before = read_sources(output)
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            change = "changed" if name in before and name in now else "new" if name in now else "gone"
            fix = "restore the clean parts, or choose a new -o"
            raise UsageError(output, "this run was begun on other clean parts", f"{name}, which is {change}", fix)


def paint(task: Task, indices: Iterator[int], count: int, how: How) -> Entries:
    """The entries of the items as they are done: in this process, in several, or wherever `how` says."""
    if not count:
        return
    if how.execute is not None:
        yield from how.execute(task, indices, how.workers, how.hire)
        return
    workers = min(how.workers, count // FEW)
    if workers > 1:
        with Crew(task, workers, how.hire) as crew:
            yield from crew.paint(indices)
        return
    with one_thread():
        yield from paint_here(task, indices, how.hire)


def finish(output: Path, ledger: Ledger, items: Items, own: Sequence[int], bank: Bank) -> dict[str, Any]:
    """Write all tables from the ledger, and drop it; the summary."""
    kinds = items.kinds[own.start :: own.step] if isinstance(own, range) else items.kinds
    summary = Summary({name: int((kinds == kind).sum()) for kind, name in enumerate(items.names)})
    rejected: list[Entry] = []

    def made() -> Iterator[Entry]:
        for entry in ledger.entries():
            summary.add(entry)
            if "rejected" in entry:
                rejected.append(entry)
            else:
                yield entry

    write_tables(output, bank.classes, made())
    write_rejected(output, rejected)
    describe(output, summary)
    ledger.close()
    return summary.json()


def describe(output: Path, summary: Summary) -> None:
    """Write what tells of a set whose tables are there."""
    summary.write(output)
    write_card(output)
    write_croissant(output)


def report_short(output: Path, summary: Mapping[str, Any]) -> None:
    """Raises PartlyDone where images were given up, with the reasons counted."""
    if not summary["given_up"]:
        return
    why = ", ".join(f"{reason} ({times} tries)" for reason, times in summary["reasons"].items())
    found = f"{summary['given_up']} of {summary['count']}: {why}"
    raise PartlyDone(output, "some images could not be painted", found, "see rejected.jsonl; the others are complete")
