"""Scoring a model on whole images at their own size: figures, a table of the images, and pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.errors import UserError
from flawsmith.data.files import new_folder, write_json
from flawsmith.data.image import write_image
from flawsmith.data.record import Record
from flawsmith.data.sample import load
from flawsmith.segment.accuracy import Accuracy
from flawsmith.segment.benchmark.counts import COUNTS
from flawsmith.segment.instance_map import InstanceMAP
from flawsmith.segment.model import Model
from flawsmith.segment.models.objects import Finder, Grader, Maps, Object, drawn
from flawsmith.segment.overlay import triptych
from flawsmith.segment.table import file_name, write_table
from flawsmith.segment.tally import HEADER, THRESHOLD, Tally

OVERLAYS, TABLE, METRICS = "overlays", "per_image.csv", "metrics.json"


def evaluate(model: Model, records: Sequence[Record], output: Path) -> Iterator[dict[str, Any]]:
    """Scores every record and writes overlays/, per_image.csv, counts.npz and, last, metrics.json.

    A model that tells objects apart also has "instances" in its metrics; one that only grades images has "accuracy",
    and no pixel score.

    Yields {"step", "steps"} after each image; the last item also holds "metrics", the content of metrics.json. Raises
    UserError where there is nothing to score, UsageError where the folder holds anything but the leavings of an
    interrupted evaluation.
    """
    check(model, records)
    objects = InstanceMAP(model.classes) if isinstance(model, Finder) else None
    accuracy = Accuracy(model.classes, THRESHOLD) if isinstance(model, Grader) else None
    new_folder(output, (OVERLAYS, TABLE, COUNTS))
    tally, steps = Tally(model.classes, places=accuracy is None), len(records)
    for step, record in enumerate(records, 1):
        sample = load(record, model.classes)
        maps, found = look(model, sample.image)
        tally.add(record, maps, sample.masks)
        if objects is not None:
            objects.add(record, found, *sample.image.shape[:2])
        if accuracy is not None:
            accuracy.add(maps[:, 0, 0], tally.shown[-1])
        yield {"step": step, "steps": steps}
    _draw(model, chosen(tally, records), output)
    write_table(output / TABLE, tally.rows, HEADER)
    tally.counts().save(output / COUNTS)
    metrics = tally.result()
    metrics |= {"instances": objects.result()} if objects is not None else {}
    metrics |= {"accuracy": accuracy.result()} if accuracy is not None else {}
    write_json(output / METRICS, metrics)
    yield {"step": steps, "steps": steps, "metrics": metrics}


def look(model: Model, image: NDArray[Any]) -> tuple[Maps, tuple[Object, ...]]:
    """The maps (K, H, W) of an image (H, W, C), and the objects that they were drawn from, if any; one prediction."""
    if not isinstance(model, Finder):
        return model.predict(image), ()
    found = model.find(image)
    return drawn(found, len(model.classes), *image.shape[:2]), found


def _draw(model: Model, picks: Mapping[str, Record], output: Path) -> None:
    """Writes the overlays of the chosen records; of a model that knows no places, without a prediction."""
    for name, record in picks.items():
        sample = load(record, model.classes)
        maps = model.predict(sample.image)
        shown = np.zeros_like(maps) if isinstance(model, Grader) else maps
        write_image(output / OVERLAYS / f"{name}.png", triptych(sample.image, sample.masks, shown, THRESHOLD))


def check(model: Model, records: Sequence[Record]) -> None:
    """Raises UserError where there is no image, or one that shows only classes that the model does not know."""
    if not records:
        raise UserError("evaluate", "needs at least one image to score", 0)
    known = set(model.classes)
    unknown = sorted({record.defects[0] for record in records if record.defects and not known & set(record.defects)})
    if unknown:
        rule = f"the model knows the classes {', '.join(model.classes)}"
        raise UserError("evaluate", rule, ", ".join(unknown), "score the classes that it was trained on")


def chosen(tally: Tally, records: Sequence[Record]) -> dict[str, Record]:
    """The records to show: best, median and worst of each class by the image's own pixel AP, and the worst good one.

    A model that knows no places is shown by the image's score.
    """
    picks: dict[str, Record] = {}
    for k, name in enumerate(tally.classes):
        members = [i for i, shown in enumerate(tally.shown) if shown[k]]
        by = "pixel_ap" if tally.places else "score"
        ranked = sorted(members, key=lambda i: float(tally.rows[i][by] or 0), reverse=True)
        for place, rank in (("best", 0), ("median", len(ranked) // 2), ("worst", -1)) if ranked else ():
            picks[f"{k + 1}-{file_name(name)}-{place}"] = records[ranked[rank]]
    good = [i for i, shown in enumerate(tally.shown) if not any(shown)]
    if good:
        picks["good-worst"] = records[max(good, key=lambda i: float(tally.rows[i]["score"] or 0))]
    return picks
