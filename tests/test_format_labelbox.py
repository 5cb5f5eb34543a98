"""Labelbox's export v2: objects against their definition, the choice of project and label, missing masks, bad rows."""

import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from labels import JUNK, REAL, SIZE, full, needs_real, places, said, spoilt
from PIL import Image

from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.formats.labelbox import matches, scan
from flawsmith.data.formats.reading import Reading
from flawsmith.data.geometry.shape import BadShape
from flawsmith.data.listing import Listing
from flawsmith.data.resolve import resolve

TASK = "https://api.labelbox.com/api/v1/tasks/t1/masks/comp-1/index/1"


def item(kind: str, feature: Any = "f1", name: Any = "pit", **more: Any) -> dict[str, Any]:
    return {"feature_id": feature, "name": name, "annotation_kind": kind, "classifications": [{"name": "deep"}], **more}


def polygon(*points: tuple[float, float], **more: Any) -> dict[str, Any]:
    return item("ImagePolygon", polygon=[{"x": x, "y": y} for x, y in points], **more)


def bounding(left: float, top: float, width: float, height: float, **more: Any) -> dict[str, Any]:
    return item("ImageBoundingBox", bounding_box={"left": left, "top": top, "width": width, "height": height}, **more)


def label(*objects: Any, **more: Any) -> dict[str, Any]:
    annotations = {"objects": list(objects), "classifications": [], "relationships": []}
    return {"label_kind": "Default", "version": "1.0.0", "id": "l1", "annotations": annotations, **more}


def project(*labels: Any, name: str = "Parts", **more: Any) -> dict[str, Any]:
    return {"name": name, "labels": list(labels), **more}


def row(projects: Any, image: str = "part.png", **more: Any) -> dict[str, Any]:
    data = {"id": f"id-{image}", "external_id": image, "row_data": f"https://storage/x%2F{image}?signature=1"}
    media = {"height": 47, "width": 61, "mime_type": "image/png"}
    return {"data_row": data, "media_attributes": media, "projects": projects, **more}


def one(*objects: Any) -> dict[str, Any]:
    return row({"p1": project(label(*objects))})


def write(root: Path, *rows: Any, images: tuple[str, ...] = ("part.png",), array: bool = False) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for name in images:
        Image.fromarray(np.zeros(SIZE, np.uint8)).save(root / name)
    path = root / "export.ndjson"
    lines = [text if isinstance(text, str) else json.dumps(text) for text in rows]
    path.write_text(f"[{','.join(lines)}]" if array else "\n".join(lines) + "\n")
    return path


def read(root: Path, **options: Any) -> Listing:
    return scan(root, [root / "export.ndjson"], Reading(**options))


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """The downloaded files: a mask of its own, and a picture of two instances that touch."""
    folder = tmp_path / "masks"
    folder.mkdir()
    own = np.zeros(SIZE, np.uint8)
    own[20:30, 10:40] = 255
    both = np.zeros((*SIZE, 3), np.uint8)
    both[5:10, 5:10], both[5:10, 10:20] = (123, 103, 152), (123, 103, 153)
    Image.fromarray(own).save(folder / "f2.png")
    Image.fromarray(both).save(folder / "comp-1.png")
    return folder


@given(st.tuples(*[st.integers(0, 20)] * 4))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_box_and_its_polygon_have_the_same_pixels(tmp_path: Path, sides: tuple[int, int, int, int]) -> None:
    left, top, width, height = sides
    right, bottom = left + width, top + height
    ring = polygon((left, top), (right, top), (right, bottom), (left, bottom), (left, top))
    root = tmp_path / "_".join(map(str, sides))
    write(root, one(bounding(left, top, width, height), ring))
    expected = np.zeros(SIZE, bool)
    expected[top:bottom, left:right] = True
    assert all((found == expected).all() for found in full(read(root)))


@pytest.mark.parametrize("array", [False, True])
def test_lines_and_an_array_say_the_same(tmp_path: Path, array: bool) -> None:
    write(
        tmp_path,
        one(bounding(1, 2, 3, 4)),
        row({"p1": project(label())}, "b.png"),
        images=("part.png", "b.png"),
        array=array,
    )
    listing = read(tmp_path)
    assert [(row.name, row.size, len(row.drawn)) for row in listing.rows] == [("b.png", SIZE, 0), ("part.png", SIZE, 1)]
    assert not listing.problems


def test_masks_are_files_and_of_composites_only_one_colour(tmp_path: Path, masks: Path) -> None:
    own = item(
        "ImageSegmentationMask",
        "f2",
        mask={"url": "https://api.labelbox.com/api/v1/projects/p/annotations/f2/index/1/mask"},
    )
    parts = [
        item("ImageSegmentationMask", f"c{i}", composite_mask={"url": TASK, "color_rgb": [123, 103, i]})
        for i in (152, 153)
    ]
    write(tmp_path / "set", one(own, *parts))
    listing = read(tmp_path / "set", labelbox_masks=masks)
    assert not listing.problems and [mask.sum() for mask in full(listing)] == [300, 25, 50]
    assert not resolve(listing)[2]


def test_a_composite_may_be_called_by_its_feature(tmp_path: Path, masks: Path) -> None:
    (masks / "comp-1.png").rename(masks / "c1.png")
    write(
        tmp_path / "set",
        one(item("ImageSegmentationMask", "c1", composite_mask={"url": TASK, "color_rgb": [123, 103, 152]})),
    )
    assert [mask.sum() for mask in full(read(tmp_path / "set", labelbox_masks=masks))] == [25]


def test_missing_masks_are_one_error_that_lists_them(tmp_path: Path, masks: Path) -> None:
    objects = [item("ImageSegmentationMask", f"m{number:02}", mask={"url": "https://x"}) for number in range(25)]
    write(tmp_path / "set", one(*objects))
    for options in ({}, {"labelbox_masks": masks}):
        (problem,) = [one for one in read(tmp_path / "set", **options).problems if one.level == "error"]
        assert "25 mask files missing: m00.png, m01.png" in problem.what and problem.what.endswith("m19.png and 5 more")
        assert "docs/" in problem.fix and "--labelbox-masks" in problem.fix


@pytest.mark.parametrize("feature", ["../f2", "a/b", "", "x" * 101, None, 7, "f\n2"])
def test_an_id_that_is_a_path_is_never_opened(tmp_path: Path, masks: Path, feature: Any) -> None:
    write(tmp_path / "set", one(item("ImageSegmentationMask", feature, mask={"url": "x"})))
    listing = read(tmp_path / "set", labelbox_masks=masks)
    assert "without a plain id" in said(listing, "error")


@pytest.mark.parametrize(
    "colour", [None, [], [1, 2], [1, 2, 256], [0, 0, 0], [1.5, 2, 3], [True, 2, 3], "red", [-1, 2, 3]]
)
def test_a_composite_needs_a_colour(tmp_path: Path, masks: Path, colour: Any) -> None:
    write(tmp_path / "set", one(item("ImageSegmentationMask", "c", composite_mask={"url": TASK, "color_rgb": colour})))
    assert "color_rgb" in said(read(tmp_path / "set", labelbox_masks=masks), "error")


def test_a_mask_of_another_size_is_an_error_when_it_is_opened(tmp_path: Path, masks: Path) -> None:
    Image.fromarray(np.full((5, 5), 255, np.uint8)).save(masks / "f9.png")
    write(tmp_path / "set", one(item("ImageSegmentationMask", "f9", mask={"url": "x"})))
    problems = resolve(read(tmp_path / "set", labelbox_masks=masks))[2]
    assert [problem.level for problem in problems] == ["error"] and "5×5" in problems[0].what


def test_lines_points_and_others_are_problems_with_a_reason(tmp_path: Path) -> None:
    line = item("ImagePolyline", line=[{"x": 10, "y": 20}, {"x": 50, "y": 20}])
    write(tmp_path, one(line, item("ImagePoint", point={"x": 1, "y": 1}), item("ImageCuboid"), polygon((1, 1), (2, 2))))
    listing = read(tmp_path)
    assert said(listing, "error").count("--line-width") == 1 and said(listing, "warning").count("left out") == 3
    assert full(read(tmp_path, line_width=2.0))[0].sum() == 84  # 40×2 px, and two more at either round end


def test_one_project_is_read_and_it_must_be_named_where_there_are_several(tmp_path: Path) -> None:
    projects = {"p1": project(label(bounding(1, 1, 2, 2))), "p2": project(label(bounding(1, 1, 3, 3)), name="Other")}
    write(tmp_path, row({**projects, "p3": project(name="Empty")}))
    with pytest.raises(UsageError, match=r"'Parts' \('p1'\), 'Other' \('p2'\); name one"):
        read(tmp_path)
    with pytest.raises(UsageError, match="no project with labels is called 'Empty'"):
        read(tmp_path, project="Empty")
    assert [full(read(tmp_path, project=name))[0].sum() for name in ("p1", "Parts", "p2", "Other")] == [4, 4, 9, 9]


def test_projects_of_one_name_are_told_apart_by_id(tmp_path: Path) -> None:
    write(tmp_path, row({"p1": project(label()), "p2": project(label(bounding(1, 1, 3, 3)))}))
    with pytest.raises(UsageError, match="several projects are called 'Parts'"):
        read(tmp_path, project="Parts")
    assert full(read(tmp_path, project="p2"))[0].sum() == 9


def dated(side: int, day: int | None, **more: Any) -> dict[str, Any]:
    details = {"created_at": f"2024-01-{day:02}T10:00:00.000+00:00"} if day else {}
    return label(bounding(1, 1, side, side), label_details=details, id=f"l{side}", **more)


@pytest.mark.parametrize(
    ("labels", "side"),
    [
        ((dated(2, 3), dated(3, 9), dated(4, 5)), 3),
        ((dated(2, 9), dated(3, None)), 2),
        ((dated(2, None), dated(3, None)), 3),
        ((dated(2, 1, label_kind="Benchmark"), dated(3, 9)), 2),
        ((dated(5, 1), dated(3, 9)), 5),  # the project's consensus is l5
        ((dated(2, 1), dated(3, 9, performance_details={"skipped": True})), 2),
    ],
)
def test_of_several_labels_the_marked_else_the_newest_counts(tmp_path: Path, labels: Any, side: int) -> None:
    write(tmp_path, row({"p1": project(*labels, project_details={"selected_label_id": "l5"})}))
    listing = read(tmp_path)
    assert [mask.sum() for mask in full(listing)] == [side**2]
    told = "1 data row (first line 1, data row id-part.png) with several labels: the benchmark or consensus"
    assert (told in said(listing, "warning")) == (side != 2 or "skipped" not in str(labels))


def test_rows_without_a_label_are_left_out_and_never_good(tmp_path: Path) -> None:
    skipped = label(performance_details={"skipped": True})
    rows = [row({"p1": project(label(bounding(1, 1, 2, 2)))}), row({}, "a.png"), row({"p1": project()}, "b.png")]
    write(tmp_path, *rows, row({"p1": project(skipped)}, "c.png"), images=("part.png", "a.png", "b.png", "c.png"))
    listing = read(tmp_path)
    assert [row.name for row in listing.rows] == ["part.png"]
    assert "3 data rows (first line 2, data row id-a.png) without a label: left out" in said(listing, "warning")


def test_a_row_with_classifications_alone_is_told(tmp_path: Path) -> None:
    only = label()
    only["annotations"]["classifications"] = [{"name": "defect", "radio_answer": {"name": "yes"}}]
    write(tmp_path, row({"p1": project(only)}))
    assert "classifications but no objects: taken as good" in said(read(tmp_path), "warning")


@pytest.mark.parametrize("kind", ["video/mp4", "text/plain", "application/pdf"])
def test_what_is_no_image_is_left_out(tmp_path: Path, kind: str) -> None:
    write(tmp_path, row({"p1": project(label())}, media_attributes={"mime_type": kind}))
    listing = read(tmp_path)
    assert not listing.rows and f"is no image but '{kind}'" in said(listing, "warning")


def test_the_image_is_found_by_each_of_its_three_names(tmp_path: Path) -> None:
    for number, data in enumerate(
        (
            {"external_id": "part.png"},
            {"external_id": "x", "global_key": "part.png"},
            {"row_data": "https://s/a%2Fpart.png?x=/y"},
        )
    ):
        root = tmp_path / str(number)
        write(root, {**one(), "data_row": {"id": "d", **data}})
        assert [row.name for row in read(root).rows] == ["part.png"]


def test_two_data_rows_of_one_image_contradict_and_the_same_one_twice_does_not(tmp_path: Path) -> None:
    first, other = one(bounding(1, 1, 2, 2)), one(bounding(1, 1, 3, 3))
    write(tmp_path / "a", first, other)
    assert "means the image part.png, and so does line 1" in said(read(tmp_path / "a"), "error")
    write(tmp_path / "b", first, first)
    listing = read(tmp_path / "b")
    assert len(listing.rows[0].drawn) == 1 and "is the same as line 1" in said(listing, "warning")


@pytest.mark.parametrize("line", ["{", "7", "null", "{}", '"text"', "[[]]", '{"data_row": 3, "projects": {}}'])
def test_a_bad_line_is_an_error_and_the_others_are_read(tmp_path: Path, line: str) -> None:
    write(
        tmp_path,
        one(bounding(1, 1, 2, 2)),
        line,
        "",
        row({"p1": project(label())}, "b.png"),
        images=("part.png", "b.png"),
    )
    listing = read(tmp_path)
    assert len(listing.rows) == 2 and said(listing, "error").startswith("export.ndjson: line 2")


def test_another_end_of_line_within_a_text_breaks_nothing(tmp_path: Path) -> None:
    write(tmp_path, json.dumps(one(bounding(1, 1, 2, 2, name="a\u2028b\x85c")), ensure_ascii=False))
    assert len(read(tmp_path).rows[0].drawn) == 1


WHOLE = row(
    {
        "p1": project(
            label(
                polygon((1, 1), (9, 1), (5, 9)),
                bounding(1, 2, 3, 4),
                item("ImageSegmentationMask", "f2", mask={"url": "x"}),
                item("ImageSegmentationMask", "f3", composite_mask={"url": TASK, "color_rgb": [1, 2, 3]}),
                item("ImagePolyline", line=[{"x": 1, "y": 2}, {"x": 9, "y": 9}]),
                label_details={"created_at": "2024-01-01T10:00:00Z"},
            ),
            dated(2, 1, label_kind="Benchmark"),
            project_details={"selected_label_id": "l1"},
        )
    }
)


@pytest.mark.parametrize("place", places(WHOLE), ids=lambda place: ".".join(map(str, place)))
def test_junk_in_any_place_is_a_problem_of_one_line_and_never_more(
    tmp_path: Path, masks: Path, place: tuple[Any, ...]
) -> None:
    start = time.process_time()
    for number, document in enumerate(spoilt(WHOLE, place)):
        root = tmp_path / str(number)
        write(root, document)
        listing = read(root, line_width=3.0, labelbox_masks=masks)
        for problem in listing.problems:
            assert "\n" not in problem.what and len(problem.what) < 400
        for drawn in (drawn for row in listing.rows for drawn in row.drawn):
            with suppress(BadShape, UserError):
                drawn.shape.patch(*SIZE)
    assert time.process_time() - start < 5


@pytest.mark.parametrize("document", [*JUNK, [{"id": 1}], {"data": {}, "annotations": []}], ids=str)
def test_nothing_else_is_taken_for_labelbox(document: Any) -> None:
    assert matches(WHOLE) and matches([WHOLE]) and not matches(document)


@needs_real
def test_a_real_export_is_read(tmp_path: Path) -> None:
    path = next(REAL.glob("labelbox_v2*.ndjson"))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for found in rows:
        Image.new("L", (720, 375)).save(tmp_path / found["data_row"]["external_id"])
    (tmp_path / "export.ndjson").write_bytes(path.read_bytes())
    listing = read(tmp_path)
    assert not listing.problems and len(listing.rows) == len(rows)
    for found in rows:
        (there,) = [row for row in listing.rows if row.name == found["data_row"]["external_id"]]
        (lab,) = next(iter(found["projects"].values()))["labels"]
        areas = [o["bounding_box"]["width"] * o["bounding_box"]["height"] for o in lab["annotations"]["objects"]]
        assert [one.shape.patch(375, 720).area for one in there.drawn] == areas
