"""Scoring a segmenter on whole images at their own size: figures, a table of the images, and pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from flawsmith.data.errors import UserError
from flawsmith.data.files import new_folder, write_json
from flawsmith.data.image import write_image
from flawsmith.data.record import Record
from flawsmith.data.sample import load
from flawsmith.segment.benchmark.counts import COUNTS
from flawsmith.segment.overlay import triptych
from flawsmith.segment.segmenter import Segmenter
from flawsmith.segment.table import file_name, write_table
from flawsmith.segment.tally import HEADER, THRESHOLD, Tally

OVERLAYS, TABLE, METRICS = "overlays", "per_image.csv", "metrics.json"


def evaluate(segmenter: Segmenter, records: Sequence[Record], output: Path) -> Iterator[dict[str, Any]]:
    """Scores every record and writes overlays/, per_image.csv, counts.npz and, last, metrics.json.

    Yields {"step", "steps"} after each image; the last item also holds "metrics", the content of metrics.json. Raises
    UserError where there is nothing to score, UsageError where the folder holds anything but the leavings of an
    interrupted evaluation.
    """
    check(segmenter, records)
    new_folder(output, (OVERLAYS, TABLE, COUNTS))
    tally, steps = Tally(segmenter.classes), len(records)
    for step, record in enumerate(records, 1):
        sample = load(record, segmenter.classes)
        tally.add(record, segmenter.predict(sample.image), sample.masks)
        yield {"step": step, "steps": steps}
    for name, record in chosen(tally, records).items():
        sample = load(record, segmenter.classes)
        picture = triptych(sample.image, sample.masks, segmenter.predict(sample.image), THRESHOLD)
        write_image(output / OVERLAYS / f"{name}.png", picture)
    write_table(output / TABLE, tally.rows, HEADER)
    tally.counts().save(output / COUNTS)
    write_json(output / METRICS, tally.result())
    yield {"step": steps, "steps": steps, "metrics": tally.result()}


def check(segmenter: Segmenter, records: Sequence[Record]) -> None:
    """Raises UserError where there is no image, or one that shows only classes that the segmenter does not know."""
    if not records:
        raise UserError("evaluate", "needs at least one image to score", 0)
    known = set(segmenter.classes)
    unknown = sorted({record.defects[0] for record in records if record.defects and not known & set(record.defects)})
    if unknown:
        rule = f"the model knows the classes {', '.join(segmenter.classes)}"
        raise UserError("evaluate", rule, ", ".join(unknown), "score the classes that it was trained on")


def chosen(tally: Tally, records: Sequence[Record]) -> dict[str, Record]:
    """The records to show: best, median and worst of each class by the image's own pixel AP, and the worst good one."""
    picks: dict[str, Record] = {}
    for k, name in enumerate(tally.classes):
        members = [i for i, shown in enumerate(tally.shown) if shown[k]]
        ranked = sorted(members, key=lambda i: float(tally.rows[i]["pixel_ap"] or 0), reverse=True)
        for place, rank in (("best", 0), ("median", len(ranked) // 2), ("worst", -1)) if ranked else ():
            picks[f"{k + 1}-{file_name(name)}-{place}"] = records[ranked[rank]]
    good = [i for i, shown in enumerate(tally.shown) if not any(shown)]
    if good:
        picks["good-worst"] = records[max(good, key=lambda i: float(tally.rows[i]["score"] or 0))]
    return picks
