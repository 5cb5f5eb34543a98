"""The scores of all trials as estimates: by arm, budget, metric and class, one for each seed, resampled alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from flawsmith.data.errors import UserError
from flawsmith.segment.benchmark.bootstrap import Estimate, Floats, group_weights, stretch
from flawsmith.segment.benchmark.counts import Trial
from flawsmith.segment.benchmark.outcome import CEILING, Budget, score
from flawsmith.segment.benchmark.weighted import SCORES, Weighted

MEAN_CLASS_AP = "mean_class_ap"
BySeed = dict[int, Estimate]
_Key = tuple[str, str | None]  # metric and class


@dataclass
class Estimates:
    """What is known of the trials, computed when asked for, and once."""

    trials: Sequence[Trial]
    seed: int
    _known: dict[tuple[int, _Key], Estimate | None] = field(default_factory=dict)
    _weights: dict[int, Floats] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises UserError where trials of one seed were not scored on the same images: nothing could be paired."""
        first: dict[int, Trial] = {}
        for one in self.trials:
            other = first.setdefault(one.seed, one)
            if _tested(one) != _tested(other):
                rule = f"all trials of seed {one.seed} must be scored on the same images"
                raise UserError(f"{one.arm}, {one.real} real", rule, f"others than {other.arm}, {other.real} real")

    def of(self, arm: str, real: Budget, metric: str, defect: str | None = None) -> BySeed:
        """Of one arm at a budget, overall or of one class: the seeds for which the score is defined.

        The arm that learns from the whole pool is the same at every budget.
        """
        found = {}
        for index, one in enumerate(self.trials):
            if one.arm == arm and (one.real == real or arm == CEILING):
                estimate = self._estimate(index, (metric, defect))
                if estimate is not None:
                    found[one.seed] = estimate
        return dict(sorted(found.items()))

    def _estimate(self, index: int, key: _Key) -> Estimate | None:
        if (index, key) not in self._known:
            value = score(self.trials[index].metrics, *key)
            self._known[index, key] = None if value is None else Estimate(value, self._moved(index, *key))
        return self._known[index, key]

    def _moved(self, index: int, metric: str, defect: str | None) -> Floats:
        """How far each replicate lies from the score of all images; both are read off the same merged bins."""
        trial = self.trials[index]
        if metric == MEAN_CLASS_AP:
            of_classes = (self._estimate(index, ("pixel_ap", name)) for name in trial.counts.classes)
            return np.asarray(np.mean([one.moved for one in of_classes if one is not None], axis=0))
        layer, groups = trial.counts.layer(defect), trial.counts.groups
        scores = SCORES[metric](Weighted(layer, groups, self._group_weights(trial)))
        showing = {group for group, shown in zip(groups, layer.shown, strict=True) if shown}
        return np.asarray((scores[1:] - scores[0]) * stretch(len(showing)))

    def _group_weights(self, trial: Trial) -> Floats:
        """Of all images once (row 0), then of the replicates."""
        if trial.seed not in self._weights:
            replicates = group_weights(len(set(trial.counts.groups)), self.seed, trial.seed)
            self._weights[trial.seed] = np.pad(replicates, ((1, 0), (0, 0)), constant_values=1)
        return self._weights[trial.seed]


def _tested(trial: Trial) -> dict[str, str]:
    return dict(zip(trial.counts.images, trial.counts.groups, strict=True))
