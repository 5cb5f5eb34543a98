"""From rows and pixels to labels: the values of the masks decide, and an image without its mask is never good."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawsmith.data.listing import Listing, Row
from flawsmith.data.problem import Problem
from flawsmith.data.record import DataSet, Label
from flawsmith.data.resolve import resolve

Resolve = Callable[..., tuple[DataSet, list[Problem]]]


@pytest.fixture
def resolved(tmp_path: Path) -> Resolve:
    """Resolves one image of 40×50 px with masks of the given pixels, one row each (class, mask or None)."""

    def run(*rows: tuple[str | None, np.ndarray | None], ids: dict[int, str] | None = None) -> object:
        image = tmp_path / "a.png"
        Image.fromarray(np.full((40, 50), 99, np.uint8)).save(image)
        listed = []
        for index, (defect, mask) in enumerate(rows):
            path = tmp_path / f"m{index}.png"
            if mask is not None:
                Image.fromarray(mask).save(path)
            listed.append(Row("a.png", image, None if mask is None else path, defect))
        dataset, _, problems = resolve(Listing(tmp_path, "test", tuple(listed), (), ids))
        return dataset, problems

    return run


def mask(*values: int, size: tuple[int, int] = (40, 50)) -> np.ndarray:
    """A mask with a small square of each value."""
    made = np.zeros(size, np.uint8)
    for index, value in enumerate(values):
        made[5:9, 6 * index : 6 * index + 4] = value
    return made


def test_any_single_value_is_the_class_of_the_row(resolved: Resolve, tmp_path: Path) -> None:
    for value in (1, 128, 255):
        dataset, problems = resolved(("pit", mask(value)))
        assert not problems and dataset.records[0].labels == (Label("pit", tmp_path / "m0.png"),)


def test_a_mask_alone_names_a_defect_and_an_empty_one_means_good(resolved: Resolve) -> None:
    assert resolved((None, mask(255)))[0].classes == ("defect",)
    for rows in [(None, mask())], [(None, None)], [("good", None)], [("good", mask())]:
        dataset, problems = resolved(*rows)
        assert not problems and len(dataset.good) == 1


def test_several_rows_are_several_labels(resolved: Resolve) -> None:
    dataset, problems = resolved(("pit", mask(255)), ("dent", mask(255)))
    assert not problems and dataset.classes == ("dent", "pit") and dataset.records[0].defects == ("pit", "dent")


def test_ids_split_a_mask_into_classes(resolved: Resolve, tmp_path: Path) -> None:
    path = tmp_path / "m0.png"
    for defect in (None, "pit"):
        dataset, problems = resolved((defect, mask(2, 1)), ids={1: "pit", 2: "dent"})
        assert not problems and dataset.records[0].labels == (Label("pit", path, 1), Label("dent", path, 2))


def test_a_class_without_mask_is_left_out_with_a_warning(resolved: Resolve) -> None:
    for rows in [("pit", None)], [("pit", None), ("dent", mask(255))]:
        dataset, problems = resolved(*rows)
        assert not dataset.records and [problem.level for problem in problems] == ["warning"]
        assert "left out" in problems[0].what


def test_an_all_white_mask_is_a_warning_and_kept(resolved: Resolve) -> None:
    dataset, problems = resolved(("pit", np.full((40, 50), 255, np.uint8)))
    assert len(dataset.defective) == 1 and [problem.level for problem in problems] == ["warning"]
    assert "whole image" in problems[0].what


@pytest.mark.parametrize(
    ("rows", "ids", "what"),
    [
        ([("pit", mask())], None, "all black"),
        ([("good", mask(255))], None, "is good"),
        ([("pit", mask(1, 2))], None, "several values beside 0 (1, 2)"),
        ([("pit", mask(*range(1, 7)))], None, "(1, 2, 3, 4, 5, 6)"),
        ([("pit", mask(*range(1, 9)))], None, "and 2 more"),
        ([(None, mask(1, 3))], {1: "pit", 2: "dent"}, "has the value 3, classes.json only 1, 2"),
        ([("dent", mask(1))], {1: "pit", 2: "dent"}, "no pixel of dent"),
        ([("good", None), ("pit", mask(255))], None, "is listed as good and as pit"),
        ([("pit", mask(255, size=(40, 40)))], None, "is 40×40 px, its image a.png 50×40 px"),
        ([("pit", mask(255, size=(50, 40)))], None, "is 40×50 px"),
        ([("pit", np.zeros((40, 50, 3), np.uint8) + np.uint8([9, 0, 0]))], None, "must be grey"),
    ],
)
def test_what_does_not_fit_is_an_error_and_no_record(
    resolved: Resolve, rows: list[tuple[str, np.ndarray]], ids: dict[int, str] | None, what: str
) -> None:
    dataset, problems = resolved(*rows, ids=ids)
    assert [problem.level for problem in problems] == ["error"]
    assert what in problems[0].what and problems[0].fix and not dataset.records


def test_a_turned_mask_gets_its_own_advice(resolved: Resolve) -> None:
    assert "EXIF" in resolved(("pit", mask(255, size=(50, 40))))[1][0].fix


@pytest.mark.parametrize(
    ("roi", "what"),
    [(mask(255), None), (mask(), "empty region"), (mask(255, size=(9, 30)), "is 30×9 px")],
)
def test_regions_of_interest(tmp_path: Path, roi: np.ndarray, what: str | None) -> None:
    Image.fromarray(np.zeros((40, 50), np.uint8)).save(tmp_path / "a.png")
    Image.fromarray(roi).save(tmp_path / "roi.png")
    row = Row("a.png", tmp_path / "a.png", None, "good", None, tmp_path / "roi.png")
    dataset, _, problems = resolve(Listing(tmp_path, "test", (row,), ()))
    if what is None:
        assert not problems and dataset.records[0].roi == row.roi
    else:
        assert what in problems[0].what and not dataset.records


def test_one_region_of_interest_an_image(tmp_path: Path) -> None:
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path in paths:
        Image.fromarray(mask(255)).save(path)
    rows = tuple(Row("a.png", tmp_path / "a.png", None, "good", None, path) for path in paths)
    dataset, _, problems = resolve(Listing(tmp_path, "test", rows, ()))
    assert [(one.level, "2 regions" in one.what) for one in problems] == [("error", True)] and not dataset.records


def test_unreadable_files_are_told_below_the_root(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no image")
    (tmp_path / "m.png").touch()
    row = Row("a.png", tmp_path / "a.png", tmp_path / "m.png", "pit")
    dataset, _, problems = resolve(Listing(tmp_path, "test", (row,), ()))
    assert {problem.file for problem in problems} == {"a.png", "m.png"} and not dataset.records
    assert not any(str(tmp_path) in problem.what for problem in problems)
