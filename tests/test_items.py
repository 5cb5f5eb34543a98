from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flawsmith.data.errors import UsageError
from flawsmith.data.record import GOOD
from flawsmith.data.select import Selection
from flawsmith.gan.bank import Bank
from flawsmith.gan.production.config import GenerateConfig, items_of
from flawsmith.gan.production.items import Items, balanced, even, part_of

COUNTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 60), min_size=1)


@given(COUNTS, st.integers(0, 40))
def test_counts_are_met_exactly(counts: dict[str, int], good: int) -> None:
    items = Items.of(counts, good)
    found = Counter(items.name(index) for index in range(len(items)))
    assert found == Counter({**counts, GOOD: good}) and len(items) == sum(counts.values()) + good


@given(COUNTS, st.integers(0, 40))
def test_any_first_part_of_a_set_is_balanced_too(counts: dict[str, int], good: int) -> None:
    items = Items.of(counts, good)
    for kind, count in enumerate([*counts.values(), good]):
        so_far = np.cumsum(items.kinds == kind)
        wanted = count * np.arange(1, len(items) + 1) / len(items)
        assert np.abs(so_far - wanted).max() <= len(counts) + 1


def test_equal_shares_differ_by_one_at_most() -> None:
    assert even(("a", "b", "c"), 8) == {"a": 3, "b": 3, "c": 2}


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 50), min_size=1), st.integers(1, 200))
def test_balance_raises_the_rarest_as_far_as_the_number_goes(real: dict[str, int], count: int) -> None:
    painted = balanced(real, count)
    assert sum(painted.values()) == count and min(painted.values()) >= 0 and list(painted) == list(real)
    total = {name: real[name] + painted[name] for name in real}
    raised = [total[name] for name in real if painted[name]]
    assert max(raised) - min(raised) <= 1 and min(total.values()) >= min(raised) - 1  # as water fills a vessel
    assert all(real[name] >= max(raised) - 1 for name in real if not painted[name])


@pytest.mark.parametrize("parts", [1, 3, 8])
def test_every_clean_part_is_used_once_a_round(parts: int) -> None:
    for turn in range(3):
        used = [part_of(5, index, 0, parts) for index in range(turn * parts, (turn + 1) * parts)]
        assert sorted(used) == list(range(parts))


def test_an_image_that_is_begun_anew_gets_any_part() -> None:
    assert len({part_of(5, 0, again, 50) for again in range(1, 12)}) > 6


def test_a_share_of_good_images_is_that_of_the_whole_set() -> None:
    items = items_of({"a": 60, "b": 20}, 0.2)
    assert len(items) == 100 and sum(items.name(index) == GOOD for index in range(100)) == 20


def test_a_plan_gives_its_configuration_back(bank: Bank) -> None:
    config = GenerateConfig(7, "poisson", good=0.3, balance=True)
    again = GenerateConfig.from_plan(config.plan(bank))
    assert np.array_equal(again.items(bank).kinds, config.items(bank).kinds) and again.plan(bank) == config.plan(bank)


def test_balance_counts_the_real_images_of_the_bank(bank: Bank, selection: Selection) -> None:
    real = Counter(record.defects[0] for record in selection.defects)
    wanted = GenerateConfig(10, "paste", balance=True).wanted(bank)
    assert sum(wanted.values()) == 10 and len({real[name] + wanted[name] for name in wanted}) <= 2


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"counts": (("dent", 3),)}, "--count: this run learned pit, scratch; found dent"),
        ({"classes": ("dent",)}, "--classes: this run learned pit, scratch; found dent"),
        ({"counts": (("pit", 3),), "balance": True}, "need no --classes and no --balance"),
        ({"counts": (("pit", 0),)}, "at least one image of a class"),
        ({"good": 1.0}, "--good: a share"),
        ({"count": 0}, "at least one image"),
        ({"painter": "oil"}, "a painter is one of"),
        ({"image_format": "jpeg"}, "a lossless format"),
        ({"level": 10}, "a level from 0 to 9"),
    ],
)
def test_impossible_wishes_are_refused(bank: Bank, wrong: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        GenerateConfig(**wrong).wanted(bank)  # type: ignore[arg-type]
