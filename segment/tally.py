"""The scores of many images as they come: counts per class and of all defects together, a row an image.

Beside the sums it keeps what each image added, in small tables, so that a benchmark can resample the images later.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.record import Record
from flawsmith.segment.benchmark.counts import Counts as ImageCounts
from flawsmith.segment.benchmark.layer import Gatherer
from flawsmith.segment.metrics import PIXEL_SCORES, Counts, average_precision, confusion, ratio
from flawsmith.segment.table import Cell

THRESHOLD = 0.5  # of Dice and IoU, fixed beforehand: choosing it on test images would flatter
HEADER = ("image", "group", "defects", "score", "pixel_ap", "dice", "iou", "missed_px", "false_px")


@dataclass
class Tally:
    """What is known after some images. Every image counts for every class: another class's defect is no excuse."""

    classes: tuple[str, ...]
    places: bool = True  # False: the maps are the same everywhere, and every pixel score is left out
    per_class: list[Counts] = field(default_factory=list)
    overall: Counts = field(default_factory=Counts)
    rows: list[dict[str, Cell]] = field(default_factory=list)
    shown: list[tuple[bool, ...]] = field(default_factory=list)  # per image: is there a pixel of each class?
    gatherers: list[Gatherer] = field(default_factory=list)  # per class: what each image adds
    gatherer: Gatherer = field(default_factory=Gatherer)  # the same of all defects together

    def __post_init__(self) -> None:
        self.per_class = self.per_class or [Counts() for _ in self.classes]
        self.gatherers = self.gatherers or [Gatherer() for _ in self.classes]

    def add(self, record: Record, maps: NDArray[np.float32], truth: NDArray[np.bool_]) -> None:
        """Counts one image: probabilities and truth (K, H, W); overall, the highest map counts against any defect."""
        for counts, gatherer, scores, mask in zip(self.per_class, self.gatherers, maps, truth, strict=True):
            _count(counts, gatherer, scores, mask)
        union: NDArray[np.bool_] = np.logical_or.reduce(truth, axis=0)
        one, score = _count(self.overall, self.gatherer, maps.max(0), union)
        tp, fp, fn = confusion(one.defect, one.good, THRESHOLD)
        self.shown.append(tuple(bool(mask.any()) for mask in truth))
        self.rows.append(
            {
                "image": record.name,
                "group": record.group,
                "defects": ";".join(name for name, there in zip(self.classes, self.shown[-1], strict=True) if there),
                "score": score,
                "pixel_ap": average_precision(one.defect, one.good) if self.places else None,
                "dice": ratio(2 * tp, 2 * tp + fp + fn) if self.places and union.any() else None,
                "iou": ratio(tp, tp + fp + fn) if self.places and union.any() else None,
                "missed_px": int(fn) if self.places else None,
                "false_px": int(fp) if self.places else None,
            }
        )

    def result(self) -> dict[str, Any]:
        """Scores overall and per class, and the numbers of images that they were computed on."""
        per_class = zip(self.classes, self.per_class, strict=True)
        return {
            "overall": self._scores(self.overall),
            "per_class": {name: self._scores(counts) for name, counts in per_class},
            "images": {
                "all": len(self.rows),
                "good": sum(not any(shown) for shown in self.shown),
                "per_class": {name: sum(shown[k] for shown in self.shown) for k, name in enumerate(self.classes)},
            },
            "threshold": THRESHOLD,
        }

    def _scores(self, counts: Counts) -> dict[str, float | None]:
        scores = counts.scores(THRESHOLD)
        return scores if self.places else scores | dict.fromkeys(PIXEL_SCORES)

    def counts(self) -> ImageCounts:
        """What each image added."""
        names, groups = (tuple(str(row[key]) for row in self.rows) for key in ("image", "group"))
        layers = tuple(gatherer.layer() for gatherer in self.gatherers)
        return ImageCounts(names, groups, self.classes, layers, self.gatherer.layer())


def _count(
    total: Counts, gatherer: Gatherer, scores: NDArray[np.float32], mask: NDArray[np.bool_]
) -> tuple[Counts, float]:
    """Adds one image to the sums and to the tables; returns its own counts and its score."""
    one = Counts()
    score = one.add(scores, mask)
    gatherer.add(one, score, THRESHOLD)
    for name, value in vars(one).items():
        setattr(total, name, getattr(total, name) + value)
    return one, score
