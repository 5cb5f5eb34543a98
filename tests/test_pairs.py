"""images/ and masks/: matched by stem, and whatever has no match is told."""

from pathlib import Path

import pytest

from flawsmith.data.formats.pairs import scan


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two images, one with a mask; no pixels are read here."""
    touch(tmp_path, "images/a.jpg", "images/b.png", "masks/b.png")
    return tmp_path


def touch(root: Path, *names: str) -> None:
    """Makes empty files."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_masks_are_found_by_stem(root: Path) -> None:
    touch(root, "images/line 1/ä.png", "masks/line 1/ä.tif", "masks/.DS_Store")
    listing = scan(root)
    assert not listing.problems and not listing.grouped
    assert {row.name: row.mask for row in listing.rows} == {
        "images/a.jpg": None,
        "images/b.png": root / "masks/b.png",
        "images/line 1/ä.png": root / "masks/line 1/ä.tif",
    }


def test_a_mask_without_image_is_an_error_that_knows_the_suffix(root: Path) -> None:
    touch(root, "masks/c.png", "masks/a_mask.png", "masks/d_mask.png")
    problems = {problem.file: problem for problem in scan(root).problems}
    assert {problem.level for problem in problems.values()} == {"error"}
    assert problems.keys() == {"masks/c.png", "masks/a_mask.png", "masks/d_mask.png"}
    assert [name for name, problem in problems.items() if "name it" in problem.fix] == ["masks/a_mask.png"]


@pytest.mark.parametrize("twin", ["images/b.bmp", "masks/b.bmp"])
def test_files_of_one_stem_are_an_error_and_no_row(root: Path, twin: str) -> None:
    touch(root, twin)
    listing = scan(root)
    assert len(listing.problems) == 1 and listing.problems[0].level == "error"
    assert "stem" in listing.problems[0].what
    assert [row.name for row in listing.rows] == ["images/a.jpg"]


def test_other_files_are_warnings(root: Path) -> None:
    touch(root, "images/note.txt")
    assert [(problem.file, problem.level) for problem in scan(root).problems] == [("images/note.txt", "warning")]


def test_images_alone_are_good_and_told_so(tmp_path: Path) -> None:
    touch(tmp_path, "images/a.png")
    listing = scan(tmp_path)
    assert [row.mask for row in listing.rows] == [None]
    assert [(problem.file, problem.level) for problem in listing.problems] == [("masks", "warning")]
