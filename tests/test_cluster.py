"""Images of one part get one number: by group, by equal files, by near-duplicates, and by chains of these."""

from pathlib import Path

import numpy as np

from flawsmith.data.cluster import cluster
from flawsmith.data.fingerprint import Fingerprint, fingerprint
from flawsmith.data.record import Record


def prints(seeds: list[int]) -> list[Fingerprint]:
    images = (np.random.default_rng(seed).integers(0, 256, (24, 20, 1)).astype(np.uint8) for seed in seeds)
    return [fingerprint(np.kron(image, np.ones((4, 4, 1), np.uint8))) for image in images]


def records(groups: str) -> list[Record]:
    return [Record(f"{i}.png", Path(f"{i}.png"), group) for i, group in enumerate(groups)]


def test_groups_are_kept_and_nothing_is_said() -> None:
    labels, notes = cluster(records("aabb"), list("wxyz"), prints([1, 2, 3, 4]), grouped=True)
    assert list(labels) == [0, 0, 1, 1]
    assert notes == []


def test_duplicates_join_groups_through_chains_and_are_told() -> None:
    labels, notes = cluster(records("aabbcd"), list("uvwxyz"), prints([1, 2, 2, 3, 3, 4]), grouped=True)
    assert list(labels) == [0, 0, 0, 0, 0, 1]
    assert "2 near-duplicate pair(s)" in notes[0]
    assert "1.png (a) and 2.png (b)" in notes[0]


def test_equal_files_join_even_where_they_are_flat() -> None:
    flat = [fingerprint(np.full((9, 9, 1), 7, np.uint8))] * 2
    labels, _ = cluster(records("ab"), ["same", "same"], flat, grouped=True)
    assert list(labels) == [0, 0]


def test_without_groups_near_duplicates_form_them_and_it_is_said() -> None:
    labels, notes = cluster(records("abcd"), list("wxyz"), prints([1, 2, 1, 3]), grouped=False)
    assert list(labels) == [0, 1, 0, 2]
    assert "No groups are given" in notes[0]
    assert "3 groups of the 4 images" in notes[0]


def test_no_records_have_no_groups() -> None:
    assert len(cluster([], [], [], grouped=True)[0]) == 0
