"""MVTec AD and MVTec AD 2: the class is the folder, the mask is found by stem, nothing is left unmatched."""

from pathlib import Path

import pytest

from flawsmith.data.formats.mvtec import is_mvtec, products, scan

TREE = (
    "train/good/000.png",
    "train/good/001.png",
    "test/good/000.png",
    "test/pit/000.png",
    "ground_truth/pit/000_mask.png",
)


def touch(root: Path, *names: str) -> None:
    """Makes empty files: no pixels are read here."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A clean tree of one product."""
    touch(tmp_path, *TREE)
    return tmp_path


def test_a_clean_tree(root: Path) -> None:
    touch(root, "license.txt", "readme.txt")
    listing = scan(root)
    assert not listing.problems and not listing.grouped
    assert {row.name: (row.defect, row.mask) for row in listing.rows} == {
        "train/good/000.png": ("good", None),
        "train/good/001.png": ("good", None),
        "test/good/000.png": ("good", None),
        "test/pit/000.png": ("pit", root / "ground_truth/pit/000_mask.png"),
    }


def test_the_second_layout(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "train/good/000_regular.png",
        "validation/good/000_regular.png",
        "test_public/good/000_regular.png",
        "test_public/bad/000_regular.png",
        "test_public/bad/000_shift_1.png",
        "test_public/ground_truth/bad/000_regular_mask.png",
        "test_public/ground_truth/bad/000_shift_1_mask.png",
        "test_private/000_regular.png",
        "test_private_mixed/000_mixed.png",
    )
    listing = scan(tmp_path)
    assert {row.name: row.mask.name for row in listing.rows if row.mask} == {
        "test_public/bad/000_regular.png": "000_regular_mask.png",
        "test_public/bad/000_shift_1.png": "000_shift_1_mask.png",
    }
    assert sum(row.defect == "good" for row in listing.rows) == 3
    assert [(one.file, one.level) for one in listing.problems] == [
        ("test_private", "warning"),
        ("test_private_mixed", "warning"),
    ]


def test_masks_may_have_the_very_stem(root: Path) -> None:
    (root / "ground_truth/pit/000_mask.png").rename(root / "ground_truth/pit/000.png")
    assert not scan(root).problems


@pytest.mark.parametrize(
    ("name", "file", "what"),
    [
        ("test/pit/001.png", "test/pit/001.png", "has no mask"),
        ("test/dent/000.png", "test/dent/000.png", "has no mask"),
        ("train/pit/007.png", "train/pit/007.png", "belongs to the test part"),
        ("ground_truth/pit/009_mask.png", "ground_truth/pit/009_mask.png", "mask without an image"),
        ("ground_truth/good/009_mask.png", "ground_truth/good/009_mask.png", "mask without an image"),
        ("ground_truth/dent/000_mask.png", "ground_truth/dent", "1 mask without"),
        ("test/pit/000.jpg", "test/pit/000.png", "stem"),
        ("ground_truth/pit/000_mask.bmp", "ground_truth/pit/000_mask.png", "stem"),
    ],
)
def test_what_has_no_match_is_an_error(root: Path, name: str, file: str, what: str) -> None:
    touch(root, name)
    problems = scan(root).problems
    assert [(problem.file, problem.level) for problem in problems] == [(file, "error")]
    assert what in problems[0].what and problems[0].fix


@pytest.mark.parametrize("name", ["test/pit/000.jpg", "ground_truth/pit/000_mask.bmp", "test/good/000.jpg"])
def test_files_of_one_stem_give_no_row(root: Path, name: str) -> None:
    touch(root, name)
    kind = Path(name).parent.name
    assert f"test/{kind}/000" not in {row.name[:-4] for row in scan(root).rows}


def test_stray_files_are_warnings(root: Path) -> None:
    touch(root, "test/000.png", "test/pit/note.txt")
    assert [(one.file, one.level) for one in scan(root).problems] == [
        ("test/000.png", "warning"),
        ("test/pit/note.txt", "warning"),
    ]


def test_a_good_image_keeps_its_black_mask(root: Path) -> None:
    touch(root, "ground_truth/good/000_mask.png")  # some converters write one; its pixels are checked later
    masks = {row.name: row.mask for row in scan(root).rows}
    assert masks["test/good/000.png"] == root / "ground_truth/good/000_mask.png"
    assert masks["train/good/000.png"] is None


def test_a_folder_of_products_is_none_itself(tmp_path: Path) -> None:
    for product in ("nut", "bolt"):
        touch(tmp_path / product, *TREE)
    touch(tmp_path, "other/readme.txt")
    assert not is_mvtec(tmp_path) and products(tmp_path) == ["bolt", "nut"]
