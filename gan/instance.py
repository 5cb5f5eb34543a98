"""One real defect: the pixels around it, its mask, and the same place with the defect healed away."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from flawsmith.gan.context import Survey, survey
from flawsmith.gan.foreground import Edges
from flawsmith.gan.heal import HALO
from flawsmith.gan.region import EIGHT, Mask, Pixels, bounding_box, fragments, grow

Sides = tuple[bool, bool, bool, bool]  # top, right, bottom, left

GAP = 8.0  # px: fragments of a mask closer than this are one defect
LEAST = 4  # px: a smaller speck of a mask is a slip of the pen, healed but not learned from
CONTEXT = 32  # px kept around a defect
NEAR = 2  # px: annotators seldom draw to the very border
WINDOW = 128  # px: least side of what is kept, where the image has it: room for a training patch


class Distance(NamedTuple):
    """Signed distance to a mask's rim, px, negative inside: values (h, w); values[0, 0] lies at (row, column)."""

    values: NDArray[np.float32]
    row: int
    column: int


@dataclass(frozen=True, eq=False)
class Instance:
    """A defect in a window of its image; `top`, `left` place the window, `height`, `width` are the whole image's."""

    defect: int  # index of the class
    image: Pixels  # (h, w, C); other defects in the window are healed
    mask: Mask  # (h, w)
    healed: Pixels  # (h, w, C)
    touches: Sides  # the mask meets the image's border, or the part's edge, on this side
    top: int
    left: int
    height: int
    width: int
    source: str  # name of the record
    group: str
    context: tuple[float, ...] = ()  # what its surroundings look like: see context.py

    @cached_property
    def area(self) -> int:
        """Pixels of the mask."""
        return int(self.mask.sum())

    @cached_property
    def pieces(self) -> int:
        """Fragments of the mask."""
        return int(ndimage.label(self.mask, EIGHT)[1])

    @cached_property
    def distance(self) -> Distance:
        """Around the mask; beyond a side that is touched the mask is continued as it ends there."""
        box = bounding_box(self.mask)
        pad = 4 + max(box.size) // 4
        top, right, bottom, left = self.touches
        mask = self.mask[box.slices]
        mask = np.pad(mask, ((pad * top, pad * bottom), (pad * left, pad * right)), mode="edge")
        mask = np.pad(mask, ((pad * (not top), pad * (not bottom)), (pad * (not left), pad * (not right))))
        outside, inside = ndimage.distance_transform_edt(~mask), ndimage.distance_transform_edt(mask)
        values = np.where(mask, 0.5 - inside, outside - 0.5).astype(np.float32)
        return Distance(values, box.top - pad, box.left - pad)

    @cached_property
    def compact(self) -> bool:
        """True for blobs, False for cracks: no more than four times the largest disc that fits in."""
        depth = 0.5 - float(self.distance.values.min())
        return self.area <= 4 * np.pi * max(depth, 1) ** 2

    @cached_property
    def lean(self) -> tuple[float, float, float]:
        """What mirroring negates: slant (-1..1, positive: down to the right), skewness of rows and of columns."""
        (down, across), (height, width) = self._spread
        skews = float((down**3).mean() / height**1.5), float((across**3).mean() / width**1.5)
        return self.axis[1], *skews

    @cached_property
    def axis(self) -> tuple[float, float]:
        """Which way the mask is long, as twice the angle from the rows, and how clearly: a vector of length 0 to 1."""
        (down, across), (height, width) = self._spread
        return float((width - height) / (height + width)), float(2 * (down * across).mean() / (height + width))

    @property
    def _spread(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where the mask's pixels lie about their middle, down and across (2, n), and the variances (2,)."""
        places = np.stack(np.nonzero(self.mask)).astype(np.float64)
        places -= places.mean(1, keepdims=True)
        return places, (places**2).mean(1) + 1 / 12  # 1/12: a pixel's own


@dataclass(frozen=True, eq=False)
class Healed:
    """A whole image (H, W, C) with and without its defects."""

    image: Pixels
    healed: Pixels
    source: str
    group: str
    whole: bool = False  # all of it is part, whatever looks like background

    def instances(self, mask: Mask, defect: int) -> tuple[Instance, ...]:
        """The defects of one class, whose mask is (H, W): fragments near each other are one, specks are left out."""
        parts = [part for part in fragments(mask, GAP) if part.sum() >= LEAST]
        return tuple(self._instance(part, defect) for part in parts)

    @cached_property
    def survey(self) -> Survey:
        """What the healed part looks like."""
        return survey(self.healed, whole=self.whole)

    def beside(self, one: Instance) -> float:
        """The share of a defect of its own that does not lie on what looks like the part."""
        on = self.survey.allowed_in(one.top, one.left, *one.mask.shape)
        return 1 - float((on & one.mask).sum()) / one.area

    def _instance(self, mask: Mask, defect: int) -> Instance:
        height, width = mask.shape
        box = bounding_box(mask)
        top, bottom = _span(box.top, box.bottom, height)
        left, right = _span(box.left, box.right, width)
        window = slice(top, bottom), slice(left, right)
        own = grow(mask[window], HALO)[..., None]
        return Instance(
            defect=defect,
            image=np.where(own, self.image[window], self.healed[window]),
            mask=mask[window].copy(),
            healed=self.healed[window].copy(),
            touches=_touches(mask, self.survey.edges),
            top=top,
            left=left,
            height=height,
            width=width,
            source=self.source,
            group=self.group,
            context=tuple(self.survey.features(np.array([box]))[0].tolist()),
        )


def _span(first: int, last: int, length: int) -> tuple[int, int]:
    """First..last with context on both sides, at least WINDOW long, within 0..length."""
    extra = max(CONTEXT, -(-(WINDOW - (last - first)) // 2))
    low, high = max(first - extra, 0), min(last + extra, length)
    missing = max(WINDOW - (high - low), 0)
    return max(low - missing, 0), min(high + missing, length)


def _touches(mask: Mask, rims: Edges) -> Sides:
    """The sides on which the mask comes within NEAR px of the image's border or of the part's edge."""
    height, width = mask.shape
    rows, columns = np.nonzero(mask)
    top, right, bottom, left = (
        bool(((away <= NEAR) | (np.abs(away - rim) <= NEAR)).any())
        for away, rim in (
            (rows, rims.top[columns]),
            (width - 1 - columns, rims.right[rows]),
            (height - 1 - rows, rims.bottom[columns]),
            (columns, rims.left[rows]),
        )
    )
    return top, right, bottom, left
