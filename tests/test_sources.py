from pathlib import Path

import pytest

from flawsmith.data.errors import UserError
from flawsmith.data.read import read
from flawsmith.data.sources import SOURCES, read_sources, refuse_test_sources, write_sources
from flawsmith.data.split import Split, make_split


@pytest.fixture
def split(parts: Path) -> Split:
    return make_split(read(parts))


def test_what_was_made_from_the_pool_is_accepted(parts: Path, split: Split, tmp_path: Path) -> None:
    pool = split.pool(read(parts))
    write_sources(tmp_path, pool)
    refuse_test_sources(tmp_path, split)
    assert sorted(read_sources(tmp_path)) == sorted(record.name for record in pool)


@pytest.mark.parametrize("good", [True, False])
def test_one_test_image_among_the_sources_is_refused_by_name(
    good: bool, parts: Path, split: Split, tmp_path: Path
) -> None:
    dataset = read(parts)
    leak = next(record for record in split.test(dataset) if record.good == good)
    write_sources(tmp_path, split.pool(dataset), {leak.name: split_digest(split, leak.name)})
    with pytest.raises(UserError, match=rf"made with one; found {leak.name}; fit and generate again"):
        refuse_test_sources(tmp_path, split)


def split_digest(split: Split, name: str) -> str:
    return next(entry.sha256 for entry in split.images if entry.name == name)


def test_a_folder_that_says_nothing_passes_and_a_damaged_one_does_not(split: Split, tmp_path: Path) -> None:
    refuse_test_sources(tmp_path, split)
    (tmp_path / SOURCES).write_text("[1]")
    with pytest.raises(UserError, match="must map names"):
        refuse_test_sources(tmp_path, split)
