"""Near-copies of training defects: what is left of a painted defect beside its level and its depth, found again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from flawsmith.gan.bank import Bank
from flawsmith.gan.canvas import PAD
from flawsmith.gan.integrity.figure import Figure
from flawsmith.gan.integrity.painted import Spot
from flawsmith.gan.region import Mask, Pixels, bounding_box, brightness
from flawsmith.gan.shapes import source_coordinates

ALIKE = 0.8  # correlation of a near-copy: pasted defects have 0.97 and more, real ones of other parts 0.4 to 0.7
MOST = 0.1  # share of near-copies
AREA = 400  # px that every defect is brought to before it is compared, or the class's middle one
SHIFT = 2  # px of these
LARGEST = 4.0  # times the side of AREA: a portrait has to stay small
RATIO = 2.0  # of areas up to which defects are compared as large as they are
PIXELS = 800  # of a defect that are compared, evenly spread: enough for any correlation
REALS = 30  # training defects of a class that are compared with each other
FLIPS = tuple((slice(None, None, down), slice(None, None, across)) for down in (1, -1) for across in (1, -1))

Field = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Portrait:
    """A defect's detail (h, w), 0 outside its mask (h, w), centred on the middle pixel."""

    detail: Field
    mask: Mask


class Sitter(NamedTuple):
    """A defect's area, px, and its portraits of look and of change: a copy may be of either, and scaled or as large."""

    area: int
    scaled: tuple[Portrait, ...]  # to AREA
    as_large: tuple[Portrait, ...]  # all of a class by the same factor


class Match(NamedTuple):
    """The training defect (index in the bank) that looks most like a painted one, and their correlation."""

    instance: int
    similarity: float


def portrait(pixels: Field, mask: Mask, scale: float | None = None) -> Portrait:
    """The detail of `pixels` (h, w) inside `mask` (h, w): less the mean at each depth, which the shape alone forces.

    Enlarged by `scale`, None: to AREA px.
    """
    rows, columns = np.nonzero(mask)
    middle, scale = np.array([rows.mean(), columns.mean()]), scale or (AREA / rows.size) ** 0.5
    half = [int(np.ceil(scale * np.abs(line - at).max())) + 1 for line, at in zip((rows, columns), middle, strict=True)]
    grid = np.mgrid[-half[0] : half[0] + 1, -half[1] : half[1] + 1] / scale + middle[:, None, None]
    inside = ndimage.map_coordinates(mask.astype(np.float32), grid, order=1, mode="constant") >= 0.5
    if scale < 1:  # finer than the grid would alias
        pixels = ndimage.gaussian_filter(pixels, 0.4 / scale)
    values = ndimage.map_coordinates(pixels, grid, order=1, mode="nearest")
    depth = np.ceil(ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]).astype(int)
    means = np.bincount(depth.ravel(), values.ravel()) / np.maximum(np.bincount(depth.ravel()), 1)
    return Portrait(np.where(inside, values - means[depth], 0).astype(np.float32), inside)


def correlation(one: Portrait, other: Portrait) -> float:
    """The highest correlation of their detail inside the mask of `one`, over small shifts and flips of `other`."""
    rows, columns = (line[:: -(-line.size // PIXELS)] for line in np.nonzero(one.mask))
    values = one.detail[rows, columns]
    values = values - values.mean()
    frame = _framed(other.detail, np.array(one.mask.shape) // 2 + SHIFT)
    frames = np.stack([frame[flip] for flip in FLIPS])
    step, width = frame.size, frame.shape[1]
    shifts = np.arange(2 * SHIFT + 1)
    first = (np.arange(len(FLIPS))[:, None, None] * step + shifts[:, None] * width + shifts).reshape(-1, 1)
    seen = frames.ravel().take(first + rows * width + columns)
    seen -= seen.mean(1, keepdims=True)
    scale = np.sqrt(np.einsum("ij,ij->i", seen, seen) * (values @ values))
    return float((seen @ values / np.maximum(scale, 1e-9)).max())


def _framed(detail: Field, half: NDArray[np.int64]) -> Field:
    """`detail` cut or padded about its middle to 2 · half + 1."""
    own = np.array(detail.shape) // 2
    pad = np.maximum(half - own, 0)
    cut = np.maximum(own - half, 0)
    wide = np.pad(detail, ((pad[0], pad[0]), (pad[1], pad[1])))
    return wide[cut[0] : wide.shape[0] - cut[0], cut[1] : wide.shape[1] - cut[1]]


def unforced(pixels: Field, clean: Field, mask: Mask) -> Field:
    """`pixels` (h, w) less what the part before (h, w) explains of them inside `mask`, by linear regression.

    Two tracks that are cut through change alike, whoever cut them: what was a track is none.
    """
    before = clean - clean[mask].mean()
    slope = (before * pixels)[mask].sum() / max(np.square(before[mask]).sum(), 1e-9)
    return np.asarray(pixels - slope * before, np.float32)


class Gallery:
    """The training defects as portraits: of their look and of what they change, at one area and at one scale."""

    def __init__(self, bank: Bank) -> None:
        self.bank = bank
        areas = [[bank.instances[i].area for i in members] for members in bank.members]
        self.scales = [(AREA / float(np.median(own))) ** 0.5 if own else 1.0 for own in areas]
        self.portraits = [self.sit(one.healed, one.image, one.mask, one.defect) for one in bank.instances]

    def sit(self, clean: Pixels, after: Pixels, mask: Mask, defect: int) -> Sitter:
        """The portraits of a defect of a class in a window (h, w, C)."""
        kinds = brightness(after), brightness(after - clean)
        if self.bank.structured:
            kinds = unforced(kinds[0], brightness(clean), mask), unforced(kinds[1], brightness(clean), mask)
        scale = min(self.scales[defect], LARGEST * (AREA / mask.sum()) ** 0.5)
        scaled, as_large = (tuple(portrait(kind, mask, by) for kind in kinds) for by in (None, scale))
        return Sitter(int(mask.sum()), scaled, as_large)

    def nearest(self, spot: Spot, among: Sequence[int] | None = None, moved: bool = True) -> Match:
        """The training defect of the class, or among some of it, that looks most like a painted one.

        The shape's own one is `moved` with it, too.
        """
        own = self.sit(spot.clean, spot.after, spot.mask, spot.defect)
        members = self.bank.members[spot.defect] if among is None else among
        matches = [Match(i, _alike(own, self.portraits[i])) for i in members]
        if moved:
            matches.append(Match(spot.shape.first, _alike(own, self._as_drawn(spot))))
        return max(matches, key=lambda match: match.similarity)

    @cached_property
    def among_real(self) -> list[float]:
        """For each training defect how much it looks like one of another group: what chance and kinship give."""
        found = []
        for members in (own[:REALS] for own in self.bank.members):
            groups = {i: self.bank.instances[i].group for i in members}
            for i in members:
                others = [_alike(self.portraits[i], self.portraits[j]) for j in members if groups[j] != groups[i]]
                found += [max(others)] if others else []
        return found

    def _as_drawn(self, spot: Spot) -> Sitter:
        """The portraits of the defect whose shape was used, moved as its shape was."""
        source = self.bank.instances[spot.shape.first]
        at = source_coordinates(spot.shape, self.bank)
        image, healed = (
            np.stack([ndimage.map_coordinates(p[..., k], at, order=1, mode="mirror") for k in range(p.shape[2])], 2)
            for p in (source.image, source.healed)
        )
        height, width = spot.box.size
        mask = np.zeros(at.shape[1:], bool)
        mask[PAD : PAD + height, PAD : PAD + width] = spot.mask[bounding_box(spot.mask).slices]
        return self.sit(healed, image, mask, spot.defect)


def _alike(one: Sitter, other: Sitter) -> float:
    """The highest correlation of portraits of one kind; at their own scale only those of like area.

    A small defect finds its few pixels somewhere in any large one.
    """
    like = 1 / RATIO <= one.area / other.area <= RATIO
    pairs = [*zip(one.scaled, other.scaled, strict=True)] + [*zip(one.as_large, other.as_large, strict=True)] * like
    return max(correlation(a, b) for a, b in pairs)


def copies(matches: Sequence[Match], gallery: Gallery) -> Figure:
    """The share of painted defects that are near-copies; beside it that of real ones of other groups."""
    similar, among_real = [match.similarity for match in matches], gallery.among_real
    return Figure(
        "near-copies",
        share(similar),
        MOST,
        "max",
        f"Share of defects whose detail, less level and depth, correlates over {ALIKE:g} with a training defect.",
        {
            "defects": len(similar),
            "median similarity": float(np.median(similar)) if similar else None,
            "real ones to other parts'": share(among_real),
            "their median": float(np.median(among_real)) if len(among_real) else None,
        },
    )


def share(similar: Sequence[float]) -> float | None:
    """How many of the correlations are those of near-copies; None of none."""
    return float(np.mean(np.array(similar) > ALIKE)) if len(similar) else None
