"""VIA's JSON and CSV: the same regions whichever file holds them, one class each, and nothing hostile gets through."""

import copy
import csv
import json
import time
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from flawsmith.data.formats import via
from flawsmith.data.formats.reading import Reading
from flawsmith.data.listing import Listing, Row
from flawsmith.data.resolve import resolve

HEIGHT, WIDTH = 47, 61
PLAIN = Reading()
HEADER = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
RECT = {"name": "rect", "x": 10, "y": 20, "width": 5, "height": 2}
PIT = {"defect": "pit"}
shared_folder = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def paint(path: Path, grey: int = 120) -> Path:
    """A grey image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((HEIGHT, WIDTH), grey, np.uint8)).save(path)
    return path


def region(shape: Any = RECT, attributes: Any = PIT) -> dict[str, Any]:
    return {"shape_attributes": shape, "region_attributes": attributes}


def entry(*regions: Any, name: str = "part.png", size: int = -1) -> dict[str, Any]:
    return {"filename": name, "size": size, "regions": list(regions), "file_attributes": {"caption": "x"}}


def save(root: Path, *entries: dict[str, Any], name: str = "via.json") -> Path:
    """The JSON of an export."""
    path = root / name
    path.write_text(json.dumps({f"{one['filename']}{one['size']}": one for one in entries}), encoding="utf-8")
    return path


def table(*entries: dict[str, Any], header: str = HEADER, end: str = "\n") -> str:
    """The CSV of an export, as VIA's own code writes it: all quoted but the file name."""
    lines = [header]
    for one in entries:
        quoted = json.dumps(one["file_attributes"]).replace('"', '""')
        prefix, count = f'{one["filename"]},{one["size"]},"{quoted}"', len(one["regions"])
        for index, each in enumerate(one["regions"]):
            texts = (
                json.dumps(each[f"{part}_attributes"], separators=(",", ":"), ensure_ascii=False)
                for part in ("shape", "region")
            )
            shape, attributes = (text.replace('"', '""') for text in texts)
            lines.append(f'{prefix},{count},{index},"{shape}","{attributes}"')
        if not count:
            lines.append(f'{prefix},0,0,"{{}}","{{}}"')
    return end.join(lines)


def scan(root: Path, *files: Path, reading: Reading = PLAIN) -> Listing:
    """What the reader makes of the files, of via.json if none is given."""
    return via.scan(root, files or (root / "via.json",), reading)


def draw(root: Path, *regions: Any, reading: Reading = PLAIN) -> Listing:
    """What the reader makes of one image with these regions."""
    paint(root / "part.png")
    save(root, entry(*regions))
    return scan(root, reading=reading)


def masks(row: Row) -> list[np.ndarray]:
    """The masks of a row's objects."""
    return [one.shape.patch(HEIGHT, WIDTH).full(HEIGHT, WIDTH) for one in row.drawn]


def told(listing: Listing, level: str) -> list[str]:
    """The problems of a level, as text."""
    return [f"{one.file}: {one.what}; {one.fix}" for one in listing.problems if one.level == level]


def centres() -> tuple[np.ndarray, np.ndarray]:
    """x and y of the pixels' centres."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    return x, y


# Shapes


def test_a_rect_is_its_pixels(tmp_path: Path) -> None:
    listing = draw(tmp_path, region())
    (found,) = masks(listing.rows[0])
    assert found.sum() == 10 and found[20:22, 10:15].all() and not listing.problems
    assert listing.rows[0].drawn[0].where == "region 1" and listing.rows[0].drawn[0].defect == "pit"


def test_a_circle_is_what_lies_within_its_radius(tmp_path: Path) -> None:
    (found,) = masks(draw(tmp_path, region({"name": "circle", "cx": 30, "cy": 20, "r": 9.5})).rows[0])
    x, y = centres()
    assert np.array_equal(found, np.hypot(x - 30, y - 20) < 9.5)


@shared_folder
@given(st.integers(10, 50), st.integers(10, 40), st.floats(2, 20), st.floats(2, 20), st.floats(-4, 4))
def test_an_ellipse_turns_by_radians(tmp_path: Path, cx: int, cy: int, rx: float, ry: float, theta: float) -> None:
    shape = {"name": "ellipse", "cx": cx, "cy": cy, "rx": rx, "ry": ry, "theta": theta}
    (found,) = masks(draw(tmp_path, region(shape)).rows[0])
    x, y = centres()
    back = ((x - cx) + 1j * (y - cy)) * np.exp(-1j * theta)
    distance = (back.real / rx) ** 2 + (back.imag / ry) ** 2 - 1
    clear = abs(distance) > 1e-9
    assert np.array_equal(found[clear], distance[clear] < 0)


def test_theta_turns_clockwise_and_may_be_absent(tmp_path: Path) -> None:
    shape = {"name": "ellipse", "cx": 30, "cy": 23, "rx": 15, "ry": 3}
    (lying,) = masks(draw(tmp_path, region(shape)).rows[0])
    (turned,) = masks(draw(tmp_path, region({**shape, "theta": np.pi / 4})).rows[0])
    assert lying[23, 40] and turned[31, 38] and not turned[14, 38]


def test_polygons_are_filled(tmp_path: Path) -> None:
    shape = {"name": "polygon", "all_points_x": [10, 15, 15, 10, 10], "all_points_y": [20, 20, 22, 22, 20]}
    assert np.array_equal(masks(draw(tmp_path, region(shape)).rows[0])[0], masks(draw(tmp_path, region()).rows[0])[0])


def test_numbers_may_be_texts(tmp_path: Path) -> None:
    shape = {key: str(value) for key, value in RECT.items()}
    assert masks(draw(tmp_path, region(shape)).rows[0])[0].sum() == 10


def test_a_line_needs_a_width(tmp_path: Path) -> None:
    line = region({"name": "polyline", "all_points_x": [5, 25], "all_points_y": [10, 10]})
    (message,) = told(draw(tmp_path, line), "error")
    assert message.startswith("via.json: part.png, region 1, pit: is an open line") and "--line-width" in message
    (found,) = masks(draw(tmp_path, line, reading=Reading(line_width=4)).rows[0])
    assert found[8:12, 5:25].all()


@pytest.mark.parametrize(
    "shape",
    [
        {"name": "point", "cx": 3, "cy": 4},
        {"name": "polygon", "all_points_x": [1, 2], "all_points_y": [1, 2]},
        {"name": "polygon", "all_points_x": [], "all_points_y": []},
    ],
)
def test_what_has_no_area_is_left_out_and_its_image_is_not_good(tmp_path: Path, shape: dict[str, Any]) -> None:
    listing = draw(tmp_path, region(shape))
    (message,) = told(listing, "warning")
    assert "part.png, region 1, pit: " in message and "left out" in message
    assert not told(listing, "error") and not listing.rows[0].drawn and not resolve(listing)[0].records


HOSTILE: list[Any] = [None, True, "x", [], {}, [1], float("nan"), float("inf"), 10**400, -5e8, "9" * 5000, [[1, 2]]]


@pytest.mark.parametrize("value", [one for one in HOSTILE if one is not True], ids=lambda value: repr(value)[:12])
@pytest.mark.parametrize("key", ["x", "width", "name"])
def test_a_broken_region_is_one_error(tmp_path: Path, key: str, value: Any) -> None:
    listing = draw(tmp_path, region({**RECT, key: value}), region(attributes={"defect": "crack"}))
    (message,) = told(listing, "error")
    assert message.startswith("via.json: part.png, region 1, pit: has a ")
    assert [one.defect for one in listing.rows[0].drawn] == ["crack"]


@pytest.mark.parametrize(
    "xs", [[1, 2, 3, 4], [1, 2, None], [1, 2, "x"], [1, 2, [3]], "123", None, {"0": 1}, [1, 2, 1e9]]
)
def test_broken_points_are_one_error(tmp_path: Path, xs: Any) -> None:
    listing = draw(tmp_path, region({"name": "polygon", "all_points_x": xs, "all_points_y": [1, 9, 9]}))
    assert len(told(listing, "error")) == 1 and "part.png, region 1, pit: has " in told(listing, "error")[0]


# Classes


def test_the_only_attribute_is_the_class(tmp_path: Path) -> None:
    listing = draw(
        tmp_path, region(attributes={"defect": "pit", "note": ""}), region({**RECT, "x": 1}, {"defect": "crack"})
    )
    assert [one.defect for one in listing.rows[0].drawn] == ["pit", "crack"]


def test_of_several_attributes_one_is_asked_for(tmp_path: Path) -> None:
    regions = [
        region({**RECT, "x": index}, {"defect": "pit" if index else "crack", "size": index}) for index in range(3)
    ]
    (message,) = told(draw(tmp_path, *regions), "error")
    assert (
        "2 attributes: defect (pit ×2, crack ×1); size (0 ×1, 1 ×1, 2 ×1)" in message
        and "--label-attribute defect" in message
    )
    listing = draw(tmp_path, *regions, reading=Reading(label_attribute="size"))
    assert [one.defect for one in listing.rows[0].drawn] == ["0", "1", "2"] and not listing.problems


def test_an_attribute_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    (message,) = told(draw(tmp_path, region(), reading=Reading(label_attribute="kind")), "error")
    assert "no region has the attribute 'kind', only: defect (pit ×1)" in message


def test_regions_without_attributes_have_no_class(tmp_path: Path) -> None:
    (message,) = told(draw(tmp_path, region(attributes={}), region(attributes={"defect": ""})), "error")
    assert "no region has an attribute" in message


@pytest.mark.parametrize(
    ("value", "defect"),
    [("pit", "pit"), (" pit ", "pit"), (3, "3"), (3.0, "3"), (2.5, "2.5"), ({"pit": True, "crack": False}, "pit")],
)
def test_values_become_classes(tmp_path: Path, value: Any, defect: str) -> None:
    listing = draw(tmp_path, region(attributes={"defect": value}))
    assert [one.defect for one in listing.rows[0].drawn] == [defect] and not listing.problems


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ({"pit": True, "crack": True}, "has several of defect: pit, crack"),
        ({"pit": False}, "has no defect"),
        ({"pit": 1}, "has no defect"),
        ({}, "has no defect"),
        ("", "has no defect"),
        (None, "has no defect"),
        (["pit"], "has a defect that is no class"),
        (True, "has a defect that is no class"),
        (float("nan"), "has a defect that is no class"),
        ("a/b", "a class name has none of"),
        (" ", "a class has a name"),
    ],
)
def test_what_is_no_class_is_an_error(tmp_path: Path, value: Any, rule: str) -> None:
    listing = draw(tmp_path, region({**RECT, "x": 1}, {"defect": value}), region())
    (message,) = told(listing, "error")
    assert "via.json: part.png, region 1: " in message and rule in message
    assert [one.defect for one in listing.rows[0].drawn] == ["pit"]


def test_a_missing_attribute_is_an_error(tmp_path: Path) -> None:
    (message,) = told(draw(tmp_path, region({**RECT, "x": 1}, {}), region()), "error")
    assert "part.png, region 1: has no defect" in message


def test_a_region_called_good_is_left_out(tmp_path: Path) -> None:
    listing = draw(tmp_path, region(attributes={"defect": "Good"}))
    assert len(told(listing, "warning")) == 1 and resolve(listing)[0].records[0].good


# Files of all kinds


def both(root: Path) -> list[dict[str, Any]]:
    """Two images with all kinds of regions, and a good one."""
    line = {"name": "polyline", "all_points_x": [5, 25, 30], "all_points_y": [10, 10, 14]}
    ellipse = {"name": "ellipse", "cx": 15, "cy": 30, "rx": 8.5, "ry": 4, "theta": 0.5}
    names = ['a,b "1" \'c\',"{x.png', "two.png", "good.png"]
    for name in names:
        paint(root / name)
    attributes = {"defect": 'pit, "deep" {x},{y}'.replace('"', "'")}
    return [
        entry(region(), region(ellipse, attributes), name=names[0], size=12),
        entry(region(line, {"defect": "cra\u2028\u0085ck"}), name=names[1], size=13),
        entry(name=names[2], size=14),
    ]


def test_every_kind_of_file_says_the_same(tmp_path: Path) -> None:
    entries = both(tmp_path)
    save(tmp_path, *entries)
    wide = Reading(line_width=3)
    expected = scan(tmp_path, reading=wide)
    assert [len(row.drawn) for row in expected.rows] == [2, 0, 1] and not expected.problems
    first = {
        one["filename"]: {**one, "regions": {str(i): each for i, each in enumerate(one["regions"])}} for one in entries
    }
    project = {
        "_via_settings": {},
        "_via_img_metadata": {one["filename"]: one for one in entries},
        "_via_attributes": {},
    }
    (tmp_path / "first.json").write_text(json.dumps(first))
    (tmp_path / "project.json").write_text(json.dumps(project), encoding="utf-8-sig")
    (tmp_path / "two.csv").write_text(table(*entries), encoding="utf-8", newline="")
    (tmp_path / "one.csv").write_text("\ufeff" + table(*entries, header="#" + HEADER, end="\r\n"), newline="")
    for name in ("first.json", "project.json", "two.csv", "one.csv"):
        found = scan(tmp_path, tmp_path / name, reading=wide)
        assert not found.problems and [row.name for row in found.rows] == [row.name for row in expected.rows]
        for one, other in zip(found.rows, expected.rows, strict=True):
            assert [each.defect for each in one.drawn] == [each.defect for each in other.drawn]
            assert all(map(np.array_equal, masks(one), masks(other)))


def test_a_table_that_another_program_saved(tmp_path: Path) -> None:
    entries = both(tmp_path)
    text = StringIO()
    rows = [
        [
            one["filename"],
            one["size"],
            "{}",
            1,
            0,
            json.dumps(each["shape_attributes"]),
            json.dumps(each["region_attributes"]),
        ]
        for one in entries[:2]
        for each in one["regions"]
    ]
    csv.writer(text).writerows([HEADER.split(","), *rows, ["good.png", 14, "{}", 0, 0, "{}", "{}"]])
    (tmp_path / "via.csv").write_text(text.getvalue(), encoding="utf-8", newline="")
    listing = scan(tmp_path, tmp_path / "via.csv", reading=Reading(line_width=3))
    assert [len(row.drawn) for row in listing.rows] == [2, 0, 1] and not listing.problems


text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=20)


@given(text.filter(bool), st.integers(-1, 10**9), st.dictionaries(text, st.one_of(text, st.integers(), st.lists(text))))
def test_any_line_of_a_table_is_taken_apart(name: str, size: int, attributes: dict[str, Any]) -> None:
    """Whatever stands in names and values; only quotes around the whole name are taken for another program's."""
    line = table(entry(region(attributes, attributes), name=name, size=size)).split("\n", 1)[1]
    cells = via._cells(line)
    assert cells is not None
    plain = name[1:-1].replace('""', '"') if len(name) > 1 and name[0] == name[-1] == '"' else name
    assert cells[:2] == (plain, str(size))
    assert json.loads(cells[2]) == json.loads(cells[3]) == attributes


@pytest.mark.parametrize(
    "line",
    [
        "part.png",
        "part.png,1,{},1,0",
        '"',
        'part.png,1,"{}",1,0,"{x}","{}"',
        "," * 500,
        'x,1,"{}",1,0,"{1","{"',
        '"a\0',
    ],
)
def test_a_broken_line_is_one_error(tmp_path: Path, line: str) -> None:
    paint(tmp_path / "part.png")
    good = table(entry(region()))
    (tmp_path / "via.csv").write_text(f"{good}\n{line}\n")
    listing = scan(tmp_path, tmp_path / "via.csv")
    assert sum("line 3" in message for message in told(listing, "error")) == 1 and len(listing.rows[0].drawn) == 1


def test_regions_of_several_exports_count_once(tmp_path: Path) -> None:
    paint(tmp_path / "part.png")
    one = entry(region(), region({**RECT, "x": 1}))
    files = [save(tmp_path, one), save(tmp_path, one, name="again.json"), tmp_path / "via.csv"]
    files[2].write_text(table(one))
    listing = scan(tmp_path, *files)
    assert len(listing.rows[0].drawn) == 2
    assert [message.split(";")[0] for message in told(listing, "warning")] == [
        "again.json: 2 regions repeated, first part.png, region 1: counted once",
        "via.csv: 2 regions repeated, first part.png, line 2: counted once",
    ]


def test_several_files_are_joined(tmp_path: Path) -> None:
    paint(tmp_path / "part.png")
    files = [save(tmp_path, entry(region({**RECT, "x": x})), name=f"{x}.json") for x in (1, 2)]
    assert len(scan(tmp_path, *files).rows[0].drawn) == 2


# Images


def test_an_image_without_regions_is_good(tmp_path: Path) -> None:
    assert draw(tmp_path).problems == () and resolve(scan(tmp_path))[0].records[0].good


def test_a_missing_image_is_one_error(tmp_path: Path) -> None:
    for name, text in (("via.json", None), ("via.csv", table(entry(region(), region(), name="gone.png")))):
        (tmp_path / name).write_text(text) if text else save(tmp_path, entry(region(), region(), name="gone.png"))
        (message,) = told(scan(tmp_path, tmp_path / name), "error")
        assert message.startswith(f"{name}: ") and "gone.png is missing" in message


def test_images_of_one_name_are_told_apart_by_their_bytes(tmp_path: Path) -> None:
    sizes = []
    for folder in ("a", "b"):
        path = paint(tmp_path / folder / "part.png")
        path.write_bytes(path.read_bytes() + b"\0" * (folder == "b"))  # Pillow reads it all the same
        sizes.append(path.stat().st_size)
    save(tmp_path, entry(region(), size=sizes[1]), entry(size=sizes[0]))
    listing = scan(tmp_path)
    assert [(row.name, len(row.drawn)) for row in listing.rows] == [("a/part.png", 0), ("b/part.png", 1)]
    save(tmp_path, entry(region()))
    assert "2 times" in told(scan(tmp_path), "error")[0]


def test_two_images_of_one_name_need_two_files(tmp_path: Path) -> None:
    paint(tmp_path / "part.png")
    save(tmp_path, entry(region(), size=100), entry(size=200))
    assert "two images called part.png, of 100 and 200 bytes, and one is there" in told(scan(tmp_path), "error")[0]


@pytest.mark.parametrize("name", ["50%.png", "50%25.png", "a b.1.png", "https://example.org/x/part.png?size=1"])
def test_names_are_found(tmp_path: Path, name: str) -> None:
    paint(tmp_path / ("part.png" if "://" in name else name))
    save(tmp_path, entry(region(), name=name))
    assert len(scan(tmp_path).rows[0].drawn) == 1


def test_no_name_leaves_the_folder(tmp_path: Path) -> None:
    paint(tmp_path / "secret.png")
    (tmp_path / "set").mkdir()
    names = ["../secret.png", f"{tmp_path}/secret.png", "", "x" * 10**6, "file:///etc/passwd"]
    save(tmp_path / "set", *(entry(region(), name=name) for name in names))
    listing = scan(tmp_path / "set")
    assert not listing.rows and told(listing, "error")


# Hostile files


def test_detection() -> None:
    assert via.matches({"a1": entry()}) and via.matches({"_via_img_metadata": {}})
    assert via.matches({"x": None, "a1": {"filename": "a", "regions": {}}})
    for other in (None, 1, "x", [], {}, [entry()], {"images": [], "annotations": []}, {"shapes": [], "imagePath": "x"}):
        assert not via.matches(other)
    assert not any(via.matches({"a": value, "_via_img_metadata": value}) for value in HOSTILE if value != {})
    assert via.matches_csv(HEADER) and via.matches_csv(f"\ufeff#{HEADER}\r\na.png,…")
    assert not via.matches_csv("") and not via.matches_csv("image,mask,class\n") and not via.matches_csv("\0" * 99)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to everything within a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for key, one in inner for deeper in paths(one, (*path, key)))]


POLYGON = {"name": "polygon", "all_points_x": [1, 9, 9], "all_points_y": [1, 1, 9]}
DOCUMENT = {"_via_img_metadata": {"part.png-1": entry(region(), region(POLYGON, {"defect": {"pit": True}}))}}


@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: repr(value)[:12])
@pytest.mark.parametrize("place", paths(DOCUMENT), ids=str)
def test_any_value_may_stand_anywhere(tmp_path: Path, place: Sequence[Any], value: Any) -> None:
    """Each ends as an error, a warning, or regions that can be turned into pixels; the file is always named."""
    document: Any = {"": copy.deepcopy(DOCUMENT)}
    inner = document
    for key in ("", *place)[:-1]:
        inner = inner[key]
    inner[("", *place)[-1]] = value
    paint(tmp_path / "part.png")
    (tmp_path / "via.json").write_text(json.dumps(document[""]))
    listing = scan(tmp_path)
    assert isinstance(via.matches(document[""]), bool)
    assert all(one.file.startswith(("via.json", "part.png")) for one in listing.problems)
    resolve(listing)


def test_large_and_deep_files_stay_quick(tmp_path: Path) -> None:
    paint(tmp_path / "part.png")
    start = time.process_time()
    many = {"name": "polygon", "all_points_x": [1] * 600_000, "all_points_y": [2] * 600_000}
    assert "points" in told(draw(tmp_path, region(many)), "error")[0]
    deep = '{"a":' * 900 + "1" + "}" * 900
    (tmp_path / "via.json").write_text(json.dumps(DOCUMENT).replace('"pit"', '"x":' + deep + ',"pit"', 1))
    scan(tmp_path)
    (tmp_path / "via.json").write_text("[" * 10**6)
    assert told(scan(tmp_path), "error")
    for line in ('"' * 10**6, ',"{' * 300_000, 'a,1,"{}",1,0,' + '"{""' * 200_000):
        (tmp_path / "via.csv").write_text(f"{HEADER}\n{line}\n")
        assert told(scan(tmp_path, tmp_path / "via.csv"), "error")
    assert time.process_time() - start < 6


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"\x80", b"{", b'{"a": ' + b"9" * 5000 + b"}"])
def test_what_cannot_be_read_is_one_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "via.json").write_bytes(content)
    (message,) = told(scan(tmp_path, tmp_path / "via.json", tmp_path / "via.json"), "error")[:1]
    assert message.startswith("via.json: ")


def test_values_nested_more_deeply_than_python_goes_are_still_shown() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    assert via._shown(deep) == "nested too deeply"
