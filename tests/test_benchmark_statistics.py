"""Bootstrap, gains, worth, verdict and curves, on fabricated trials: of 100 defect pixels more or fewer are found."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from flawsmith.data.errors import UserError
from flawsmith.segment.benchmark.bootstrap import (
    REPLICATES,
    Estimate,
    group_weights,
    interval,
    over_seeds,
    stretch,
)
from flawsmith.segment.benchmark.counts import Counts, Trial
from flawsmith.segment.benchmark.curves import RECALL, all_curves
from flawsmith.segment.benchmark.estimates import Estimates
from flawsmith.segment.benchmark.gains import BEST_COPY, COST, METRICS, all_gains
from flawsmith.segment.benchmark.gap import all_gaps, best_gaps
from flawsmith.segment.benchmark.layer import Layer
from flawsmith.segment.benchmark.verdict import Verdict, across, give_verdict, recommend
from flawsmith.segment.benchmark.weighted import SCORES, Weighted
from flawsmith.segment.benchmark.worth import all_worth, isotonic, read_off

IMAGES, GROUPS, CLASSES = 40, 20, ("pit", "scratch")


def _layer(found: np.ndarray, shown: np.ndarray) -> Layer:
    """Of 1000 pixels an image, 100 defective where `shown` (n,); `found` (n,) of those score high, and 20 good ones."""
    images = np.arange(len(found))
    high = np.where(shown, found, 0)
    inside = np.concatenate([np.where(shown, 100, 0) - high, high])
    return Layer(
        levels=np.array([0, 50000]),
        image=np.tile(images, 2),
        bin=np.repeat([0, 1], len(images)),
        inside=inside,
        outside=np.concatenate([np.where(shown, 880, 980), np.full(len(images), 20)]),
        region=inside / 100,
        pixels=np.stack([high, np.full(len(images), 20), np.where(shown, 100, 0) - high], 1),
        regions=shown.astype(int),
        score=(1000 + 500 * high).astype(int),
    )


def _scores(layer: Layer) -> dict[str, float | None]:
    of = Weighted(layer, [""] * len(layer.regions), np.ones((1, 1)))
    return {name: None if math.isnan(value := float(score(of)[0])) else value for name, score in SCORES.items()}


def _trial(arm: str, real: int | str, seed: int, quality: float, learned: float | None = None) -> Trial:
    """`quality` in [0, 1] is the share of defect pixels found; how hard an image is depends on seed and group."""
    random = np.random.default_rng(seed)
    groups = [f"part {index % GROUPS}" for index in range(IMAGES)]
    hard = random.normal(size=GROUPS)[np.arange(IMAGES) % GROUPS] * 10
    found = np.clip(100 * quality + hard + random.normal(size=IMAGES) * 3, 0, 100).astype(int)
    kind = np.arange(IMAGES) % 4  # half are good
    per_class = tuple(_layer(found, kind == k) for k in range(2))
    overall = _layer(found, kind < 2)
    counts = Counts(tuple(map(str, range(IMAGES))), tuple(groups), CLASSES, per_class, overall)
    metrics = {"overall": _scores(overall), "per_class": dict(zip(CLASSES, map(_scores, per_class), strict=True))}
    return Trial(arm, real, seed, metrics, (), counts, learned)


def _trials(qualities: dict[tuple[str, int | str], float], seeds: int = 3) -> list[Trial]:
    return [_trial(arm, real, seed, value) for (arm, real), value in qualities.items() for seed in range(seeds)]


def _find(gains: Sequence[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    (row,) = (gain for gain in gains if all(gain[key] == value for key, value in wanted.items()))
    return row


HEAD = {"metric": "pixel_ap", "class": None}


# the bootstrap


def test_an_arm_against_itself_gains_exactly_nothing() -> None:
    for row in all_gains(_trials({("real", 5): 0.4, ("real+paste", 5): 0.4}), 0):
        assert row["mean"] == row["low"] == row["high"] == 0 and set(row["per_seed"]) == {0}


def test_a_shift_that_is_always_there_is_certain() -> None:
    rows = all_gains(_trials({("real", 5): 0.4, ("real+paste", 5): 0.6}), 0)
    for metric in ("pixel_ap", "mean_class_ap", "dice", "iou", "aupro"):
        row = _find(rows, metric=metric, over="real", **{"class": None})
        assert 0 < row["low"] <= row["mean"] <= row["high"]


def test_both_sides_are_exchangeable() -> None:
    trials = _trials({("real", 5): 0.4, ("real+paste", 5): 0.5})
    swapped = [replace(one, arm={"real": "real+paste"}.get(one.arm, "real")) for one in trials]
    row, mirrored = (_find(all_gains(some, 0), over="real", **HEAD) for some in (trials, swapped))
    assert mirrored["mean"] == pytest.approx(-row["mean"])
    assert mirrored["low"] == pytest.approx(-row["high"], abs=5e-3)  # an end is a replicate, not between two


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(IMAGES)), st.integers(0, 99))
def test_the_order_of_images_changes_nothing(order: list[int], seed: int) -> None:
    layer = _trial("real", 5, 0, 0.5).counts.overall
    groups = [f"part {index % GROUPS}" for index in range(IMAGES)]
    place = np.argsort(order)
    moved = replace(
        layer, image=place[layer.image], **{k: getattr(layer, k)[order] for k in ("pixels", "regions", "score")}
    )
    weights = group_weights(GROUPS, seed, 0)[:20]
    for score in SCORES.values():
        shuffled = score(Weighted(moved, [groups[index] for index in order], weights))
        assert shuffled == pytest.approx(score(Weighted(layer, groups, weights)), nan_ok=True)


def test_two_images_of_one_group_never_part() -> None:
    """Image pairs that cancel within their group: resampled by group nothing moves, by image it would."""
    shown, found = np.ones(IMAGES, bool), np.tile([10, 90], IMAGES // 2)
    weights = group_weights(IMAGES // 2, 0, 0)
    together = [f"part {index // 2}" for index in range(IMAGES)]
    apart = [f"part {index % 20}" for index in range(IMAGES)]
    for score in ("pixel_ap", "dice"):
        spread = [SCORES[score](Weighted(_layer(found, shown), groups, weights)).std() for groups in (together, apart)]
        assert spread[0] < 1e-12 < 1e-3 < spread[1]


def test_weights_are_a_function_of_the_seeds_and_draw_as_many_groups() -> None:
    weights = group_weights(7, 0, 1)
    assert weights.shape == (REPLICATES, 7) and REPLICATES >= 1000
    assert (weights.sum(1) == 7).all() and (weights >= 0).all()
    assert weights.mean(0) == pytest.approx(np.ones(7), abs=0.15)
    assert np.array_equal(weights, group_weights(7, 0, 1))
    assert not np.array_equal(weights, group_weights(7, 0, 2)) and not np.array_equal(weights, group_weights(7, 1, 1))


def _covers(estimates: list[Estimate], seed: int) -> bool:
    span = interval(over_seeds(estimates, seed).replicates)
    assert span.low is not None and span.high is not None
    return span.low <= 0 <= span.high


def test_the_interval_covers_about_what_it_says() -> None:
    """Gains of 3 seeds, each the mean of 12 groups, where seeds and groups bring as much chance."""
    random, hits, alone = np.random.default_rng(0), 0, 0
    for trial in range(250):
        estimates = []
        for split in range(3):
            groups = random.normal(size=12) * 12**0.5 + random.normal()
            resampled = group_weights(12, trial, split) @ groups / 12
            estimates.append(Estimate(groups.mean(), (resampled - groups.mean()) * stretch(12)))
        hits += _covers(estimates, trial)
        alone += _covers(estimates[:1], trial)
    assert 0.90 <= hits / 250 <= 0.99
    assert alone / 250 < 0.90  # one seed is not evidence: it does not know how other seeds would have gone


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_spread_of_seeds_is_unbiased(seeds: int) -> None:
    values = np.random.default_rng(seeds).normal(size=seeds)
    estimates = [Estimate(value, np.zeros(REPLICATES)) for value in values]
    spread = over_seeds(estimates, 0).moved.std()
    assert spread == pytest.approx(values.std(ddof=1) / seeds**0.5, rel=0.1)


def test_results_over_seeds_add_up_as_their_estimates_do() -> None:
    random = np.random.default_rng(0)
    ours, theirs = ([Estimate(random.normal(), random.normal(size=REPLICATES)) for _ in range(3)] for _ in "ab")
    whole = over_seeds(ours, 0) - over_seeds(theirs, 0)
    parts = over_seeds([a - b for a, b in zip(ours, theirs, strict=True)], 0)
    assert whole.value == pytest.approx(parts.value) and whole.moved == pytest.approx(parts.moved)


def test_a_single_seed_keeps_the_interval_of_its_test_part() -> None:
    moved = np.random.default_rng(0).normal(size=REPLICATES)
    assert np.sort(over_seeds([Estimate(2.0, moved)], 0).moved) == pytest.approx(np.sort(moved))


def test_undefined_replicates_are_dropped_and_counted() -> None:
    values = np.arange(1000.0)
    values[:100] = np.nan
    span = interval(values)
    assert (span.low, span.high, span.dropped) == (122, 977, 100)
    values[:501] = np.nan
    assert interval(values).low is None and interval(values).dropped == 501
    assert interval(np.array([1.0, math.inf, math.inf])).high == math.inf


# gains


QUALITIES: dict[tuple[str, int | str], float] = {
    ("real", 5): 0.3,
    ("real", 25): 0.6,
    ("real+paste", 5): 0.35,
    ("real+poisson", 5): 0.4,
    ("real+gan", 5): 0.5,
    ("real+gan", 25): 0.65,
    ("all-real", "all"): 0.9,
}


def test_every_arm_is_compared_with_every_cheaper_one_and_with_more_real_images() -> None:
    rows = all_gains(_trials(QUALITIES), 0)
    heads = {(row["arm"], row["real"], row["over"], row["over_real"]) for row in rows if row["metric"] == "pixel_ap"}
    assert heads == {
        ("real+paste", 5, "real", 5),
        ("real+poisson", 5, "real", 5),
        ("real+poisson", 5, "real+paste", 5),
        ("real+gan", 5, "real", 5),
        ("real+gan", 5, "real+paste", 5),
        ("real+gan", 5, "real+poisson", 5),
        ("real+gan", 5, BEST_COPY, 5),
        ("real+gan", 25, "real", 25),
        ("all-real", 5, "real", 5),
        ("all-real", 25, "real", 25),
        ("real+paste", 5, "real", 25),
        ("real+poisson", 5, "real", 25),
        ("real+gan", 5, "real", 25),
    }
    assert {row["metric"] for row in rows} == set(METRICS)
    assert {row["class"] for row in rows} == {None, *CLASSES}
    assert _find(rows, arm="real+gan", over=BEST_COPY, **HEAD)["over_arm"] == "real+poisson"


def test_means_are_those_of_the_exact_scores() -> None:
    trials = _trials(QUALITIES)
    row = _find(
        all_gains(trials, 0), arm="real+gan", real=5, over="real", over_real=5, metric="dice", **{"class": None}
    )
    scores = {(one.arm, one.real, one.seed): one.metrics["overall"]["dice"] for one in trials}
    by_hand = [scores["real+gan", 5, seed] - scores["real", 5, seed] for seed in range(3)]
    assert row["per_seed"] == pytest.approx(by_hand) and row["mean"] == pytest.approx(np.mean(by_hand))
    assert row["seeds"] == 3 and row["level"] == 0.95 and row["dropped"] == 0


def test_only_seeds_that_both_have_are_paired() -> None:
    trials = _trials({("real", 5): 0.3, ("real+gan", 5): 0.5})
    row = _find(all_gains(trials[:-1], 0), over="real", **HEAD)
    assert row["seeds"] == len(row["per_seed"]) == 2
    assert all_gains(trials[:3], 0) == []


def test_a_class_in_a_single_group_has_no_interval_and_one_without_images_no_row() -> None:
    def narrow(one: Trial, groups: int) -> Trial:
        shown = np.arange(IMAGES) < groups
        layer, scores = (made := _layer(np.full(IMAGES, 50), shown)), _scores(made)
        counts = replace(one.counts, per_class=(layer, one.counts.per_class[1]))
        return replace(
            one, counts=counts, metrics=one.metrics | {"per_class": one.metrics["per_class"] | {"pit": scores}}
        )

    trials = _trials({("real", 5): 0.3, ("real+gan", 5): 0.5})
    rows = all_gains([narrow(one, 1) for one in trials], 0)
    row = _find(rows, metric="pixel_ap", over="real", **{"class": "pit"})
    assert row["low"] is row["high"] is None and row["dropped"] == REPLICATES
    assert _find(rows, over="real", **HEAD)["low"] > 0
    assert not [row for row in all_gains([narrow(one, 0) for one in trials], 0) if row["class"] == "pit"]


def test_trials_of_one_seed_on_other_images_are_refused() -> None:
    one, other = _trials({("real", 5): 0.3, ("real+gan", 5): 0.5}, seeds=1)
    moved = replace(other, counts=replace(other.counts, groups=("elsewhere", *other.counts.groups[1:])))
    with pytest.raises(UserError, match="same images"):
        Estimates([one, moved], 0)


def test_gains_are_a_function_of_the_seed() -> None:
    trials = _trials({("real", 5): 0.3, ("real+gan", 5): 0.5})
    assert all_gains(trials, 0) == all_gains(trials, 0) != all_gains(trials, 1)


# worth


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_isotonic_agrees_with_scikit_learn(values: list[float]) -> None:
    fitted = IsotonicRegression().fit_transform(range(len(values)), values)
    assert isotonic(np.array([values]))[0] == pytest.approx(fitted, abs=1e-9)


def test_reading_off_undoes_the_curve() -> None:
    counts, curve = np.array([5.0, 10, 25]), np.array([0.2, 0.5, 0.6])
    wanted = np.array([5, 7, 10, 20, 25.0])
    scores = np.interp(np.log(wanted), np.log(counts), curve)
    assert read_off(scores, np.tile(curve, (5, 1)), counts) == pytest.approx(wanted)
    beyond = read_off(np.array([0.1, 0.7, np.nan]), np.tile(curve, (3, 1)), counts)
    assert beyond[:2].tolist() == [-math.inf, math.inf] and math.isnan(beyond[2])
    assert math.isnan(read_off(np.array([0.3]), np.array([[0.2, np.nan, 0.6]]), counts)[0])


def test_reading_off_a_curve_that_falls_uses_its_monotone_fit() -> None:
    counts = np.array([1.0, 10, 100])
    assert read_off(np.array([0.45]), np.array([[0.2, 0.6, 0.4]]), counts)[0] == pytest.approx(10 ** (0.25 / 0.3))


def test_painted_images_are_worth_what_the_real_curve_says() -> None:
    qualities = {("real", 5): 0.3, ("real", 10): 0.45, ("real", 25): 0.6, ("real+paste", 5): 0.45, ("real+gan", 5): 0.9}
    paste, gan = all_worth(_trials(qualities), 0)
    assert (paste["arm"], paste["real"], paste["seeds"]) == ("real+paste", 5, 3)
    assert paste["equals"] == pytest.approx(10) and 5 < paste["low"] <= 10 <= paste["high"] < 25
    assert paste["text"].startswith("5 real + paste is worth 10 real ones (")
    assert gan["equals"] is gan["high"] is None
    assert gan["text"] == "5 real + gan is worth more than 25 real ones (more than 25)"


def test_painted_images_that_harm_are_worth_less_than_none() -> None:
    (row,) = all_worth(_trials({("real", 5): 0.6, ("real", 10): 0.8, ("real+gan", 5): 0.2}), 0)
    assert row["equals"] is row["low"] is None and "fewer than 5" in row["text"]


def test_the_whole_pool_is_the_end_of_the_curve_where_its_size_is_known() -> None:
    trials = _trials({("real", 5): 0.3, ("real+gan", 5): 0.5})
    assert all_worth(trials, 0) == []
    (row,) = all_worth([*trials, *(_trial("all-real", "all", seed, 0.9, 30 + seed) for seed in range(3))], 0)
    assert 5 < row["equals"] < 31
    smaller = [_trial("all-real", "all", seed, 0.9, 4) for seed in range(3)]
    assert all_worth([*trials, *smaller], 0) == []


# the verdict


def _gain(arm: str, over: str, low: float | None, seeds: int = 3, real: int | str = 10) -> dict[str, Any]:
    middle = 0.0 if low is None else low + 0.02
    span = {"mean": middle, "low": low, "high": None if low is None else low + 0.04}
    place = {"real": real, "over_real": real, "metric": "pixel_ap", "class": None}
    return {"arm": arm, "over": over, "seeds": seeds, "level": 0.95, **place, **span}


def _judge(*rows: dict[str, Any], seeds: int = 3, budgets: tuple[int | str, ...] = (10,)) -> Verdict:
    return give_verdict(rows, budgets, seeds)


def test_a_mean_above_zero_is_not_enough() -> None:
    verdict = _judge(_gain("real+gan", "real", -0.001))
    assert verdict.recommended == {"10": None}
    assert verdict.text.startswith("None: no painted defects are certain to help")
    assert "real + GAN by +0.019 (95 % interval -0.001 to +0.039, 3 seeds)" in verdict.text


def test_what_certainly_helps_is_recommended_in_words() -> None:
    verdict = _judge(_gain("real+gan", "real", 0.01))
    assert verdict.recommended == {"10": "real+gan"}
    assert verdict.text == (
        "Painted defects help pixel average precision: with 10 real images a class, real + GAN by +0.030 "
        "(95 % interval +0.010 to +0.050, 3 seeds)."
    )


def test_the_cheaper_arm_wins_unless_it_is_certainly_beaten() -> None:
    both = (_gain("real+paste", "real", 0.01), _gain("real+gan", "real", 0.2))
    assert _judge(*both).recommended == {"10": "real+paste"}
    assert _judge(*both, _gain("real+gan", "real+paste", -0.01)).recommended == {"10": "real+paste"}
    assert _judge(*both, _gain("real+gan", "real+paste", 0.01)).recommended == {"10": "real+gan"}


def test_a_cheaper_arm_that_does_not_help_need_not_be_beaten() -> None:
    assert _judge(_gain("real+paste", "real", -0.01), _gain("real+gan", "real", 0.01)).recommended == {"10": "real+gan"}


def test_an_arm_must_beat_every_cheaper_one_that_helps() -> None:
    helps = [_gain(arm, "real", 0.01) for arm in COST[1:]]
    chain = [_gain("real+gan", "real+paste", 0.01), _gain("real+gan", "real+poisson", 0.01)]
    last = [_gain("real+gan+paste", cheaper, 0.01) for cheaper in ("real+paste", "real+poisson")]
    assert _judge(*helps, *chain, *last).recommended == {"10": "real+gan"}
    assert _judge(*helps, *chain, *last, _gain("real+gan+paste", "real+gan", 0.01)).recommended == {
        "10": "real+gan+paste"
    }


def test_an_arm_that_beats_only_the_dearest_of_the_cheaper_ones_is_not_taken() -> None:
    helps = [_gain(arm, "real", 0.01) for arm in ("real+paste", "real+gan", "real+gan+paste")]
    assert _judge(*helps, _gain("real+gan+paste", "real+gan", 0.01)).recommended == {"10": "real+paste"}


def test_the_gan_alone_and_the_ceiling_are_never_recommended() -> None:
    assert recommend({("gan", "real"): _gain("gan", "real", 0.5), ("all-real", "real"): _gain("", "", 0.5)}) is None


@pytest.mark.parametrize(("seeds", "words"), [(1, "one seed is not evidence"), (2, "2 seeds are not evidence")])
def test_few_seeds_are_not_evidence(seeds: int, words: str) -> None:
    verdict = _judge(_gain("real+gan", "real", 0.1, seeds), seeds=seeds)
    assert verdict.recommended == {"10": None} and verdict.text.startswith(f"None: {words}")


def test_no_interval_is_no_evidence() -> None:
    verdict = _judge(_gain("real+gan", "real", None))
    assert verdict.recommended == {"10": None} and "no interval" in verdict.text


def test_every_budget_is_told() -> None:
    rows = (_gain("real+gan", "real", 0.01, real=5), _gain("real+gan", "real", -0.1, real="all"))
    verdict = _judge(*rows, budgets=(5, 25, "all"))
    assert verdict.recommended == {"5": "real+gan", "25": None, "all": None}
    assert "with 5 real images a class" in verdict.text and "None elsewhere" in verdict.text
    assert "with all real images, real + GAN by -0.080" in verdict.text


def test_other_metrics_classes_and_budgets_do_not_count() -> None:
    other: list[dict[str, Any]] = [{"metric": "dice"}, {"class": "pit"}, {"over_real": 25}, {"real": 5, "over_real": 5}]
    verdict = _judge(*(_gain("real+gan", "real", 0.1) | one for one in other))
    assert verdict.recommended == {"10": None} and verdict.text.startswith(
        "None: no painted defects have been measured"
    )


def test_the_verdict_of_measured_trials() -> None:
    trials = _trials(QUALITIES)
    verdict = give_verdict(all_gains(trials, 0), [5, 25], 3)
    assert verdict.recommended == {"5": "real+gan", "25": "real+gan"}
    same = give_verdict(all_gains(_trials(dict.fromkeys(QUALITIES, 0.5)), 0), [5, 25], 3)
    assert same.recommended == {"5": None, "25": None}


# curves


def test_curves_are_means_over_seeds_by_arm_budget_and_class() -> None:
    trials = _trials({("real", 5): 0.3, ("all-real", "all"): 0.6})
    rows = all_curves(trials)
    assert [(row["arm"], row["real"], row["class"]) for row in rows] == [
        (arm, real, defect) for arm, real in (("real", 5), ("all-real", "all")) for defect in (None, *CLASSES)
    ]
    assert all(row["recall"] == RECALL.round(2).tolist() and len(row["precision"]) == 101 for row in rows)
    low, high = (np.mean(row["precision"]) for row in rows if row["class"] is None)
    assert low < high
    alone = [all_curves([one])[0]["precision"] for one in trials[:3]]
    assert rows[0]["precision"] == pytest.approx(np.mean(alone, axis=0), abs=1e-4)


# across products

ACROSS = {("real", 10): 0.2, ("real+paste", 10): 0.3, ("real+gan", 10): 0.5, ("gan", 10): 0.9, ("target-real", 10): 0.6}


def test_the_share_of_the_gap_is_that_of_the_means() -> None:
    trials = _trials(ACROSS)
    means = {
        arm: np.mean([one.metrics["overall"]["pixel_ap"] for one in trials if one.arm == arm]) for arm, _ in ACROSS
    }
    rows = {row["arm"]: row for row in all_gaps(trials, 0, "screws")}
    assert set(rows) == {"real+paste", "real+gan", "gan"}
    for arm, row in rows.items():
        wanted = (means[arm] - means["real"]) / (means["target-real"] - means["real"])
        assert row["share"] == pytest.approx(wanted) and row["low"] <= row["share"] <= row["high"]
        assert row["gap"] == pytest.approx(means["target-real"] - means["real"]) and row["seeds"] == 3
    assert 0 < rows["real+paste"]["share"] < rows["real+gan"]["share"] < 1 < rows["gan"]["share"]
    (text,) = best_gaps([*rows.values()])  # the GAN alone is never recommended
    assert text == rows["real+gan"]["text"]
    assert text.startswith("real + gan closes ") and "of the gap to labelling 10 of each class of screws" in text


def test_an_arm_that_is_the_reference_closes_all_and_one_that_harms_closes_nothing() -> None:
    rows = all_gaps(_trials({**ACROSS, ("real+paste", 10): 0.6, ("real+gan", 10): 0.1}), 0, "screws")
    whole, less = rows[:2]
    assert whole["share"] == whole["low"] == whole["high"] == 1
    assert less["share"] < 0 and less["text"].startswith("real + gan closes nothing")


def test_without_a_certain_gap_there_is_no_share() -> None:
    for goal in (0.2, 0.1):
        row, *_ = all_gaps(_trials({**ACROSS, ("target-real", 10): goal}), 0, "screws")
        assert row["share"] is row["low"] is None and row["text"].startswith("No gap to close")


def test_without_the_reference_there_are_no_gaps() -> None:
    trials = [one for one in _trials(ACROSS) if one.arm != "target-real"]
    assert all_gaps(trials, 0, "screws") == [] and best_gaps([]) == []


def test_gains_are_measured_over_the_reference_too_and_it_over_the_first_product() -> None:
    rows = all_gains(_trials(ACROSS), 0)
    assert _find(rows, arm="real+gan", over="target-real", **HEAD)["mean"] < 0
    assert _find(rows, arm="target-real", over="real", **HEAD)["low"] > 0
    assert not any("target-real" in (row["arm"], row["over"]) for row in all_gains(_trials({("real", 5): 0.1}), 0))


def test_across_products_worth_is_counted_in_labelled_images_of_the_target() -> None:
    qualities = {("real", 5): 0.1, ("real", 10): 0.2, ("real+gan", 5): 0.5}
    trials = _trials({**qualities, ("target-real", 5): 0.3, ("target-real", 10): 0.5})
    (row,) = all_worth(trials, 0, "screws")
    assert row["equals"] == pytest.approx(10) and "is worth 10 labelled ones of screws (" in row["text"]
    assert all_worth(_trials(qualities), 0, "screws") == []  # the first product's images are another currency


def test_the_verdict_across_products_names_both_first() -> None:
    text = across("tiles", "screws", "None.", [], ["A closes 10 %."])
    assert text == "Learned on tiles, judged on screws. None. A closes 10 %."
    gains = all_gains(_trials({**ACROSS, ("first-real", 10): 0.3}), 0)
    assert " A model of tiles alone against real: +0." in across("tiles", "screws", "None.", gains, [])


def test_what_the_first_products_model_does_as_well_is_not_recommended() -> None:
    for alone, wanted in ((0.1, "real+gan"), (0.5, None), (0.4, "real+gan")):
        gains = all_gains(_trials({**ACROSS, ("first-real", 10): alone}), 0)
        assert give_verdict(gains, [10], 3).recommended == {"10": wanted}
    assert give_verdict(all_gains(_trials(ACROSS), 0), [10], 3).recommended == {"10": "real+gan"}
