"""Sham pastes: clean pixels pasted on a clean part by the same blending. What fires there has learned the seam."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.geometry.box import Box
from flawsmith.data.image import read_image, to_float, to_uint
from flawsmith.data.record import Record
from flawsmith.data.seeds import rng
from flawsmith.gan.bank import Bank
from flawsmith.gan.blend import composite, feather
from flawsmith.gan.context import survey
from flawsmith.gan.integrity.figure import Figure
from flawsmith.gan.paste import FEATHER
from flawsmith.gan.placement import place_on
from flawsmith.gan.region import Mask, Pixels, bounding_box, grow
from flawsmith.gan.shapes import draw_shape, sample_shape
from flawsmith.segment.model import Model

COUNT, TRIES = 60, 3  # shams that a network is shown, and how often each is tried
CONTEXT = 48  # px around the pasted shape
RING = 6  # px around it in which the pasted pixels have to fit
DONORS, OFFERS = 3, 4  # other parts, and places on each, that they may come from; the one that fits best is taken
JITTER = 12  # px from the same place of the other part
THRESHOLD = 0.5
DIMMEST, BRIGHTEST = 0.7, 1.4  # what the light may be changed by: a bright patch in the dark is no clean one
MISFIT = 0.2  # of the brightness: where the surroundings differ by more, what is pasted would be an anomaly indeed
LIMIT = 0.2  # of the shams, by chance a few in sixty


@dataclass(frozen=True, eq=False)
class Sham:
    """A clean window (h, w, C) uint8 or uint16, before and after other clean pixels were pasted under `mask` (h, w)."""

    before: NDArray[Any]
    after: NDArray[Any]
    mask: Mask


def shams(bank: Bank, good: Sequence[Record], seed: int, count: int = COUNT) -> Iterator[Sham]:
    """Up to `count` shams on the good parts; a place where no other part's pixels fit is left out."""
    classes = [defect for defect, members in enumerate(bank.members) if members]
    tries = range(TRIES * count)
    made = (_sham(good, bank, classes[index % len(classes)], rng(seed, "sham", index)) for index in tries)
    return islice((one for one in made if one is not None), count)


def _sham(good: Sequence[Record], bank: Bank, defect: int, random: np.random.Generator) -> Sham | None:
    under, *others = (read_image(good[int(pick)].image) for pick in random.permutation(len(good))[: 1 + DONORS])
    whole = _drawn(to_float(under, bank.channels).transpose(1, 2, 0), bank, defect, random)
    if whole is None:
        return None
    window = bounding_box(whole, CONTEXT)
    mask, before = whole[window.slices], under[window.slices]
    colours = 3 if before.shape[2] > 1 else 1
    clean = to_float(before, colours).transpose(1, 2, 0)
    pixels = _fitting(clean, mask, [to_float(one, colours).transpose(1, 2, 0) for one in others], window, random)
    if pixels is None:
        return None
    alpha = feather(mask, FEATHER)
    pasted = to_uint(composite(clean, pixels, alpha).transpose(2, 0, 1), before.dtype)
    pasted = np.concatenate([pasted, before[..., colours:]], axis=2)
    return Sham(before, np.where((alpha > 0)[..., None], pasted, before), mask)


def _drawn(clean: Pixels, bank: Bank, defect: int, random: np.random.Generator) -> Mask | None:
    """A shape of the class where such defects occur on the part (H, W, C); None where it has no room."""
    part = survey(clean, whole=bank.whole)
    place = place_on(part, draw_shape(sample_shape(bank, defect, random), bank), bank, random)
    return None if place is None else place.mask(clean.shape)


def _fitting(
    clean: Pixels, mask: Mask, donors: Sequence[Pixels], window: Box, random: np.random.Generator
) -> Pixels | None:
    """Pixels (h, w, C) of about the same place of another part, in the same light, that agree best around the mask."""
    ring = grow(mask, RING) & ~mask
    if not ring.any():
        return None
    best, least = None, float((MISFIT * clean[ring].mean()) ** 2)
    for donor in donors:
        for pixels in _offers(donor, window, random):
            gain = (clean[ring].mean(0) + 0.02) / (pixels[ring].mean(0) + 0.02)
            lit = np.clip(pixels * gain, 0, 1).astype(np.float32)
            misfit = float(((lit - clean)[ring] ** 2).mean())
            if misfit < least and (gain >= DIMMEST).all() and (gain <= BRIGHTEST).all():
                best, least = lit, misfit
    return best


def _offers(donor: Pixels, window: Box, random: np.random.Generator) -> Iterator[Pixels]:
    """Windows of a donor (H, W, C) about the same place; none where it is too small."""
    height, width = window.size
    rows, columns = donor.shape[0] - height, donor.shape[1] - width
    for down, across in random.integers(-JITTER, JITTER + 1, (OFFERS, 2)).tolist() if min(rows, columns) >= 0 else ():
        top, left = int(np.clip(window.top + down, 0, rows)), int(np.clip(window.left + across, 0, columns))
        yield donor[top : top + height, left : left + width]


def fired(model: Model, shown: Sequence[Sham]) -> dict[str, Any]:
    """The share of shams, and of the same windows untouched, in which any pixel is called a defect, and the excess."""
    before = [bool((model.predict(one.before) > THRESHOLD).any()) for one in shown]
    after = [bool((model.predict(one.after) > THRESHOLD).any()) for one in shown]
    if not shown:
        return {"sham": None, "untouched": None, "excess": None, "shams": 0}
    sham, untouched = float(np.mean(after)), float(np.mean(before))
    return {"sham": sham, "untouched": untouched, "excess": sham - untouched, "shams": len(shown)}


def sham_pastes(fired: Mapping[str, Mapping[str, Any]], painted: Sequence[str]) -> Figure:
    """The excess of the arm that fires most, of the `painted` arms; the others stand beside it."""
    known = [fired[arm]["excess"] for arm in painted if arm in fired and fired[arm]["excess"] is not None]
    return Figure(
        "sham pastes",
        max(known, default=None),
        LIMIT,
        "max",
        "Share of clean pastes on clean parts that are called a defect, less that of the untouched part; worst arm.",
        {arm: one["excess"] for arm, one in fired.items()},
    )
