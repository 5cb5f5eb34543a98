"""Problems are told once, in order, in a table that a terminal shows and grep finds."""

from pathlib import Path

from flawsmith.data.errors import UserError
from flawsmith.data.problem import below, counted, error, ordered, printable, refused, table, warning


def test_errors_come_first_each_once() -> None:
    late, early, mild = error("b", "is wrong", "mend"), error("a", "is wrong", "mend"), warning("a", "is odd", "look")
    assert ordered([mild, late, early, late]) == (early, late, mild)


def test_a_refused_file_keeps_the_readers_words() -> None:
    problem = refused("a.png", UserError("/x/a.png", "one picture a file", "3 frames", "save them as single images"))
    assert (problem.what, problem.fix) == ("one picture a file (found 3 frames)", "save them as single images")
    assert refused("a.png", UserError("a.png", "is bad")).fix


def test_table_keeps_file_names_whole_and_wraps_the_rest() -> None:
    name = "images/" + "very long name " * 6 + ".png"
    lines = table([("error", name, "word " * 40, "fix " * 20)], width=150).splitlines()
    assert len(lines) > 1 and name in lines[0]
    assert max(map(len, lines)) <= 180
    assert " ".join(lines).split().count("word") == 40


def test_table_aligns_columns() -> None:
    assert table([("a", "b"), ("ccc", "d")]) == "a    b\nccc  d"


def test_nothing_that_a_terminal_obeys_is_printed() -> None:
    assert printable("a\x1b[2Jb\n\u202ec\udc80") == "a\\x1b[2Jb\\n\\u202ec\\udc80"
    assert printable("größe 部品.png") == "größe 部品.png"


def test_paths_are_named_below_the_root() -> None:
    assert below(Path("/x"), Path("/x/images/a.png")) == "images/a.png"


def test_counted() -> None:
    assert [counted(number, "image") for number in (0, 1, 2)] == ["0 images", "1 image", "2 images"]
