"""Grading images with a model that knows no places: a table, and neither maps nor masks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from flawsmith.data.errors import PartlyDone, UsageError, UserError
from flawsmith.data.files import new_folder
from flawsmith.data.image import read_image
from flawsmith.data.record import GOOD
from flawsmith.segment.models.objects import Grader
from flawsmith.segment.places import Sources
from flawsmith.segment.table import Cell, write_table

TABLE = "predictions.csv"


def grade_images(model: Grader, sources: Sources, output: Path, threshold: float) -> Iterator[dict[str, Any]]:
    """Writes predictions.csv: of each image the most probable class, or good below the threshold, and all of them.

    Yields {"step", "steps"} after each image. Raises UsageError for a video, PartlyDone at the end where some images
    could not be read: the others are complete.
    """
    if sources.videos:
        raise UsageError("predict", "a classifier grades images", ", ".join(sources.videos), "give it single frames")
    new_folder(output)
    rows: list[dict[str, Cell]] = []
    failed: list[UserError] = []
    for step, path in enumerate(sources.images.values(), 1):
        try:
            image = read_image(path)
        except UserError as error:
            failed.append(error)
        else:
            grades = model.grade(image)
            best = int(np.argmax(grades))
            called = model.classes[best] if grades[best] >= threshold else GOOD
            each = {f"{name} probability": float(grade) for name, grade in zip(model.classes, grades, strict=True)}
            rows.append({"image": str(path), "score": float(grades[best]), "defect": called, **each})
        yield {"step": step, "steps": len(sources.images)}
    header = ("image", "score", "defect", *(f"{name} probability" for name in model.classes))
    write_table(output / TABLE, rows, header)
    if failed:
        raise PartlyDone(output, f"{len(failed)} of {len(sources.images)} images could not be read", failed[0])
