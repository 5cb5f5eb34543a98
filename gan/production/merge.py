"""Shards joined to one set: the bytes that a single machine would have written."""

from __future__ import annotations

import heapq
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.files import cannot_write, file_digest, read_json, read_text, write_json, write_text
from flawsmith.data.lock import locked
from flawsmith.data.painted_set import PLAN, PROVENANCE, identity_of, read_classes, write_tables
from flawsmith.data.plan import differences, refuse_content, refuse_difference
from flawsmith.data.record import GOOD
from flawsmith.data.sources import SOURCES
from flawsmith.gan.production.config import GenerateConfig, items_of
from flawsmith.gan.production.generate import describe, report_short
from flawsmith.gan.production.items import Items
from flawsmith.gan.production.ledger import JOURNAL, REJECTED, Entry, remove_parts, write_rejected
from flawsmith.gan.production.summary import Summary

SHARDS = "shard-*-of-*"
_SHOWN = 5  # missing numbers that a message names


def merge(folders: Sequence[Path], output: Path) -> Iterator[dict[str, Any]]:
    """Joins the shards of one set (or folders that hold shards) into `output`; yields {"done", "count"}.

    Every file is compared with its digest on the way. Raises UsageError for shards of different sets, UserError where
    an image is missing, there twice, or not what its provenance says. Files are linked where the file system can.
    """
    shards = shards_of(folders)
    plans = [read_plan(shard) for shard in shards]
    for shard, plan in zip(shards[1:], plans[1:], strict=True):
        refuse_other(shard, plans[0], plan)
    config = GenerateConfig.from_plan(plans[0]["config"])
    items = items_of(dict(config.counts), config.good)
    check_complete(shards, len(items))
    classes = sorted({name for shard in shards for name in read_classes(shard)})
    with locked(output):
        open_merged(output, shards[0], plans[0])
        done = 0
        for shard in shards:
            for entry in lines(shard / PROVENANCE):
                for key in ("image", "mask"):
                    if entry[key] is not None:
                        take(shard, output, entry[key], entry[f"{key}_sha256"])
                done += 1
                yield {"task": "merge", "done": done, "count": len(items)}
        report_short(output, finish(output, shards, items, classes))


def shards_of(folders: Sequence[Path]) -> list[Path]:
    """The shards named, or found in the folders named."""
    found = []
    for folder in folders:
        inside = [folder] if (folder / PLAN).exists() else sorted(folder.glob(SHARDS))
        if not inside:
            raise UsageError(folder, "a shard, or a folder that holds shards", "neither", "generate --shard makes them")
        found += inside
    return found


def read_plan(shard: Path) -> dict[str, Any]:
    """A finished shard's plan; raises UserError where there is none, or it is still being painted."""
    plan = read_json(shard / PLAN)
    if not isinstance(plan, dict) or not isinstance(plan.get("config"), dict):
        raise UserError(shard / PLAN, "a plan that generate wrote", type(plan).__name__, "generate it again")
    if (shard / JOURNAL).exists() or not (shard / PROVENANCE).exists():
        raise UserError(shard, "the shard is not finished", None, "give its generate command again")
    return plan


def refuse_other(shard: Path, first: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
    """Raises UsageError, naming the difference, where two shards are not of one set."""
    if identity_of(first) == identity_of(plan):
        return
    found = "; ".join(text for text in differences(first, plan) if not text.startswith(("where", "shard", "versions")))
    raise UsageError(shard, "all shards are of one set", found, "generate it with the same options and clean parts")


def check_complete(shards: Sequence[Path], count: int) -> None:
    """Raises UserError where an image is missing, or there twice."""
    seen = bytearray(count)
    for shard in shards:
        for name in (PROVENANCE, REJECTED, "pruned/provenance.jsonl"):
            for entry in lines(shard / name):
                index = entry.get("index", -1)
                if not 0 <= index < count or seen[index]:
                    rule = "every image of the set is there once"
                    found = f"number {index} twice" if 0 <= index < count else f"number {index} of {count}"
                    raise UserError(shard, rule, found, "name each shard once")
                seen[index] = 1
    missing = [index for index in range(count) if not seen[index]]
    if missing:
        first = ", ".join(map(str, missing[:_SHOWN])) + (" …" if len(missing) > _SHOWN else "")
        found = f"{len(missing)} of {count} missing: {first}"
        raise UserError(", ".join(map(str, shards)), "every image of the set is there once", found, "name all shards")


def lines(path: Path) -> Iterator[Entry]:
    """The entries of a table, one after the other; none where there is no such file."""
    if not path.exists():
        return
    with path.open("rb") as table:
        for number, line in enumerate(table, 1):
            try:
                yield json.loads(line)
            except ValueError as error:
                raise UserError(f"{path}:{number}", "one JSON object a line", error, "generate it again") from error


def open_merged(output: Path, shard: Path, plan: dict[str, Any]) -> None:
    """Start the folder, or go on with a merge that was interrupted."""
    whole = plan | {"shard": None}
    if (output / PLAN).exists():
        refuse_difference(output, read_json(output / PLAN), {k: v for k, v in whole.items() if k != "versions"})
        remove_parts(output)
    else:
        refuse_content(output)
        write_json(output / PLAN, whole)
    if not (output / SOURCES).exists():
        write_text(output / SOURCES, read_text(shard / SOURCES))


def take(shard: Path, output: Path, name: str, sha256: str) -> None:
    """Links or copies a file, and checks that it is what it was; raises UserError where not."""
    source, target = shard / name, output / name
    if file_digest(source) != sha256:
        raise UserError(source, "the file is what its provenance says", "another SHA-256", "paint that shard again")
    part = target.with_name(f".{target.name[:200]}.part")
    try:
        target.parent.mkdir(exist_ok=True)
        part.unlink(missing_ok=True)
        try:
            os.link(source, part)
        except OSError:  # another file system, or one without links
            shutil.copyfile(source, part)
        part.replace(target)
        part.unlink(missing_ok=True)  # replacing a file by a link to itself does nothing
    except OSError as error:
        raise cannot_write(target, error) from error


def finish(output: Path, shards: Sequence[Path], items: Items, classes: Sequence[str]) -> dict[str, Any]:
    """Write all tables of the joined set; its summary."""
    summary = Summary({name: int((items.kinds == kind).sum()) for kind, name in enumerate(items.names)})

    def joined(name: str) -> Iterator[Entry]:
        for entry in heapq.merge(*(lines(shard / name) for shard in shards), key=lambda entry: int(entry["index"])):
            summary.add(entry)
            yield entry

    write_tables(output, [name for name in classes if name != GOOD], joined(PROVENANCE))
    write_rejected(output, joined(REJECTED))
    describe(output, summary)
    return summary.json()
