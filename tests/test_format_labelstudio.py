"""Label Studio's JSON: regions in percent against their definition, which annotation counts, the writer."""

import json
import time
from contextlib import suppress
from math import cos, radians, sin
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from labels import JUNK, REAL, SIZE, full, needs_real, places, said, spoilt
from PIL import Image

from flawsmith.data.errors import UserError
from flawsmith.data.formats.brush import encode
from flawsmith.data.formats.labelstudio import LabelStudioWriter, matches, scan
from flawsmith.data.formats.picture import Instance, Picture
from flawsmith.data.formats.reading import Reading
from flawsmith.data.geometry.patch import Patch
from flawsmith.data.geometry.shape import BadShape
from flawsmith.data.listing import Listing

Y, X = (axis + 0.5 for axis in np.mgrid[:47, :61])


def region(kind: str, value: dict[str, Any], classes: Any = ("pit",), **more: Any) -> dict[str, Any]:
    """A result whose points are given in pixels."""
    named = {f"{kind}labels": list(classes)} if classes is not None else {}
    head = {"id": "r1", "type": f"{kind}labels" if classes is not None else kind, "from_name": "l", "to_name": "image"}
    return {
        **head,
        "original_width": 61,
        "original_height": 47,
        "image_rotation": 0,
        "value": {**value, **named},
        **more,
    }


def percent(x: float, y: float) -> tuple[float, float]:
    return x / 61 * 100, y / 47 * 100


def polygon(*points: tuple[float, float], **more: Any) -> dict[str, Any]:
    return region("polygon", {"points": [list(percent(*point)) for point in points], "closed": True}, **more)


def rectangle(left: float, top: float, width: float, height: float, rotation: float = 0, **more: Any) -> dict[str, Any]:
    (x, y), (w, h) = percent(left, top), percent(width, height)
    return region("rectangle", {"x": x, "y": y, "width": w, "height": h, "rotation": rotation}, **more)


def ellipse(x: float, y: float, across: float, down: float, rotation: float = 0, **more: Any) -> dict[str, Any]:
    (cx, cy), (rx, ry) = percent(x, y), percent(across, down)
    return region("ellipse", {"x": cx, "y": cy, "radiusX": rx, "radiusY": ry, "rotation": rotation}, **more)


def painted(mask: np.ndarray, **more: Any) -> dict[str, Any]:
    return region("brush", {"format": "rle", "rle": list(encode(mask))}, **more)


def annotation(*results: Any, **more: Any) -> dict[str, Any]:
    return {"id": 10, "was_cancelled": False, "ground_truth": False, "result": list(results), **more}


def task(*annotations: Any, image: Any = "/data/upload/1/ab12cd34-part.png", **more: Any) -> dict[str, Any]:
    return {"id": 1, "data": {"image": image}, "annotations": list(annotations), "predictions": [], **more}


def one(*results: Any) -> dict[str, Any]:
    return task(annotation(*results))


def write(root: Path, document: Any, *images: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for name in images or ("part.png",):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros(SIZE, np.uint8)).save(root / name)
    path = root / "tasks.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def read(root: Path, **options: Any) -> Listing:
    return scan(root, sorted(root.glob("*.json")), Reading(**options))


def agree(found: np.ndarray, signed: np.ndarray) -> None:
    """The same pixels as a distance that is negative within, but for those on the very edge."""
    assert (found == (signed < 0))[abs(signed) > 1e-6].all()


def test_a_task_is_a_row_with_its_size_and_no_results_mean_good(tmp_path: Path) -> None:
    write(
        tmp_path,
        [one(rectangle(1, 1, 4, 4)), {**one(), "id": 2, "data": {"image": "good.png"}}],
        "part.png",
        "good.png",
    )
    listing = read(tmp_path)
    assert [(row.name, row.size, len(row.drawn)) for row in listing.rows] == [
        ("good.png", None, 0),
        ("part.png", SIZE, 1),
    ]
    assert not listing.problems


@given(st.floats(-60, 60), st.floats(-40, 60), st.floats(1, 40), st.floats(1, 30), st.floats(-360, 360))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_rectangle_turns_about_its_upper_left_corner(tmp_path: Path, left, top, width, height, angle) -> None:
    write(tmp_path / repr((left, top, angle)), [one(rectangle(left, top, width, height, angle))])
    c, s = cos(radians(angle)), sin(radians(angle))
    along, down = (X - left) * c + (Y - top) * s, (Y - top) * c - (X - left) * s
    outside = np.max([-along, along - width, -down, down - height], axis=0)
    agree(full(read(tmp_path / repr((left, top, angle))))[0], outside)


@given(st.floats(0, 60), st.floats(0, 47), st.floats(1, 30), st.floats(1, 30), st.floats(-360, 360))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_ellipse_turns_about_its_middle(tmp_path: Path, x, y, across, down, angle) -> None:
    write(tmp_path / repr((x, y, angle)), [one(ellipse(x, y, across, down, angle))])
    c, s = cos(radians(angle)), sin(radians(angle))
    u, v = (X - x) * c + (Y - y) * s, (Y - y) * c - (X - x) * s
    agree(full(read(tmp_path / repr((x, y, angle))))[0], (u / across) ** 2 + (v / down) ** 2 - 1)


def test_a_polygon_is_in_percent_of_either_side(tmp_path: Path) -> None:
    write(tmp_path, [one(polygon((30, 10), (40, 20), (30, 30), (20, 20)))])
    agree(full(read(tmp_path))[0], abs(X - 30) + abs(Y - 20) - 10)


@given(arrays(bool, SIZE, elements=st.booleans(), fill=st.booleans()))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_brush_is_its_mask(tmp_path: Path, mask: np.ndarray) -> None:
    root = tmp_path / str(hash(mask.tobytes()))
    write(root, [one(painted(mask))])
    assert (full(read(root))[0] == mask).all()


def test_the_class_may_stand_in_a_result_of_its_own(tmp_path: Path) -> None:
    shape, other = rectangle(1, 1, 4, 4, classes=None), rectangle(9, 9, 4, 4, classes=None, id="r2")
    named = [
        {**shape, "type": "labels", "value": {"labels": ["scratch"]}},
        {"id": "r2", "type": "labels", "value": {"labels": ["pit"]}},
    ]
    write(tmp_path, [one(shape, *named, other, {"id": "r1", "type": "choices", "value": {"choices": ["deep"]}})])
    listing = read(tmp_path)
    assert [drawn.defect for drawn in listing.rows[0].drawn] == ["scratch", "pit"] and not listing.problems


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (rectangle(1, 1, 4, 4, classes=["pit", "scratch"]), "has 2 classes ('pit', 'scratch')"),
        (rectangle(1, 1, 4, 4, classes=[]), "has no class"),
        (rectangle(1, 1, 4, 4, classes=[5]), "has no class"),
        (rectangle(1, 1, 4, 4, image_rotation=90), "turned by 90 degrees"),
        (rectangle(1, 1, 4, 4, original_width=None), "original_width"),
        (rectangle(1, 1, 4, 4, type="bitmasklabels"), "'bitmasklabels', which is not known"),
        (rectangle(1, 1, float("nan"), 4), "width"),
        (painted(np.ones((46, 61), bool)), "11224 values, its image 61×47 needs 11468"),
        (region("brush", {"format": "png", "rle": []}), "format 'png'"),
    ],
)
def test_what_cannot_be_read_is_an_error_and_the_others_are_read(tmp_path: Path, result: Any, reason: str) -> None:
    write(tmp_path, [one(rectangle(1, 1, 2, 2), result)])
    listing = read(tmp_path)
    assert len(listing.rows[0].drawn) == 1 and said(listing, "error").count("\n") == 0
    assert reason in said(listing, "error") and "part.png, task 1, result" in said(listing, "error")


def test_a_full_turn_is_none(tmp_path: Path) -> None:
    write(tmp_path, [one(rectangle(1, 1, 2, 2, image_rotation=360))])
    assert not read(tmp_path).problems


def test_results_for_two_sizes_contradict(tmp_path: Path) -> None:
    write(tmp_path, [one(rectangle(1, 1, 2, 2), rectangle(1, 1, 2, 2, original_width=122))])
    assert "others than the results before" in said(read(tmp_path), "error")


def test_points_are_left_out_with_a_warning(tmp_path: Path) -> None:
    write(tmp_path, [one(region("keypoint", {"x": 1, "y": 1}), region("polygon", {"points": [[1, 1]]}))])
    listing = read(tmp_path)
    assert not listing.rows[0].drawn and not said(listing, "error") and said(listing, "warning").count("left out") == 2


def test_choices_alone_are_told(tmp_path: Path) -> None:
    write(tmp_path, [one({"id": "c", "type": "choices", "value": {"choices": ["bad"]}})])
    listing = read(tmp_path)
    assert len(listing.rows) == 1 and "choices but no regions: taken as good" in said(listing, "warning")


def sized(side: int, updated: str | None, **more: Any) -> dict[str, Any]:
    return annotation(rectangle(1, 1, side, side), **({"updated_at": updated} if updated else {}), **more)


@pytest.mark.parametrize(
    ("annotations", "side", "several"),
    [
        ((sized(2, "2024-01-01T00:00:00.5Z"), sized(3, "2024-01-01T00:00:00.6Z")), 3, True),
        ((sized(3, "2024-01-01T12:00:00+02:00"), sized(2, "2024-01-01T09:00:00")), 3, True),
        ((sized(3, "2024-01-01T11:00:00"), sized(2, "2024-01-01T12:00:00+02:00")), 3, True),
        ((sized(3, "2024-01-01T00:00:00Z"), sized(2, None)), 3, True),
        ((sized(2, None), sized(3, None)), 3, True),
        ((sized(3, "2023-01-01T00:00:00Z", ground_truth=True), sized(2, "2024-01-01T00:00:00Z")), 3, True),
        ((sized(3, "2023-01-01T00:00:00Z"), sized(2, "2024-01-01T00:00:00Z", was_cancelled=True)), 3, False),
    ],
)
def test_of_several_annotations_the_newest_counts(tmp_path: Path, annotations: Any, side: int, several: bool) -> None:
    write(tmp_path, [task(*annotations)])
    listing = read(tmp_path)
    assert [mask.sum() for mask in full(listing)] == [side**2]
    assert ("1 task (first task 1) with several annotations" in said(listing, "warning")) == several


def test_unlabelled_tasks_are_left_out_and_predictions_are_no_labels(tmp_path: Path) -> None:
    guess = task(predictions=[annotation(rectangle(1, 1, 4, 4))])
    write(tmp_path, [guess, task(annotation(was_cancelled=True)), task(predictions=[17])])
    listing = read(tmp_path)
    assert not listing.rows and "3 tasks (first task 1) without an annotation: left out" in said(listing, "warning")


def test_predictions_count_in_tasks_of_flawsmith_until_somebody_annotates_them(tmp_path: Path) -> None:
    ours = {"image": "part.png", "flawsmith_id": "abc", "flawsmith_group": "g"}
    guess = annotation(rectangle(1, 1, 4, 4))
    write(tmp_path / "a", [task(data=ours, predictions=[guess])])
    (row,) = read(tmp_path / "a").rows
    assert (row.origin, row.group, len(row.drawn)) == ("abc", "g", 1)
    write(tmp_path / "b", [task(annotation(), data=ours, predictions=[guess])])
    assert not read(tmp_path / "b").rows[0].drawn


@pytest.mark.parametrize(
    "image",
    [
        "/data/upload/1/ab12cd34-part.png",
        "/data/local-files/?d=some/where/images/part.png",
        "/data/local-files/?d=images%2Fpart.png",
        "http://localhost:8080/data/local-files/?d=images/part.png",
        "s3://bucket/images/part.png",
        "https://example.com/images/part.png?X-Amz-Signature=1",
        "images\\part.png",
        "part.png",
    ],
)
def test_the_image_is_found_by_any_address(tmp_path: Path, image: str) -> None:
    write(tmp_path, [task(annotation(), image=image)], "images/part.png", "images/other.png")
    assert [row.name for row in read(tmp_path).rows] == ["images/part.png"]


@pytest.mark.parametrize("data", [{"photo": "/x/part.png", "text": "a.b"}, {"image": "/image2"}])
def test_the_image_may_have_another_name_in_the_data_or_be_the_upload(tmp_path: Path, data: dict[str, str]) -> None:
    write(tmp_path, [task(annotation(), data=data, file_upload="ab12cd34-part.png")])
    assert [row.name for row in read(tmp_path).rows] == ["part.png"]


def test_two_uploads_that_are_one_image_contradict_and_two_tasks_of_one_upload_join(tmp_path: Path) -> None:
    uploads = [
        task(annotation(rectangle(1, 1, 4, 4)), image=f"/data/upload/1/{prefix}-part.png")
        for prefix in ("ab12cd34", "00000000")
    ]
    write(tmp_path / "a", uploads)
    assert "and so does task 1, but they name two" in said(read(tmp_path / "a"), "error")
    write(tmp_path / "b", [uploads[0], uploads[0]])
    listing = read(tmp_path / "b")
    assert len(listing.rows[0].drawn) == 2 and not listing.problems


def test_json_min_is_refused_with_the_reason(tmp_path: Path) -> None:
    short = {
        "image": "part.png",
        "id": 1,
        "annotator": 1,
        "annotation_id": 2,
        "label": [{"x": 1, "rectanglelabels": ["pit"]}],
    }
    write(tmp_path, [short])
    listing = read(tmp_path)
    assert matches([short]) and not listing.rows and "JSON-MIN" in said(listing, "error")


@pytest.mark.parametrize("text", ["[", "[7]", "null", '[{"id": 1}]', '[{"data": []}]'])
def test_a_file_that_holds_no_tasks_is_an_error(tmp_path: Path, text: str) -> None:
    write(tmp_path, text)
    listing = read(tmp_path)
    assert not listing.rows and said(listing, "error").startswith("tasks.json")


def test_one_task_alone_is_read(tmp_path: Path) -> None:
    write(tmp_path, one(rectangle(1, 1, 4, 4)))
    assert matches(one()) and len(read(tmp_path).rows[0].drawn) == 1


WHOLE = [
    task(
        annotation(
            polygon((1, 1), (9, 1), (5, 9)),
            rectangle(1, 2, 3, 4, 5),
            ellipse(20, 20, 5, 6, 7),
            painted(np.eye(*SIZE, dtype=bool)),
            rectangle(1, 2, 3, 4, classes=None, id="r9"),
            {"id": "r9", "type": "labels", "value": {"labels": ["pit"]}},
            updated_at="2024-01-01T00:00:00Z",
        ),
        sized(3, "2023-01-01T00:00:00Z"),
        file_upload="part.png",
    )
]


@pytest.mark.parametrize("place", places(WHOLE, 40), ids=lambda place: ".".join(map(str, place)))
def test_junk_in_any_place_is_a_problem_of_one_line_and_never_more(tmp_path: Path, place: tuple[Any, ...]) -> None:
    start = time.process_time()
    for number, document in enumerate(spoilt(WHOLE, place)):
        root = tmp_path / str(number)
        write(root, document)
        listing = read(root, line_width=3.0)
        for problem in listing.problems:
            assert "\n" not in problem.what and len(problem.what) < 400
        for drawn in (drawn for row in listing.rows for drawn in row.drawn):
            with suppress(BadShape, UserError):
                drawn.shape.patch(*SIZE)
    assert time.process_time() - start < 5


def wrote(root: Path, masks: list[np.ndarray]) -> Path:
    source, output = root / "source.png", root / "out"
    Image.fromarray(np.zeros(SIZE, np.uint8)).save(source)
    output.mkdir()
    writer = LabelStudioWriter(output, ["pit", "a & 'b'"])
    instances = tuple(Instance(("pit", "a & 'b'")[i % 2], Patch.of(mask)) for i, mask in enumerate(masks))
    for name, origin in (("line 2/pärt+1?.png", "abc"), ("line 2/b.png", None), ("good.png", None)):
        given_ = instances if name != "good.png" else ()
        assert writer.add(Picture(name, source, *SIZE, given_, "g1", origin)) == [1.0] * len(given_)
    writer.close()
    return output


@given(st.lists(arrays(bool, SIZE, elements=st.booleans(), fill=st.booleans()).filter(np.any), max_size=3))
@settings(max_examples=20, deadline=None)
def test_what_is_written_is_read_as_the_same_instances(tmp_path_factory: pytest.TempPathFactory, masks) -> None:
    output = wrote(tmp_path_factory.mktemp("set"), masks)
    listing = read(output)
    assert not listing.problems and matches(json.loads((output / "tasks.json").read_text()))
    assert {row.name: (row.group, row.origin) for row in listing.rows} == {
        "images/good.png": ("g1", None),
        "images/line 2/b.png": ("g1", None),
        "images/line 2/pärt+1?.png": ("g1", "abc"),
    }
    for row, found in enumerate(listing.rows):
        expected = masks if "good" not in found.name else []
        assert [one.defect for one in found.drawn] == ["pit", "a & 'b'", "pit"][: len(expected)]
        assert all((one == mask).all() for one, mask in zip(full(listing, row), expected, strict=True))


def test_the_same_is_written_as_the_same_bytes_and_the_interface_names_the_classes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        wrote(tmp_path / name, [np.eye(*SIZE, dtype=bool)])
    for file in ("tasks.json", "label_config.xml"):
        assert (tmp_path / "a/out" / file).read_bytes() == (tmp_path / "b/out" / file).read_bytes()
    config = ElementTree.parse(tmp_path / "a/out/label_config.xml")
    assert [label.get("value") for label in config.iter("Label")] == ["pit", "a & 'b'"]
    brush, image = next(config.iter("BrushLabels")), next(config.iter("Image"))
    (first, *_) = json.loads((tmp_path / "a/out/tasks.json").read_text())
    (result,) = first["predictions"][0]["result"]
    assert (
        (result["from_name"], result["to_name"])
        == (brush.get("name"), image.get("name"))
        == ("label", brush.get("toName"))
    )
    assert f"${next(iter(first['data'].keys() & {'image'}))}" == image.get("value")


@pytest.mark.parametrize(
    "document", [*JUNK, {"images": [], "annotations": [], "categories": []}, [{"data_row": {}}]], ids=str
)
def test_nothing_else_is_taken_for_label_studio(document: Any) -> None:
    assert matches(WHOLE) and not matches(document)


@needs_real
@pytest.mark.parametrize(
    ("name", "image", "objects", "size"),
    [
        ("labelstudio_polygons.json", "000000000025.jpg", {"Airplane"}, (426, 640)),
        ("labelstudio_rect_polygon_keypoint.json", "test_image1.jpg", {"rectangle_label", "polygon_label"}, (320, 500)),
    ],
)
def test_a_real_export_is_read(tmp_path: Path, name: str, image: str, objects: set[str], size: tuple[int, int]) -> None:
    (tmp_path / "tasks.json").write_bytes((REAL / name).read_bytes())
    Image.new("L", size[::-1]).save(tmp_path / image)
    listing = read(tmp_path)
    (row,) = listing.rows
    assert not said(listing, "error") and row.size == size and {one.defect for one in row.drawn} >= objects
    assert all(mask.any() for mask in full(listing, size=size))
