"""Places that look as the part did around the real defect: a break lies across a track, a burr at an edge.

On a plain surface every place will do. Where a part has structure, a defect that is put anywhere is one that does not
occur: copper on copper, half an edge in the middle of a face.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from flawsmith.data.image import to_float
from flawsmith.gan.bank import Bank
from flawsmith.gan.heal import HALO
from flawsmith.gan.region import bounding_box, grow
from flawsmith.gan.shapes import Shape

Numbers = NDArray[np.float64]

REACH = 12  # px around a defect that are compared, but for those that were healed
POINTS = 128  # of them, spread evenly
MANY, KEPT, NEXT = 512, 16, 8  # places looked at first; the best of them; moves of each, in every turn
MOVES = (6.0, 2.0, 0.7)  # px, deviation of these moves, turn after turn
FLAT = 1e-6  # mean square difference below which there is none: a quarter of a grey level
LIGHT = 2.5  # most by which the light may differ: as much is made up for, see transplant.py


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What the part looks like around a defect: places (n, 2) from the shape's first pixel on, and colours (n, C)."""

    at: NDArray[np.int64]
    colours: NDArray[np.float32]

    @classmethod
    def of(cls, shape: Shape, bank: Bank) -> Surroundings:
        """Around the real defect that the shape was made from, mirrored as the shape is, and turned if it may lie so.

        And no more: a larger break lies across a track that is no wider.
        """
        params, one = shape.params, bank.instances[shape.params.first]
        around = np.pad(shape.mask, REACH)
        at = np.argwhere(grow(around, REACH) & ~grow(around, HALO)) - REACH
        at = at[np.linspace(0, len(at) - 1, min(len(at), POINTS)).astype(int)]
        away = at - (np.array(shape.mask.shape) - 1) / 2
        away *= np.where([params.flip_rows, params.flip_columns], -1, 1)
        turn = params.turn if bank.free[one.defect] else 0.0
        cos, sin = np.cos(turn), np.sin(turn)
        box = bounding_box(one.mask)
        middle = np.array([box.top + box.bottom - 1, box.left + box.right - 1]) / 2
        source = (away @ np.array([[cos, -sin], [sin, cos]]) + middle).T
        colours = [ndimage.map_coordinates(c, source, order=1, mode="mirror") for c in np.moveaxis(one.healed, 2, 0)]
        return cls(at, np.stack(colours, 1))

    def misfit(self, pixels: NDArray[Any], corners: NDArray[np.int64]) -> Numbers:
        """The mean square difference (m,) to a part (H, W, C) with the shape's first pixel at each of `corners` (m, 2).

        Of what lies on the image; pixels are uint8, uint16 or float32 in [0, 1]. The light may differ.
        """
        rows, columns = (corners[:, None] + self.at).transpose(2, 0, 1)
        height, width = pixels.shape[:2]
        on = ((rows >= 0) & (rows < height) & (columns >= 0) & (columns < width))[..., None]
        seen = pixels[rows.clip(0, height - 1), columns.clip(0, width - 1)]
        if seen.dtype.kind == "u":
            seen = to_float(seen, self.colours.shape[1]).transpose(1, 2, 0)
        here, there = seen * on, self.colours * on
        light = (here.sum((1, 2)) + 0.02) / (there.sum((1, 2)) + 0.02)
        apart = np.square(here - there * light.clip(1 / LIGHT, LIGHT)[:, None, None]).sum((1, 2))
        return np.asarray(apart / np.maximum(on.sum((1, 2)), 1) / seen.shape[2], np.float64)


@dataclass(frozen=True, eq=False)
class Matches:
    """The random numbers (k, 4) that mean the places found, and how much less they fit than the best of them, from 1.

    `gain`: how many times better than the median of all places the best one fits.
    """

    random: Numbers
    misfit: Numbers
    gain: float


def search(misfit: Callable[[Numbers], Numbers], size: tuple[int, int], rng: np.random.Generator) -> Matches:
    """The places on a part of `size` px with the least misfit, far from each other: random ones, then nearby ones.

    Random numbers (n, 4) mean a place each, of which the first two lead down and across, see placement.py.
    """
    kept = rng.random((MANY, 4))
    fits = misfit(kept)
    usual = float(np.median(fits))
    best = np.argsort(fits)[:KEPT]
    kept, fits = kept[best], fits[best]
    for move in MOVES:
        steps = rng.standard_normal((NEXT, len(kept), 2)) * move / np.array(size)
        others = np.repeat(kept[None], NEXT, 0)
        others[..., :2] = (others[..., :2] + steps).clip(0, 1 - 1e-9)
        found = misfit(others.reshape(-1, 4)).reshape(NEXT, -1)
        nearest, own = found.argmin(0), np.arange(len(kept))
        better = found[nearest, own] < fits
        kept = np.where(better[:, None], others[nearest, own], kept)
        fits = np.minimum(found[nearest, own], fits)
    least = max(float(fits.min()), FLAT)
    return Matches(kept, np.maximum(fits, FLAT) / least, usual / least)
