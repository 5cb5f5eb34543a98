"""Where the part is in a photograph of it, found without any setting: what is not background at the image's border."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from flawsmith.gan.region import Mask, Pixels, brightness, reduced

SIDE = 128  # px: the longer side of the reduced image that is looked at
DARK = 0.5  # of the brightness nearby: a rim darker than this is not the part
BIMODAL = 0.8  # share of the variance that two levels must explain before one of them is called background


def foreground(image: Pixels) -> Mask:
    """The part's pixels (H, W) in `image` (H, W, C); all of them where no background is told apart clearly.

    Background touches the image's border and is either one of two plain levels of brightness, or a dark rim.
    """
    return foreground_of(brightness(image))


def foreground_of(grey: NDArray[np.float32]) -> Mask:
    """As `foreground`, of the image's brightness (H, W)."""
    height, width = grey.shape
    step = max(1, min(round(max(height, width) / SIDE), height, width))
    small = reduced(grey, step)
    levels = _level(small)
    background = _at_border(levels if levels.any() else _rim(small))
    if not background.any() or background.mean() > 0.9:
        return np.ones((height, width), bool)
    part = ~background
    part = ndimage.binary_opening(np.pad(part, 2, mode="edge"), iterations=1)[2:-2, 2:-2]
    full = part.repeat(step, 0).repeat(step, 1)[:height, :width]
    padded: Mask = np.pad(full, ((0, height - full.shape[0]), (0, width - full.shape[1])), mode="edge")
    return padded


class Edges(NamedTuple):
    """How many px lie between the image's border and the part: above and below each column, beside each row."""

    top: NDArray[np.int64]
    right: NDArray[np.int64]
    bottom: NDArray[np.int64]
    left: NDArray[np.int64]


def edges(part: Mask) -> Edges:
    """The edges of the `part` (H, W); rows and columns that hardly cross it take the middle depth of their side."""
    height, width = part.shape
    top, bottom = _steady(part.argmax(0), height), _steady(part[::-1].argmax(0), height)
    return Edges(top, _steady(part[:, ::-1].argmax(1), width), bottom, _steady(part.argmax(1), width))


def _steady(depth: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    middle = int(np.median(depth))
    return np.where(depth > middle + 0.1 * length, middle, depth)


def _rim(grey: NDArray[np.float32]) -> Mask:
    """Pixels much darker than most of what lies around them."""
    reach = max(3, max(grey.shape) // 5)
    around = ndimage.uniform_filter(grey, 2 * reach + 1, mode="nearest")
    return np.asarray(grey < DARK * around)


def _level(grey: NDArray[np.float32]) -> Mask:
    """The level of brightness (of two, Otsu 1979) that rules the border; nothing where there are no two levels."""
    nothing = np.zeros(grey.shape, bool)
    values = np.sort(grey.ravel())
    count = np.arange(1, values.size)
    sums = np.cumsum(values)[:-1]
    total, mean = values.sum(), values.mean()
    low, high = sums / count, (total - sums) / (values.size - count)
    between = count * (values.size - count) / values.size**2 * (high - low) ** 2
    best = int(between.argmax())
    if between[best] < BIMODAL * values.var() or high[best] - low[best] < 0.15 or mean <= 0:
        return nothing
    bright = grey > values[best]
    border = np.concatenate([bright[0], bright[-1], bright[:, 0], bright[:, -1]]).mean()
    if 0.3 < border < 0.7:
        return nothing
    return np.asarray(bright if border >= 0.7 else ~bright)


def _at_border(mask: Mask) -> Mask:
    """The parts of `mask` that meet the image's border."""
    labels, _ = ndimage.label(mask)
    met = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    return np.isin(labels, met[met > 0])
