"""An image painted again from its provenance, and compared with what lies there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from flawsmith.data.errors import UserError
from flawsmith.data.files import file_digest, read_json
from flawsmith.data.formats.reading import Data
from flawsmith.data.image import read_image
from flawsmith.data.painted_set import PLAN, identity_of, read_lines
from flawsmith.data.read import read
from flawsmith.data.record import Record
from flawsmith.data.region import with_regions
from flawsmith.gan.production.config import GenerateConfig
from flawsmith.gan.production.generate import digested
from flawsmith.gan.production.task import Task
from flawsmith.gan.production.versions import versions
from flawsmith.gan.production.worker import Attempt, Entry, Worker, digest, one_thread
from flawsmith.gan.run import Run


@dataclass(frozen=True)
class Replayed:
    """What came of painting an image again: its new entry, what of it differs, and versions that do (before → now)."""

    entry: Entry
    different: tuple[str, ...]
    versions: dict[str, str]


def replay(
    out: Path,
    name: str,
    device: torch.device,
    run: Path | None = None,
    clean: Data | None = None,
    region: str | None = None,
    output: Path | None = None,
) -> Replayed:
    """Paint image `name` (its id, number or file name) of the set `out` again; kept where `output` is given.

    Run, clean parts and region are those that the plan names, unless given. Raises UserError where there is no such
    image, or run or clean part are not what they were.
    """
    plan, entry = read_json(out / PLAN), find(out, name)
    where = plan.get("where", {})
    folder = run or _named(out, where, "run")
    part = clean_part(out, entry, clean or _named(out, where, "clean"), region or where.get("region") or "auto")
    opened = Run.open(folder)
    config = GenerateConfig.from_plan(plan["config"])
    checkpoint = opened.fingerprint(config.painter)
    if checkpoint != plan["run"]:
        rule = "the run must be the one that painted the set"
        raise UserError(folder, rule, f"checksum {checkpoint[:16]} for {plan['run'][:16]}", "name it with --run")
    digits = len(Path(entry["image"]).stem)
    with TemporaryDirectory() as scratch, one_thread():
        to = output or Path(scratch)
        task = Task(
            folder, digested([part]), config, to, plan["seed"], str(device), identity_of(plan), checkpoint, digits
        )
        worker = Worker(task)
        (made,) = worker.paint_together([Attempt(worker, entry["index"], entry["again"])])
    before, now = entry.get("versions", {}), versions(device)
    changed = {key: f"{before.get(key)} → {now[key]}" for key in now if before.get(key) != now[key]}
    return Replayed(made, tuple(differences(out, entry, made)), changed)


def find(out: Path, name: str) -> Entry:
    """The entry of an image by id, number or file name; raises UserError where there is none."""
    for entry in read_lines(out):
        if name in (entry["id"], str(entry["index"]), entry["image"], Path(entry["image"]).name):
            return entry
    raise UserError(out, "an image of the set, by id, number or file name", name, "see provenance.jsonl")


def _named(out: Path, where: Mapping[str, Any], key: str) -> Path:
    """Where the plan says that something lies; raises UserError where it is not there."""
    path = Path(where.get(key) or "")
    for place in (path, out.parent / path):
        if where.get(key) and place.exists():
            return place
    raise UserError(out, f"the {key} that the set was painted with", where.get(key) or "none named", f"give --{key}")


def clean_part(out: Path, entry: Entry, clean: Data, region: str) -> Record:
    """The good part that an image was painted on; raises UserError where it is not what it was."""
    part = next((record for record in read(clean).records if record.name == entry["clean"]), None)
    if part is None or file_digest(part.image) != entry["clean_sha256"]:
        found = "no such image" if part is None else "another SHA-256"
        raise UserError(out, f"the clean part {entry['clean']} must be in {clean}, unchanged", found, "give --clean")
    return with_regions([part], region)[0]


def differences(out: Path, entry: Entry, made: Entry) -> list[str]:
    """What of an image is not as it was painted, in words; nothing where every byte is."""
    if "rejected" in made:
        return [f"it could not be painted: {', '.join(made['rejected'])}"]
    found = []
    for key, what in (("pixels_sha256", "pixels"), ("image_sha256", "image file"), ("mask_sha256", "mask file")):
        if entry.get(key) != made[key]:
            found.append(what)
    if [one["rle"] for one in entry["defects"]] != [one["rle"] for one in made["defects"]]:
        found.append("labels")
    if digest(read_image(out / entry["image"])) != entry["pixels_sha256"]:
        found.append("the file that lies there, which was changed since")
    return found
