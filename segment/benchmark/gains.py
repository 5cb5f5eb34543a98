"""What painted defects add: every arm's scores minus those of another arm, paired by seed, with intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

from flawsmith.segment.benchmark.bootstrap import LEVEL, interval, over_seeds
from flawsmith.segment.benchmark.counts import Trial
from flawsmith.segment.benchmark.estimates import MEAN_CLASS_AP, Estimates
from flawsmith.segment.benchmark.outcome import CEILING, FIRST, HEADLINE, TARGET, Budget

REAL = "real"
COST = (REAL, "real+paste", "real+poisson", "real+gan", "real+gan+paste")  # rising; those that may be recommended
PAINTED = (*COST[1:], "gan")
COPIES = ("real+paste", "real+poisson")
BEST_COPY = "best copy-paste"
METRICS = (HEADLINE, MEAN_CLASS_AP, "dice", "iou", "aupro", "image_auroc", "image_ap")

Gain = dict[str, Any]


def all_gains(trials: Sequence[Trial], seed: int) -> list[Gain]:
    """Gains as results.json holds them: at equal budgets over every cheaper arm, then over more real images.

    Across products also over the first product's model, and over as many of the target's own real images.

    Overall for every metric, and pixel AP of each class. Raises UserError where trials cannot be paired.
    """
    estimates = Estimates(trials, seed)
    classes = list(dict.fromkeys(name for one in trials for name in one.counts.classes))
    scores = [*((metric, None) for metric in METRICS), *((HEADLINE, name) for name in classes)]
    found = []
    for real in budgets(trials):
        for arm, over, label in _equal_budgets(estimates, real):
            found += [_gain(estimates, (arm, real), (over, real), label, *score) for score in scores]
    for small, large in _pairs(budgets(trials)):
        for arm in PAINTED:
            found += [
                _gain(estimates, (arm, small), (REAL, large), REAL, metric, None)
                for metric in (HEADLINE, MEAN_CLASS_AP)
            ]
    return [gain for gain in found if gain is not None]


def budgets(trials: Sequence[Trial]) -> list[Budget]:
    """Those of the trials, rising, "all" last; the arm that learns from the whole pool belongs to each of them."""
    found = {one.real for one in trials if one.arm != CEILING}
    return sorted(found, key=lambda real: (isinstance(real, str), real))


def _pairs(rising: Sequence[Budget]) -> Iterator[tuple[Budget, Budget]]:
    """Every budget with every larger one."""
    for index, small in enumerate(rising):
        for large in rising[index + 1 :]:
            yield small, large


def _equal_budgets(estimates: Estimates, real: Budget) -> Iterator[tuple[str, str, str]]:
    """What is compared at one budget: an arm, a cheaper one, and what that is called in the results."""
    best = _best_copy(estimates, real)
    for index, arm in enumerate(PAINTED):
        yield from ((arm, over, over) for over in (REAL, *PAINTED[:index], FIRST, TARGET))
        if best is not None and arm not in COPIES:
            yield arm, best, BEST_COPY
    yield FIRST, REAL, REAL
    yield TARGET, REAL, REAL
    yield CEILING, REAL, REAL


def _best_copy(estimates: Estimates, real: Budget) -> str | None:
    """The copy-paste arm of the higher mean headline; chosen by the very scores it is judged by, in its favour."""
    means = {arm: [one.value for one in estimates.of(arm, real, HEADLINE).values()] for arm in COPIES}
    return max((arm for arm in COPIES if means[arm]), key=lambda arm: fmean(means[arm]), default=None)


def _gain(
    estimates: Estimates, arm: tuple[str, Budget], over: tuple[str, Budget], label: str, metric: str, defect: str | None
) -> Gain | None:
    """One row; None where no seed has both scores."""
    ours, theirs = (estimates.of(*one, metric, defect) for one in (arm, over))
    differences = [ours[seed] - theirs[seed] for seed in ours if seed in theirs]
    if not differences:
        return None
    mean = over_seeds(differences, estimates.seed)
    span = interval(mean.replicates)
    return {
        "arm": arm[0],
        "over": label,
        "over_arm": over[0],
        "real": arm[1],
        "over_real": over[1],
        "metric": metric,
        "class": defect,
        "mean": mean.value,
        "low": span.low,
        "high": span.high,
        "seeds": len(differences),
        "per_seed": [one.value for one in differences],
        "level": LEVEL,
        "dropped": span.dropped,
    }
