"""The exact boundary of a mask: closed rings along the edges of its pixels, to the pixel and back.

Pixels that share a side are one piece; where two touch at a corner only, the rings turn away from each other, so that
a ring that is moved into the mask touches neither itself nor another one. All rings have the mask on their right as
seen on the screen: outer ones run clockwise, holes anticlockwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from flawsmith.data.geometry.patch import Mask
from flawsmith.data.geometry.shape import Points

INSET = 0.25  # px: half way between an edge and the pixels' centres; cut to whole numbers it names the pixels inside

Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Ring:
    """Corners (N, 2) of one boundary in pixels, x and y in turn changing; `outer` numbers the ring whose hole it is."""

    points: Points
    outer: int | None = None  # None: an outer ring itself


@dataclass(frozen=True, eq=False)
class Corners:
    """Where the boundary of a mask (h, w) turns, in reading order: corners 2k and 2k + 1 are joined by a level edge.

    A point where two pixels touch by their corners alone is in there twice, once for each.
    """

    x: Numbers  # (N,)
    y: Numbers  # (N,)
    upright: Numbers  # (N,): the corner at the other end of each one's upright edge

    @classmethod
    def of(cls, mask: Mask) -> Corners:
        """The corners of a mask (h, w)."""
        around = np.pad(mask.astype(bool), 1)
        above, right, left, here = around[:-1, :-1], around[:-1, 1:], around[1:, :-1], around[1:, 1:]
        touching = (above == here) & (right == left) & (above != right)
        count = (above ^ right ^ left ^ here) + 2 * touching
        place = np.flatnonzero(count)
        place = np.repeat(place, count.ravel()[place])
        y, x = np.divmod(place, mask.shape[1] + 1)
        second = np.diff(place, prepend=-1) == 0
        # At a touching point the first corner ends the level edge from the left, the second begins that to the right.
        # Which of them has the upright edge from above depends on which two of the four pixels are in the mask.
        below = np.where(above.ravel()[place], second, ~second)
        order = np.lexsort((below, y, x))
        upright = np.empty(len(place), np.int64)
        upright[order[0::2]], upright[order[1::2]] = order[1::2], order[0::2]
        return cls(x, y, upright)

    def touching(self) -> Numbers:
        """The first of the two corners of each point where pixels touch by their corners alone."""
        same: Numbers = np.flatnonzero((np.diff(self.x) == 0) & (np.diff(self.y) == 0))
        return same

    def rings(self, mask: Mask) -> list[tuple[Numbers, bool]]:
        """The corners of each ring, its upper left one first, and whether it is a hole; the highest ring first."""
        upright, seen, found = self.upright.tolist(), bytearray(len(self.x)), []
        for start in range(len(upright)):
            ring, at = [], start
            while not seen[at]:
                ring += [at, at ^ 1]
                seen[at] = seen[at ^ 1] = 1
                at = upright[at ^ 1]
            if ring:
                hole = not mask[self.y[start], self.x[start]]
                found.append((np.array([start, *ring[:0:-1]] if hole else ring), hole))
        return found

    def points(self, ring: Numbers) -> Points:
        """The places (N, 2) of some corners."""
        return np.stack([self.x[ring], self.y[ring]], 1).astype(np.float64)


def rings(mask: Mask) -> list[Ring]:
    """All boundaries of a mask (h, w), outer ones before their holes; by the even-odd rule they give it back."""
    pieces, _ = ndimage.label(mask)  # by sides
    corners, outer = Corners.of(mask), {}
    found: list[Ring] = []
    for ring, hole in corners.rings(mask):
        x, y = corners.x[ring[0]], corners.y[ring[0]]
        piece = int(pieces[y - 1, x] if hole else pieces[y, x])
        if not hole:
            outer[piece] = len(found)
        found.append(Ring(corners.points(ring), outer[piece] if hole else None))
    return found


def inset(points: Points, by: float = INSET) -> Points:
    """The ring (N, 2) moved into the mask: the same mask by pixel centres, and by cv2.fillPoly of whole numbers."""
    way = np.sign(np.roll(points, -1, axis=0) - points)  # of the edge that begins at each corner
    before = np.roll(way, 1, axis=0)
    inward = (way + before)[:, ::-1] * (-1, 1)
    moved: Points = points + by * inward
    return moved
