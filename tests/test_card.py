"""The data card tells what the files tell, and nothing in a name breaks it."""

import json
import re
from pathlib import Path

import pytest
import yaml
from painted_sets import make_painted_set

from flawsmith.data.card import CARD, FILES, write_card
from flawsmith.data.errors import UserError
from flawsmith.data.painted_set import read_lines, write_tables


def card(out: Path) -> str:
    write_card(out)
    return (out / CARD).read_text(encoding="utf-8")


def front(text: str) -> dict[str, object]:
    return dict(yaml.safe_load(text.split("---\n")[1]))


def test_the_front_matter_is_what_data_hubs_read(tmp_path: Path) -> None:
    assert front(card(make_painted_set(tmp_path))) == {
        "license": "unknown",
        "pretty_name": "Painted defects: pit, scratch",
        "task_categories": ["image-segmentation"],
        "tags": ["synthetic", "defects", "visual-inspection", "flawsmith"],
        "size_categories": ["n<1K"],
        "annotations_creators": ["machine-generated"],
    }


def test_the_counts_are_those_of_the_files(tmp_path: Path) -> None:
    text = card(make_painted_set(tmp_path))
    number = sum(len(line["defects"]) for line in read_lines(tmp_path) if line["class"] == "pit")
    assert f"| pit | 7 | 6 | 6 | {number} |" in text and "| good (untouched) | – | 2 | 2 | – |" in text
    assert "| not visible | 4 |" in text and "| no place for the shape | 1 |" in text and "20 tries in all" in text
    assert f"flawsmith replay FOLDER {next(read_lines(tmp_path))['id']}" in text
    assert "3 images were painted on" in text and "Made from 2 real images" in text and "Synthetic" in text


def test_a_licence_that_was_told_is_said(tmp_path: Path) -> None:
    plan = make_painted_set(tmp_path) / "plan.json"
    plan.write_text(json.dumps(json.loads(plan.read_text()) | {"config": {"license": "cc-by-4.0"}}))
    assert front(card(tmp_path))["license"] == "cc-by-4.0"


def test_it_is_the_same_wherever_the_set_lies(tmp_path: Path) -> None:
    assert card(make_painted_set(tmp_path / "a")) == card(make_painted_set(tmp_path / "elsewhere" / "b"))
    assert str(tmp_path) not in card(tmp_path / "a")


@pytest.mark.parametrize("missing", [("summary.json",), ("plan.json",), ("summary.json", "plan.json", "sources.json")])
def test_what_is_missing_is_left_out(tmp_path: Path, missing: tuple[str, ...]) -> None:
    make_painted_set(tmp_path)
    for name in missing:
        (tmp_path / name).unlink()
    text = card(tmp_path)
    assert "## What is in it" in text and "None" not in text and ("- seed: " in text) == ("plan.json" not in missing)


@pytest.mark.parametrize("name", ["summary.json", "plan.json"])
def test_odd_content_is_left_out_and_no_json_refused(tmp_path: Path, name: str) -> None:
    make_painted_set(tmp_path)
    if name == "summary.json":
        (tmp_path / name).write_text('{"per_class": [], "tries": "many", "good": "x", "failed_tries": {"dim": "?"}}')
        assert "| dim | – |" in card(tmp_path)
    (tmp_path / name).write_text("{")
    with pytest.raises(UserError, match="must be JSON"):
        write_card(tmp_path)


def test_names_are_no_markup(tmp_path: Path) -> None:
    evil, line = "<script>|`x`\n# [a](b): *", next(read_lines(make_painted_set(tmp_path)))
    line["class"] = line["defects"][0]["class"] = line["painter"] = evil
    write_tables(tmp_path, [evil], [line])
    (tmp_path / "summary.json").unlink()
    text = card(tmp_path)
    below = text.split("---\n", 2)[2]
    outside = re.sub("`[^`\n]*`", "", re.sub(r"\\`", "", below))  # without code, in which nothing is taken for markup
    assert "<script>" not in outside and "\n# [a]" not in text and "&lt;script&gt;" in outside
    assert front(text)["pretty_name"] == "Painted defects: <script>|`x`\\n# [a](b): *"


def test_every_file_of_the_table_is_one_that_a_set_has(tmp_path: Path) -> None:
    make_painted_set(tmp_path)
    write_card(tmp_path)
    there = {path.name for path in tmp_path.iterdir()}
    assert {name.rstrip("/") for name, _ in FILES} - there == {"croissant.json"}
