"""The tables of a benchmark's report: rows of text, with a smaller note or a mark where a cell needs one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from flawsmith.segment.benchmark.charts import budget_name
from flawsmith.segment.benchmark.outcome import HEADLINE, Budget, Outcome, mean
from flawsmith.segment.benchmark.plots import signed_text
from flawsmith.segment.report import SCORES

COLUMNS = {"pixel_ap": "pixel AP", "mean_class_ap": "mean class AP", **SCORES}

Mark = Literal["", "good", "bad"]


@dataclass(frozen=True)
class Cell:
    """What a cell says, a note below it in small, and whether it is good or bad news."""

    text: str
    note: str = ""
    mark: Mark = ""


@dataclass(frozen=True)
class Grid:
    """A table: the header, and rows that start with a name; the first `words` columns are no figures."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    words: int = 1


@dataclass(frozen=True)
class Advice:
    """What is recommended at a budget, and the gain that speaks for it; else the best that was tried."""

    budget: str
    arm: str | None
    tried: str
    gain: str


def number(value: float | None, digits: int = 3) -> str:
    """A dash where there is no value."""
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")


def interval(gain: Mapping[str, Any]) -> str:
    """+0.010 to +0.050, or why there is none."""
    if gain.get("low") is None or gain.get("high") is None:
        return "no interval"
    return f"{signed_text(gain['low'])} to {signed_text(gain['high'])}"


def advice(outcome: Outcome) -> list[Advice]:
    """One for each budget."""
    return [_advice(outcome, real) for real in outcome.budgets]


def _advice(outcome: Outcome, real: Budget) -> Advice:
    arm = outcome.recommended(real)
    gains = [one for one in outcome.gains(real, "real") if one["mean"] is not None and one["arm"].startswith("real+")]
    best = max((one for one in gains if arm in (None, one["arm"])), key=lambda one: float(one["mean"]), default=None)
    text = f"{signed_text(best['mean'])} ({interval(best)})" if best else ""
    return Advice(budget_name(real), arm, best["arm"] if best else "", text)


def score_grids(outcome: Outcome) -> list[Grid]:
    """For each budget every arm's scores over all defects, means over the seeds."""
    return [
        Grid(
            budget_name(real),
            ("arm", *COLUMNS.values()),
            tuple(
                (Cell(arm), *(Cell(number(mean(outcome.scores(arm, real, key)))) for key in COLUMNS))
                for arm in outcome.arms
                if outcome.find(arm, real)
            ),
        )
        for real in outcome.budgets
    ]


def class_grids(outcome: Outcome) -> list[Grid]:
    """For each budget the pixel AP of each class and arm, the interval of its gain below; none for a single class."""
    if len(outcome.classes) < 2:
        return []
    return [_class_grid(outcome, real) for real in outcome.budgets]


def _class_grid(outcome: Outcome, real: Budget) -> Grid:
    arms = [arm for arm in outcome.arms if outcome.find(arm, real)]
    rows = []
    for name in outcome.classes:
        gains = {one["arm"]: one for one in outcome.gains(real, "real", defect=name)}
        rows.append(
            (Cell(name, _shown(outcome, name)), *(_class_cell(outcome, arm, real, name, gains) for arm in arms))
        )
    return Grid(budget_name(real), ("class", *arms), tuple(rows))


def _class_cell(outcome: Outcome, arm: str, real: Budget, name: str, gains: Mapping[str, Mapping[str, Any]]) -> Cell:
    gain, value = gains.get(arm), number(mean(outcome.scores(arm, real, HEADLINE, name)))
    if gain is None or gain["mean"] is None:
        return Cell(value)
    return Cell(value, f"{signed_text(gain['mean'])} ({interval(gain)})", _side(gain))


def _shown(outcome: Outcome, name: str) -> str:
    """In how many test images a class is seen, over the seeds."""
    counts = {((one["metrics"].get("images") or {}).get("per_class") or {}).get(name) for one in outcome.trials}
    known = sorted(count for count in counts if count is not None)
    if not known:
        return ""
    return f"{known[0]} test images" if len(known) == 1 else f"{known[0]}–{known[-1]} test images"


def _side(gain: Mapping[str, Any]) -> Mark:
    if gain.get("low") is None or gain.get("high") is None:
        return ""
    return "good" if gain["low"] > 0 else "bad" if gain["high"] < 0 else ""


def gain_grid(outcome: Outcome) -> Grid:
    """Every difference that was computed."""
    rows = (
        (
            Cell(gain["arm"]),
            Cell(gain["over"]),
            Cell(COLUMNS.get(gain["metric"], gain["metric"])),
            Cell(gain.get("class") or "all"),
            Cell(str(gain["real"])),
            Cell(str(gain.get("over_real", gain["real"]))),
            Cell(signed_text(gain["mean"]), mark=_side(gain)),
            Cell(interval(gain)),
            Cell(str(gain["seeds"])),
        )
        for gain in outcome.rows("gains")
    )
    head = ("arm", "over", "score", "class", "real images", "of the other", "gain", "95 % interval", "seeds")
    return Grid("", head, tuple(rows), words=4)


def seed_grid(outcome: Outcome) -> Grid:
    """Every trial's scores over all defects."""
    rows = (
        (
            Cell(arm),
            Cell(str(one["real"])),
            Cell(str(one["seed"])),
            *(Cell(number(value)) for value in _scores(outcome, arm, one)),
            Cell(duration(sum(value or 0 for value in (one.get("seconds") or {}).values()))),
        )
        for arm in outcome.arms
        for one in outcome.trials
        if one["arm"] == arm
    )
    return Grid("", ("arm", "real images", "seed", *COLUMNS.values(), "time"), tuple(rows))


def _scores(outcome: Outcome, arm: str, trial: Mapping[str, Any]) -> Iterable[float | None]:
    one = Outcome({"trials": [trial]})
    return (mean(one.scores(arm, trial["real"], key)) for key in COLUMNS)


def integrity_grid(outcome: Outcome) -> Grid:
    """One row a figure: the worst value of all cells beside its limit, and in how many cells it passed."""
    figures: dict[str, list[dict[str, Any]]] = {}
    for cell in outcome.rows("integrity"):
        for figure in cell.get("figures") or ():
            figures.setdefault(figure["name"], []).append(figure)
    rows = tuple(_figure(name, members) for name, members in figures.items())
    return Grid("", ("figure", "result", "worst value", "limit"), rows, words=2)


def _figure(name: str, members: list[dict[str, Any]]) -> tuple[Cell, ...]:
    first = members[0]
    known = [one["value"] for one in members if one["value"] is not None]
    most = first["sense"] == "max"
    worst = (max(known) if most else min(known)) if known else None
    limit = "–" if first["limit"] is None else f"at {'most' if most else 'least'} {first['limit']:g}"
    return (Cell(name, first.get("what") or ""), _passed(members, known), Cell(number(worst)), Cell(limit))


def _passed(members: list[dict[str, Any]], known: list[float]) -> Cell:
    """Passed, failed, or not measured; a figure without a limit is only shown."""
    judged = [one for one in members if one["value"] is not None and one.get("passed") is not None]
    if not known:
        return Cell("not measured")
    failed = sum(not one["passed"] for one in judged)
    if failed:
        return Cell("✗ failed", f"in {failed} of {len(judged)}", "bad")
    return Cell("✓ passed", f"in {len(judged)} of {len(judged)}", "good") if judged else Cell("shown only")


def figure_grid(outcome: Outcome) -> Grid:
    """Every figure of every cell, with what was measured on the way."""
    rows = (
        (
            Cell(figure["name"], _details(figure.get("detail") or {})),
            Cell(str(cell["real"])),
            Cell(str(cell["seed"])),
            Cell(number(figure["value"])),
        )
        for cell in outcome.rows("integrity")
        for figure in cell.get("figures") or ()
    )
    return Grid("", ("figure", "real images", "seed", "value"), tuple(rows))


def _details(detail: Mapping[str, Any]) -> str:
    """name value, name value; a list or a dict is left to results.json."""
    plain = {name: value for name, value in detail.items() if value is None or isinstance(value, int | float | str)}
    return ", ".join(
        f"{name} {f'{value:.3g}' if isinstance(value, float) else '–' if value is None else value}"
        for name, value in plain.items()
    )


def distance_grids(outcome: Outcome) -> list[Grid]:
    """For each budget the kernel distance of painted to held-out real defects beside those of real to real ones."""
    budgets = dict.fromkeys(one["real"] for one in outcome.rows("distance"))
    return [_distance_grid(outcome, real) for real in budgets]


def _distance_grid(outcome: Outcome, real: Budget) -> Grid:
    """One row a class and painter, means over the seeds."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in outcome.rows("distance"):
        if one["real"] == real:
            key = (one.get("class") or "all", one.get("painter") or one.get("arm") or "")
            groups.setdefault(key, []).append(one)
    rows = (
        (
            *map(Cell, names),
            *(_spread(members, key) for key in ("kid", "floor", "halves")),
            *(Cell(_range(members, key)) for key in ("n_synthetic", "n_real")),
        )
        for names, members in groups.items()
    )
    head = ("class", "painter", "painted", "drawn real", "two halves", "painted crops", "real crops")
    return Grid(budget_name(real), head, tuple(rows), words=2)


def _spread(members: list[dict[str, Any]], key: str) -> Cell:
    value, spread = (mean([one.get(name) for one in members]) for name in (key, f"{key}_std"))
    return Cell(number(value, 4), "" if spread is None else f"± {number(spread, 4)}")


def _range(members: list[dict[str, Any]], key: str) -> str:
    known = sorted(one[key] for one in members if one.get(key) is not None)
    if not known:
        return "–"
    return str(known[0]) if known[0] == known[-1] else f"{known[0]}–{known[-1]}"


def duration(seconds: float | None) -> str:
    """45 s, 12 min or 3 h 05 min."""
    if not seconds:
        return "–"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
