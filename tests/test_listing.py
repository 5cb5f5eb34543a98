"""Class ids, class names and the files of a folder, as every layout reads them."""

from pathlib import Path

import pytest

from flawsmith.data.listing import Listing, Row, bad_class, by_stem, pictures, read_ids, twins


def test_no_ids_without_the_file(tmp_path: Path) -> None:
    assert read_ids(tmp_path) == (None, [])


def test_ids_are_read_and_background_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "classes.json").write_text('\ufeff{"0": "background", "1": "pit", "7": "größe"}', "utf-8")
    assert read_ids(tmp_path) == ({1: "pit", 7: "größe"}, [])


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[1]",
        '["a"]',
        "3",
        '{"0": "pit"}',
        '{"-1": "pit"}',
        '{"65536": "pit"}',
        '{"one": "pit"}',
        '{"²": "pit"}',
        '{"1": "pit", "1": "dent"}',
        '{"1": "pit", "01": "dent"}',
        '{"1": "pit", "2": "pit"}',
        '{"1": "Good"}',
        '{"1": ""}',
        '{"1": 5}',
        '{"1": null}',
        '{"1": "a/b"}',
        "[" * 100_000,
    ],
)
def test_ids_that_mean_nothing_are_errors(tmp_path: Path, text: str) -> None:
    (tmp_path / "classes.json").write_text(text, "utf-8")
    ids, problems = read_ids(tmp_path)
    assert ids is not None and len(problems) == 1
    assert problems[0].file == "classes.json" and problems[0].level == "error" and problems[0].fix


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\\b", "a\nb", "c:", "<b>"])
def test_class_names_that_cannot_name_files(name: str) -> None:
    assert bad_class(name)


@pytest.mark.parametrize("name", ["pit", "größe", "穴", "long crack", "a-b_c.d"])
def test_class_names_that_can(name: str) -> None:
    assert bad_class(name) is None


def test_pictures_tell_of_every_file_but_litter(tmp_path: Path) -> None:
    for name in ("b.PNG", "sub/a.tif", "note.txt", ".DS_Store", "._b.png", "Thumbs.db"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found, problems = pictures(tmp_path, tmp_path)
    assert [path.name for path in found] == ["b.PNG", "a.tif"]
    assert [(problem.file, problem.level) for problem in problems] == [("note.txt", "warning")]


def test_stems_keep_folders_apart(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.png", "a.jpg", "sub/a.png", "a.b.png")]
    stems = by_stem(paths, tmp_path)
    assert {stem: len(same) for stem, same in stems.items()} == {"a": 2, "sub/a": 1, "a.b": 1}
    assert [problem.file for problem in twins(tmp_path, stems)] == ["a.jpg"]


def test_grouped_only_where_some_row_has_a_group(tmp_path: Path) -> None:
    rows = (Row("a", tmp_path / "a"), Row("b", tmp_path / "b", group="1"))
    assert Listing(tmp_path, "x", rows, ()).grouped
    assert not Listing(tmp_path, "x", rows[:1], ()).grouped
