"""Where a new defect goes: wholly on the part, at its border if real ones are, in surroundings like theirs."""

from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from flawsmith.gan.bank import Bank
from flawsmith.gan.context import LEAST, Likeness, Survey, survey
from flawsmith.gan.match import MANY, Matches, Surroundings, search
from flawsmith.gan.region import Mask, Pixels
from flawsmith.gan.shapes import Shape, crop, draw_shape, flip

OFFERS = 96  # places looked at in a round
ROUNDS = 3
CLOSER = 24  # of those that are looked at pixel by pixel, the likeliest first
ALIKE = 4.0  # times less than in the middle of all places: so much must a place differ from the real defect's
GAP = 3  # px that a defect away from the border stays away from it
OVER_EDGE = 0.15  # share of a touching defect that may lie beyond the part's (curved) edge
OPPOSITE = ((0, 2), (3, 1))  # top and bottom, left and right, among Sides
STRETCH = 1.6  # most that a defect which spans the part is drawn out to span another one

Whole = NDArray[np.int64]  # px

_likeness: WeakKeyDictionary[Bank, dict[tuple[int, bool], Likeness]] = WeakKeyDictionary()  # by class and touching


@dataclass(frozen=True, eq=False)
class Place:
    """A shape, mirrored and cropped as the place needs it, and where its first pixel lies on the image."""

    top: int
    left: int
    shape: Shape
    tries: int  # places looked at

    def mask(self, size: tuple[int, ...]) -> Mask:
        """The shape on an image of `size` (H, W)."""
        return self.window(0, 0, size[0], size[1])

    def window(self, top: int, left: int, height: int, width: int) -> Mask:
        """The shape in a window of the image, (height, width)."""
        mask = np.zeros((height, width), bool)
        own_height, own_width = self.shape.mask.shape
        down, across = self.top - top, self.left - left
        cut = self.shape.mask[max(-down, 0) : max(height - down, 0), max(-across, 0) : max(width - across, 0)]
        mask[max(down, 0) : max(down + own_height, 0), max(across, 0) : max(across + own_width, 0)] = cut
        return mask


def sample_place(
    clean: Pixels, shape: Shape, bank: Bank, roi: Mask | None, rng: np.random.Generator, strict: bool = True
) -> Place | None:
    """A place for `shape` on a clean part (H, W, C); `roi` (H, W) bool or None. None where it fits nowhere."""
    return place_on(survey(clean, roi, bank.whole), shape, bank, rng, pixels=clean, strict=strict)


def place_on(
    part: Survey,
    shape: Shape,
    bank: Bank,
    rng: np.random.Generator,
    anywhere: bool = False,
    pixels: NDArray[Any] | None = None,
    strict: bool = True,
) -> Place | None:
    """As `sample_place`, on a part that was surveyed before: several defects, or several tries, on one image.

    `anywhere`: on the part and off its border as real ones are, but in whatever surroundings. Where parts have
    structure and `pixels` (H, W, C) are given, the place must look as it did around the real defect: `strict`, or None
    is the answer, else as far as there is such a place.
    """
    if bank.structured and pixels is not None and not anywhere:
        return _alike(part, shape, bank, rng, pixels, strict)
    fitted = _fit(shape, part.size, bank)
    if fitted is None or part.room is None:
        return None
    for turn in range(ROUNDS):
        offers = _Offers.of(fitted, part, rng.random((OFFERS, 4)))
        possible = offers.possible(fitted, part)
        # Those with the shortest waiting times are drawn without replacement, each as likely as its weight says.
        waits = rng.exponential(size=possible.size)
        if not anywhere and possible.size:
            weights = _likeness_of(shape, bank).weights(part.features(offers.boxes[possible]))
            waits /= weights + 1e-9  # none at zero: unlikely places remain the last resort
        place = offers.first(possible[np.argsort(waits)[:CLOSER]], part, (turn + 1) * OFFERS)
        if place is not None:
            return place
    return None


def _alike(
    part: Survey, shape: Shape, bank: Bank, rng: np.random.Generator, pixels: NDArray[Any], strict: bool
) -> Place | None:
    """One of the places that look most as it did around the real defect."""
    found = matches(part, shape, bank, rng, pixels)
    if found is None or (strict and found[1].gain < ALIKE):
        return None
    fitted, match = found
    offers = _Offers.of(fitted, part, match.random)
    possible = offers.possible(fitted, part)
    if not possible.size:
        return None
    weights = np.exp(1 - match.misfit[possible])
    weights *= _likeness_of(shape, bank).weights(part.features(offers.boxes[possible]))
    waits = rng.exponential(size=possible.size) / (weights + 1e-9)
    return offers.first(possible[np.argsort(waits)], part, MANY)


def matches(
    part: Survey, shape: Shape, bank: Bank, rng: np.random.Generator, pixels: NDArray[Any]
) -> tuple[Shape, Matches] | None:
    """The shape as it fits on a part (H, W, C), and where it does; None where it fits nowhere."""
    fitted = _fit(shape, part.size, bank)
    if fitted is None or part.room is None:
        return None
    around: dict[int, Surroundings] = {}

    def misfit(random: NDArray[np.float64]) -> NDArray[np.float64]:
        offers = _Offers.of(fitted, part, random)
        apart = np.empty(len(random))
        for key, one in offers.shapes.items():
            around.setdefault(key, Surroundings.of(one, bank))
            apart[offers.which == key] = around[key].misfit(pixels, offers.boxes[offers.which == key, :2])
        return apart

    return fitted, search(misfit, part.size, rng)


def _likeness_of(shape: Shape, bank: Bank) -> Likeness:
    """To the surroundings of the class's real defects that touch the border, or that do not, as this one."""
    known = _likeness.setdefault(bank, {})
    key = shape.params.defect, any(shape.touches)
    if key not in known:
        members = [bank.instances[i] for i in bank.members[shape.params.defect]]
        alike = [one.context for one in members if any(one.touches) == key[1] and one.context]
        known[key] = Likeness.of(np.array(alike, float).reshape(-1, len(LEAST)))
    return known[key]


def _fit(shape: Shape, size: tuple[int, int], bank: Bank) -> Shape | None:
    """The shape, drawn out where it spans a part that is larger; None where it is larger than the part."""
    for axis, (length, whole) in enumerate(zip(shape.mask.shape, size, strict=True)):
        spans = all(shape.touches[side] for side in OPPOSITE[axis])
        if spans and length < whole:
            factor = (whole / length * 1.04) ** (2 if axis == 0 else -2)
            if not STRETCH**-2 <= factor <= STRETCH**2:
                return None
            shape = draw_shape(replace(shape.params, stretch=shape.params.stretch * factor), bank)
    for axis, (length, whole) in enumerate(zip(shape.mask.shape, size, strict=True)):
        spans = all(shape.touches[side] for side in OPPOSITE[axis])
        if (length > whole and not spans) or (length < whole and spans):
            return None
    return shape


@dataclass(frozen=True, eq=False)
class _Offers:
    """Random places: boxes (n, 4) of top, left, bottom, right, and which of the mirrored shapes lies in each."""

    shapes: dict[int, Shape]
    which: Whole  # (n,)
    boxes: Whole  # (n, 4)

    @classmethod
    def of(cls, shape: Shape, part: Survey, random: NDArray[np.float64]) -> "_Offers":
        """What random numbers (n, 4) mean: at a border that the shape touches, else anywhere along that axis."""
        top, right, bottom, left = shape.touches
        which = 2 * ((top != bottom) & (random[:, 2] < 0.5)) + ((left != right) & (random[:, 3] < 0.5))
        shapes = {key: flip(shape, key > 1, key % 2 == 1) if key else shape for key in set(which.tolist())}
        boxes = np.empty((len(random), 4), np.int64)
        for key, one in shapes.items():
            boxes[which == key] = _boxes(one, part, random[which == key])
        return cls(shapes, which, boxes)

    def possible(self, shape: Shape, part: Survey) -> NDArray[np.intp]:
        """Which of them may lie on the part, as far as coarse sums tell: half of what is needed. `first` is exact."""
        return np.flatnonzero(part.share_allowed(self.boxes) >= 0.5 * shape.mask.mean())

    def first(self, order: NDArray[np.intp], part: Survey, tries: int) -> Place | None:
        """The first of some that lies on the part."""
        for k in order.tolist():
            place = self.place(k, part.size, tries)
            if _outside(place, part) <= (OVER_EDGE if any(place.shape.touches) else 0.0):
                return place
        return None

    def place(self, k: int, size: tuple[int, int], tries: int) -> Place:
        """Offer `k`: what of the shape lies on an image of `size`."""
        shape = self.shapes[int(self.which[k])]
        top, left, bottom, right = self.boxes[k].tolist()
        height, width = min(bottom, size[0]) - max(top, 0), min(right, size[1]) - max(left, 0)
        if (height, width) != shape.mask.shape:
            shape = crop(shape, max(-top, 0), max(-left, 0), height, width)
        return Place(max(top, 0), max(left, 0), shape, tries)


def _boxes(shape: Shape, part: Survey, random: NDArray[np.float64]) -> Whole:
    """The boxes (n, 4) of a shape, mirrored before, for random numbers (n, 2 or more)."""
    assert part.room is not None
    top, right, bottom, left = shape.touches
    (height, width), (whole_height, whole_width), room = shape.mask.shape, part.size, part.room
    at_top = _along(top, bottom, height, whole_height, (room.top, room.bottom), random[:, 0])
    at_left = _along(left, right, width, whole_width, (room.left, room.right), random[:, 1])
    rims = not part.ground.whole  # else the part's edges are the image's borders
    if rims and top != bottom:
        depth = _depth(shape.mask[0 if top else -1], part.edges.top if top else part.edges.bottom, at_left)
        depth = np.minimum(depth, whole_height - height)
        at_top = at_top + depth if top else at_top - depth
    elif rims and left != right:
        depth = _depth(shape.mask[:, 0 if left else -1], part.edges.left if left else part.edges.right, at_top)
        depth = np.minimum(depth, whole_width - width)
        at_left = at_left + depth if left else at_left - depth
    return np.stack([at_top, at_left, at_top + height, at_left + width], axis=1)


def _along(low: bool, high: bool, length: int, whole: int, room: tuple[int, int], random: NDArray[np.float64]) -> Whole:
    """The first pixels (n,) along one axis: at the border that is touched, over both, or anywhere within `room`."""
    if low and high:
        return -(random * (length - whole + 1)).astype(np.int64)
    if low or high:
        return np.full(len(random), 0 if low else whole - length)
    first, last = max(room[0], GAP), min(room[1], whole - GAP) - length
    if last < first:
        first, last = 0, whole - length
    return first + (random * (last - first + 1)).astype(np.int64)


def _depth(line: Mask, rim: Whole, starts: Whole) -> Whole:
    """How far (n,) the part's edge lies from the image's border where the shape's outer `line` meets it."""
    met = np.flatnonzero(line) + starts[:, None]
    on = (met >= 0) & (met < rim.size)
    depth = (rim[met.clip(0, rim.size - 1)] * on).sum(1)
    return np.asarray(depth // np.maximum(on.sum(1), 1))


def _outside(place: Place, part: Survey) -> float:
    """The share of the shape's pixels on the image that lie where none may."""
    mask = place.shape.mask
    count = np.count_nonzero(mask)
    outside = np.count_nonzero(mask & ~part.allowed_in(place.top, place.left, *mask.shape))
    return outside / count if count else 1.0
