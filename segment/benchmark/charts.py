"""The drawings of a benchmark: gains with their intervals, scores by number of real images, precision by recall."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flawsmith.segment.benchmark.outcome import CEILING, FIRST, HEADLINE, TARGET, Budget, Outcome, mean
from flawsmith.segment.benchmark.plots import Axis, Effect, Line, Point, forest, frame, number_axis, swatch

HEADINGS = {
    "real": "over the real images alone",
    "best copy-paste": "over the better copy-paste",
    FIRST: "over the first product's model",
    TARGET: "over as many labelled images of the target",
}
SHARES = tuple((tick / 4, f"{tick / 4:g}") for tick in range(5))


@dataclass(frozen=True)
class Panel:
    """A drawing (SVG text) under its title."""

    title: str
    svg: str


def budget_name(real: Budget | None) -> str:
    """What a budget is called in a heading."""
    if isinstance(real, str):
        return "all real images of the pool"
    return f"{real} real image{'' if real == 1 else 's'} of each class"


def slug(arm: str) -> str:
    """The arm's name as the page's style knows it."""
    return "arm-" + arm.replace("+", "-")


def legend(outcome: Outcome) -> list[Panel]:
    """A piece of line for each arm."""
    return [Panel(arm, swatch(slug(arm))) for arm in outcome.arms]


def gain_panels(outcome: Outcome) -> list[Panel]:
    """A forest of gains in the headline score for each budget, all on the same axis; references are left out."""
    found = {real: _groups(outcome, real) for real in outcome.budgets}
    effects = [effect for groups in found.values() for _, members in groups for effect in members]
    ends = [value for one in effects for value in (one.mean, one.low, one.high, *one.per_seed) if value is not None]
    if not ends:
        return []
    axis = number_axis(min(0.0, *ends), max(0.0, *ends), "gain in pixel AP", signed=True)
    return [
        Panel(budget_name(real), forest(groups, axis, f"Gain in pixel AP with {budget_name(real)}"))
        for real, groups in found.items()
        if groups
    ]


def _groups(outcome: Outcome, real: Budget) -> list[tuple[str, list[Effect]]]:
    groups = ((text, [_effect(gain) for gain in _shown(outcome, real, over)]) for over, text in HEADINGS.items())
    return [(text, effects) for text, effects in groups if effects]


def _shown(outcome: Outcome, real: Budget, over: str) -> list[dict[str, Any]]:
    return [gain for gain in outcome.gains(real, over) if gain["arm"] not in (CEILING, FIRST, TARGET)]


def _effect(gain: dict[str, Any]) -> Effect:
    seeds = tuple(one for one in gain.get("per_seed") or () if one is not None)
    return Effect(gain["arm"], gain["mean"], gain.get("low"), gain.get("high"), seeds if len(seeds) > 1 else ())


def learning_curve(outcome: Outcome) -> Panel | None:
    """Each arm's score by the number of real images, the ceiling as a level line; None with fewer than two budgets."""
    if len(outcome.budgets) < 2:
        return None
    lines = [_line(outcome, arm) for arm in outcome.arms]
    values = [y for line in lines for _, y in (*line.dots, *(point for point in line.points if point))]
    if not values:
        return None
    ticks = tuple((float(at), str(real)) for at, real in enumerate(outcome.budgets))
    across = Axis(-0.25, len(ticks) - 0.75, ticks, "real images of each class")
    up = number_axis(0, max(values), "pixel AP")
    return Panel("Score by real images", frame(lines, across, up, "Pixel AP of each arm by number of real images"))


def _line(outcome: Outcome, arm: str) -> Line:
    """Means over the seeds, a dot for each seed."""
    scores = [outcome.scores(arm, real, HEADLINE) for real in outcome.budgets]
    means = [mean(values) for values in scores]
    points = [None if value is None else (float(at), value) for at, value in enumerate(means)]
    if arm == CEILING and points[0]:
        return Line(slug(arm), arm, ((-0.25, points[0][1]), (len(points) - 0.75, points[0][1])))
    dots = tuple((float(at), value) for at, values in enumerate(scores) for value in values if len(values) > 1)
    return Line(slug(arm), arm, tuple(points), dots)


def recall_panels(outcome: Outcome) -> list[Panel]:
    """Precision by recall: of all defects at every budget, then of each class at the budget in focus."""
    wanted: list[tuple[str, Budget | None, str | None]] = [
        (f"all defects, {budget_name(real)}", real, None) for real in outcome.budgets
    ]
    if len(outcome.classes) > 1:
        wanted += [(f"{name}, {budget_name(outcome.focus)}", outcome.focus, name) for name in outcome.classes]
    across, up = Axis(0, 1, SHARES, "recall"), Axis(0, 1, SHARES, "precision")
    found = ((title, _curves(outcome, real, name)) for title, real, name in wanted)
    return [Panel(title, frame(lines, across, up, f"Precision by recall: {title}")) for title, lines in found if lines]


def _curves(outcome: Outcome, real: Budget | None, defect: str | None) -> list[Line]:
    curves = [one for one in outcome.rows("curves") if one.get("class") == defect]
    found = [one for one in curves if one["real"] == real or one["arm"] == CEILING]
    order = {arm: place for place, arm in enumerate(outcome.arms)}
    found.sort(key=lambda one: -order.get(one["arm"], 0))  # the first arm is drawn last, over the others
    once = {one["arm"]: one for one in found}.values()
    return [Line(slug(one["arm"]), one["arm"], _points(one["recall"], one["precision"])) for one in once]


def _points(recall: Sequence[float | None], precision: Sequence[float | None]) -> tuple[Point | None, ...]:
    pairs = zip(recall, precision, strict=True)
    return tuple(None if x is None or y is None else (x, y) for x, y in pairs)
