"""A paired bootstrap over groups of test images and over seeds: how far a mean over seeds may be from the truth.

Within a seed whole groups of its test part are drawn with replacement, the same for all that is compared. The seeds are
drawn as well. A few things drawn with replacement spread less than they do in truth, by √((n - 1) / n): deviations of
seeds from their mean, and of a resampled test part from the whole, are stretched by the inverse. An interval of 95 %
over 3 seeds then covers 95 % where chance lies as much in the seeds as in their test parts, 80 % where it lies in the
seeds alone, 99 % where in the test parts alone, since the seeds' own scores hold that chance already (simulated with 30
groups). With one seed the interval knows nothing of other seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.seeds import rng

REPLICATES = 1000
LEVEL = 0.95
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Estimate:
    """A score and how far resampling moved it: (R,), NaN where a replicate does not define it."""

    value: float
    moved: Floats

    @property
    def replicates(self) -> Floats:
        """The score itself in each replicate (R,)."""
        return self.value + self.moved

    def __sub__(self, other: Estimate) -> Estimate:
        """The paired difference: both were resampled alike."""
        return Estimate(self.value - other.value, self.moved - other.moved)


@dataclass(frozen=True)
class Interval:
    """Both ends, None where too few replicates define the score, and how many do not and were dropped."""

    low: float | None
    high: float | None
    dropped: int


def group_weights(groups: int, seed: int, split: int) -> Floats:
    """How often each group is drawn: (R, G), rows that add up to G; a function of both seeds and G alone."""
    random = rng(seed, "bootstrap groups", split)
    return random.multinomial(groups, np.full(groups, 1 / groups), REPLICATES).astype(np.float64)


def stretch(count: int) -> float:
    """√(n / (n - 1)); NaN for a single one, of which nothing can be learned about others."""
    return (count / (count - 1)) ** 0.5 if count > 1 else np.nan


def over_seeds(estimates: Sequence[Estimate], seed: int) -> Estimate:
    """The mean of one estimate a seed; its replicates draw the seeds, and for each a replicate of its test part.

    A function of `seed` and of the number of estimates: sums and differences of results are those of the estimates.
    """
    count = len(estimates)
    random = rng(seed, "bootstrap seeds", count)
    drawn = random.integers(count, size=(REPLICATES, count))
    replicate = random.permuted(np.tile(np.arange(REPLICATES), (count, 1)), axis=1).T  # each once in every place
    values = np.array([one.value for one in estimates])
    moved = np.stack([one.moved for one in estimates])
    between = (values - values.mean()) * stretch(count) if count > 1 else np.zeros(1)
    return Estimate(float(values.mean()), (between[drawn] + moved[drawn, replicate]).mean(1))


def interval(replicates: Floats, level: float = LEVEL) -> Interval:
    """The middle `level` of the replicates (R,) that are defined; without ends where fewer than half are.

    Infinite replicates are allowed: an end is one of the replicates, never something between two.
    """
    known = replicates[~np.isnan(replicates)]
    dropped = len(replicates) - len(known)
    if dropped > len(known):
        return Interval(None, None, dropped)
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2], method="inverted_cdf")
    return Interval(float(low), float(high), dropped)
