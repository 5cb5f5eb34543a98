"""Taking out of a painted set what a person rejected; nothing is lost: it moves to pruned/ within the set."""

import json
import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from shutil import copyfile

from flawsmith.data.card import write_card
from flawsmith.data.croissant import write_croissant
from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.files import PART, atomic, cannot_write, read_json
from flawsmith.data.lock import locked
from flawsmith.data.painted_set import (
    PLAN,
    PROVENANCE,
    PRUNED,
    Line,
    identity,
    pruned_lines,
    read_classes,
    read_lines,
    write_tables,
)
from flawsmith.data.set_facts import SetFacts

SAVE = "save it from the review sheet again"


def prune(out: Path, rejected: Path, output: Path | None = None) -> dict[str, int]:
    """Drops the images whose ids `rejected` lists from `out`, or from a copy of it at `output`; counts both sides.

    An interrupted one given again ends in the same state. Raises UserError for damage, another set or an unknown id,
    before anything is changed.
    """
    wanted = read_rejected(rejected, identity(out))
    refuse_unknown(out, wanted, rejected)
    if output is not None and output.resolve().is_relative_to(out.resolve()):
        raise UsageError(output, "the copy lies outside the set", "a folder of the set", "leave -o away to prune it")
    target = output or out
    with locked(target):
        sweep(target)
        if output is not None:
            copy_set(out, output)
        return drop(target, wanted)


def read_rejected(path: Path, known: str) -> dict[str, None]:
    """The ids in the file, in its order, each once; raises UserError unless it was saved for the set `known`."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(path, "must be a JSON object", type(content).__name__, SAVE)
    if set(content) != {"set", "rejected"}:
        raise UserError(path, "has the keys set and rejected", ", ".join(map(repr, content))[:80] or "none", SAVE)
    ids = content["rejected"]
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
        raise UserError(path, "rejected is a list of ids", repr(ids)[:80], SAVE)
    if content["set"] != known:
        fix = "give the file that was saved from this set's own review sheet"
        raise UserError(path, f"belongs to another set than {known[:12]}", repr(content["set"])[:40], fix)
    return dict.fromkeys(ids)


def refuse_unknown(out: Path, wanted: Collection[str], where: Path) -> None:
    """Raises UserError naming the first id that is neither in the set nor pruned from it; reads every line."""
    missing = dict.fromkeys(wanted)
    for line in read_lines(out):
        missing.pop(line["id"], None)
    for line in pruned_lines(out):
        missing.pop(line["id"], None)
    if missing:
        raise UserError(where, f"rejects images of {out}", f"{next(iter(missing))!r}, which is none of them", SAVE)


def pruned_ids(out: Path) -> set[str]:
    """The ids of what was pruned: who writes the tables of the set again leaves these out."""
    return {line["id"] for line in pruned_lines(out)}


def drop(out: Path, wanted: Collection[str]) -> dict[str, int]:
    """Writes down what is pruned, then the tables without it, then moves its files: each step can be redone."""
    note_pruned(out, wanted)
    gone = pruned_ids(out)
    kept = write_tables(out, read_classes(out), (line for line in read_lines(out) if line["id"] not in gone))
    for line in pruned_lines(out):
        for name in filter(None, (line["image"], line.get("mask"))):
            move(out / name, out / PRUNED / name)
    facts = SetFacts.of(out)
    write_card(out, facts)
    write_croissant(out, facts)
    return {"pruned": len(gone), "kept": kept}


def note_pruned(out: Path, wanted: Collection[str]) -> None:
    """Adds the lines of the wanted ids that the set still has to pruned/provenance.jsonl."""
    before = pruned_ids(out)
    if not before.issuperset(wanted):
        with atomic(out / PRUNED / PROVENANCE) as part, part.open("w", encoding="utf-8", newline="") as file:
            file.writelines(_text(line) for line in pruned_lines(out))
            new = (line for line in read_lines(out) if line["id"] in wanted and line["id"] not in before)
            file.writelines(_text(line) for line in new)


def _text(line: Line) -> str:
    return json.dumps(line, sort_keys=True, allow_nan=False) + "\n"


def move(source: Path, target: Path) -> None:
    """Moves a file unless it was moved before; raises UserError where the system refuses."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            source.replace(target)
    except OSError as error:
        raise cannot_write(target, error) from error


def sweep(folder: Path) -> None:
    """Removes what a killed command left unfinished; the caller holds the lock, so nobody is at work on it."""
    for part in folder.rglob(f".*{PART}"):
        part.unlink(missing_ok=True)


def copy_set(out: Path, output: Path) -> None:
    """Copies each file that `output` neither has nor has pruned; raises UsageError where `output` is taken."""
    held = next((one.name for one in output.iterdir() if not one.name.startswith(".")), None)
    if held and not ((output / PLAN).exists() and identity(output) == identity(out)):
        raise UsageError(output, "the output must be a new folder", f"a folder that holds {held}", "choose another -o")
    copy_file(out / PLAN, output / PLAN)  # first: it says whose copy was begun
    for folder, folders, files in os.walk(out):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for path in (Path(folder, name) for name in sorted(files) if not name.startswith(".")):
            name = path.relative_to(out)
            if not (output / PRUNED / name).exists():
                copy_file(path, output / name)


def copy_file(source: Path, target: Path) -> None:
    """Copies a file that is not there yet, whole or not at all."""
    if not target.exists():
        with atomic(target) as part:
            copyfile(source, part)
