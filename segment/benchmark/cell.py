"""A cell of a benchmark: the arms of one seed and one budget, and how much work they are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from flawsmith.segment.benchmark.outcome import CEILING
from flawsmith.segment.trial import ARMS, TrialConfig

Budget = int | Literal["all"]  # real defect images of each class that are drawn
# Seconds on two CPU cores of a bank, of a fit's clean places, of one step or image, of a cell: for the time left only.
BANK, BLANKS, FIT, PAINT, TRAIN, EVALUATE, JUDGE = 5.0, 15.0, 0.5, 0.2, 0.2, 0.3, 60.0


@dataclass(frozen=True)
class Cell:
    """The arms of one seed and one budget, which share the fit and the painted sets."""

    seed: int
    real: Budget
    arms: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Where its trial lies, below the benchmark's folder."""
        name = "all" if self.arms == (CEILING,) else f"real-{self.real}"  # the ceiling is the same at every budget
        return Path("trials") / f"seed-{self.seed}" / name

    def __str__(self) -> str:
        return f"seed {self.seed}, {self.real} real"

    @property
    def painters(self) -> tuple[str, ...]:
        """All painters that its arms need."""
        return tuple(dict.fromkeys(painter for arm in self.arms for painter in ARMS[arm].painters))

    def work(self, config: TrialConfig, images: int) -> dict[str, float]:
        """Seconds of each of the trial's tasks, in their order, where `images` are scored."""
        learn = BLANKS + FIT * config.fit.length(1) if "gan" in self.painters else 0.0
        fit = {"fit": BANK + learn} if self.painters else {}
        paint = {f"paint: {painter}": PAINT * config.count for painter in self.painters}
        each = {"train": TRAIN * config.train.length, "evaluate": EVALUATE * images}
        arms = {f"{arm}: {step}": seconds for arm in self.arms for step, seconds in each.items()}
        return fit | paint | arms | ({"judge": JUDGE} if self.painters else {})


def grid(seeds: Iterable[int], budgets: Sequence[Budget], arms: Sequence[str]) -> tuple[Cell, ...]:
    """Seed by seed, a cell each budget; the ceiling comes once a seed."""
    shared = tuple(arm for arm in arms if arm != CEILING)
    cells: list[Cell] = []
    for seed in seeds:
        cells += [Cell(seed, real, shared) for real in budgets if shared]
        cells += [Cell(seed, "all", (CEILING,))] if CEILING in arms else []
    return tuple(cells)


def in_order(budgets: Iterable[Budget]) -> tuple[Budget, ...]:
    """Each budget once, the smallest first, "all" last."""
    return tuple(sorted(set(budgets), key=lambda real: float("inf") if real == "all" else real))
