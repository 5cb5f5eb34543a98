"""Draws: N of each class, from as many parts as there are, the smaller a part of the larger."""

from itertools import pairwise
from pathlib import Path

import pytest

from flawsmith.data.draw import draw, in_turn
from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.record import Label, Record


def record(name: str, group: str, *classes: str) -> Record:
    return Record(name, Path(name), group, tuple(Label(defect, Path("m.png")) for defect in classes))


PITS = [record(f"pit{i:02}", f"g{i % 4}", "pit") for i in range(20)]
CRACKS = [record(f"crack{i:02}", f"h{min(i, 2)}", "crack") for i in range(9)]  # h2 holds seven of them
BOTH = [record(f"both{i:02}", f"g{i}", "pit", "crack") for i in range(3)]


def count(records: tuple[Record, ...], defect: str) -> int:
    return sum(defect in record.defects for record in records)


@pytest.mark.parametrize("n", [1, 3, 9])
def test_each_class_has_n(n: int) -> None:
    found = draw(PITS + CRACKS, n, ["pit", "crack"], seed=0)
    assert count(found, "pit") == count(found, "crack") == n
    assert len({record.name for record in found}) == len(found)


@pytest.mark.parametrize("seed", range(5))
def test_groups_take_turns(seed: int) -> None:
    assert {record.group for record in draw(PITS, 4, ["pit"], seed)} == {"g0", "g1", "g2", "g3"}
    assert {record.group for record in draw(CRACKS, 3, ["crack"], seed)} == {"h0", "h1", "h2"}


@pytest.mark.parametrize("seed", range(5))
def test_a_smaller_draw_is_part_of_a_larger_one(seed: int) -> None:
    everything = PITS + CRACKS + BOTH
    draws = [set(draw(everything, n, ["pit", "crack"], seed)) for n in range(1, 25)]
    assert all(small <= large for small, large in pairwise(draws))
    assert draws[-1] == set(draw(everything, None, ["pit", "crack"], seed)) == set(everything)


def test_an_image_of_two_classes_counts_for_both() -> None:
    assert len(draw(BOTH, 2, ["pit", "crack"], 0)) == 2


def test_the_order_of_the_records_does_not_matter_and_the_seed_does() -> None:
    assert draw(PITS, 5, ["pit"], 1) == draw(PITS[::-1], 5, ["pit"], 1)
    assert len({draw(PITS, 5, ["pit"], seed) for seed in range(5)}) > 1


def test_the_draw_of_one_class_does_not_depend_on_the_others() -> None:
    alone = set(draw(PITS + CRACKS, 5, ["pit"], 0))
    assert alone <= set(draw(PITS + CRACKS, 5, ["crack", "pit"], 0))


def test_images_of_other_classes_are_left_out() -> None:
    assert count(draw(PITS + CRACKS, None, ["pit"], 0), "crack") == 0


def test_more_than_there_are_gives_all_and_none_is_refused() -> None:
    assert len(draw(CRACKS, 99, ["crack"], 0)) == 9
    with pytest.raises(UserError, match="scratch"):
        draw(CRACKS, 5, ["crack", "scratch"], 0)


@pytest.mark.parametrize("n", [0, -3])
def test_less_than_one_is_refused(n: int) -> None:
    with pytest.raises(UsageError, match="--real"):
        draw(PITS, n, ["pit"], 0)


def test_in_turn_loses_nobody() -> None:
    assert sorted(record.name for record in in_turn(PITS, "pit", 3)) == [record.name for record in PITS]
