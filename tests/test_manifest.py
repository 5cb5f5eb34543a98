"""manifest.csv: every line is a row or a problem, whatever a spreadsheet made of the file."""

from collections.abc import Callable
from pathlib import Path

import pytest

from flawsmith.data.formats.manifest import scan
from flawsmith.data.problem import Problem

Write = Callable[..., Path]
HEAD = "image,mask,class,group"
GOOD = "images/a.png,,good,p1"
PIT = "images/b.png,masks/b.png,pit,p2"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a manifest beside three files (no pixels are read here) and returns the folder."""

    def manifest(*lines: str, encoding: str = "utf-8", end: str = "\n") -> Path:
        for name in ("images/a.png", "images/b.png", "masks/b.png"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        (tmp_path / "manifest.csv").write_bytes((end.join(lines) + end).encode(encoding))
        return tmp_path

    return manifest


def only(problems: tuple[Problem, ...]) -> Problem:
    """The single problem."""
    assert len(problems) == 1, problems
    return problems[0]


def test_rows_of_a_clean_manifest(write: Write) -> None:
    root = write(HEAD, GOOD, PIT)
    listing = scan(root)
    assert not listing.problems and listing.grouped
    good, pit = listing.rows
    assert (good.name, good.mask, good.defect, good.group) == ("images/a.png", None, "good", "p1")
    assert (pit.image, pit.mask, pit.defect, pit.group) == (root / "images/b.png", root / "masks/b.png", "pit", "p2")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("comma", [",", ";", "\t"])
def test_what_spreadsheets_write_reads_the_same(write: Write, encoding: str, end: str, comma: str) -> None:
    lines = [line.replace(",", comma) for line in (HEAD, GOOD, "", PIT, ",,,")]
    listing = scan(write(*lines, encoding=encoding, end=end))
    assert not listing.problems
    assert [(row.name, row.defect, row.group) for row in listing.rows] == [
        ("images/a.png", "good", "p1"),
        ("images/b.png", "pit", "p2"),
    ]


def test_order_case_and_further_columns_do_not_matter(write: Write) -> None:
    listing = scan(write("note,Class,Image,MASK", "x, Good ,images\\a.png,", "y,pit,./images/b.png,masks/b.png"))
    assert not listing.problems and not listing.grouped
    assert [(row.name, row.defect) for row in listing.rows] == [("images/a.png", "good"), ("images/b.png", "pit")]


def test_unicode_and_commas_in_names(write: Write) -> None:
    root = write(HEAD, GOOD, PIT, '"images/größe, 部品.png",,good,p1')
    (root / "images/größe, 部品.png").touch()
    listing = scan(root)
    assert not listing.problems and listing.rows[2].name == "images/größe, 部品.png"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("images/none.png,,good,p", "is missing"),
        ("images/b.png,masks/none.png,pit,p2", "is missing"),
        ("images,,good,p", "is missing"),
        ("../a.png,,good,p", "outside"),
        ("images/../../a.png,,good,p", "outside"),
        ("/etc/hostname,,good,p", "outside"),
        ("C:\\a.png,,good,p", "outside"),
        ("\\\\host\\a.png,,good,p", "outside"),
        ("images/b.png,..\\b.png,pit,p2", "outside"),
        ("images/\0.png,,good,p", "null byte"),
        (f"images/{'x' * 300}.png,,good,p", "xxx"),  # too long, or missing: the system decides
        (",,good,p", "names no image"),
        ("images/b.png,masks/b.png,,p2", "names no class"),
        ("images/b.png,masks/b.png,a/b,p2", "class name"),
        ("images/b.png,masks/b.png,pit", "3 cells"),
        ("images/b.png,masks/b.png,pit,p2,x", "5 cells"),
    ],
)
def test_a_wrong_line_is_an_error_with_its_number(write: Write, line: str, what: str) -> None:
    errors = [problem for problem in scan(write(HEAD, GOOD, line, PIT)).problems if problem.level == "error"]
    problem = only(tuple(errors))
    assert problem.file == "manifest.csv:3" and what in problem.what and problem.fix


def test_a_wrong_line_drops_no_other(write: Write) -> None:
    assert len(scan(write(HEAD, GOOD, "../x.png,,good,p", PIT)).rows) == 2


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (["image,class,group", "images/a.png,good,p1"], "no column mask"),
        (["image,mask", "images/a.png,"], "no column class"),
        ([GOOD, PIT], "no column image, mask, class"),
        (["image,mask,class,class", "images/a.png,,good,good"], "column class twice"),
        ([""], "is empty"),
        ([HEAD], "lists no image"),
    ],
)
def test_a_wrong_header_is_one_error(write: Write, lines: list[str], what: str) -> None:
    listing = scan(write(*lines))
    problem = only(listing.problems)
    assert problem.file == "manifest.csv" and problem.level == "error" and what in problem.what


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_another_encoding_is_one_error(write: Write, encoding: str) -> None:
    listing = scan(write(HEAD, GOOD, "images/ä.png,,good,p", encoding=encoding))
    assert "UTF-8" in only(listing.problems).what and not listing.rows


def test_a_cell_without_end_is_one_error(write: Write) -> None:
    problem = only(scan(write(HEAD, '"' + "x" * 200_000)).problems)
    assert problem.level == "error" and "not a table" in problem.what


def test_a_repeated_line_is_a_warning_and_counted_once(write: Write) -> None:
    listing = scan(write(HEAD, GOOD, PIT, GOOD))
    problem = only(listing.problems)
    assert (problem.file, problem.level) == ("manifest.csv:4", "warning") and "line 2" in problem.what
    assert len(listing.rows) == 2


def test_files_that_no_line_names_are_warnings(write: Write) -> None:
    problems = scan(write(HEAD, GOOD)).problems
    assert [(problem.file, problem.level) for problem in problems] == [
        ("images/b.png", "warning"),
        ("masks/b.png", "warning"),
    ]


def test_images_elsewhere_are_looked_for_too(write: Write) -> None:
    root = write(HEAD, GOOD, PIT, "extra/c.png,,good,p3")
    (root / "extra").mkdir()
    (root / "extra/c.png").touch()
    (root / "extra/d.png").touch()
    assert only(scan(root).problems).file == "extra/d.png"


def test_images_that_share_a_stem_are_a_warning(write: Write) -> None:
    root = write(HEAD, GOOD, PIT, "images/a.jpg,,good,p1")
    (root / "images/a.jpg").touch()
    problem = only(scan(root).problems)
    assert problem.level == "warning" and "stem" in problem.what


def test_an_image_in_two_groups_is_an_error(write: Write) -> None:
    problem = only(scan(write(HEAD, GOOD, PIT, "images/b.png,masks/b.png,dent,p3")).problems)
    assert problem.level == "error" and "several groups (p2, p3)" in problem.what


def test_images_without_group_among_others_are_one_warning(write: Write) -> None:
    problem = only(scan(write(HEAD, "images/a.png,,good,", PIT)).problems)
    assert problem.level == "warning" and "1 image without a group, first images/a.png" in problem.what


def test_class_may_be_left_out_where_ids_say_it(write: Write) -> None:
    root = write("image,mask", "images/a.png,", "images/b.png,masks/b.png")
    (root / "classes.json").write_text('{"1": "pit"}')
    listing = scan(root)
    assert not listing.problems and listing.ids == {1: "pit"}
    assert [row.defect for row in listing.rows] == [None, None]


def test_roi_is_read_and_must_exist(write: Write) -> None:
    root = write(f"{HEAD},roi", f"{GOOD},masks/b.png", f"{PIT},masks/none.png")
    listing = scan(root)
    assert listing.rows[0].roi == root / "masks/b.png"
    assert [problem.file for problem in listing.problems if problem.level == "error"] == ["manifest.csv:3"]
