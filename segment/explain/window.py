"""Rectangles of an image: what is looked at around an object, and what is covered of it."""

from __future__ import annotations

from typing import Self

from flawsmith.data.geometry.box import Box
from flawsmith.data.geometry.patch import Mask, Patch


class Window(Box):
    """A part of an image that can grow, shrink and move."""

    __slots__ = ()

    @classmethod
    def whole(cls, height: int, width: int) -> Self:
        """All of an image."""
        return cls(0, 0, height, width)

    @classmethod
    def of(cls, patch: Patch) -> Self:
        """The box of an object."""
        left, top, width, height = patch.box
        return cls(top, left, top + height, left + width)

    def grown(self, margin: int, height: int, width: int, grid: int = 1) -> Window:
        """`margin` px wider on each side, on multiples of `grid` px, cut to an image (height, width)."""
        top, left = (max(start - margin, 0) // grid * grid for start in (self.top, self.left))
        bottom, right = (-(-(stop + margin) // grid) * grid for stop in (self.bottom, self.right))
        return Window(top, left, min(bottom, height), min(right, width))

    def least(self, side: int, height: int, width: int) -> Window:
        """Grown about its middle to at least `side` px a side, moved to lie in an image (height, width)."""
        ends = []
        for start, stop, length in ((self.top, self.bottom, height), (self.left, self.right, width)):
            extent = min(max(stop - start, side), length)
            low = min(max((start + stop - extent) // 2, 0), length - extent)
            ends.append((low, low + extent))
        return Window(ends[0][0], ends[1][0], ends[0][1], ends[1][1])

    def at_most(self, side: int, row: int, column: int) -> Window:
        """The part of it of at most `side` px a side, about a pixel where that can be."""
        ends = []
        for start, stop, middle in ((self.top, self.bottom, row), (self.left, self.right, column)):
            extent = min(stop - start, side)
            low = min(max(middle - extent // 2, start), stop - extent)
            ends.append((low, low + extent))
        return Window(ends[0][0], ends[1][0], ends[0][1], ends[1][1])

    def join(self, other: Window) -> Window:
        """The smallest window that holds both."""
        top, left = min(self.top, other.top), min(self.left, other.left)
        return Window(top, left, max(self.bottom, other.bottom), max(self.right, other.right))

    def cut(self, patch: Patch) -> Mask:
        """The pixels (h, w) of an object that lie in the window."""
        return Patch(patch.top - self.top, patch.left - self.left, patch.mask).full(*self.size)
