"""Single defects in a probability map: connected pixels at or above the threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from flawsmith.data.geometry.patch import Patch

_TOUCHING = np.ones((3, 3), bool)  # by edge or corner, as the scores count regions


@dataclass(frozen=True, eq=False)
class Found:
    """One defect: its class, the highest probability in it, its pixels."""

    defect: str
    score: float
    patch: Patch


def instances(maps: NDArray[np.float32], classes: Sequence[str], threshold: float, least: int = 1) -> tuple[Found, ...]:
    """The defects of at least `least` px in probabilities (K, H, W), class by class, the surest first."""
    found: list[Found] = []
    for defect, probability in zip(classes, maps, strict=True):
        found += sorted(_of(defect, probability, threshold, least), key=lambda one: -one.score)
    return tuple(found)


def _of(defect: str, probability: NDArray[np.float32], threshold: float, least: int) -> list[Found]:
    """Those of one class, from its map (H, W), in reading order."""
    labels, _ = ndimage.label(probability >= threshold, _TOUCHING)
    found: list[Found] = []
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        mask = labels[box] == number
        if np.count_nonzero(mask) >= least:
            patch = Patch(box[0].start, box[1].start, mask)
            found.append(Found(defect, float(probability[box][mask].max()), patch))
    return found
