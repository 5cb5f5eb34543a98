"""LabelMe files: shapes against their definition, hostile files, and writing → reading as the identity on masks."""

import base64
import json
import time
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from labels import JUNK, REAL, SIZE, full, needs_real, places, said, spoilt
from PIL import Image

from flawsmith.data.errors import UserError
from flawsmith.data.formats.labelme import LabelmeWriter, matches, scan
from flawsmith.data.formats.picture import Instance, Picture
from flawsmith.data.formats.reading import Reading
from flawsmith.data.formats.scratch import scratch
from flawsmith.data.geometry.patch import Patch
from flawsmith.data.geometry.shape import BadShape
from flawsmith.data.listing import Listing


def png(values: np.ndarray) -> bytes:
    buffer = BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return buffer.getvalue()


PIXELS = png(np.arange(47 * 61, dtype=np.uint8).reshape(SIZE))


def shape(kind: str, points: Any, label: Any = "pit", **more: Any) -> dict[str, Any]:
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}, "mask": None, **more}


def sheet(*shapes: Any, **more: Any) -> dict[str, Any]:
    head = {"version": "5.5.0", "flags": {}, "shapes": list(shapes), "imagePath": "part.png", "imageData": None}
    return {**head, "imageHeight": 47, "imageWidth": 61, **more}


def masked(patch: np.ndarray, corner: tuple[float, float], label: str = "pit", **more: Any) -> dict[str, Any]:
    height, width = patch.shape
    x, y = corner
    content = base64.b64encode(png(patch.astype(np.uint8))).decode()
    return shape("mask", [[x, y], [x + width - 1, y + height - 1]], label, mask=content, **more)


def write(root: Path, document: Any, name: str = "part.json", image: str | None = "part.png") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    if image:
        (root / image).parent.mkdir(parents=True, exist_ok=True)
        (root / image).write_bytes(PIXELS)
    return path


def read(root: Path, **options: Any) -> Listing:
    return scan(root, sorted(root.rglob("*.json")), Reading(**options))


def centres() -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[:47, :61] + 0.5
    return x, y


def test_a_file_is_a_row_with_its_size_and_no_shapes_mean_good(tmp_path: Path) -> None:
    write(tmp_path, sheet())
    (row,) = read(tmp_path).rows
    assert (row.name, row.drawn, row.size, row.file) == ("part.png", (), SIZE, "part.json")


def test_a_rectangle_has_the_pixels_between_its_corners_in_any_order(tmp_path: Path) -> None:
    x, y = centres()
    expected = (x > 5) & (x < 20) & (y > 7) & (y < 30)
    write(
        tmp_path,
        sheet(shape("rectangle", [[20, 7], [5, 30]]), shape("rectangle", [[5, 7], [20, 7], [20, 30], [5, 30]])),
    )
    assert all((found == expected).all() for found in full(read(tmp_path)))


def test_a_circle_has_the_pixels_nearer_than_its_edge(tmp_path: Path) -> None:
    x, y = centres()
    write(tmp_path, sheet(shape("circle", [[30, 20], [33, 24]])))
    assert (full(read(tmp_path))[0] == (np.hypot(x - 30, y - 20) < 5)).all()


def test_a_polygon_and_an_oriented_rectangle_have_the_pixels_within(tmp_path: Path) -> None:
    x, y = centres()
    diamond = [[30, 10], [40, 20], [30, 30], [20, 20]]
    write(tmp_path, sheet(shape("polygon", diamond), shape("oriented_rectangle", diamond), {**shape("", diamond)}))
    inside, edge = abs(x - 30) + abs(y - 20) < 10, abs(x - 30) + abs(y - 20) == 10
    for found in full(read(tmp_path)):
        assert (found == inside)[~edge].all()


def test_a_line_needs_a_width_and_has_it(tmp_path: Path) -> None:
    x, y = centres()
    write(tmp_path, sheet(shape("line", [[10, 20], [50, 20]]), shape("linestrip", [[10, 20], [30, 20], [50, 20]])))
    without = read(tmp_path)
    assert not without.rows[0].drawn and said(without, "error").count("--line-width") == 2
    for found in full(read(tmp_path, line_width=4.0)):
        assert (found == (np.hypot(x - x.clip(10, 50), y - 20) <= 2)).all()


@given(
    st.data(), arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 20))), st.floats(0, 0.99), st.floats(0, 0.99)
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_mask_lies_where_its_first_corner_is(
    tmp_path: Path, data, patch: np.ndarray, right: float, down: float
) -> None:
    left, top = data.draw(st.integers(0, 41)), data.draw(st.integers(0, 27))
    expected = np.zeros(SIZE, bool)
    expected[top : top + patch.shape[0], left : left + patch.shape[1]] = patch
    write(tmp_path, sheet(masked(patch, (left + right, top + down))))
    assert (full(read(tmp_path))[0] == expected).all()


def test_a_mask_of_another_size_than_its_box_is_an_error(tmp_path: Path) -> None:
    wrong = {**masked(np.ones((5, 5), bool), (3, 3)), "points": [[3, 3], [12, 12]]}
    write(tmp_path, sheet(wrong))
    assert "mask of 5×5 px in a box of 10×10" in said(read(tmp_path), "error")


def test_a_mask_sticking_out_is_cut_off(tmp_path: Path) -> None:
    write(tmp_path, sheet(masked(np.ones((5, 5), bool), (-2, 45))))
    assert np.argwhere(full(read(tmp_path))[0]).tolist() == [[y, x] for y in (45, 46) for x in (0, 1, 2)]


def test_shapes_of_one_label_and_group_are_one_object(tmp_path: Path) -> None:
    left, right = masked(np.ones((4, 4), bool), (2, 2)), shape("rectangle", [[20, 20], [24, 24]])
    one, two = {**left, "group_id": 3}, {**right, "group_id": 3}
    write(tmp_path, sheet(one, two, {**right, "group_id": 3, "label": "scratch"}, {**right, "group_id": 4}))
    listing = read(tmp_path)
    assert [drawn.defect for drawn in listing.rows[0].drawn] == ["pit", "scratch", "pit"]
    assert full(listing)[0].sum() == 32 and listing.rows[0].drawn[0].where == "shape 1, 2"


def test_points_and_too_short_shapes_are_left_out_with_a_warning(tmp_path: Path) -> None:
    write(tmp_path, sheet(shape("point", [[3, 3]]), shape("polygon", [[1, 1], [2, 2]]), shape("line", [[1, 1]])))
    listing = read(tmp_path)
    assert not listing.rows[0].drawn and not said(listing, "error") and said(listing, "warning").count("left out") == 3


def test_an_unknown_kind_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, sheet(shape("cuboid", [[3, 3]])))
    assert "'cuboid', which is not known" in said(read(tmp_path), "error")


@pytest.mark.parametrize(
    "name", ["..\\images\\part.png", "../images/part.png", "C:\\old\\images\\part.png", "part.png"]
)
def test_the_image_is_found_by_whatever_path_was_written(tmp_path: Path, name: str) -> None:
    write(tmp_path, sheet(imagePath=name), "labels/part.json", "images/part.png")
    assert [row.name for row in read(tmp_path).rows] == ["images/part.png"]


def test_no_path_leaves_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(PIXELS)
    write(tmp_path / "set", sheet(imagePath="../../secret.png"), image=None)
    listing = read(tmp_path / "set")
    assert not listing.rows and "secret.png" in said(listing, "error")


def test_an_image_within_the_file_is_used_where_there_is_no_other(tmp_path: Path) -> None:
    held = base64.b64encode(PIXELS).decode()
    for folder in ("a", "b"):
        write(tmp_path, sheet(shape("rectangle", [[1, 1], [5, 5]]), imageData=held), f"{folder}/part.json", None)
    listing = read(tmp_path)
    assert [row.name for row in listing.rows] == ["a_part.png", "b_part.png"] and not listing.problems
    assert all(row.image.read_bytes() == PIXELS and row.image.is_relative_to(scratch()) for row in listing.rows)


def test_two_files_never_share_an_image_that_neither_lies_beside(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        write(tmp_path, sheet(), f"{folder}/part.json", "images/part.png")
    listing = read(tmp_path)
    assert not listing.rows and said(listing, "error").count("other files may mean images/part.png too") == 2
    held, other = base64.b64encode(PIXELS).decode(), tmp_path / "other"
    write(other, sheet(imageData=held), "a/part.json", "a/part.png")
    write(other, sheet(imageData=held), "b/part.json", None)
    assert [row.name for row in read(other).rows] == ["a/part.png", "b_part.png"]


def test_two_files_that_name_the_same_path_are_joined(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        document = sheet(shape("rectangle", [[1, 1], [5, 5]]), imagePath="../images/part.png")
        write(tmp_path, document, f"{folder}/part.json", "images/part.png")
    listing = read(tmp_path)
    assert [(row.name, len(row.drawn)) for row in listing.rows] == [("images/part.png", 2)] and not listing.problems


@pytest.mark.parametrize("data", ["!!!", "AAAA", base64.b64encode(b"GIF89a").decode(), "é"])
def test_image_data_that_is_no_image_is_an_error(tmp_path: Path, data: str) -> None:
    write(tmp_path, sheet(imageData=data), image=None)
    listing = read(tmp_path)
    assert not listing.rows and "imageData that is none" in said(listing, "error")


def test_a_broken_file_is_an_error_and_the_others_are_read(tmp_path: Path) -> None:
    write(tmp_path, sheet())
    write(tmp_path, '{"shapes": [', "broken.json", None)
    write(tmp_path, {"shapes": None, "imagePath": "x.png"}, "half.json", None)
    write(tmp_path, {"1": "pit"}, "classes.json", None)
    listing = read(tmp_path)
    assert len(listing.rows) == 1 and "broken.json" in said(listing, "error") and "half.json" in said(listing, "error")
    assert "classes.json: is no LabelMe file" in said(listing, "warning")


WHOLE = sheet(
    masked(np.ones((4, 6), bool), (3, 5), group_id=1),
    shape("polygon", [[1, 1], [9, 1], [5, 9]], group_id=1),
    shape("circle", [[20, 20], [25, 20]]),
    shape("rectangle", [[1, 1], [9, 9]]),
    shape("line", [[1, 1], [9, 9]]),
)


@pytest.mark.parametrize("place", places(WHOLE), ids=str)
def test_junk_in_any_place_is_a_problem_of_one_line_and_never_more(tmp_path: Path, place: tuple[Any, ...]) -> None:
    start = time.process_time()
    for number, document in enumerate(spoilt(WHOLE, place)):
        write(tmp_path / str(number), document)
        listing = read(tmp_path / str(number), line_width=3.0)
        for problem in listing.problems:
            assert "\n" not in problem.what and len(problem.what) < 400 and problem.file.startswith("part.")
        for row in listing.rows:
            for one in row.drawn:
                with suppress(BadShape, UserError):
                    assert one.shape.patch(*SIZE).mask.shape <= SIZE
    assert time.process_time() - start < 5


@given(st.lists(arrays(bool, SIZE, elements=st.booleans(), fill=st.booleans()).filter(np.any), max_size=3))
@settings(max_examples=20, deadline=None)
def test_what_is_written_is_read_as_the_same_instances(tmp_path_factory: pytest.TempPathFactory, masks) -> None:
    root = tmp_path_factory.mktemp("set")
    source = root / "source.png"
    source.write_bytes(PIXELS)
    output = root / "out"
    output.mkdir()
    writer = LabelmeWriter(output, ["pit", "scratch"])
    instances = tuple(Instance(("pit", "scratch")[i % 2], Patch.of(mask)) for i, mask in enumerate(masks))
    for name, origin in (("line2/part.png", "abc"), ("line2/part.jpg", None), ("good.png", None)):
        given_ = instances if name != "good.png" else ()
        assert writer.add(Picture(name, source, *SIZE, given_, "g1", origin)) == [1.0] * len(given_)
    writer.close()
    listing = read(output)
    assert not listing.problems
    assert {row.name: (row.group, row.origin) for row in listing.rows} == {
        "good.png": ("g1", None),
        "line2/part.jpg": ("g1", None),
        "line2/part.png": ("g1", "abc"),
    }
    for row, found in enumerate(listing.rows):
        expected = masks if found.name != "good.png" else []
        assert [one.defect for one in found.drawn] == [one.defect for one in instances][: len(expected)]
        assert all((one == mask).all() for one, mask in zip(full(listing, row), expected, strict=True))
        assert found.image.read_bytes() == PIXELS


def test_the_same_is_written_as_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "source.png").write_bytes(PIXELS)
    written = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        writer = LabelmeWriter(tmp_path / name, ["pit"])
        instance = Instance("pit", Patch(3, 4, np.eye(5, dtype=bool)))
        writer.add(Picture("part.png", tmp_path / "source.png", *SIZE, (instance,), "g", "id"))
        written.append((tmp_path / name / "part.json").read_bytes())
    assert written[0] == written[1]


def test_labelme_itself_would_take_what_is_written(tmp_path: Path) -> None:
    """By the checks in its own loader: types, flags true or false, and the mask as large as its box."""
    (tmp_path / "source.png").write_bytes(PIXELS)
    writer = LabelmeWriter(tmp_path, ["pit"])
    writer.add(
        Picture(
            "part.png", tmp_path / "source.png", *SIZE, (Instance("pit", Patch(3, 4, np.eye(5, dtype=bool))),), "g", "i"
        )
    )
    document = json.loads((tmp_path / "part.json").read_text())
    (one,) = document["shapes"]
    (x1, y1), (x2, y2) = one["points"]
    mask = np.array(Image.open(BytesIO(base64.b64decode(one["mask"])))).astype(bool)
    assert mask.shape == (y2 - y1 + 1, x2 - x1 + 1) and (x1, y1) == (4, 3) and (mask == np.eye(5)).all()
    assert document["imagePath"] == "part.png" and document["imageData"] is None and document["flags"] == {}
    assert {"version", "shapes", "imageHeight", "imageWidth"} <= document.keys()


@pytest.mark.parametrize(
    "document", [*JUNK, {"shapes": []}, {"images": [], "annotations": [], "categories": []}], ids=str
)
def test_nothing_else_is_taken_for_labelme(document: Any) -> None:
    assert matches(WHOLE) and not matches(document)


@needs_real
def test_a_real_file_is_read_with_the_image_in_it(tmp_path: Path) -> None:
    source = next(REAL.glob("labelme_*.json"))
    (tmp_path / source.name).write_bytes(source.read_bytes())
    listing = read(tmp_path)
    assert not listing.problems and {one.defect for one in listing.rows[0].drawn} == {"Pitting"}
    assert all(mask.any() for mask in full(listing, size=(1016, 2816)))
    assert Image.open(listing.rows[0].image).size == (2816, 1016)
