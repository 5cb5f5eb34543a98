"""read: what check calls an error stops here, what it warns of does not."""

import logging
import shutil
from pathlib import Path

import pytest

from flawsmith.data import read as reading
from flawsmith.data.check import Report
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


def test_a_folder_is_decoded_once_until_a_file_changes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Path] = []
    honest = reading.check

    def counting(root: Path) -> Report:
        seen.append(root)
        return honest(root)

    monkeypatch.setattr(reading, "check", counting)
    assert read(folder) is read(folder) and len(seen) == 1
    image = next((folder / "images").iterdir())
    content = image.read_bytes()
    image.unlink()
    for _ in range(2):  # an error is found each time
        with pytest.raises(UserError):
            read(folder)
    image.write_bytes(content)
    assert read(folder) == read(folder) and len(seen) == 4


def test_behind_a_linked_folder_nothing_is_taken_for_known(parts: Path, tmp_path: Path) -> None:
    (tmp_path / "images").symlink_to(parts / "images")
    (tmp_path / "masks").symlink_to(parts / "masks")
    (tmp_path / "manifest.csv").write_bytes((parts / "manifest.csv").read_bytes())
    assert read(tmp_path) is not read(tmp_path)
