"""Where the part is in a photograph of it, found without any setting: what is not background at the image's border."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from flawsmith.data.geometry.box import Box
from flawsmith.gan.region import Mask, Pixels, bounding_box, brightness, reduced

SIDE = 128  # px: the longer side of the reduced image that is looked at
DARK = 0.5  # of the brightness nearby: a rim darker than this is not the part
APART = 0.15  # least difference of those two levels
BIMODAL = 0.8  # share of the variance that two levels must explain before one of them is called background


class Edges(NamedTuple):
    """How many px lie between the image's border and the part: above and below each column, beside each row."""

    top: NDArray[np.int64]
    right: NDArray[np.int64]
    bottom: NDArray[np.int64]
    left: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Foreground:
    """The part on an image of `size` (H, W), in blocks of `step` px; the last ones reach to the image's border."""

    blocks: Mask  # (h, w)
    step: int
    size: tuple[int, int]

    @cached_property
    def whole(self) -> bool:
        """All of the image is part."""
        return bool(self.blocks.all())

    def window(self, top: int, left: int, height: int, width: int) -> Mask:
        """The part's pixels (height, width) in a window of the image."""
        if self.whole:
            return np.ones((height, width), bool)
        rows, columns = self._block(top, height, 0), self._block(left, width, 1)
        return self.blocks[rows][:, columns]

    def _block(self, first: int, length: int, axis: int) -> NDArray[np.int64]:
        """The blocks of `length` pixels along an axis."""
        return np.asarray(np.minimum(np.arange(first, first + length) // self.step, self.blocks.shape[axis] - 1))

    @cached_property
    def room(self) -> Box | None:
        """The box around the part, px; None where there is none."""
        if not self.blocks.any():
            return None
        top, left, bottom, right = bounding_box(self.blocks)
        (height, width), (rows, columns) = self.size, self.blocks.shape
        below = height if bottom == rows else bottom * self.step
        beside = width if right == columns else right * self.step
        return Box(top * self.step, left * self.step, below, beside)

    @cached_property
    def edges(self) -> Edges:
        """The part's edges; rows and columns that hardly cross it take the middle depth of their side."""
        height, width = self.size
        rows, columns = self._block(0, height, 0), self._block(0, width, 1)
        top, bottom = self.blocks.argmax(0) * self.step, self._beyond(self.blocks[::-1].argmax(0), 0)
        left, right = self.blocks.argmax(1) * self.step, self._beyond(self.blocks[:, ::-1].argmax(1), 1)
        return Edges(
            _steady(top[columns], height),
            _steady(right[rows], width),
            _steady(bottom[columns], height),
            _steady(left[rows], width),
        )

    def _beyond(self, blocks: NDArray[np.int64], axis: int) -> NDArray[np.int64]:
        """The pixels of so many last blocks along an axis; the very last one is the largest."""
        rest = self.size[axis] - self.blocks.shape[axis] * self.step
        return np.where(blocks > 0, blocks * self.step + rest, 0)


def foreground(image: Pixels) -> Foreground:
    """The part in `image` (H, W, C) in [0, 1]; all of it where no background is told apart clearly.

    Background touches the image's border and is either one of two plain levels of brightness, or a dark rim.
    """
    step = coarseness(image.shape[0], image.shape[1])
    return foreground_of(reduced(brightness(image), step), step, (image.shape[0], image.shape[1]))


def coarseness(height: int, width: int) -> int:
    """The side of the blocks, px, that an image is looked at in."""
    return max(1, min(round(max(height, width) / SIDE), height, width))


def foreground_of(small: NDArray[np.float32], step: int, size: tuple[int, int]) -> Foreground:
    """As `foreground`, of the brightness (h, w) in blocks of `step` px of an image of `size` (H, W)."""
    background = _level(small)
    background = _at_border(background) if background is not None else _at_border(_rim(small))
    if not background.any() or background.mean() > 0.9:
        return all_of(size)
    return Foreground(opened(~background), step, size)


def all_of(size: tuple[int, int]) -> Foreground:
    """An image of `size` (H, W) that shows nothing but the part."""
    return Foreground(np.ones((1, 1), bool), max(size), size)


def _steady(depth: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    middle = int(np.median(depth))
    return np.where(depth > middle + 0.1 * length, middle, depth)


def _rim(grey: NDArray[np.float32]) -> Mask:
    """Pixels much darker than most of what lies around them."""
    reach = max(3, max(grey.shape) // 5)
    around = ndimage.uniform_filter(grey, 2 * reach + 1, mode="nearest")
    return np.asarray(grey < DARK * around)


def _level(grey: NDArray[np.float32]) -> Mask | None:
    """The level of brightness (of two, Otsu 1979) that rules the border; None where there are no two levels."""
    values = np.sort(grey, axis=None)
    if values[-1] - values[0] < APART or values[-1] <= 0:
        return None
    sums, size = np.cumsum(values, dtype=np.float64), values.size
    count = np.arange(1.0, size)
    total = sums[-1]
    between = (count * (total / size) - sums[:-1]) ** 2 / (count * (size - count))
    best = int(between.argmax())
    low, high = sums[best] / count[best], (total - sums[best]) / (size - count[best])
    if between[best] < BIMODAL * values.var() or high - low < APART:
        return None
    bright = grey > values[best]
    border = _border(bright).mean()
    if 0.3 < border < 0.7:
        return None
    return np.asarray(bright if border >= 0.7 else ~bright)


def opened(mask: Mask) -> Mask:
    """The mask (h, w) without what is thinner than three blocks; it goes on beyond the image's border."""
    rows, columns = (np.arange(-2, length + 2).clip(0, length - 1) for length in mask.shape)
    wide = mask[rows][:, columns]
    core = wide[1:-1, 1:-1] & wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]
    return np.asarray(core[1:-1, 1:-1] | core[:-2, 1:-1] | core[2:, 1:-1] | core[1:-1, :-2] | core[1:-1, 2:])


def _at_border(mask: Mask) -> Mask:
    """The parts of `mask` that meet the image's border."""
    if not _border(mask).any():
        return np.zeros(mask.shape, bool)
    labels, count = ndimage.label(mask)
    met = np.zeros(count + 1, bool)
    met[_border(labels)] = True
    met[0] = False
    return np.asarray(met[labels])


def _border(values: NDArray[Any]) -> NDArray[Any]:
    """What lies along the border of `values` (h, w); corners twice."""
    return np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
