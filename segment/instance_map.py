"""Mean average precision of objects, as COCO defines it: masks compared at ten overlaps from 0.5 to 0.95.

Computed by faster-coco-eval (extra: coco), whose figures are pycocotools' own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as rle

from flawsmith.data.record import Record
from flawsmith.data.sample import instances
from flawsmith.segment.extras import extra
from flawsmith.segment.models.objects import Object

INSIDE = 0.5  # probability from which a pixel belongs to an object
AREA_ALL, MOST = 0, 2  # of the last two axes of the precisions: objects of every size, up to 100 an image
HALF, THREE_QUARTERS = 0, 5  # overlaps 0.5 and 0.75 among the ten


@dataclass
class InstanceMAP:
    """True and found objects of the images so far, in the form of COCO."""

    classes: tuple[str, ...]
    images: list[dict[str, Any]] = field(default_factory=list)
    true: list[dict[str, Any]] = field(default_factory=list)
    found: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Raises UsageError where what computes the figures is not installed: better now than after an hour."""
        extra("faster_coco_eval")

    def add(self, record: Record, found: Iterable[Object], height: int, width: int) -> None:
        """Counts one image of this size: the objects labelled in its record, and those that were found."""
        image = len(self.images) + 1
        self.images.append({"id": image, "height": height, "width": width})
        for name, patch in instances(record, height, width):
            if name in self.classes and patch.mask.any():
                one = _object(image, self.classes.index(name), patch.mask, (patch.top, patch.left), (height, width))
                self.true.append({**one, "id": len(self.true) + 1, "iscrowd": 0, "area": int(patch.mask.sum())})
        for guess in found:
            inside = guess.values >= INSIDE
            if inside.any():
                one = _object(image, guess.defect, inside, (guess.top, guess.left), (height, width))
                self.found.append({**one, "score": guess.score})

    def content(self) -> dict[str, Any]:
        """The truth as a COCO data set."""
        categories = [{"id": k + 1, "name": name} for k, name in enumerate(self.classes)]
        return {"info": {}, "images": self.images, "annotations": self.true, "categories": categories}

    def result(self) -> dict[str, Any]:
        """{"map", "map_50", "map_75", "per_class", "objects", "found"}; None where nothing is labelled."""
        precision = self._precision()
        return {
            "map": mean(precision),
            "map_50": mean(precision[HALF]),
            "map_75": mean(precision[THREE_QUARTERS]),
            "per_class": {name: mean(precision[..., k]) for k, name in enumerate(self.classes)},
            "objects": len(self.true),
            "found": len(self.found),
        }

    def _precision(self) -> NDArray[np.float64]:
        """By overlap, recall and class (10, 101, K), -1 where nothing is labelled."""
        if not self.true or not self.found:
            labelled = {one["category_id"] for one in self.true}
            rows = [0.0 if k + 1 in labelled else -1.0 for k in range(len(self.classes))]
            return np.broadcast_to(np.array(rows), (10, 101, len(rows)))
        package = extra("faster_coco_eval")
        truth = package.COCO(self.content())
        scored = package.COCOeval_faster(truth, truth.loadRes(self.found), "segm", print_function=_say_nothing)
        scored.evaluate()
        scored.accumulate()
        return np.asarray(scored.eval["precision"], np.float64).reshape(10, 101, len(self.classes), 4, -1)[
            ..., AREA_ALL, MOST
        ]


def mean(precision: NDArray[np.float64]) -> float | None:
    """Of those that are defined."""
    known = precision[precision > -1]
    return float(known.mean()) if known.size else None


def _object(
    image: int, defect: int, mask: NDArray[np.bool_], corner: tuple[int, int], size: tuple[int, int]
) -> Mapping[str, Any]:
    """What a true and a found object have in common; the mask (h, w) lies at a corner (top, left) of the image."""
    (top, left), (height, width) = corner, mask.shape
    whole = np.zeros(size, np.uint8, order="F")
    whole[top : top + height, left : left + width] = mask
    encoded = rle.encode(whole)
    counts = {"size": list(size), "counts": encoded["counts"].decode()}
    box = [float(value) for value in rle.toBbox(encoded)]
    return {"image_id": image, "category_id": defect + 1, "segmentation": counts, "bbox": box}


def _say_nothing(*_: object) -> None:
    """In place of print."""
