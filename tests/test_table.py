"""CSV files and file names made of what users called things."""

import csv
from pathlib import Path

from flawsmith.segment.table import file_name, write_table


def test_a_table_is_read_back(tmp_path: Path) -> None:
    rows = [{"image": 'a "b", c\n.png', "score": 0.5, "px": 3, "dice": None}]
    write_table(tmp_path / "t.csv", rows, ("image", "score", "px", "dice"))
    with (tmp_path / "t.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["image", "score", "px", "dice"], ['a "b", c\n.png', "0.500000", "3", ""]]


def test_nothing_is_a_formula(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", [{"image": "=cmd|' /c calc'!A0", "px": -1.0}], ("image", "px"))
    assert (tmp_path / "t.csv").read_text().splitlines()[1] == "'=cmd|' /c calc'!A0,-1.000000"


def test_file_names_stay_where_they_are() -> None:
    assert file_name("crack") == "crack" and file_name("Lunker groß-2") == "Lunker_groß-2"
    assert file_name("../../etc/x") == "______etc_x" and file_name("..") == "__" and file_name("") == "_"
    assert len(file_name("x" * 300)) == 60
