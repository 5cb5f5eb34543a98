"""Divides groups of images in two so that every class is on both sides, each near the share that was asked for."""

import numpy as np
from numpy.typing import NDArray

_ABSENT = 100.0  # cost of a class missing on one side: above any sum of squared deviations from the share
_GROUPS = 0.25  # weight of a class's share of groups beside its share of images
_STARTS = 8  # random starts; the best is kept


def partition(counts: NDArray[np.int64], share: float, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Which of G groups are test, (G,) bool, given `counts` (G, K), the images of each class that they hold.

    Random starts, each improved one group at a time until no move lowers the cost: the squared deviations of each
    class's share of test images, and of its groups, from `share`. A class of one group cannot be on both sides; it is
    left out of the cost.
    """
    groups = (counts > 0).sum(axis=0)
    rare: NDArray[np.bool_] = np.any(
        counts[:, groups == 1] > 0, axis=1
    )  # what cannot be shared must at least be learned from
    counts = counts[:, groups > 1]
    best, best_cost = np.zeros(len(counts), bool), np.inf
    for _ in range(_STARTS):
        test = np.zeros(len(counts), bool)
        test[generator.permutation(len(counts))[: max(1, round(share * len(counts)))]] = True
        test &= ~rare
        cost = _descend(test, counts, share, np.logical_not(rare))
        if cost < best_cost:
            best, best_cost = test, cost
    return best


def _descend(test: NDArray[np.bool_], counts: NDArray[np.int64], share: float, free: NDArray[np.bool_]) -> float:
    """Moves single groups, in place, always the one that helps most; returns the cost reached."""
    present = (counts > 0).astype(np.int64)
    cost = float(_cost(counts[test].sum(0), present[test].sum(0), counts, present, share))
    while free.any() and counts.shape[1]:
        sign = np.where(test, -1, 1)[:, None]
        moved = _cost(
            counts[test].sum(0) + sign * counts, present[test].sum(0) + sign * present, counts, present, share
        )
        one = int(np.where(free, moved, np.inf).argmin())
        if not moved[one] < cost - 1e-12:
            break
        test[one], cost = not test[one], float(moved[one])
    return cost


def _cost(
    images: NDArray[np.int64],
    groups: NDArray[np.int64],
    counts: NDArray[np.int64],
    present: NDArray[np.int64],
    share: float,
) -> NDArray[np.float64]:
    """The cost (…) of test parts with `images` and `groups` (…, K) of each class."""
    all_groups = present.sum(0)
    absent = (groups == 0) | (groups == all_groups)
    off = (images / counts.sum(0) - share) ** 2 + _GROUPS * (groups / all_groups - share) ** 2 + _ABSENT * absent
    total: NDArray[np.float64] = off.sum(axis=-1)
    return total
