"""Where a new defect goes: wholly on the part, at its border if real ones are, in surroundings like theirs."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flawsmith.gan.bank import Bank
from flawsmith.gan.context import LEAST, Features, Survey, likeness, survey
from flawsmith.gan.foreground import Edges, edges
from flawsmith.gan.region import Mask, Pixels
from flawsmith.gan.shapes import Shape, crop, draw_shape, flip

OFFERS = 96  # places looked at in a round
ROUNDS = 3
GAP = 3  # px that a defect away from the border stays away from it
OVER_EDGE = 0.15  # share of a touching defect that may lie beyond the part's (curved) edge
OPPOSITE = ((0, 2), (3, 1))  # top and bottom, left and right, among Sides
STRETCH = 1.6  # most that a defect which spans the part is drawn out to span another one


@dataclass(frozen=True, eq=False)
class Place:
    """A shape, mirrored and cropped as the place needs it, and where its first pixel lies on the image."""

    top: int
    left: int
    shape: Shape
    tries: int  # places looked at

    def mask(self, size: tuple[int, ...]) -> Mask:
        """The shape on an image of `size` (H, W)."""
        mask = np.zeros(size[:2], bool)
        height, width = self.shape.mask.shape
        mask[self.top : self.top + height, self.left : self.left + width] = self.shape.mask
        return mask


@dataclass(frozen=True, eq=False)
class _Offer:
    shape: Shape
    top: int
    left: int


def sample_place(clean: Pixels, shape: Shape, bank: Bank, roi: Mask | None, rng: np.random.Generator) -> Place | None:
    """A place for `shape` on a clean part (H, W, C); `roi` (H, W) bool or None. None where it fits nowhere."""
    return place_on(survey(clean, roi), shape, bank, rng)


def place_on(part: Survey, shape: Shape, bank: Bank, rng: np.random.Generator) -> Place | None:
    """As `sample_place`, on a part that was surveyed before: several defects, or several tries, on one image."""
    fitted = _fit(shape, part.size, bank)
    if fitted is None or not part.allowed.any():
        return None
    seen = _seen(shape, bank)
    rims = edges(part.part)
    most_outside = OVER_EDGE if any(shape.touches) else 0.0
    for turn in range(ROUNDS):
        offers = _offers(fitted, part, rims, rng)
        boxes = np.array([_box(offer) for offer in offers])
        # Half of what is needed, since the sums are coarse: the exact test follows.
        possible = np.flatnonzero(part.boxes(part.sums.allowed, boxes) >= 0.5 * fitted.mask.mean())
        if not possible.size:
            continue
        weights = likeness(part.features(boxes[possible]), seen)
        for k in rng.choice(possible.size, min(possible.size, 24), replace=False, p=_all_positive(weights)):
            offer = offers[possible[k]]
            if _outside(offer, part.allowed) <= most_outside:
                return Place(max(offer.top, 0), max(offer.left, 0), _cropped(offer, part.size), (turn + 1) * OFFERS)
    return None


def _seen(shape: Shape, bank: Bank) -> Features:
    """The surroundings (n, 6) of the class's real defects that touch the border, or that do not, as this one."""
    members = [bank.instances[i] for i in bank.members[shape.params.defect]]
    alike = [one for one in members if any(one.touches) == any(shape.touches) and one.context]
    return np.array([one.context for one in alike]).reshape(-1, len(LEAST))


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


def _offers(shape: Shape, part: Survey, rims: Edges, rng: np.random.Generator) -> list[_Offer]:
    """Random places: anywhere along an axis whose borders the shape does not touch, else at one of them."""
    flips = {(rows, columns): flip(shape, rows, columns) for rows in (False, True) for columns in (False, True)}
    top, right, bottom, left = shape.touches
    offers = []
    random = rng.random((OFFERS, 4))
    for row, column, rows, columns in random.tolist():
        one = flips[top != bottom and rows < 0.5, left != right and columns < 0.5]
        height, width = one.mask.shape
        room = part.room
        at_top = _along(one.touches[0], one.touches[2], height, part.size[0], (room.top, room.bottom), row)
        at_left = _along(one.touches[3], one.touches[1], width, part.size[1], (room.left, room.right), column)
        if top != bottom:
            at_top = _at_rim(one.mask, rims.top, rims.bottom, at_left, at_top, one.touches[0], part.size[0])
        elif left != right:
            at_left = _at_rim(one.mask.T, rims.left, rims.right, at_top, at_left, one.touches[3], part.size[1])
        offers.append(_Offer(one, at_top, at_left))
    return offers


def _along(low: bool, high: bool, length: int, whole: int, room: tuple[int, int], random: float) -> int:
    """The first pixel along one axis: at the border that is touched, over both, or anywhere within `room`."""
    if low and high:
        return -int(random * (length - whole + 1))
    if low or high:
        return 0 if low else whole - length
    first, last = max(room[0], GAP), min(room[1], whole - GAP) - length
    if last < first:
        first, last = 0, whole - length
    return first + int(random * (last - first + 1))


def _at_rim(
    mask: Mask, near: NDArray[np.int64], far: NDArray[np.int64], across: int, at: int, low: bool, whole: int
) -> int:
    """`at`, moved from the image's border to the part's edge where the shape meets it."""
    contact = np.flatnonzero(mask[0 if low else -1]) + across
    contact = contact[(contact >= 0) & (contact < near.size)]
    depth = int((near if low else far)[contact].mean()) if contact.size else 0
    depth = min(depth, whole - mask.shape[0])
    return int(at + depth if low else at - depth)


def _box(offer: _Offer) -> tuple[int, int, int, int]:
    height, width = offer.shape.mask.shape
    return offer.top, offer.left, offer.top + height, offer.left + width


def _cropped(offer: _Offer, size: tuple[int, int]) -> Shape:
    """What of the shape lies on the image."""
    top, left, bottom, right = _box(offer)
    if top >= 0 and left >= 0 and bottom <= size[0] and right <= size[1]:
        return offer.shape
    above, before = max(-top, 0), max(-left, 0)
    return crop(offer.shape, above, before, min(bottom, size[0]) - max(top, 0), min(right, size[1]) - max(left, 0))


def _outside(offer: _Offer, allowed: Mask) -> float:
    """The share of the shape's pixels on the image that lie where none may."""
    shape = _cropped(offer, (allowed.shape[0], allowed.shape[1]))
    top, left = max(offer.top, 0), max(offer.left, 0)
    height, width = shape.mask.shape
    count = int(shape.mask.sum())
    outside = shape.mask & ~allowed[top : top + height, left : left + width]
    return float(outside.sum()) / count if count else 1.0


def _all_positive(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same chances with none at zero, so that unlikely places remain the last resort."""
    raised = weights + 1e-9
    return np.asarray(raised / raised.sum())
