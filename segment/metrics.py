"""Scores of probability maps against true masks, exact on scores of 16 bits, in memory that does not grow with images.

Two stages: `Counts` adds up histograms image by image, `scores` turns them into ratios.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

LEVELS = 65536  # scores are rounded to 16 bits: then every threshold there is can be counted
LIMIT = 0.3  # the false-positive rate up to which AUPRO is averaged (Bergmann et al., CVPR 2019)
SMOOTH = 1.5  # px, sigma: one hot pixel is not yet a defective part
REACH = 6  # px from its middle that the smoothing sees
PIXEL_SCORES = ("pixel_ap", "dice", "iou", "aupro")  # the others are of images
_TOUCHING = np.ones((3, 3), bool)  # pixels of a region touch by edge or corner, as in MVTec AD's own evaluation

Histogram = NDArray[np.float64]


def quantise(scores: NDArray[np.floating]) -> NDArray[np.uint16]:
    """Scores in [0, 1] as one of 65536 levels, rounded to nearest."""
    levels: NDArray[np.uint16] = np.rint(np.clip(scores, 0, 1) * (LEVELS - 1)).astype(np.uint16)
    return levels


def _empty() -> Histogram:
    return np.zeros(LEVELS)


@dataclass
class Counts:
    """Histograms over the levels, of one class or of the union of all."""

    defect: Histogram = field(default_factory=_empty)  # pixels inside true masks
    good: Histogram = field(default_factory=_empty)  # pixels outside
    region: Histogram = field(default_factory=_empty)  # pixels inside, each weighted by 1 / area of its region
    regions: int = 0
    defect_images: Histogram = field(default_factory=_empty)
    good_images: Histogram = field(default_factory=_empty)

    def add(self, scores: NDArray[np.floating], truth: NDArray[np.bool_]) -> float:
        """Counts one image: scores (H, W) in [0, 1], truth (H, W) bool; returns the image's own score."""
        defect, good = histograms(scores, truth)
        self.defect += defect
        self.good += good
        if truth.any():
            labels, count = ndimage.label(truth, _TOUCHING)
            weight = 1 / np.maximum(np.bincount(labels.reshape(-1)), 1)
            self.region += np.bincount(quantise(scores[truth]), weight[labels[truth]], LEVELS)
            self.regions += count
        score = image_score(scores)
        (self.defect_images if truth.any() else self.good_images)[int(quantise(np.asarray(score)))] += 1
        return score

    def scores(self, threshold: float = 0.5) -> dict[str, float | None]:
        """All scores by name; None where the images do not define one (no defect, or nothing else)."""
        tp, fp, fn = confusion(self.defect, self.good, threshold)
        return {
            "pixel_ap": average_precision(self.defect, self.good),
            "dice": ratio(2 * tp, 2 * tp + fp + fn),
            "iou": ratio(tp, tp + fp + fn),
            "aupro": aupro(self.region, self.regions, self.good),
            "image_auroc": auroc(self.defect_images, self.good_images),
            "image_ap": average_precision(self.defect_images, self.good_images),
        }


def image_score(scores: NDArray[np.floating]) -> float:
    """The highest value of the smoothed map (H, W).

    Smoothed values are means: one that beats that at the highest pixel has a higher pixel than it within REACH. So only
    the surroundings of such pixels are smoothed, which is the same to the bit, and on most parts next to nothing.
    """
    values = scores.astype(np.float32)
    top = np.unravel_index(int(values.argmax()), values.shape)
    least = _smoothed(values, *((int(at), int(at) + 1) for at in top))
    rows, columns = np.nonzero((values > least).any(1))[0], np.nonzero((values > least).any(0))[0]
    if not rows.size:
        return float(least)
    return float(_smoothed(values, (int(rows[0]), int(rows[-1]) + 1), (int(columns[0]), int(columns[-1]) + 1)))


def _smoothed(values: NDArray[np.float32], rows: tuple[int, int], columns: tuple[int, int]) -> np.float32:
    """The highest smoothed value within REACH of a box (start, stop) of a map (H, W)."""
    inner, outer = (
        [slice(max(start - room, 0), stop + room) for start, stop in (rows, columns)] for room in (REACH, 2 * REACH)
    )
    smooth = ndimage.gaussian_filter(values[outer[0], outer[1]], SMOOTH, mode="reflect", radius=REACH)
    kept = [slice(a.start - b.start, a.stop - b.start) for a, b in zip(inner, outer, strict=True)]
    return np.float32(smooth[kept[0], kept[1]].max())


def histograms(scores: NDArray[np.floating], truth: NDArray[np.bool_]) -> tuple[Histogram, Histogram]:
    """How many pixels of each level lie inside and outside the truth."""
    levels = quantise(scores)
    inside = np.bincount(levels[truth], minlength=LEVELS).astype(np.float64)
    return inside, np.bincount(levels.reshape(-1), minlength=LEVELS) - inside


def confusion(defect: Histogram, good: Histogram, threshold: float) -> tuple[float, float, float]:
    """True positives, false positives and false negatives among pixels, with scores ≥ threshold taken as defect."""
    start = int(np.ceil(threshold * (LEVELS - 1)))
    return float(defect[start:].sum()), float(good[start:].sum()), float(defect[:start].sum())


def ratio(part: float, whole: float) -> float | None:
    """part / whole, None where there is nothing."""
    return part / whole if whole else None


def average_precision(positive: Histogram, negative: Histogram) -> float | None:
    """Σ (Rₙ - Rₙ₋₁) Pₙ over falling thresholds, as scikit-learn defines it (no interpolation)."""
    if not positive.sum():
        return None
    gained = positive[::-1]
    true = np.cumsum(gained)
    called = true + np.cumsum(negative[::-1])
    return float((gained * true / np.maximum(called, 1)).sum() / true[-1])


def auroc(positive: Histogram, negative: Histogram) -> float | None:
    """The chance that a positive scores above a negative, ties counted half."""
    if not positive.sum() or not negative.sum():
        return None
    below = np.cumsum(negative) - negative / 2
    return float((positive * below).sum() / (positive.sum() * negative.sum()))


def aupro(region: Histogram, regions: int, good: Histogram) -> float | None:
    """Mean share of each true region that is found, averaged over false-positive rates up to LIMIT, by trapezoids."""
    if not regions or not good.sum():
        return None
    rate = np.concatenate([[0.0], np.cumsum(good[::-1]) / good.sum()])
    found = np.concatenate([[0.0], np.cumsum(region[::-1]) / regions])
    end = int(np.searchsorted(rate, LIMIT))  # the first point at the limit or beyond it
    step = (LIMIT - rate[end - 1]) / (rate[end] - rate[end - 1])
    at_limit = found[end - 1] + step * (found[end] - found[end - 1])
    rate, found = np.append(rate[:end], LIMIT), np.append(found[:end], at_limit)
    return float(np.trapezoid(found, rate) / LIMIT)
