"""The scores of `segment/metrics.py` for many weightings of the same images at once: one matrix product each.

A weighting counts each group of images so many times; here R of them are the rows of a matrix. A score that a weighting
does not define (no defect is left in it) is NaN. True and false positives are cumulated over falling thresholds before
they are weighted, which is the same as after, and quicker.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from flawsmith.segment.benchmark.layer import Layer
from flawsmith.segment.metrics import LIMIT

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Weighted:
    """A layer of n images, each in a group, with weights (R, G) of the groups in the order of their names."""

    layer: Layer
    groups: Sequence[str]  # (n,), one an image
    weights: Floats

    @cached_property
    def _owner(self) -> NDArray[np.intp]:
        return np.unique(np.array(self.groups), return_inverse=True)[1]

    def pixels(self, values: NDArray[np.number]) -> Floats:
        """Weighted sums (R, B) of a column of the layer's entries that is called at each of B falling thresholds."""
        return self._called(self.layer.histogram(values, self._owner, self.weights.shape[1]))

    def images(self, chosen: NDArray[np.bool_]) -> Floats:
        """Weighted numbers (R, L) of the chosen images (n,) that are called at each of their L scores, falling."""
        distinct, place = np.unique(self.layer.score, return_inverse=True)
        table = np.zeros((self.weights.shape[1], len(distinct)))
        np.add.at(table, (self._owner, place), chosen)
        return self._called(table)

    def figures(self, values: NDArray[np.number]) -> Floats:
        """Weighted sums (R,) of a figure (n,) of each image."""
        return self.weights @ np.bincount(self._owner, values, self.weights.shape[1])

    def _called(self, rising: Floats) -> Floats:
        return self.weights @ np.cumsum(rising[:, ::-1], 1)


def pixel_ap(of: Weighted) -> Floats:
    """Average precision of pixels (R,)."""
    return average_precision(of.pixels(of.layer.inside), of.pixels(of.layer.outside))


def dice(of: Weighted) -> Floats:
    """Dice (R,) of all pixels together at the threshold that was counted."""
    hit, false, missed = (of.figures(column) for column in of.layer.pixels.T)
    return ratio(2 * hit, 2 * hit + false + missed)


def iou(of: Weighted) -> Floats:
    """Intersection over union (R,) of all pixels together at the threshold that was counted."""
    hit, false, missed = (of.figures(column) for column in of.layer.pixels.T)
    return ratio(hit, hit + false + missed)


def aupro(of: Weighted) -> Floats:
    """Mean share of each region that is found, averaged over false-positive rates up to LIMIT (R,), by trapezoids."""
    good, region = of.pixels(of.layer.outside), of.pixels(of.layer.region)
    rate = _from_zero(ratio(good, good[:, -1:]))
    found = _from_zero(ratio(region, of.figures(of.layer.regions)[:, None]))
    left, width = rate[:, :-1], np.diff(rate)
    used = np.clip(LIMIT - left, 0, width)
    slope = np.divide(np.diff(found), width, out=np.zeros_like(width), where=width > 0)
    return np.asarray((used * (found[:, :-1] + slope * used / 2)).sum(1) / LIMIT)


def image_auroc(of: Weighted) -> Floats:
    """The chance (R,) that an image with a defect scores above one without, ties counted half."""
    true, false = of.images(of.layer.shown), of.images(~of.layer.shown)
    area: Floats = np.asarray(np.trapezoid(_from_zero(true), _from_zero(false)))
    return ratio(area, true[:, -1] * false[:, -1])


def image_ap(of: Weighted) -> Floats:
    """Average precision of images (R,)."""
    return average_precision(of.images(of.layer.shown), of.images(~of.layer.shown))


SCORES: dict[str, Callable[[Weighted], Floats]] = {
    score.__name__: score for score in (pixel_ap, dice, iou, aupro, image_auroc, image_ap)
}


def average_precision(true: Floats, false: Floats) -> Floats:
    """Σ (Rₙ - Rₙ₋₁) Pₙ (R,) of what is rightly and wrongly called (R, B) at falling thresholds."""
    called = true + false
    precision = np.divide(true, called, out=np.zeros_like(true), where=called > 0)
    return ratio((np.diff(true, prepend=0) * precision).sum(1), true[:, -1])


def ratio(part: Floats, whole: Floats) -> Floats:
    """part / whole, NaN where there is nothing."""
    undefined = np.full(np.broadcast(part, whole).shape, np.nan)
    return np.asarray(np.divide(part, whole, out=undefined, where=whole > 0))


def _from_zero(called: Floats) -> Floats:
    """(R, B + 1): with the threshold at which nothing is called."""
    return np.pad(called, ((0, 0), (1, 0)))
