"""Shapes as tools write them. Built with checks, so that what exists can always be turned into pixels.

Coordinates are pixels in [0, W] × [0, H], x right, y down; a pixel belongs to a shape if its centre (column + .5,
row + .5) lies inside. On an edge the left and upper ones count, so that shapes which tile a plane share no pixel and
leave none out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.geometry.patch import Patch

Points = NDArray[np.float64]  # (N, 2): x, y
Reach = tuple[float, float, float, float]  # left, top, right, bottom

FURTHEST = 1e6  # px from the origin: no camera is as wide, and beyond 2**53 a float skips pixels
MOST_POINTS = 250_000  # of one shape
MOST_RISE = 5e6  # px that the edges of one shape go up and down: what filling it costs
MOST_ROWS = 1e6  # px that an open line goes up and down, its width added at every point


class BadShape(ValueError):
    """A shape that cannot be: what is wrong with it, in words that fit behind "annotation 17"."""


class Shape(Protocol):
    """Anything that can say which pixels of an image belong to it."""

    @property
    def reach(self) -> Reach:
        """The box around it, which may stick out of the image."""

    def patch(self, height: int, width: int) -> Patch:
        """The pixels inside it of an image of that size."""


def points(values: Iterable[Any], least: int = 3) -> Points:
    """(N, 2) float64 from pairs, or from flat x, y, x, y, …; raises BadShape on what is no finite, sane number."""
    try:
        listed = list(values) if not isinstance(values, np.ndarray) else values
    except TypeError as reason:
        raise BadShape("has coordinates that are no list") from reason
    if len(listed) > 2 * MOST_POINTS:
        raise BadShape(f"has more than {MOST_POINTS} points")
    try:
        array = np.asarray(listed, dtype=np.float64)
    except (ValueError, TypeError, OverflowError) as reason:
        raise BadShape("has coordinates that are no numbers") from reason
    if array.ndim == 1 and array.size % 2 == 0:
        array = array.reshape(-1, 2)
    if array.ndim != 2 or array.shape[1] != 2:
        raise BadShape("has coordinates that are no pairs of numbers")
    if not np.isfinite(array).all():
        raise BadShape("has a coordinate that is not finite")
    if array.size and np.abs(array).max() > FURTHEST:
        raise BadShape(f"has a coordinate beyond {FURTHEST:.0f} px")
    if len(array) > MOST_POINTS:
        raise BadShape(f"has more than {MOST_POINTS} points")
    if len(array) < least:
        raise BadShape(f"has {len(array)} points, needs {least}")
    return array


def number(value: Any, name: str, least: float = -FURTHEST) -> float:
    """A finite number; raises BadShape where it is none, or outside [least, FURTHEST]."""
    try:
        found = float("x" if isinstance(value, bool) else value)
    except (ValueError, TypeError, OverflowError) as reason:
        raise BadShape(f"has a {name} that is no number ({str(value)[:40]!r})") from reason
    if not np.isfinite(found) or not least <= found <= FURTHEST:
        raise BadShape(f"has a {name} of {found:g}, not within {least:g} to {FURTHEST:g}")
    return found


@dataclass(frozen=True, eq=False)
class Polygon:
    """Closed rings of points, filled by the even-odd rule: a ring within a ring is a hole."""

    rings: tuple[Points, ...]

    def __post_init__(self) -> None:
        if not self.rings:
            raise BadShape("has no points")
        if sum(map(len, self.rings)) > MOST_POINTS:
            raise BadShape(f"has more than {MOST_POINTS} points")
        rise = sum(float(np.abs(np.diff(ring[:, 1], append=ring[:1, 1])).sum()) for ring in self.rings)
        if rise > MOST_RISE:
            raise BadShape(f"goes up and down by {rise:.0f} px, more than {MOST_RISE:.0f}")

    @cached_property  # asked for again and again while a folder is checked
    def reach(self) -> Reach:
        """The box around all rings."""
        every = self.rings[0] if len(self.rings) == 1 else np.concatenate(self.rings)
        low, high = every.min(0), every.max(0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    @property
    def area(self) -> float:
        """The area of its rings, px²; those of holes, and where it crosses itself the other way round, taken off."""
        sizes = sorted((abs(_signed(ring)) / 2 for ring in self.rings), reverse=True)
        return sizes[0] - sum(sizes[1:])

    def patch(self, height: int, width: int) -> Patch:
        """The pixels of an image of that size whose centres lie inside an odd number of rings."""
        left, top, wide, high = window(self.reach, height, width)
        toggles = np.zeros((high, wide + 1), np.uint8)  # odd or even is all that counts, so it may overflow
        if not toggles.size or not wide:
            return Patch(top, left, np.zeros((0, 0), bool))
        for ring in self.rings:
            _cross(ring, top, left, toggles)
        np.cumsum(toggles, axis=1, dtype=np.uint8, out=toggles)
        toggles &= 1
        return Patch.of(toggles[:, :-1].view(bool), top, left)


def _signed(ring: Points) -> float:
    """Twice the area of a ring, negative where it runs anticlockwise."""
    x, y = ring.T
    return float(x[:-1] @ y[1:] - y[:-1] @ x[1:] + x[-1] * y[0] - y[-1] * x[0])


def _cross(ring: Points, top: int, left: int, toggles: NDArray[np.uint8]) -> None:
    """Counts, in place, at which column (h, w + 1) from (top, left) on the edges of a ring cross each row's middle.

    In the image's own coordinates, so that two shapes round an edge that they share alike.
    """
    one, other = ring, np.roll(ring, -1, axis=0)
    down = (one[:, 1] <= other[:, 1])[:, None]  # an edge shared by two shapes is computed in one direction
    upper, lower = np.where(down, one, other), np.where(down, other, one)
    first, last = (
        np.clip(np.ceil(end[:, 1] - 0.5), top, top + len(toggles)).astype(np.int64) for end in (upper, lower)
    )
    count = last - first
    crossed = count > 0
    upper, lower, first, count = upper[crossed], lower[crossed], first[crossed], count[crossed]
    edge = np.repeat(np.arange(len(count)), count)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    slope = (lower[:, 0] - upper[:, 0]) / (lower[:, 1] - upper[:, 1])
    x = upper[edge, 0] + (row + 0.5 - upper[edge, 1]) * slope[edge]
    column = np.clip(np.ceil(x - 0.5) - left, 0, toggles.shape[1] - 1).astype(np.int64)
    np.add.at(toggles, (row - top, column), 1)


@dataclass(frozen=True)
class Ellipse:
    """Middle, radii and the angle in radians by which it is turned, clockwise as seen on the screen."""

    x: float
    y: float
    across: float
    down: float
    angle: float = 0.0

    def __post_init__(self) -> None:
        for name, least in (("x", -FURTHEST), ("y", -FURTHEST), ("across", 0.0), ("down", 0.0), ("angle", -FURTHEST)):
            number(getattr(self, name), {"across": "radius", "down": "radius"}.get(name, name), least)

    @property
    def reach(self) -> Reach:
        """The box around it."""
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        wide = float(np.hypot(self.across * cosine, self.down * sine))
        high = float(np.hypot(self.across * sine, self.down * cosine))
        return self.x - wide, self.y - high, self.x + wide, self.y + high

    def patch(self, height: int, width: int) -> Patch:
        """The pixels of an image of that size whose centres lie inside."""
        left, top, wide, high = window(self.reach, height, width)
        if not self.across or not self.down:
            return Patch(top, left, np.zeros((0, 0), bool))
        x, y = np.arange(left, left + wide) + 0.5 - self.x, (np.arange(top, top + high) + 0.5 - self.y)[:, None]
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        along, beside = (x * cosine + y * sine) / self.across, (y * cosine - x * sine) / self.down
        return Patch.of(along**2 + beside**2 < 1, top, left)


@dataclass(frozen=True, eq=False)
class Line:
    """An open line of points, `width` px thick, with round ends: the pixels within half of it."""

    points: Points
    width: float

    def __post_init__(self) -> None:
        number(self.width, "line width", 0.0)
        rise = float(np.abs(np.diff(self.points[:, 1])).sum()) + self.width * len(self.points)
        if rise > MOST_ROWS:
            found = f"{self.width:.0f} px wide and goes up and down by {rise:.0f} px"
            raise BadShape(f"is {found}, more than {MOST_ROWS:.0f}")

    @property
    def reach(self) -> Reach:
        """The box around it."""
        low, high = self.points.min(0) - self.width / 2, self.points.max(0) + self.width / 2
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    def patch(self, height: int, width: int) -> Patch:
        """The pixels of an image of that size whose centres lie within half the width of the line."""
        left, top, wide, high = window(self.reach, height, width)
        if not wide or not high:
            return Patch(top, left, np.zeros((0, 0), bool))
        half, levels = self.width / 2, np.sort([self.points[:-1, 1], self.points[1:, 1]], axis=0)
        first = np.clip(np.ceil(levels[0] - half - 0.5), top, top + high).astype(np.int64)
        last = np.clip(np.floor(levels[1] + half + 0.5), top, top + high).astype(np.int64)
        count = np.maximum(last - first, 0)
        step = np.repeat(np.arange(len(count)), count)
        row = np.arange(len(step)) - np.repeat(np.cumsum(count) - count, count) + first[step]
        low, far = _span(self.points[step], self.points[step + 1], row + 0.5, half)
        edges = np.ceil(low - 0.5) - left, np.floor(far + 0.5) - left
        begin, end = (np.clip(edge, 0, wide).astype(np.int64) for edge in edges)
        some = begin < end
        toggles = np.zeros((high, wide + 1), np.int32)
        np.add.at(toggles, (row[some] - top, begin[some]), 1)
        np.add.at(toggles, (row[some] - top, end[some]), -1)
        np.cumsum(toggles, axis=1, out=toggles)  # in place: of an image of a hundred megapixels a copy takes a gigabyte
        return Patch.of(toggles[:, :-1] > 0, top, left)


def _span(start: Points, end: Points, level: NDArray[np.float64], half: float) -> tuple[Any, Any]:
    """From which x to which the points of a row at height `level` lie within `half` of a step; inf, -inf: none do.

    They are a range, whose ends lie on the circle around an end of the step, or on one of the two sides between.
    """
    way = end - start
    beside = half * way[:, ::-1] * (-1, 1) / np.maximum(np.hypot(*way.T), 1e-12)[:, None]
    low, high = np.full(len(level), np.inf), np.full(len(level), -np.inf)
    for middle in (start, end):
        square = half**2 - (level - middle[:, 1]) ** 2
        reach = np.sqrt(np.maximum(square, 0))
        low = np.where(square >= 0, np.minimum(low, middle[:, 0] - reach), low)
        high = np.where(square >= 0, np.maximum(high, middle[:, 0] + reach), high)
    slanted = way[:, 1] != 0
    for side in (start + beside, start - beside):
        share = (level - side[:, 1]) / np.where(slanted, way[:, 1], 1)
        x, met = side[:, 0] + share * way[:, 0], slanted & (share >= 0) & (share <= 1)
        low, high = np.where(met, np.minimum(low, x), low), np.where(met, np.maximum(high, x), high)
    return low, high


@dataclass(frozen=True, eq=False)
class Union:
    """Several shapes that are one object."""

    shapes: tuple[Shape, ...]

    def __post_init__(self) -> None:
        if not self.shapes:
            raise BadShape("has no parts")

    @property
    def reach(self) -> Reach:
        """The box around all of them."""
        boxes = np.array([shape.reach for shape in self.shapes])
        low, high = boxes[:, :2].min(0), boxes[:, 2:].max(0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    def patch(self, height: int, width: int) -> Patch:
        """The pixels of an image of that size that lie in any of them."""
        left, top, wide, high = window(self.reach, height, width)
        canvas = np.zeros((high, wide), bool)
        for found in (shape.patch(height, width) for shape in self.shapes):
            Patch(found.top - top, found.left - left, found.mask).onto(canvas)
        return Patch.of(canvas, top, left)


def window(reach: Reach, height: int, width: int) -> tuple[int, int, int, int]:
    """The pixels of an image of that size that a box can touch: left, top, width, height; 0 where there are none."""
    left, top = max(int(np.floor(reach[0])), 0), max(int(np.floor(reach[1])), 0)
    right, bottom = min(int(np.ceil(reach[2])), width), min(int(np.ceil(reach[3])), height)
    return left, top, max(right - left, 0), max(bottom - top, 0)


def box(x: Any, y: Any, width: Any, height: Any) -> Polygon:
    """An upright rectangle from its upper left corner; raises BadShape on sides below 0."""
    left, top = number(x, "x"), number(y, "y")
    wide, high = number(width, "width", 0.0), number(height, "height", 0.0)
    return Polygon((points([(left, top), (left + wide, top), (left + wide, top + high), (left, top + high)]),))


def turned(shape: Polygon, angle: float, about: tuple[float, float] | None = None) -> Polygon:
    """The polygon turned by `angle` radians, clockwise on the screen, about a point (x, y); its middle where None."""
    left, top, right, bottom = shape.reach
    middle = np.array(about if about is not None else ((left + right) / 2, (top + bottom) / 2))
    cosine, sine = np.cos(number(angle, "rotation")), np.sin(angle)
    turn = np.array([[cosine, sine], [-sine, cosine]])  # of row vectors
    return Polygon(tuple(points((ring - middle) @ turn + middle) for ring in shape.rings))


def polygon(rings: Iterable[Iterable[Any]]) -> Polygon:
    """A polygon from lists of pairs or flat lists; raises BadShape."""
    return Polygon(tuple(points(ring) for ring in rings))


def sticks_out(shape: Shape, height: int, width: int) -> float:
    """By how many pixels the shape sticks out of an image of that size; 0 if it does not."""
    left, top, right, bottom = shape.reach
    return max(0.0, -left, -top, right - width, bottom - height)


def together(shapes: Sequence[Shape]) -> Shape:
    """One shape of one or several parts."""
    return shapes[0] if len(shapes) == 1 else Union(tuple(shapes))
