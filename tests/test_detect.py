"""Which format a data set is in is found by what it holds; what is unclear is asked, not guessed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawsmith.data.check import check, scan
from flawsmith.data.convert import convert
from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.files import file_digest
from flawsmith.data.formats.origin import COLUMNS, ORIGINS
from flawsmith.data.formats.reading import Reading, Source
from flawsmith.data.read import read
from flawsmith.data.sources import read_sources, refuse_test_sources, write_sources
from flawsmith.data.split import Entry, Split

COCO = {
    "images": [{"id": 1, "file_name": "a.png", "width": 40, "height": 36}, {"id": 2, "file_name": "b.png"}],
    "categories": [{"id": 3, "name": "pit"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 3, "segmentation": [[5, 5, 15, 5, 15, 15, 5, 15]], "iscrowd": 0}
    ],
}


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    root = tmp_path / "set"
    (root / "images").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.png")):
        Image.fromarray(np.full((36, 40), 100 + number, np.uint8)).save(root / "images" / name)
    (root / "export.json").write_text(json.dumps(COCO))
    return root


def test_a_folder_its_zip_and_its_file_are_the_same_data_set(coco: Path, tmp_path: Path) -> None:
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", coco))
    inside = Path(shutil.make_archive(str(tmp_path / "inside"), "gztar", tmp_path, "set"))
    found = [read(one) for one in (coco, coco / "export.json", packed, inside)]
    assert all(one.classes == ("pit",) for one in found)
    names = [[(record.name, record.defects) for record in one.records] for one in found]
    assert names[0] == names[1] == names[2] == names[3] == [("images/a.png", ("pit",)), ("images/b.png", ())]
    assert check(packed).counts["pit"].instances == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_any_encoding_that_says_what_it_is(coco: Path, encoding: str) -> None:
    (coco / "export.json").write_bytes(json.dumps(COCO).encode(encoding))
    assert read(coco).classes == ("pit",)


def test_two_sets_of_labels_are_asked_about(coco: Path) -> None:
    (coco / "masks").mkdir()
    Image.fromarray(np.eye(36, 40, dtype=np.uint8)).save(coco / "masks" / "b.png")
    with pytest.raises(UsageError, match="found coco, pairs; choose one: --format coco"):
        scan(coco)
    assert scan(Source(coco, Reading(format="coco"))).layout == "COCO"
    pairs = scan(Source(coco, Reading(format="pairs")))
    assert [row.mask is not None for row in pairs.rows] == [False, True]


def test_a_format_that_is_not_there_and_one_that_does_not_exist(coco: Path) -> None:
    with pytest.raises(UsageError, match="holds nothing in the format cvat"):
        scan(Source(coco, Reading(format="cvat")))
    with pytest.raises(UsageError, match="a format is one of coco"):
        scan(Source(coco, Reading(format="paint")))


def test_labels_that_cannot_be_read_are_told_and_the_folder_is_not_taken_for_good_parts(coco: Path) -> None:
    (coco / "export.json").write_text(json.dumps(COCO)[:-20])
    report = check(coco)
    assert [problem.file for problem in report.errors] == ["export.json"] and "JSON" in report.errors[0].what
    with pytest.raises(UserError, match=r"export\.json"):
        read(coco)


@pytest.mark.parametrize("name", ["annotations.json", "labels.xml", "table.csv", "rows.ndjson"])
def test_labels_of_an_unknown_kind_do_not_make_all_images_good(coco: Path, name: str) -> None:
    (coco / "export.json").unlink()
    assert not check(coco).errors
    (coco / name).write_text("<a/>" if name.endswith("xml") else '{"pictures": []}\n')
    (problem,) = check(coco).errors
    assert problem.file == name and "every image would count as good" in problem.what
    assert not check(Source(coco, Reading(format="pairs"))).errors
    (coco / "masks").mkdir()
    assert not check(coco).errors
    (problem,) = [one for one in check(coco).warnings if one.file == name]
    assert "is not read" in problem.what and "--format pairs" in problem.fix
    assert not [one for one in check(Source(coco, Reading(format="pairs"))).warnings if one.file == name]


def test_other_files_beside_the_labels_do_not_matter(coco: Path) -> None:
    (coco / "config.json").write_text('{"lr": 0.1}')
    (coco / "results.csv").write_text("epoch,loss\n1,2\n")
    (coco / "pom.xml").write_text("<project/>")
    assert not check(coco).errors


def test_images_elsewhere(coco: Path, tmp_path: Path) -> None:
    (coco / "images").rename(tmp_path / "pictures")
    assert "--images" in check(coco).errors[0].fix
    found = read(Source(coco, Reading(images=tmp_path / "pictures")))
    assert [record.name for record in found.records] == ["a.png", "b.png"]


def test_an_image_whose_only_object_cannot_be_drawn_is_not_good(coco: Path) -> None:
    flat = COCO | {"annotations": [COCO["annotations"][0] | {"segmentation": [[5.1, 5.1, 5.3, 5.1, 5.2, 5.2]]}]}
    (coco / "export.json").write_text(json.dumps(flat))
    report = check(coco)
    assert report.left_out == ("images/a.png",) and any("has no pixel" in one.what for one in report.warnings)
    crowd = COCO | {"annotations": [COCO["annotations"][0] | {"iscrowd": 1}]}
    (coco / "export.json").write_text(json.dumps(crowd))
    assert check(coco).left_out == ("images/a.png",)


def test_labels_for_another_size_are_an_error(coco: Path) -> None:
    Image.fromarray(np.zeros((40, 36), np.uint8)).save(coco / "images" / "a.png")
    (problem,) = check(coco).errors
    assert problem.file == "images/a.png" and "36×40 px, its labels" in problem.what and "EXIF" in problem.fix


def origins(lines: str) -> Callable[[Path], None]:
    return lambda root: (root / ORIGINS).write_text(",".join(COLUMNS) + "\n" + lines) and None


def test_groups_and_ids_beside_the_labels(coco: Path) -> None:
    origins("a.png,part 7,0123\nb.png,part 8,\n")(coco)
    found = {record.name: (record.group, record.origin) for record in read(coco).records}
    assert found == {"images/a.png": ("part 7", "0123"), "images/b.png": ("part 8", None)} and read(coco).grouped
    origins("a.png,part 7,\n")(coco)
    assert any("names no group of 1 images, first images/b.png" in one.what for one in check(coco).warnings)
    origins("a.png,part 7\n")(coco)
    assert check(coco).errors[0].file == ORIGINS


def test_what_is_kept_of_each_object_is_told(coco: Path, tmp_path: Path) -> None:
    *_, last = convert(coco, tmp_path / "out", "mvtec")
    assert [(one.defect, one.area, one.iou) for one in last["kept"]] == [("pit", 100, 1.0)]
    table = (tmp_path / "out" / "conversion.csv").read_text().splitlines()
    assert table == ["image,class,pixels,iou", "a.png,pit,100,1.0000"]
    with pytest.raises(UsageError, match="a format that is written is one of coco"):
        next(convert(coco, tmp_path / "other", "via"))
    with pytest.raises(UsageError, match="must be a new folder"):
        next(convert(coco, tmp_path / "out", "coco"))


def test_a_painted_set_keeps_what_it_was_made_from(coco: Path, tmp_path: Path) -> None:
    write_sources(coco, read(coco).good)
    list(convert(coco, tmp_path / "out", "cvat"))
    assert read_sources(tmp_path / "out") == read_sources(coco) != {}
    entries = (Entry(one.name, "test", one.group, file_digest(one.image), "") for one in read(coco).records)
    split = Split(0, 0.5, "", tuple(entries))
    with pytest.raises(UserError, match="nothing may be learned from a test image"):
        refuse_test_sources(tmp_path / "out", split)


def test_images_of_one_stem_get_names_of_their_own(coco: Path, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((36, 40), np.uint8)).save(coco / "images" / "a.bmp")
    more = COCO | {"images": [*COCO["images"], {"id": 3, "file_name": "a.bmp", "width": 40, "height": 36}]}
    (coco / "export.json").write_text(json.dumps(more))
    list(convert(coco, tmp_path / "out", "manifest"))
    written = {path.name for path in (tmp_path / "out" / "images").iterdir()}
    assert written == {"a-1.bmp", "a-2.png", "b-3.png"}
    assert len(read(tmp_path / "out").defective) == 1
