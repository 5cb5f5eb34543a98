"""check: a clean folder has no problem, each planted one is found, all at once, and nothing vanishes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawsmith.data.check import Count, Report, check, scan
from flawsmith.data.errors import UsageError

Plant = Callable[[Path], object]


@pytest.fixture
def folder(parts: Path, tmp_path: Path) -> Path:
    """A clean folder that a test may spoil."""
    return Path(shutil.copytree(parts, tmp_path / "parts"))


def found(report: Report, level: str) -> set[str]:
    """The files of the problems of one level."""
    return {problem.file for problem in report.problems if problem.level == level}


def edit(root: Path, old: str, new: str) -> None:
    """Replaces text in the manifest."""
    text = (root / "manifest.csv").read_text()
    assert old in text
    (root / "manifest.csv").write_text(text.replace(old, new, 1))


def cut(path: Path, share: float) -> None:
    """Keeps the first part of a file."""
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def as_jpeg(root: Path) -> None:
    """Saves a mask as JPEG under its old name: the content decides, not the ending."""
    Image.open(root / "masks/pit0.png").convert("L").save(root / "masks/pit0.png", "JPEG")


def fill(path: Path, value: int, size: tuple[int, int] = (96, 112)) -> None:
    """Overwrites a picture with one grey value."""
    Image.fromarray(np.full(size, value, np.uint8)).save(path)


def grey_values(root: Path) -> None:
    """Gives a mask the soft edge that resizing makes."""
    mask = np.array(Image.open(root / "masks/pit0.png").convert("L"))
    mask[0, 0] = 128
    Image.fromarray(mask).save(root / "masks/pit0.png")


def test_a_clean_folder_has_no_problem(parts: Path) -> None:
    report = check(parts)
    assert report.problems == () and report.left_out == ()
    assert report.counts == {"pit": Count(4, 2, 4), "scratch": Count(4, 2, 4), "good": Count(8, 4, 0)}
    assert (report.widths, report.heights) == ((112,) * 3, (96,) * 3) and report.depths == {"grey, 8 bit": 16}


PLANTS: dict[str, tuple[Plant, str]] = {
    "mask of another size": (lambda root: fill(root / "masks/pit0.png", 255, (96, 111)), "masks/pit0.png"),
    "truncated image": (lambda root: cut(root / "images/good3.png", 0.6), "images/good3.png"),
    "truncated mask": (lambda root: cut(root / "masks/pit0.png", 0.6), "masks/pit0.png"),
    "empty image": (lambda root: cut(root / "images/good3.png", 0), "images/good3.png"),
    "no image at all": (lambda root: (root / "images/good3.png").write_text("hello"), "images/good3.png"),
    "JPEG mask": (as_jpeg, "masks/pit0.png"),
    "all-black mask": (lambda root: fill(root / "masks/pit0.png", 0), "masks/pit0.png"),
    "mask with greys": (grey_values, "masks/pit0.png"),
    "image missing": (lambda root: (root / "images/good0.png").unlink(), "manifest.csv:10"),
    "mask missing": (lambda root: (root / "masks/pit0.png").unlink(), "manifest.csv:2"),
    "outside": (lambda root: edit(root, "images/good0.png", "images/../../x.png"), "manifest.csv:10"),
    "missing column": (lambda root: edit(root, "image,mask,class", "image,mask,kind"), "manifest.csv"),
    "unknown class value": (lambda root: (root / "classes.json").write_text('{"7": "pit"}'), "masks/pit0.png"),
    "wrong class ids": (lambda root: (root / "classes.json").write_text("["), "classes.json"),
    "copy across parts": (
        lambda root: shutil.copy(root / "images/good0.png", root / "images/good7.png"),
        "images/good7.png",
    ),
    "symlink loop": (
        lambda root: [(root / "images/good0.png").unlink(), (root / "images/good0.png").symlink_to("good0.png")],
        "manifest.csv:10",
    ),
}


@pytest.mark.parametrize("name", PLANTS)
def test_each_planted_error_is_found(folder: Path, name: str) -> None:
    plant, file = PLANTS[name]
    plant(folder)
    report = check(folder)
    assert file in found(report, "error")
    assert all(problem.what and problem.fix for problem in report.problems)
    assert "1 error" in report.text() or len(report.errors) > 1


def test_planted_warnings_are_found_and_forbid_nothing(folder: Path) -> None:
    fill(folder / "masks/pit0.png", 255)
    shutil.copy(folder / "images/good0.png", folder / "images/new.png")
    shutil.copy(folder / "masks/pit1.png", folder / "masks/new.png")
    edit(folder, "images/good7.png,,good", "images/good7.png,,pit")
    with (folder / "manifest.csv").open("a") as manifest:
        manifest.write("images/good0.png,,good,good0\n")
    report = check(folder)
    assert not report.errors and len(report.warnings) == 5 and "0 errors, 5 warnings" in report.text()
    assert found(report, "warning") == {
        "masks/pit0.png",
        "images/new.png",
        "masks/new.png",
        "images/good7.png",
        "manifest.csv:18",
    }
    assert report.left_out == ("images/good7.png",) and "1 image left out" in report.text()


def test_all_are_told_at_once(folder: Path) -> None:
    cut(folder / "images/good3.png", 0.5)
    as_jpeg(folder)
    fill(folder / "masks/scratch1.png", 0)
    (folder / "images/good5.png").unlink()
    report = check(folder)
    assert found(report, "error") == {"images/good3.png", "masks/pit0.png", "masks/scratch1.png", "manifest.csv:15"}
    assert all(problem.file in report.text() for problem in report.problems)
    kept = {record.name for record in report.dataset.records}
    assert kept.isdisjoint(report.left_out) and len(kept) + len(report.left_out) == 15  # the missing one is an error


def test_an_image_whose_mask_is_bad_is_never_good(folder: Path) -> None:
    as_jpeg(folder)
    assert "images/pit0.png" not in {record.name for record in check(folder).dataset.records}


def test_each_file_is_opened_once(parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    real = Image.open
    monkeypatch.setattr(Image, "open", lambda path, **options: (opened.append(str(path)), real(path, **options))[1])
    check(parts)
    assert len(opened) == len(set(opened)) == 16 + 8


def test_pairs_and_mvtec_folders_count_alike(parts: Path, tmp_path: Path) -> None:
    for name in ("images", "masks"):
        shutil.copytree(parts / name, tmp_path / "pairs" / name)
    for path in sorted((parts / "images").iterdir()):
        kind = path.stem.rstrip("0123456789")
        target = tmp_path / "tree" / ("train" if kind == "good" else "test") / kind / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    for path in sorted((parts / "masks").iterdir()):
        target = tmp_path / "tree/ground_truth" / path.stem.rstrip("0123456789") / f"{path.stem}_mask.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    pairs, tree = check(tmp_path / "pairs"), check(tmp_path / "tree")
    assert pairs.problems == tree.problems == ()
    assert pairs.counts == {"defect": Count(8, 8, 8), "good": Count(8, 8, 0)}
    assert tree.counts == {"pit": Count(4, 4, 4), "scratch": Count(4, 4, 4), "good": Count(8, 8, 0)}
    assert "no groups given" in pairs.text() and pairs.layout != tree.layout


@pytest.mark.parametrize(
    ("name", "what"),
    [
        (None, "is an empty folder"),
        ("notes/readme.txt", "has no labels that are known"),
        ("images/readme.txt", "holds no image"),
        ("nut/train/good/0.png", "holds whole products (nut)"),
    ],
)
def test_folders_that_hold_no_set_are_an_error(tmp_path: Path, name: str | None, what: str) -> None:
    if name is not None:
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    report = check(tmp_path)
    assert found(report, "error") == {"."} and what in report.errors[0].what and report.errors[0].fix
    assert report.counts == {} and "1 error" in report.text()


def test_nothing_is_a_usage_error_and_a_file_of_no_labels_a_problem(parts: Path) -> None:
    with pytest.raises(UsageError, match="a data set is needed; found nothing there"):
        scan(parts / "nothing")
    assert scan(parts / "manifest.csv") == scan(parts)
    (parts / "notes.json").write_text('{"pages": 3}')
    (problem,) = scan(parts / "notes.json").problems
    assert problem.level == "error" and "no file of labels that is known" in problem.what


def test_text_and_json_say_the_same(folder: Path) -> None:
    as_jpeg(folder)
    report = check(folder)
    content = json.loads(json.dumps(report.json()))
    assert content["errors"] == 1 and content["problems"][0]["file"] == "masks/pit0.png"
    assert content["classes"]["pit"] == {"images": 3, "groups": 2, "instances": 3}
    assert content["left_out"] == ["images/pit0.png"] and content["images"] == 15
    text = report.text(sheet=Path("sheet.png"))
    assert "masks/pit0.png" in text and text.endswith("contact sheet: sheet.png")
    assert "15 images, 112×96 px" in text
