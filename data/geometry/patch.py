"""A part of a mask: the pixels of one object, without the empty rest of its image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Patch:
    """A mask (h, w) bool whose first pixel lies at row `top`, column `left` of its image; h and w may be 0."""

    top: int
    left: int
    mask: Mask

    @classmethod
    def of(cls, mask: Mask, top: int = 0, left: int = 0) -> Patch:
        """The bounding box of the pixels of a mask (H, W) whose own first pixel lies at (top, left)."""
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if not rows.size:
            return cls(top, left, np.zeros((0, 0), bool))
        box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return cls(top + int(rows[0]), left + int(columns[0]), mask[box])

    @property
    def area(self) -> int:
        """Its pixels."""
        return int(np.count_nonzero(self.mask))

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, width, height in pixels, of the patch as it is."""
        return self.left, self.top, self.mask.shape[1], self.mask.shape[0]

    def onto(self, canvas: Mask) -> None:
        """Adds the pixels to an image's mask (H, W), in place; what lies outside it is cut off."""
        top, left = max(self.top, 0), max(self.left, 0)
        own = self.mask[top - self.top :, left - self.left :]
        there = canvas[top : top + own.shape[0], left : left + own.shape[1]]
        there |= own[: there.shape[0], : there.shape[1]]

    def full(self, height: int, width: int) -> Mask:
        """The mask (height, width) of the whole image."""
        canvas = np.zeros((height, width), bool)
        self.onto(canvas)
        return canvas
