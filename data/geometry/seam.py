"""One ring for a whole object: along seams of no width it goes to each hole, and to each piece that touches it.

For formats that know a single ring only. Each seam is walked there and back, so that by the even-odd rule it adds and
takes nothing; a seam to a hole runs within the mask, and one between touching pixels has none to cross.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy.spatial import cKDTree

from flawsmith.data.geometry.contour import INSET, Corners, Numbers, inset
from flawsmith.data.geometry.patch import Mask
from flawsmith.data.geometry.shape import Points


def outlines(mask: Mask, bridged: bool = False) -> list[Points]:
    """A ring (N, 2) for each piece of a mask (h, w), inset; corners connect. `bridged`: a single one for all pieces."""
    return _Outline(mask).drawn(bridged)


class _Outline:
    """The boundary as circular lists of places: joining two of them at a seam makes them one."""

    def __init__(self, mask: Mask) -> None:
        self.mask, self.corners = mask, Corners.of(mask)
        self.rings = self.corners.rings(mask)
        self.ring = np.zeros(len(self.corners.x), np.int64)  # of each corner
        self.joined = list(range(len(self.rings)))  # of each ring: another one that it is joined with, or itself
        moved = np.zeros((len(self.ring), 2))
        following = np.zeros(len(self.ring), np.int64)
        for number, (ring, _) in enumerate(self.rings):
            moved[ring] = inset(self.corners.points(ring))
            following[ring] = np.roll(ring, -1)
            self.ring[ring] = number
        self.place: list[list[float]] = moved.tolist()
        self.after: list[int] = following.tolist()

    def drawn(self, bridged: bool) -> list[Points]:
        """The rings after all joining."""
        for corner, landing, above in self._landings():
            self._join(corner, landing)
            self._merge(corner, above)
        for corner in self.corners.touching().tolist():
            if self._merge(corner, corner + 1):
                self._join(corner, corner + 1)
        if bridged:
            pieces = self._pieces()
            for one, other in pairwise(pieces):
                self._join(*self._nearest(one, other))
        return self._walks()

    def _landings(self) -> list[tuple[int, int, int]]:
        """Straight up from each hole: its upper left corner, a new place on the edge above, a corner of that edge."""
        side = self.mask.shape[1] + 1
        keys = self.corners.y * side + self.corners.x
        found = []
        holes = [int(ring[0]) for ring, hole in self.rings if hole]
        for corner in sorted(holes, key=lambda one: -self.corners.x[one]):  # each before the last on the same edge
            x, y = int(self.corners.x[corner]) - 1, int(self.corners.y[corner])
            outside = np.flatnonzero(~self.mask[:y, x])
            level = int(outside[-1]) + 1 if outside.size else 0
            edge = int(np.searchsorted(keys, level * side + x, "right")) - 1  # its left end: the mask is below
            landing = self._add([self.place[corner][0], level + INSET], self.after[edge])
            self.after[edge] = landing
            found.append((corner, landing, edge))
        return found

    def _add(self, place: list[float], after: int) -> int:
        """A new place: its number."""
        self.place.append(place)
        self.after.append(after)
        return len(self.after) - 1

    def _join(self, one: int, other: int) -> None:
        """A seam between two places of different circles, each of which is passed once more."""
        again, back = self._add(self.place[one], self.after[one]), self._add(self.place[other], self.after[other])
        self.after[one], self.after[other] = back, again

    def _root(self, ring: int) -> int:
        """The ring that stands for all that are joined with this one."""
        while self.joined[ring] != ring:
            self.joined[ring] = ring = self.joined[self.joined[ring]]
        return ring

    def _merge(self, one: int, other: int) -> bool:
        """Notes that the rings of two corners are joined; False where they were."""
        first, second = sorted((self._root(int(self.ring[one])), self._root(int(self.ring[other]))))
        self.joined[second] = first
        return first != second

    def _pieces(self) -> list[Numbers]:
        """The corners of each piece, the highest first."""
        roots = np.array([self._root(number) for number in range(len(self.rings))], np.int64)[self.ring]
        order = np.argsort(roots, kind="stable")
        return np.split(order, np.flatnonzero(np.diff(roots[order])) + 1)

    def _nearest(self, one: Numbers, other: Numbers) -> tuple[int, int]:
        """The corners of two pieces that are closest to each other."""
        near, far = (np.array([self.place[corner] for corner in corners]) for corners in (one, other))
        length, which = cKDTree(near).query(far)
        least = int(np.argmin(length))
        return int(one[which[least]]), int(other[least])

    def _walks(self) -> list[Points]:
        """The places along each circle; none twice in a row."""
        seen, found = bytearray(len(self.after)), []
        for start in range(len(self.ring)):
            walk, at = [], start
            while not seen[at]:
                seen[at] = 1
                walk.append(self.place[at])
                at = self.after[at]
            if walk:
                ring = np.array(walk)
                found.append(ring[(ring != np.roll(ring, 1, axis=0)).any(1)])
        return found
