"""Painting a whole data set: images, masks, manifest, COCO and provenance; resumable."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from flawsmith.data.errors import PartlyDone, UsageError, UserError
from flawsmith.data.files import write_json, write_text
from flawsmith.data.formats.coco import CocoImage, document
from flawsmith.data.journal import Journal
from flawsmith.data.plan import open_run
from flawsmith.data.record import Record
from flawsmith.data.sources import read_sources, write_sources
from flawsmith.gan.run import Run
from flawsmith.gan.worker import CHUNK, GenerateConfig, Task, Worker, digest, paint_in_worker, start_worker


def generate(
    run: Path,
    clean: Sequence[Record],
    config: GenerateConfig,
    output: Path,
    seed: int,
    device: torch.device,
    workers: int = 1,
) -> Iterator[dict[str, Any]]:
    """Paint `config.count` images on the clean parts into `output`; yields {"done", "count"}; resumes by itself.

    Raises PartlyDone at the end where images had to be given up; everything else is complete then.
    """
    opened = Run.open(run)
    check_classes(opened, config)
    if not clean:
        raise UserError(
            "--clean", "there are no good parts to paint on", 0, "name a folder with images without defects"
        )
    plan = {
        "config": asdict(config) | {"classes": list(config.classes)},
        "seed": seed,
        "run": opened.fingerprint(config.painter),
        "clean": digest("\n".join(record.name for record in clean).encode()),
    }
    open_run(output, plan)
    write_sources(output, clean, read_sources(run))
    journal = Journal(output / "journal.jsonl")
    done = {entry["index"]: entry for entry in journal.entries()}
    identity = digest(json.dumps(plan, sort_keys=True).encode())
    task = Task(run, tuple(clean), config, output, seed, str(device), identity)
    missing = [index for index in range(config.count) if index not in done]
    for entries in paint_all(task, missing, workers if device.type == "cpu" else 1):
        journal.append(entries)
        done |= {entry["index"]: entry for entry in entries}
        yield {"done": len(done), "count": config.count}
    entries = [done[index] for index in sorted(done)]
    finish(output, [entry for entry in entries if "image" in entry], opened.bank.classes)
    report_rejected(output, [entry for entry in entries if "image" not in entry], config.count)


def check_classes(run: Run, config: GenerateConfig) -> None:
    """Raises UsageError for a class that the run has not learned."""
    unknown = sorted(set(config.classes) - set(run.bank.classes))
    if unknown:
        raise UsageError("--classes", f"this run learned {', '.join(run.bank.classes)}", ", ".join(unknown))


def paint_all(task: Task, indices: Sequence[int], workers: int) -> Iterator[list[dict[str, Any]]]:
    """Chunks of entries as they are done; in this process, or in `workers` of them where the work is worth it."""
    if not indices:
        return
    chunks = [indices[start : start + CHUNK] for start in range(0, len(indices), CHUNK)]
    workers = min(workers, len(chunks) // 2)  # a process takes seconds to start: as long as two chunks
    if workers <= 1:
        yield from map(Worker(task).paint, chunks)
        return
    # spawn: torch's threads do not survive a fork.
    with ProcessPoolExecutor(workers, get_context("spawn"), start_worker, (task,)) as pool:
        try:
            yield from pool.map(paint_in_worker, chunks)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def finish(output: Path, entries: Sequence[dict[str, Any]], classes: Sequence[str]) -> None:
    """Write manifest.csv, annotations.json and provenance.jsonl from the journal's entries."""
    header = ("image", "mask", "class", "group", "origin")
    rows = [",".join(header), *(",".join(quoted(entry[name]) for name in header) for entry in entries)]
    images = [CocoImage(e["image"], e["size"][1], e["size"][0], tuple(e["coco"])) for e in entries]
    write_json(output / "annotations.json", document(images, classes))
    kept = [{key: value for key, value in entry.items() if key not in ("coco", "size")} for entry in entries]
    write_text(output / "provenance.jsonl", "".join(json.dumps(entry, sort_keys=True) + "\n" for entry in kept))
    write_text(output / "manifest.csv", "\n".join(rows) + "\n")


def quoted(text: str) -> str:
    """A CSV field."""
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"\n\r') else text


def report_rejected(output: Path, entries: Sequence[dict[str, Any]], count: int) -> None:
    """List the images that were given up in rejected.jsonl and raise PartlyDone; nothing where there are none."""
    if not entries:
        return
    write_text(output / "rejected.jsonl", "".join(json.dumps(entry, sort_keys=True) + "\n" for entry in entries))
    reasons = sum((Counter(entry["rejected"]) for entry in entries), Counter[str]())
    why = ", ".join(f"{reason} ({times} tries)" for reason, times in reasons.most_common())
    found = f"{len(entries)} of {count}: {why}"
    raise PartlyDone(output, "some images could not be painted", found, "see rejected.jsonl; the others are complete")
