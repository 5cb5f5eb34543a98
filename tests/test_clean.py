"""Good parts to paint on: the pool's alone where there is a split."""

from collections.abc import Callable
from pathlib import Path

import pytest

from flawsmith.data.clean import good_parts
from flawsmith.data.errors import UserError
from flawsmith.data.read import read
from flawsmith.data.split import make_split


def test_without_a_split_all_good_parts(parts: Path) -> None:
    assert [record.name for record in good_parts(parts)] == [record.name for record in read(parts).good]


def test_with_a_split_those_of_the_pool(parts: Path, tmp_path: Path) -> None:
    dataset, file = read(parts), tmp_path / "split.json"
    split = make_split(dataset)
    split.save(file)
    found = {record.name for record in good_parts(parts, file)}
    assert found == {record.name for record in split.pool(dataset) if record.good}
    assert found and not found & {record.name for record in split.test(dataset)}


def test_a_folder_of_defects_alone_is_refused(make_parts: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="good parts"):
        good_parts(make_parts(tmp_path / "parts", good=0))
