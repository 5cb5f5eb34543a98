"""The verdict: what to add to the real images, by the intervals and not by the means, in words for a factory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flawsmith.segment.benchmark.gains import COST, REAL
from flawsmith.segment.benchmark.outcome import FIRST, HEADLINE, Budget

MIN_SEEDS = 3  # fewer say too little about chance
NAMES = {
    "real+paste": "real + copy-paste",
    "real+poisson": "real + Poisson copy-paste",
    "real+gan": "real + GAN",
    "real+gan+paste": "real + GAN + copy-paste",
}
NO_PLACES = "None: this model only grades images, and has no pixel average precision to judge by."
Gain = Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """One to three sentences, and the arm to use at each budget, None where nothing is certain to help."""

    text: str
    recommended: dict[str, str | None]


def give_verdict(gains: Sequence[Gain], budgets: Sequence[Budget], seeds: int) -> Verdict:
    """Judges the gains of all_gains at every budget; `seeds` are those that the benchmark was asked for."""
    tables = {real: _at(gains, real) for real in budgets}
    chosen = {real: recommend(table) for real, table in tables.items()}
    helped = [_sentence(real, tables[real][arm, REAL]) for real, arm in chosen.items() if arm is not None]
    rest = [_sentence(real, best) for real, arm in chosen.items() if arm is None for best in _best(tables[real])]
    bare = bool(gains) and not any(gain["metric"] == HEADLINE for gain in gains)
    text = NO_PLACES if bare else " ".join(_paragraph(helped, rest, seeds))
    return Verdict(text, {str(real): arm for real, arm in chosen.items()})


def across(first: str, target: str, verdict: str, gains: Sequence[Gain], gaps: Sequence[str]) -> str:
    """The verdict on one product's defects that were painted on another, which judges."""
    found = [gain for gain in gains if (gain["arm"], gain["metric"], gain["class"]) == (FIRST, HEADLINE, None)]
    alone = [f"A model of {first} alone against real: {_amount(gain)}." for gain in found]
    return " ".join([f"Learned on {first}, judged on {target}.", verdict, *alone, *gaps])


def recommend(table: Mapping[tuple[str, str], Gain]) -> str | None:
    """The arm that certainly gains over real images alone, and over every cheaper arm that does; None if there is none.

    `table` holds the gains of the headline at one budget by (arm, over). Where the first product's model stands beside
    real images alone, an arm has to beat that too.
    """
    bars = [REAL, *dict.fromkeys(over for _, over in table if over == FIRST)]
    helping: list[str] = []
    chosen = None
    for arm in COST[1:]:  # a costlier arm is only taken if it certainly beats all that help for less
        if all(_certain(table.get((arm, bar))) for bar in bars):
            if all(_certain(table.get((arm, cheaper))) for cheaper in helping):
                chosen = arm
            helping.append(arm)
    return chosen


def _certain(gain: Gain | None) -> bool:
    return gain is not None and gain["seeds"] >= MIN_SEEDS and gain["low"] is not None and gain["low"] > 0


def _at(gains: Sequence[Gain], real: Budget) -> dict[tuple[str, str], Gain]:
    """The gains of the headline at one budget."""
    key = (HEADLINE, None, real, real)
    return {
        (gain["arm"], gain["over"]): gain
        for gain in gains
        if (gain["metric"], gain["class"], gain["real"], gain["over_real"]) == key
    }


def _best(table: Mapping[tuple[str, str], Gain]) -> Iterator[Gain]:
    """The gain over real images alone with the highest mean, if there is any."""
    found = [table[arm, REAL] for arm in COST[1:] if (arm, REAL) in table]
    if found:
        yield max(found, key=lambda gain: float(gain["mean"]))


def _paragraph(helped: Sequence[str], rest: Sequence[str], seeds: int) -> Iterator[str]:
    if not helped and not rest:
        yield "None: no painted defects have been measured beside real images alone yet."
    elif helped:
        yield f"Painted defects help pixel average precision: {'; '.join(helped)}."
        if rest:
            yield f"None elsewhere, where even the best may be chance: {'; '.join(rest)}."
    else:
        few = "one seed is not evidence" if seeds == 1 else f"{seeds} seeds are not evidence"
        certain = "no painted defects are certain to help over real images alone"
        yield f"None: {certain if seeds >= MIN_SEEDS else f'{few}, {MIN_SEEDS} are needed'}."
        yield f"The best, in pixel average precision: {'; '.join(rest)}."


def _sentence(real: Budget, gain: Gain) -> str:
    """For instance: with 10 real images a class, real + GAN by +0.043 (95 % interval +0.012 to +0.071, 3 seeds)."""
    images = "all real images" if real == "all" else f"{real} real images a class"
    return f"with {images}, {NAMES[gain['arm']]} by {_amount(gain)}"


def _amount(gain: Gain) -> str:
    """For instance: +0.043 (95 % interval +0.012 to +0.071, 3 seeds)."""
    seeds = "1 seed" if gain["seeds"] == 1 else f"{gain['seeds']} seeds"
    ends = (gain["low"], gain["high"])
    span = "no interval" if None in ends else f"{100 * gain['level']:.0f} % interval {ends[0]:+.3f} to {ends[1]:+.3f}"
    return f"{gain['mean']:+.3f} ({span}, {seeds})"
