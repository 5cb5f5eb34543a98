"""Run-length encoded masks: COCO's, CVAT's, and back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.geometry.patch import Mask, Patch
from flawsmith.data.geometry.shape import FURTHEST, BadShape, Reach

Counts = NDArray[np.int64]
MOST_PIXELS = 2**29  # of one mask: half a gigabyte of booleans, and more than Pillow opens


@dataclass(frozen=True, eq=False)
class Runs:
    """Lengths of runs of zeros and ones in turn, zeros first, over a box of the image; `columns`: down its columns."""

    counts: Counts
    left: int
    top: int
    width: int
    height: int
    columns: bool

    def __post_init__(self) -> None:
        if self.width < 0 or self.height < 0 or self.width * self.height > MOST_PIXELS:
            raise BadShape(f"has an impossible size of {self.width}×{self.height} px")
        if max(abs(self.left), abs(self.top)) > FURTHEST:
            raise BadShape(f"lies at {self.left}, {self.top}")
        if self.counts.size and int(self.counts.min()) < 0:
            raise BadShape("has a run of negative length")
        total = int(self.counts.sum())
        if total != self.width * self.height:
            raise BadShape(
                f"has runs of {total} px in all, its box {self.width}×{self.height} has {self.width * self.height}"
            )

    @property
    def reach(self) -> Reach:
        """The box of the runs."""
        return float(self.left), float(self.top), float(self.left + self.width), float(self.top + self.height)

    def patch(self, height: int, width: int) -> Patch:
        """The pixels in runs of ones, within an image of that size."""
        ends = np.cumsum(self.counts)
        ones = np.flatnonzero(self.counts[1::2]) * 2 + 1
        if not ones.size:
            return Patch(self.top, self.left, np.zeros((0, 0), bool))
        side = self.height if self.columns else self.width  # of one line of the runs
        first, last = int(ends[ones[0] - 1]) // side, int(ends[ones[-1]] - 1) // side
        within = np.clip(ends, first * side, (last + 1) * side)  # of those lines alone
        turns: Counts = np.diff(within, prepend=first * side).astype(np.int64)
        lines = np.repeat(np.arange(len(turns)) % 2 == 1, turns).reshape(-1, side)
        mask, top, left = (lines.T, 0, first) if self.columns else (lines, first, 0)
        top, left = self.top + top, self.left + left
        above, before = max(-top, 0), max(-left, 0)
        mask = mask[above : max(height - top, 0), before : max(width - left, 0)]
        return Patch.of(mask, top + above, left + before)


def lengths(values: Iterable[Any]) -> Counts:
    """Run lengths as numbers; raises BadShape on what is none, or is no whole number."""
    try:
        found = np.asarray(list(values), dtype=np.float64)
    except (ValueError, TypeError, OverflowError) as reason:
        raise BadShape("has run lengths that are no numbers") from reason
    if found.ndim != 1 or not np.isfinite(found).all() or (found != np.floor(found)).any():
        raise BadShape("has run lengths that are no whole numbers")
    if found.size and np.abs(found).max() > MOST_PIXELS:
        raise BadShape(f"has a run longer than {MOST_PIXELS} px")
    return found.astype(np.int64)


def coco_runs(size: Any, counts: Any) -> Runs:
    """COCO's {"size": [H, W], "counts": list or text}, down the columns of the whole image; raises BadShape."""
    if not isinstance(size, list | tuple) or len(size) != 2 or not all(isinstance(side, int) for side in size):
        raise BadShape("has a size that is not [height, width]")
    if isinstance(counts, str | bytes):
        runs = unpack(counts.encode("utf-8", "replace") if isinstance(counts, str) else counts)
    elif isinstance(counts, list):
        runs = lengths(counts)
    else:
        raise BadShape("has counts that are neither a list nor a text")
    return Runs(runs, 0, 0, size[1], size[0], columns=True)


def unpack(text: bytes) -> Counts:
    """The run lengths of COCO's compressed text: 5 bits a character from "0" on, the sixth says that more follow.

    Each length from the fourth on is the difference to the one before the last. Raises BadShape.
    """
    codes = np.frombuffer(text, np.uint8).astype(np.int64) - 48
    if codes.size and (int(codes.min()) < 0 or int(codes.max()) > 63):
        raise BadShape("has a run-length text with characters that are none of it")
    if codes.size and codes[-1] & 32:
        raise BadShape("has a run-length text that is cut off")
    ends = np.flatnonzero((codes & 32) == 0)
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64) if ends.size else ends
    digits = ends - starts + 1
    if digits.size and int(digits.max()) > 7:  # 35 bits: more than any image has
        raise BadShape("has a run longer than any image")
    place = np.arange(len(codes)) - np.repeat(starts, digits)
    values: Counts = np.add.reduceat((codes & 31) << (5 * place), starts) if ends.size else np.zeros(0, np.int64)
    negative = (codes[ends] & 16) != 0
    values = values - (negative.astype(np.int64) << (5 * digits))
    for first in (1, 2):  # of lengths 1, 3, 5, … and 2, 4, 6, … each is the sum of the differences so far
        values[first::2] = np.cumsum(values[first::2])
    return values


def coco_counts(mask: Mask) -> str:
    """The compressed text of a mask (H, W), by pycocotools."""
    from pycocotools import mask as rle

    packed: bytes = rle.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"]
    return packed.decode("ascii")


def row_runs(mask: Mask) -> Counts:
    """The run lengths of a mask (h, w) along its rows, zeros first, which may be 0."""
    flat = mask.ravel()
    turns = np.flatnonzero(np.diff(flat)) + 1
    found = np.diff(np.concatenate([[0], turns, [flat.size]])).astype(np.int64)
    runs: Counts = np.insert(found, 0, 0) if flat.size and flat[0] else found
    return runs
