"""read: what check calls an error stops here, what it warns of does not."""

import logging
import shutil
from pathlib import Path

import pytest

from flawsmith.data.errors import UserError
from flawsmith.data.read import read
from flawsmith.data.sample import load


@pytest.fixture
def folder(parts: Path, tmp_path: Path) -> Path:
    """A clean folder that a test may spoil."""
    return Path(shutil.copytree(parts, tmp_path / "parts"))


def test_a_clean_folder_is_read_whole(parts: Path, caplog: pytest.LogCaptureFixture) -> None:
    dataset = read(parts)
    assert (len(dataset.good), len(dataset.defective), dataset.classes) == (8, 8, ("pit", "scratch"))
    assert dataset.grouped and {record.group for record in dataset.good} == {f"good{index}" for index in range(4)}
    assert not caplog.records


def test_all_that_is_read_can_be_loaded(parts: Path) -> None:
    dataset = read(parts)
    for record in dataset.records:
        sample = load(record, dataset.classes)
        assert sample.masks.any(axis=(1, 2)).tolist() == [name in record.defects for name in dataset.classes]


def test_reading_twice_gives_the_same(parts: Path) -> None:
    assert read(parts) == read(parts)


def test_one_error_is_told_in_one_line(folder: Path) -> None:
    (folder / "masks/pit0.png").unlink()
    with pytest.raises(
        UserError, match=r"manifest.csv:2: mask 'masks/pit0.png' is missing; put the file there"
    ) as told:
        read(folder)
    assert "\n" not in str(told.value) and "more error" not in str(told.value) and told.value.exit_code == 1


def test_the_others_are_counted(folder: Path) -> None:
    for name in ("masks/pit0.png", "images/good1.png", "images/good2.png"):
        (folder / name).write_bytes(b"")
    with pytest.raises(UserError, match=r"2 more errors: run flawsmith check"):
        read(folder)


def test_what_is_left_out_is_logged(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    manifest = folder / "manifest.csv"
    manifest.write_text(manifest.read_text().replace("masks/pit0.png", ""))
    (folder / "masks/pit0.png").unlink()
    with caplog.at_level(logging.WARNING, "flawsmith"):
        assert len(read(folder).records) == 15
    assert "1 image left out" in caplog.text
