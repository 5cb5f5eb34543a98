"""How near a painted defect comes to copying a training defect: coarsely at first, exactly where it may matter."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from flawsmith.gan.bank import Bank
from flawsmith.gan.canvas import PAD, ShapeParams
from flawsmith.gan.integrity.copies import ALIKE, FLIPS, Gallery
from flawsmith.gan.integrity.painted import Spot
from flawsmith.gan.region import Mask, Pixels, bounding_box, brightness
from flawsmith.gan.shapes import source_coordinates

COARSE = 100  # px that a defect is brought to at first; the exact comparison has four times as many
SHIFT = 1  # px of these
# From which on the exact likeness is taken: of 360 copies by the painters paste and poisson, on four classes, none was
# below both. Pasted defects have 0.96 and more of the second.
WORTH_A_LOOK, DRAWN = 0.7, 0.6
MARGIN, CLOSEST = 0.1, 3  # how far below that, and how many: which training defects are then compared with

Field = NDArray[np.float32]


class Sketch(NamedTuple):
    """A defect in few pixels: its mask (h, w) about the middle pixel, and two fields (2, h, w), look and change."""

    mask: Mask
    fields: Field


class Nearness:
    """The training defects of a bank, to compare with."""

    limit = ALIKE

    def __init__(self, bank: Bank) -> None:
        self.bank, self.gallery = bank, Gallery(bank)
        self.of_class = cache(self._of_class)

    def of(self, clean: Pixels, painted: Pixels, mask: Mask, shape: ShapeParams) -> float:
        """The highest correlation of a defect in a window (h, w, C) with a training defect of its class.

        The coarse one, where that is too low for a copy.
        """
        coarse, drawn = self.coarse(clean, painted, mask, shape.defect), self.drawn(clean, painted, mask, shape)
        highest = max(float(coarse.max()), drawn)
        if highest < WORTH_A_LOOK and drawn < DRAWN:
            return highest
        members = self.bank.members[shape.defect]
        among = [members[place] for place in np.argsort(-coarse)[:CLOSEST] if coarse[place] > WORTH_A_LOOK - MARGIN]
        box = bounding_box(mask)
        spot = Spot("", box, shape.defect, shape, clean, painted, mask, box.top, box.left)
        return self.gallery.nearest(spot, among, moved=drawn >= DRAWN or not among).similarity

    def coarse(self, clean: Pixels, painted: Pixels, mask: Mask, defect: int) -> Field:
        """The highest correlation (n,) with the sketch of each training defect of the class, over shifts and flips."""
        own, others = sketch(clean, painted, mask), self.of_class(defect)
        rows, columns = np.nonzero(own.mask)
        middle, half = np.array(own.mask.shape) // 2, np.array(others.shape[-2:]) // 2
        rows, columns = rows - middle[0] + half[0], columns - middle[1] + half[1]
        inside = (rows >= SHIFT) & (rows < others.shape[-2] - SHIFT)
        inside &= (columns >= SHIFT) & (columns < others.shape[-1] - SHIFT)
        best = np.full(others.shape[1], -1.0, np.float32)
        if inside.sum() < 2:  # of quite another shape
            return np.full(others.shape[1] // len(FLIPS), -1.0, np.float32)
        rows, columns = rows[inside], columns[inside]
        values = own.fields[:, own.mask][:, inside]
        for down in range(-SHIFT, SHIFT + 1):
            for across in range(-SHIFT, SHIFT + 1):
                seen = others[:, :, rows + down, columns + across]
                best = np.maximum(best, highest_correlation(values, seen))
        return np.asarray(best.reshape(-1, len(FLIPS)).max(1), np.float32)

    def drawn(self, clean: Pixels, painted: Pixels, mask: Mask, shape: ShapeParams) -> float:
        """The correlation with the training defect whose shape was used, moved as its shape was, pixel by pixel."""
        source, window = self.bank.instances[shape.first], bounding_box(mask).slices
        at = source_coordinates(shape, self.bank)[:, PAD:-PAD, PAD:-PAD]
        inside, after, before = mask[window], brightness(painted[window]), brightness(clean[window])
        image, healed = (
            ndimage.map_coordinates(brightness(one), at, order=1, mode="mirror")
            for one in (source.image, source.healed)
        )
        depth = np.ceil(ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1])[inside].astype(int)
        pairs = ((after, image), (after - before, image - healed))
        return max(aligned(one[inside], other[inside], depth) for one, other in pairs)

    def _of_class(self, defect: int) -> Field:
        """The sketches of a class's training defects, mirrored four ways: (2, n, h, w), look and change."""
        found = [
            sketch(one.healed, one.image, one.mask).fields
            for one in (self.bank.instances[i] for i in self.bank.members[defect])
        ]
        height, width = (max(one.shape[axis] for one in found) + 2 * SHIFT for axis in (1, 2))
        framed = [np.pad(one, ((0, 0), *(_margins(one.shape[1:], (height, width))))) for one in found]
        return np.stack([one[:, *way] for one in framed for way in FLIPS], axis=1)


def _margins(size: tuple[int, ...], wanted: tuple[int, int]) -> list[tuple[int, int]]:
    """What to add on both sides of each axis; odd sizes stay centred."""
    return [((w - s) // 2, (w - s) // 2) for s, w in zip(size, wanted, strict=True)]


def highest_correlation(values: Field, seen: Field) -> Field:
    """The higher one (n,) of the correlations of (2, P) with (2, n, P), kind by kind."""
    values = values - values.mean(1, keepdims=True)
    seen = seen - seen.mean(2, keepdims=True)
    along = np.einsum("knp,kp->kn", seen, values)
    scale = np.sqrt(np.einsum("knp,knp->kn", seen, seen) * (values * values).sum(1)[:, None])
    return np.asarray((along / np.maximum(scale, 1e-9)).max(0), np.float32)


def aligned(one: Field, other: Field, depth: NDArray[np.int64]) -> float:
    """The correlation of two sets of pixels (P,) less their mean at each depth (P,)."""
    count = np.maximum(np.bincount(depth), 1)
    first, second = (values - (np.bincount(depth, values) / count)[depth] for values in (one, other))
    scale = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / max(scale, 1e-9)


def sketch(clean: Pixels, painted: Pixels, mask: Mask) -> Sketch:
    """A defect (h, w, C) brought to COARSE px, less the mean at each depth, which the shape alone forces."""
    window = bounding_box(mask, 2).slices
    clean, painted, mask = clean[window], painted[window], mask[window]
    rows, columns = np.nonzero(mask)
    middle, scale = np.array([rows.mean(), columns.mean()]), (COARSE / rows.size) ** 0.5
    half = [int(np.ceil(scale * np.abs(line - at).max())) + 1 for line, at in zip((rows, columns), middle, strict=True)]
    grid = np.mgrid[-half[0] : half[0] + 1, -half[1] : half[1] + 1] / scale + middle[:, None, None]
    inside = ndimage.map_coordinates(mask.astype(np.float32), grid, order=1, mode="constant") >= 0.5
    depth = np.ceil(ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]).astype(int)
    count = np.maximum(np.bincount(depth.ravel()), 1)
    after = brightness(painted)
    fields = []
    for values in (after, after - brightness(clean)):
        if scale < 1:  # finer than the grid would alias
            values = ndimage.gaussian_filter(values, 0.4 / scale)
        values = ndimage.map_coordinates(values, grid, order=1, mode="nearest")
        fields.append(np.where(inside, values - (np.bincount(depth.ravel(), values.ravel()) / count)[depth], 0))
    return Sketch(inside, np.array(fields, np.float32))
