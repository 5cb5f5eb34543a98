"""Objects of a large image from overlapping tiles: none twice, none cut where a tile ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.segment.models.objects import Object
from flawsmith.segment.tiles import Stretch, Tiling, tiles

INSIDE = 0.5  # what an object's pixels reach
SAME = 0.5  # of the pixels of either, where both tiles have seen them: two objects are one
EDGE = 16  # px: one that comes as near to the edge of a tile may go on beyond it; its mask is rough there

Find = Callable[[NDArray[Any]], tuple[Object, ...]]
Box = tuple[int, int, int, int]  # top, left, bottom, right; the last two are beyond


def find_by_tiles(find: Find, image: NDArray[Any], tiling: Tiling) -> tuple[Object, ...]:
    """The objects of an image (H, W, C), the surest first, each once; `find` never sees more than a tile of it.

    What lies wholly where a tile sees too little around it is its neighbour's. Of one that several tiles have seen
    whole the surest is kept; of one that none has seen whole the parts become one.
    """
    height, width = image.shape[:2]
    if max(height, width) <= tiling.size:
        return _distinct(find(image))
    whole, parts = _Field(tiling.step), _Field(tiling.step)
    seen = [one for rows, columns in tiles(tiling, height, width) for one in _of_tile(find, image, rows, columns)]
    for one in sorted((one for one in seen if not one.cut), key=lambda one: -one.object.score):
        if not whole.same(one):
            whole.add(one)
    for one in seen:
        if one.cut and not whole.same(one):
            parts.add(one)
    found = [one.object for one in whole.all()] + [_union(group) for group in _groups(parts)]
    return tuple(sorted(found, key=lambda one: -one.score))


@dataclass(frozen=True, eq=False)
class _Seen:
    """An object in the coordinates of the image, and the tile that has seen it."""

    object: Object
    mask: NDArray[np.bool_]
    tile: Box
    cut: bool  # may it go on beyond the tile?


def _of_tile(find: Find, image: NDArray[Any], rows: Stretch, columns: Stretch) -> Iterator[_Seen]:
    """The objects of a tile that reach into what counts of it."""
    tile = (rows.seen.start, columns.seen.start, rows.seen.stop, columns.seen.stop)
    kept = (rows.onto.start, columns.onto.start, rows.onto.stop, columns.onto.stop)
    for one in _distinct(find(np.ascontiguousarray(image[rows.seen, columns.seen]))):
        moved = replace(one, top=one.top + tile[0], left=one.left + tile[1])
        mask = moved.values >= min(INSIDE, float(moved.values.max(initial=0)))  # a faint one has no pixel of its own
        if _within(moved, mask, kept).any():
            yield _Seen(moved, mask, tile, _is_cut(moved, mask, tile, image.shape[:2]))


def _distinct(found: tuple[Object, ...]) -> tuple[Object, ...]:
    """The surest first, and none of a class that shares most of its pixels with a surer one.

    Mask R-CNN compares boxes: of two that share less than half their boxes the masks may be nearly the same.
    """
    kept: list[Object] = []
    for one in sorted(found, key=lambda one: -one.score):
        if not any(_overlap(one, other) >= SAME for other in kept if other.defect == one.defect):
            kept.append(one)
    return tuple(kept)


def _overlap(one: Object, other: Object) -> float:
    """Intersection over union of the pixels of two objects; 0 where neither has one."""
    both = _shared(_box(one), _box(other))
    if both[0] >= both[2] or both[1] >= both[3]:
        return 0.0
    masks = one.values >= INSIDE, other.values >= INSIDE
    common = np.count_nonzero(_within(one, masks[0], both) & _within(other, masks[1], both))
    either = sum(np.count_nonzero(mask) for mask in masks) - common
    return float(common / either) if either else 0.0


def _is_cut(one: Object, mask: NDArray[np.bool_], tile: Box, size: tuple[int, ...]) -> bool:
    """Does it come to an edge of the tile that is none of the image's?"""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    begins = (one.top + rows[0], one.left + columns[0])
    ends = (one.top + rows[-1] + 1, one.left + columns[-1] + 1)
    before = any(tile[axis] > 0 and begins[axis] < tile[axis] + EDGE for axis in (0, 1))
    after = any(tile[axis + 2] < size[axis] and ends[axis] > tile[axis + 2] - EDGE for axis in (0, 1))
    return before or after


def _within(one: Object, mask: NDArray[np.bool_], box: Box) -> NDArray[np.bool_]:
    """The part of an object's mask that lies in a box, which may be nothing."""
    top, left, bottom, right = box
    rows = slice(max(top - one.top, 0), max(bottom - one.top, 0))
    return mask[rows, max(left - one.left, 0) : max(right - one.left, 0)]


@dataclass(eq=False)
class _Field:
    """Objects by the tile that has seen them: only tiles side by side have seen the same."""

    step: int
    _tiles: dict[tuple[int, int], list[_Seen]] = field(default_factory=dict)

    def add(self, one: _Seen) -> None:
        """Takes one in."""
        self._tiles.setdefault(self._place(one), []).append(one)

    def same(self, one: _Seen) -> list[_Seen]:
        """Those that are the same object, seen by another tile."""
        row, column = self._place(one)
        around = product((row - 1, row, row + 1), (column - 1, column, column + 1))
        return [other for place in around for other in self._tiles.get(place, ()) if _same(one, other)]

    def all(self) -> list[_Seen]:
        """All of them."""
        return [one for there in self._tiles.values() for one in there]

    def _place(self, one: _Seen) -> tuple[int, int]:
        return one.tile[0] // self.step, one.tile[1] // self.step


def _same(one: _Seen, other: _Seen) -> bool:
    """Are two objects one, by their pixels where both tiles have seen? Of parts most of the smaller is enough."""
    a, b = one.object, other.object
    if a.defect != b.defect or one.tile == other.tile:
        return False
    shared = _shared(one.tile, other.tile)
    both = _shared(shared, _shared(_box(a), _box(b)))
    if both[0] >= both[2] or both[1] >= both[3]:
        return False
    common = int(np.count_nonzero(_within(a, one.mask, both) & _within(b, other.mask, both)))
    areas = [int(np.count_nonzero(_within(x.object, x.mask, shared))) for x in (one, other)]
    most = min(areas) if one.cut or other.cut else sum(areas) - common
    return common >= SAME * most > 0


def _box(one: Object) -> Box:
    height, width = one.values.shape
    return one.top, one.left, one.top + height, one.left + width


def _shared(one: Box, other: Box) -> Box:
    """What two boxes share; nothing where it ends before it begins."""
    return max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3])


def _groups(parts: _Field) -> list[list[_Seen]]:
    """The parts of each object, which follow from tile to tile."""
    waiting, groups = dict.fromkeys(parts.all()), []
    while waiting:
        group = [waiting.popitem()[0]]
        for one in group:  # which grows
            near = [other for other in parts.same(one) if other in waiting]
            group += near
            for other in near:
                del waiting[other]
        groups.append(group)
    return groups


def _union(parts: Sequence[_Seen]) -> Object:
    """One object of its parts: as sure as the surest, at each pixel the highest probability."""
    boxes = [_box(one.object) for one in parts]
    top, left = (min(box[axis] for box in boxes) for axis in (0, 1))
    bottom, right = (max(box[axis] for box in boxes) for axis in (2, 3))
    values = np.zeros((bottom - top, right - left), np.float32)
    for one in parts:
        (row, column, *ends), own = _box(one.object), one.object.values
        window = values[row - top : ends[0] - top, column - left : ends[1] - left]
        np.maximum(window, own, out=window)
    score = max(one.object.score for one in parts)
    return Object(parts[0].object.defect, score, top, left, values)
