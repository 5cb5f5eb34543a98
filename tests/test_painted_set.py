"""The tables of a painted set: exact, streamed, whole or not at all, and damage is named by its line."""

import csv
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from painted_sets import lines_of, make_painted_set, tree
from PIL import Image
from pycocotools import mask as rle

from flawsmith.data.errors import UserError
from flawsmith.data.formats.coco import CocoImage, document
from flawsmith.data.painted_set import identity, is_painted_set, read_classes, read_lines, write_tables
from flawsmith.data.read import read


def test_the_tables_say_the_same_as_the_masks(tmp_path: Path) -> None:
    out = make_painted_set(tmp_path)
    coco, lines = json.loads((out / "annotations.json").read_text()), lines_of(out / "provenance.jsonl")
    rows = list(csv.DictReader((out / "manifest.csv").open()))
    assert [row["image"] for row in rows] == [one["file_name"] for one in coco["images"]] == [x["image"] for x in lines]
    assert (
        [row["origin"] for row in rows] == [one["flawsmith_id"] for one in coco["images"]] == [x["id"] for x in lines]
    )
    assert [one["id"] for one in coco["images"]] == list(range(1, 15))
    assert [one["id"] for one in coco["annotations"]] == list(range(1, len(coco["annotations"]) + 1))
    names = {one["id"]: one["name"] for one in coco["categories"]}
    assert names == {1: "pit", 2: "scratch"}
    for image, row in zip(coco["images"], rows, strict=True):
        own = [one for one in coco["annotations"] if one["image_id"] == image["id"]]
        if row["class"] == "good":
            assert not own and row["mask"] == ""
            continue
        masks = [rle.decode(one["segmentation"]) > 0 for one in own]
        assert np.array_equal(np.logical_or.reduce(masks), np.asarray(Image.open(out / row["mask"])))
        assert {names[one["category_id"]] for one in own} == {row["class"]}
        for one, mask in zip(own, masks, strict=True):
            rows_, columns = np.nonzero(mask)
            box = [columns.min(), rows_.min(), np.ptp(columns) + 1, np.ptp(rows_) + 1]
            assert one["area"] == mask.sum() and one["bbox"] == box and one["iscrowd"] == 0


def test_the_streamed_document_is_the_one_that_the_coco_writer_makes(tmp_path: Path) -> None:
    out = make_painted_set(tmp_path)
    images = [
        CocoImage(
            line["image"],
            line["size"][1],
            line["size"][0],
            tuple(
                {"defect": x["class"], "segmentation": x["rle"], "area": x["area"], "bbox": x["box"]}
                for x in line["defects"]
            ),
            line["group"],
            line["id"],
        )
        for line in lines_of(out / "provenance.jsonl")
    ]
    assert json.loads((out / "annotations.json").read_text()) == document(images, ["pit", "scratch"])


def test_the_set_can_be_read_as_a_data_set(tmp_path: Path) -> None:
    dataset = read(make_painted_set(tmp_path))
    assert len(dataset.defective) == 12 and len(dataset.good) == 2 and dataset.classes == ("pit", "scratch")


def test_written_again_from_itself_it_keeps_its_bytes(tmp_path: Path) -> None:
    before = tree(make_painted_set(tmp_path))
    write_tables(tmp_path, read_classes(tmp_path), read_lines(tmp_path))
    assert tree(tmp_path) == before


@pytest.mark.parametrize("count", [0, 1])
def test_few_images_make_whole_tables(tmp_path: Path, count: int) -> None:
    out = make_painted_set(tmp_path, count, good=0)
    assert len(json.loads((out / "annotations.json").read_text())["images"]) == count
    assert len((out / "manifest.csv").read_text().splitlines()) == count + 1 and is_painted_set(out)


def test_names_that_tables_trip_over_come_back(tmp_path: Path) -> None:
    line = {**lines_of(make_painted_set(tmp_path) / "provenance.jsonl")[0], "group": 'a,"b"\n<é>'}
    line["defects"][0]["class"] = line["class"] = "=pit, <script>"
    write_tables(tmp_path, ["=pit, <script>"], [line])
    assert (
        next(csv.DictReader((tmp_path / "manifest.csv").open(newline="", encoding="utf-8")))["group"] == line["group"]
    )
    assert list(read_lines(tmp_path)) == [line] and read_classes(tmp_path) == ["=pit, <script>"]


def test_a_failure_half_way_leaves_the_tables_as_they_were(tmp_path: Path) -> None:
    before = tree(make_painted_set(tmp_path))

    def some() -> Iterator[dict[str, Any]]:
        yield next(read_lines(tmp_path))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_tables(tmp_path, ["pit", "scratch"], some())
    with pytest.raises(ValueError, match="'scratch' is none of the classes pit"):
        write_tables(tmp_path, ["pit"], read_lines(tmp_path))
    assert tree(tmp_path) == before


def test_memory_does_not_grow_with_the_images(tmp_path: Path) -> None:
    line = lines_of(make_painted_set(tmp_path) / "provenance.jsonl")[1]

    def peak(count: int) -> int:
        tracemalloc.start()
        write_tables(tmp_path, ["pit", "scratch"], (line for _ in range(count)))
        for _ in read_lines(tmp_path):
            pass
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(10)
    assert peak(4000) - peak(1000) < 3000 * 20  # bytes an image


def test_who_moved_the_set_keeps_its_identity_and_another_plan_has_another(tmp_path: Path) -> None:
    out = make_painted_set(tmp_path)
    first, plan = identity(out), json.loads((out / "plan.json").read_text())
    (out / "plan.json").write_text(json.dumps({**plan, "where": {"run": "elsewhere"}}))
    assert identity(out) == first
    (out / "plan.json").write_text(json.dumps({**plan, "seed": 1}))
    assert identity(out) != first
    (out / "plan.json").write_text("[]")
    with pytest.raises(UserError, match="a plan is a JSON object"):
        identity(out)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": 7}, "id is a text; found 7"),
        ({"id": ""}, "an image has an id"),
        ({"image": "../../outside.png"}, "image is a path below the set"),
        ({"image": "/etc/passwd"}, "image is a path below the set"),
        ({"mask": "C:\\mask.png"}, "mask is a path below the set"),
        ({"image": None}, "image is a text"),
        ({"class": "\ud800"}, "class is a text"),
        ({"size": [1.5, 2]}, r"size is \[height, width\]"),
        ({"size": [True, 2]}, r"size is \[height, width\]"),
        ({"standout": float("nan")}, "NaN is not JSON"),
        ({"image": "images//a.png"}, "image is a path below the set"),
        ({"defects": {}}, "defects is a list"),
        ({"defects": [{}]}, "a defect has a class"),
        ({"defects": [{"class": "a", "box": [1, 2, 3], "area": 1}]}, "a box of four whole numbers"),
        ({"defects": [{"class": "a", "box": [1, 2, 3, 4], "area": 1, "rle": "x"}]}, "its pixels as RLE"),
    ],
)
def test_damage_is_named_by_its_line(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    path = make_painted_set(tmp_path) / "provenance.jsonl"
    lines = lines_of(path)
    lines[2] |= change
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(UserError, match=rf"provenance\.jsonl:3: .*{said}"):
        list(read_lines(tmp_path))


@pytest.mark.parametrize("text", [b"{", b"\xff\xfe{}\n", b"[]\n", b"[" * 100_000 + b"\n", b"\n", b'{"id": NaN}\n'])
def test_what_is_no_json_line_is_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "provenance.jsonl").write_bytes(text)
    with pytest.raises(UserError, match=r"provenance\.jsonl:1: "):
        list(read_lines(tmp_path))


def test_missing_files_are_refused_in_one_line(tmp_path: Path) -> None:
    assert not is_painted_set(tmp_path)
    for call in (lambda: list(read_lines(tmp_path)), lambda: read_classes(tmp_path), lambda: identity(tmp_path)):
        with pytest.raises(UserError, match="cannot be read"):
            call()
    (tmp_path / "annotations.json").write_text('{"images": []}')
    with pytest.raises(UserError, match="the first line names the categories"):
        read_classes(tmp_path)
