"""How many real images painted ones stand for: an arm's score, read off the curve of training on real images alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np

from flawsmith.segment.benchmark.bootstrap import Floats, interval, over_seeds
from flawsmith.segment.benchmark.counts import Trial
from flawsmith.segment.benchmark.estimates import BySeed, Estimates
from flawsmith.segment.benchmark.gains import PAINTED, REAL, budgets
from flawsmith.segment.benchmark.outcome import CEILING, HEADLINE, TARGET, Budget

_ROUNDING = 1e-9  # of the fit: what lies on the curve's end is on the curve
Curve = Mapping[float, BySeed]  # real images a class, rising → scores of training on them alone


def all_worth(trials: Sequence[Trial], seed: int, target: str | None = None) -> list[dict[str, Any]]:
    """One row an arm and budget, as results.json holds them; none where real images were tried at one budget only.

    Across products the real images that count are those of the `target`.
    """
    estimates = Estimates(trials, seed)
    curve = _curve(estimates, trials, REAL if target is None else TARGET)
    if len(curve) < 2:
        return []
    ones = "real ones" if target is None else f"labelled ones of {target}"
    rows = (_worth(estimates, curve, arm, real, ones) for real in budgets(trials) for arm in PAINTED)
    return [row for row in rows if row is not None]


def _curve(estimates: Estimates, trials: Sequence[Trial], base: str) -> Curve:
    """Real images alone, the arm `base`, at every budget; then the whole pool, if it is known to hold more."""
    known: dict[float, BySeed] = {
        real: scores
        for real in budgets(trials)
        if isinstance(real, int) and (scores := estimates.of(base, real, HEADLINE))
    }
    for arm, real in ((CEILING, "all"), (base, "all")):
        seen = [one.learned for one in trials if (one.arm, one.real) == (arm, real) and one.learned is not None]
        scores = estimates.of(arm, real, HEADLINE)
        if seen and scores and fmean(seen) > max(known, default=0):
            return known | {fmean(seen): scores}
    return known


def _worth(estimates: Estimates, curve: Curve, arm: str, real: Budget, ones: str) -> dict[str, Any] | None:
    """One row; None where no seed has the arm's score and the whole curve."""
    ours = estimates.of(arm, real, HEADLINE)
    seeds = [one for one in ours if all(one in scores for scores in curve.values())]
    if not seeds:
        return None
    counts = np.array(list(curve))
    goal, *steps = (over_seeds([scores[one] for one in seeds], estimates.seed) for scores in (ours, *curve.values()))
    value = read_off(np.array([goal.value]), np.array([[step.value for step in steps]]), counts)[0]
    span = interval(read_off(goal.replicates, np.stack([step.replicates for step in steps], 1), counts))
    numbers = [_number(end) for end in (value, span.low, span.high)]
    return {
        "arm": arm,
        "real": real,
        **dict(zip(("equals", "low", "high"), numbers, strict=True)),
        "seeds": len(seeds),
        "text": _text(arm, real, [value, span.low, span.high], counts, ones),
    }


def read_off(scores: Floats, curves: Floats, counts: Floats) -> Floats:
    """The count (R,) at which each curve (R, n) over rising counts (n,) first reaches each score (R,).

    The curves are made monotone, and are straight in the logarithm of the count. -inf below their first point, inf
    above their last, NaN where anything is.
    """
    rising, log = isotonic(curves), np.log(counts)
    reached = rising >= scores[:, None] - _ROUNDING
    above = reached.argmax(1)
    below = np.maximum(above - 1, 0)
    low, high = (np.take_along_axis(rising, at[:, None], 1)[:, 0] for at in (below, above))
    share = np.clip(np.divide(scores - low, high - low, out=np.zeros_like(scores), where=high > low), 0, 1)
    found = np.exp(log[below] + share * (log[above] - log[below]))
    found = np.where(reached.any(1), np.where(scores + _ROUNDING < rising[:, 0], -np.inf, found), np.inf)
    return np.where(np.isnan(scores) | np.isnan(rising).any(1), np.nan, found)


def isotonic(values: Floats) -> Floats:
    """The nearest rows (R, n) that never fall, in least squares: the max over starts of the min over ends of means."""
    count = values.shape[1]
    sums = np.pad(np.cumsum(values, 1), ((0, 0), (1, 0)))
    fitted = [
        np.max(
            [
                np.min([(sums[:, end + 1] - sums[:, start]) / (end + 1 - start) for end in range(at, count)], axis=0)
                for start in range(at + 1)
            ],
            axis=0,
        )
        for at in range(count)
    ]
    return np.stack(fitted, 1)


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


def _text(arm: str, real: Budget, ends: Sequence[float | None], counts: Floats, ones: str) -> str:
    """In words: "10 real + gan is worth 17 real ones (11 to more than 25)"."""
    value, low, high = (None if end is None else _words(end, counts) for end in ends)
    source = f"{real} {arm.replace('+', ' + ')}" if arm.startswith(REAL) else f"{arm} alone, learned from {real} real,"
    span = "no interval" if low is None else low if low == high else f"{low} to {high}"
    return f"{source} is worth {value} {ones} ({span})"


def _words(value: float, counts: Floats) -> str:
    if value == -math.inf:
        return f"fewer than {counts[0]:.0f}"
    return f"more than {counts[-1]:.0f}" if value == math.inf else f"{value:.0f}"
