"""What each image adds to the scores of one class: small tables, from which any weighting of the images is scored.

Only the order of scores matters to average precision, and only at levels where defect pixels lie. So the 16-bit levels
are merged into bins that begin at such levels: with up to SHARES of them nothing is lost, and beyond that no bin judges
more than 1 / SHARES of the defect pixels by a threshold that is not their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from flawsmith.segment.metrics import LEVELS, Counts, Histogram, confusion, quantise

SHARES = 1024  # of the defect pixels: an average precision that falls all the way then errs by 1 / 2048
OTHER_SHARES = 256  # of the pixels outside, and of the regions: AUPRO cuts its area at these
FINE = 1536  # levels that are kept of one image until all are known: 1000 images of 3 classes stay below 100 MB
Integers = NDArray[np.integer]


@dataclass(frozen=True, eq=False)
class Layer:
    """One class, or any defect: E entries, each one image's pixels in one bin of scores, and figures of n images."""

    levels: Integers  # (B,) uint16, the lowest 16-bit level of each bin; they rise from 0
    image: Integers  # (E,) uint32
    bin: Integers  # (E,) uint16
    inside: Integers  # (E,) uint32, pixels inside true masks
    outside: Integers  # (E,) uint32
    region: NDArray[np.floating]  # (E,) float32, pixels inside, each weighted by 1 / area of its region
    pixels: Integers  # (n, 3) int64: true positives, false positives and false negatives at the threshold
    regions: Integers  # (n,) int64, connected parts of the true mask
    score: Integers  # (n,) uint16, the image's own score as a 16-bit level

    @cached_property
    def shown(self) -> NDArray[np.bool_]:
        """Which images (n,) show the defect."""
        return self.regions > 0

    def histogram(self, values: NDArray[np.number], owner: NDArray[np.intp], owners: int) -> NDArray[np.float64]:
        """Sums of `values` (E,) over the images of each owner: (owners, B); `owner` (n,) says whose an image is."""
        cells = owner[self.image] * len(self.levels) + self.bin
        sums = np.bincount(cells, values, minlength=owners * len(self.levels))
        return sums.astype(np.float64).reshape(owners, -1)  # without any entry, bincount counts in integers


@dataclass(frozen=True)
class _Row:
    """One image: the levels that occur, rising, with their pixels, and its figures."""

    levels: NDArray[np.uint16]
    inside: NDArray[np.uint32]
    outside: NDArray[np.uint32]
    region: NDArray[np.float32]
    pixels: tuple[float, float, float]
    regions: int
    score: int


@dataclass
class Gatherer:
    """Makes a layer of images that come one by one."""

    rows: list[_Row] = field(default_factory=list)

    def add(self, one: Counts, score: float, threshold: float) -> None:
        """Takes the counts of a single image, its own score, and the threshold of its true and false positives."""
        levels = np.flatnonzero(one.defect + one.good)
        starts = _thin(levels)
        inside, outside, region = (np.add.reduceat(h[levels], starts) for h in (one.defect, one.good, one.region))
        self.rows.append(
            _Row(
                levels[starts].astype(np.uint16),
                inside.astype(np.uint32),
                outside.astype(np.uint32),
                region.astype(np.float32),
                confusion(one.defect, one.good, threshold),
                one.regions,
                int(quantise(np.asarray(score))),
            )
        )

    def layer(self) -> Layer:
        """The images so far, on bins that suit all of them."""
        level, inside, outside, region = (
            np.concatenate([getattr(row, name) for row in self.rows])
            for name in ("levels", "inside", "outside", "region")
        )
        image = np.repeat(np.arange(len(self.rows)), [len(row.levels) for row in self.rows])
        shares = ((inside, SHARES), (outside, OTHER_SHARES), (region, OTHER_SHARES))
        edges = [bin_edges(np.bincount(level, values, LEVELS).astype(np.float64), count) for values, count in shares]
        levels = np.unique(np.concatenate([[0], *edges]))
        place = np.searchsorted(levels, level, side="right") - 1
        starts = np.flatnonzero(np.diff(image * len(levels) + place, prepend=-1))  # entries are in order
        return Layer(
            levels=levels.astype(np.uint16),
            image=image[starts].astype(np.uint32),
            bin=place[starts].astype(np.uint16),
            inside=np.add.reduceat(inside, starts, dtype=np.uint32),
            outside=np.add.reduceat(outside, starts, dtype=np.uint32),
            region=np.add.reduceat(region, starts, dtype=np.float32),
            pixels=np.array([row.pixels for row in self.rows]).astype(np.int64),
            regions=np.array([row.regions for row in self.rows], np.int64),
            score=np.array([row.score for row in self.rows], np.uint16),
        )


def _thin(levels: NDArray[np.intp]) -> NDArray[np.intp]:
    """Where runs of rising levels (L,) begin that may be merged: every level is a run if there are at most FINE.

    Else half the resolution goes to the levels evenly and half to the logits, since scores crowd near 0 and 1.
    """
    if len(levels) <= FINE:
        return np.arange(len(levels))
    share = (levels + 0.5) / LEVELS
    logit = np.log(share / (1 - share))
    tail = (logit - logit[0]) / (logit[-1] - logit[0])
    run = ((np.linspace(0, 1, len(levels)) + tail) * (FINE - 1) / 2).astype(np.intp)
    return np.unique(run, return_index=True)[1]


def bin_edges(mass: Histogram, shares: int) -> NDArray[np.intp]:
    """Where `mass` (L,), summed from the top, reaches each of its equal shares: less than one lies between two edges.

    Nothing where there is no mass.
    """
    there = np.flatnonzero(mass)[::-1]
    reached = np.floor(np.cumsum(mass[there]) * shares / mass.sum())
    reached[-1:] = shares  # whatever the rounding
    edges: NDArray[np.intp] = there[np.diff(reached, prepend=0) > 0]
    return edges
