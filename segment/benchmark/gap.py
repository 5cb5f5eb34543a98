"""Across products: how much of what labelling the target's own defects would bring is had by painting instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flawsmith.segment.benchmark.bootstrap import interval, over_seeds
from flawsmith.segment.benchmark.counts import Trial
from flawsmith.segment.benchmark.estimates import Estimates
from flawsmith.segment.benchmark.gains import COST, PAINTED, REAL, budgets
from flawsmith.segment.benchmark.outcome import HEADLINE, TARGET, Budget

Row = dict[str, Any]


def all_gaps(trials: Sequence[Trial], seed: int, target: str) -> list[Row]:
    """One row a painted arm and budget, as results.json holds them: the share of the gap in pixel AP that it closes.

    The gap lies between the first product's real defects and as many of the target's own. Where its interval reaches
    down to zero there is none to close, and no share.
    """
    estimates = Estimates(trials, seed)
    rows = (_gap(estimates, arm, real, target) for real in budgets(trials) for arm in PAINTED)
    return [row for row in rows if row is not None]


def _gap(estimates: Estimates, arm: str, real: Budget, target: str) -> Row | None:
    """One row; None where no seed has all three scores."""
    ours, base, goal = (estimates.of(one, real, HEADLINE) for one in (arm, REAL, TARGET))
    seeds = [one for one in ours if one in base and one in goal]
    if not seeds:
        return None
    brought, gap = (over_seeds([of[one] - base[one] for one in seeds], estimates.seed) for of in (ours, goal))
    least = interval(gap.replicates).low
    row = {"arm": arm, "real": real, "gap": gap.value, "seeds": len(seeds), "share": None, "low": None, "high": None}
    if least is None or least <= 0:
        return row | {"text": _no_gap(real, target)}
    known = gap.replicates > 0
    share = brought.value / gap.value
    span = interval(np.divide(brought.replicates, gap.replicates, out=np.full(len(known), np.nan), where=known))
    row |= {"share": share, "low": span.low, "high": span.high}
    return row | {"text": _text(arm, real, target, share, span.low, span.high)}


def best_gaps(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """For each budget what is said of the arm that closes most, of those that may be recommended."""
    found: dict[Budget, Mapping[str, Any]] = {}
    for row in rows:
        before = found.get(row["real"])
        if row["arm"] in COST and (before is None or (row["share"] or 0) > (before["share"] or 0)):
            found[row["real"]] = row
    return [str(row["text"]) for row in found.values()]


def _text(arm: str, real: Budget, target: str, share: float, low: float | None, high: float | None) -> str:
    """In words: "real + gan closes 40 % (10 % to 70 %) of the gap to labelling 10 of each class of screws"."""
    who = arm.replace("+", " + ") + ("" if arm.startswith(REAL) else " alone")
    span = "no interval" if low is None or high is None else f"{_percent(low)} to {_percent(high)}"
    closes = f"{who} closes {_percent(share)} ({span})" if share > 0 else f"{who} closes nothing ({span})"
    return f"{closes} of the gap to {_labelled(real, target)}."


def _no_gap(real: Budget, target: str) -> str:
    return f"No gap to close: {_labelled(real, target)} is not certain to beat real."


def _labelled(real: Budget, target: str) -> str:
    return f"labelling {'all' if real == 'all' else real} of each class of {target}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %".replace("-", "−")
