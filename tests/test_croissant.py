"""The description for machines, judged by the reference implementation of Croissant."""

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from painted_sets import lines_of, make_painted_set, tree
from PIL import Image

from flawsmith.data.croissant import write_croissant


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_painted_set(tmp_path_factory.mktemp("set") / "out", 6)
    write_croissant(folder)
    return folder


def records(out: Path, record_set: str) -> Iterator[dict[str, Any]]:
    croissant = pytest.importorskip("mlcroissant")
    for record in croissant.Dataset(jsonld=str(out / "croissant.json")).records(record_set):
        yield {key.split("/")[1]: value for key, value in record.items()}


def _text(value: Any) -> str:
    return "" if value is None else value.decode() if isinstance(value, bytes) else str(value)


def test_it_validates(out: Path) -> None:
    pytest.importorskip("mlcroissant")
    call = [sys.executable, "-m", "mlcroissant.scripts.validate", "--jsonld", str(out / "croissant.json")]
    done = subprocess.run(call, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "Done" in done.stderr, done.stderr[-2000:]
    assert "not standard" not in done.stderr


def test_a_wrong_description_does_not_validate(out: Path, tmp_path: Path) -> None:
    croissant = pytest.importorskip("mlcroissant")
    content = json.loads((out / "croissant.json").read_text())
    content["recordSet"][0]["field"][0]["source"]["fileObject"]["@id"] = "another.csv"
    (tmp_path / "wrong.json").write_text(json.dumps(content))
    with pytest.raises(croissant.ValidationError):
        croissant.Dataset(jsonld=str(tmp_path / "wrong.json"))


def test_its_rows_are_those_of_the_manifest(out: Path) -> None:
    found = [{key: _text(value) for key, value in row.items()} for row in records(out, "rows")]
    assert found == list(csv.DictReader((out / "manifest.csv").open()))


def test_its_pictures_are_the_files_that_the_rows_name(out: Path) -> None:
    rows = list(csv.DictReader((out / "manifest.csv").open()))
    for name, column in (("images", "image"), ("masks", "mask")):
        found = {_text(record["path"]): record["pixels"] for record in records(out, name)}
        assert sorted(found) == sorted(row[column] for row in rows if row[column])
        for path, picture in found.items():
            assert np.array_equal(np.asarray(picture), np.asarray(Image.open(out / path).convert("RGB")))


def test_a_table_that_was_changed_afterwards_is_noticed(tmp_path: Path) -> None:
    pytest.importorskip("mlcroissant")
    write_croissant(make_painted_set(tmp_path / "out", 2))
    with (tmp_path / "out" / "manifest.csv").open("a") as file:
        file.write("\n")
    with pytest.raises(Exception, match=r"Download\(manifest\.csv\)"):
        list(records(tmp_path / "out", "rows"))


def test_it_is_the_same_wherever_the_set_lies_and_has_no_date(out: Path, tmp_path: Path) -> None:
    copy = make_painted_set(tmp_path / "elsewhere", 6)
    write_croissant(copy)
    assert tree(copy)["croissant.json"] == tree(out)["croissant.json"]
    assert "date" not in (out / "croissant.json").read_text().lower()


def test_it_counts_what_is_there(out: Path) -> None:
    number = len(lines_of(out / "provenance.jsonl"))
    assert f"{number} images" in json.loads((out / "croissant.json").read_text())["description"]
