"""What results.json holds, ready to be asked: scores by arm, budget and seed, gains, what is recommended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Any

Budget = int | str  # real images a class, or "all"
HEADLINE = "pixel_ap"
CEILING = "all-real"  # learns from the whole pool, whatever the budget; of the target, where there is one
FIRST = "first-real"  # the first product's model: it has seen nothing of the target
TARGET = "target-real"  # learns from the target's own real defects, as many as the others have of the first product


@dataclass(frozen=True)
class Outcome:
    """The content of results.json; any part of it may be missing or null, and is then empty here."""

    results: Mapping[str, Any]

    @cached_property
    def setting(self) -> dict[str, Any]:
        """How it was run."""
        return dict(self.results.get("setting") or {})

    @cached_property
    def trials(self) -> list[dict[str, Any]]:
        """One an arm, budget and seed."""
        return list(self.results.get("trials") or ())

    @cached_property
    def arms(self) -> list[str]:
        """The arms that have a score, in the order of the setting."""
        there = dict.fromkeys(one["arm"] for one in self.trials)
        wanted = [arm for arm in self.setting.get("arms") or () if arm in there]
        return [*wanted, *(arm for arm in there if arm not in wanted)]

    @cached_property
    def budgets(self) -> list[Budget]:
        """Rising, "all" last; those of the ceiling alone do not count where there are others."""
        found = {one["real"] for one in self.trials if one["arm"] != CEILING} or {one["real"] for one in self.trials}
        return sorted(found, key=lambda real: (isinstance(real, str), real))

    @cached_property
    def seeds(self) -> list[int]:
        """Rising."""
        return sorted({one["seed"] for one in self.trials})

    @cached_property
    def classes(self) -> list[str]:
        """The classes of defect: those of the data, else those that have a score."""
        named = (self.results.get("data") or {}).get("classes")
        return list(named or dict.fromkeys(name for one in self.trials for name in one["metrics"]["per_class"]))

    @cached_property
    def target(self) -> dict[str, Any]:
        """The product that judges, where it is another one."""
        return dict((self.results.get("data") or {}).get("target") or {})

    @cached_property
    def products(self) -> list[str]:
        """The names of the product that is learned from and of the target, as far as there are any."""
        names = (one.get("name") for one in (self.results.get("data") or {}, self.target))
        return [str(name) for name in names if name]

    @cached_property
    def focus(self) -> Budget | None:
        """The budget that pictures and curves show: the first for which an arm is recommended, else the smallest."""
        wanted = [real for real in self.budgets if self.recommended(real)]
        return next(iter([*wanted, *self.budgets]), None)

    def recommended(self, real: Budget) -> str | None:
        """The arm that the verdict names for a budget."""
        named: str | None = (self.results.get("recommended") or {}).get(str(real))
        return named

    def rows(self, part: str) -> list[dict[str, Any]]:
        """A list of results.json by its name."""
        return list(self.results.get(part) or ())

    def find(self, arm: str, real: Budget | None) -> list[dict[str, Any]]:
        """The trials of an arm at a budget, by seed; the ceiling is the same for every budget."""
        found = [one for one in self.trials if one["arm"] == arm and (arm == CEILING or one["real"] == real)]
        return sorted(found, key=lambda one: int(one["seed"]))

    def scores(self, arm: str, real: Budget | None, metric: str, defect: str | None = None) -> list[float]:
        """A score of each seed, of one class or over all; seeds for which it is not defined are left out."""
        found = [score(one["metrics"], metric, defect) for one in self.find(arm, real)]
        return [one for one in found if one is not None]

    def gains(
        self, real: Budget, over: str | None = None, metric: str = HEADLINE, defect: str | None = None
    ) -> list[dict[str, Any]]:
        """The gains at equal budgets, arms in their order."""
        found = [
            gain
            for gain in self.rows("gains")
            if (gain["real"], gain.get("over_real", gain["real"]), gain["metric"], gain.get("class"))
            == (real, real, metric, defect)
            and over in (None, gain["over"])
        ]
        return sorted(found, key=lambda gain: self.arms.index(gain["arm"]) if gain["arm"] in self.arms else 99)


def score(metrics: Mapping[str, Any], metric: str, defect: str | None = None) -> float | None:
    """One score of what evaluate wrote; mean_class_ap is the mean over the classes that have a pixel AP."""
    per_class: Mapping[str, Mapping[str, float | None]] = metrics.get("per_class") or {}
    if metric == "mean_class_ap":
        return mean([one.get(HEADLINE) for one in per_class.values()])
    chosen = metrics.get("overall") if defect is None else per_class.get(defect)
    return (chosen or {}).get(metric)


def mean(values: Sequence[float | None]) -> float | None:
    """Of those that are defined; None where none is."""
    known = [one for one in values if one is not None]
    return fmean(known) if known else None
