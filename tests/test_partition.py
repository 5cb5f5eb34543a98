"""Groups are divided whole, every class is on both sides, near the share asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from flawsmith.data.partition import partition


def shares(counts: np.ndarray, test: np.ndarray) -> np.ndarray:
    return counts[test].sum(0) / counts.sum(0)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.7])
def test_many_small_groups_meet_the_share_in_every_class(share: float) -> None:
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 4, (200, 5)) * (rng.random((200, 5)) < 0.3)
    test = partition(counts, share, np.random.default_rng(1))
    np.testing.assert_allclose(shares(counts, test), share, atol=0.02)


def test_every_class_of_two_groups_is_on_both_sides() -> None:
    counts = np.zeros((20, 10), np.int64)
    counts[np.arange(20), np.arange(20) // 2] = 3
    for seed in range(10):
        test = partition(counts, 0.5, np.random.default_rng(seed))
        np.testing.assert_allclose(shares(counts, test), 0.5)


def test_a_class_of_one_group_stays_in_the_pool() -> None:
    counts = np.array([[5, 0], [0, 4], [0, 4]])
    for seed in range(10):
        assert not partition(counts, 0.5, np.random.default_rng(seed))[0]


def test_one_large_group_does_not_take_the_class_with_it() -> None:
    counts = np.array([[100], [1], [1], [1]])
    assert 0 < partition(counts, 0.5, np.random.default_rng(0)).sum() < 4


def test_seeds_give_different_splits_and_the_same_seed_the_same() -> None:
    counts = np.ones((14, 2), np.int64)
    found = {tuple(partition(counts, 0.5, np.random.default_rng(seed))) for seed in range(6)}
    assert len(found) > 3
    again = partition(counts, 0.5, np.random.default_rng(3))
    np.testing.assert_array_equal(again, partition(counts, 0.5, np.random.default_rng(3)))


@settings(deadline=None, max_examples=40)
@given(hnp.arrays(np.int64, st.tuples(st.integers(0, 8), st.integers(1, 4)), elements=st.integers(0, 3)))
def test_it_ends_on_anything(counts: np.ndarray) -> None:
    test = partition(counts, 0.5, np.random.default_rng(0))
    assert test.shape == (len(counts),)
    single = (counts > 0).sum(0) == 1
    assert not counts[test][:, single].any()
