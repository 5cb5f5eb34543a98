"""CVAT's XML: what is drawn comes back as pixels, what is written is read again, and nothing hostile gets through."""

import time
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from labels import REAL, needs_real
from PIL import Image

from flawsmith.data.errors import UserError
from flawsmith.data.formats import cvat
from flawsmith.data.formats.picture import Instance, Picture
from flawsmith.data.formats.reading import Reading
from flawsmith.data.geometry.patch import Patch
from flawsmith.data.listing import Listing, Row
from flawsmith.data.resolve import resolve

HEIGHT, WIDTH = 47, 61
PLAIN = Reading()
shared_folder = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def paint(path: Path, height: int = HEIGHT, width: int = WIDTH) -> Path:
    """A grey image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width), 120, np.uint8)).save(path)
    return path


def image(objects: str = "", name: str = "part.png", more: str = f'width="{WIDTH}" height="{HEIGHT}"') -> str:
    """The XML of one image."""
    return f'<image id="0" name="{name}" {more}>{objects}</image>'


def write(path: Path, *entries: str, meta: str = "") -> Path:
    """An annotations.xml."""
    path.parent.mkdir(parents=True, exist_ok=True)
    body = "\n".join(entries)
    path.write_text(
        f'<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version><meta>{meta}</meta>\n{body}\n'
        "</annotations>\n",
        encoding="utf-8",
    )
    return path


def scan(root: Path, *files: Path, reading: Reading = PLAIN) -> Listing:
    """What the reader makes of the files, of annotations.xml if none is given."""
    return cvat.scan(root, files or (root / "annotations.xml",), reading)


def draw(root: Path, *objects: str, reading: Reading = PLAIN) -> Listing:
    """What the reader makes of one image with these objects."""
    paint(root / "images/part.png")
    write(root / "annotations.xml", image("".join(objects)))
    return scan(root, reading=reading)


def masks(row: Row, height: int = HEIGHT, width: int = WIDTH) -> list[np.ndarray]:
    """The masks of a row's objects."""
    return [one.shape.patch(height, width).full(height, width) for one in row.drawn]


def told(listing: Listing, level: str) -> list[str]:
    """The problems of a level, as text."""
    return [f"{one.file}: {one.what}; {one.fix}" for one in listing.problems if one.level == level]


def polygon(label: str = "pit", points: str = "1,2;9,2;9,8", more: str = "") -> str:
    return f'<polygon label="{label}" occluded="0" points="{points}" {more} z_order="0"/>'


def mask(rle: str, left: object, top: object, width: object, height: object, label: str = "pit") -> str:
    return f'<mask label="{label}" rle="{rle}" left="{left}" top="{top}" width="{width}" height="{height}"/>'


# Shapes


def test_masks_run_along_the_rows_of_their_box(tmp_path: Path) -> None:
    """A 3 × 2 box with the first row 0 1 1 and the second 1 0 0, by hand; along the columns it would differ."""
    row = draw(tmp_path, mask("1, 3, 2", 10, 20, 3, 2)).rows[0]
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[20, 11:13] = expected[21, 10] = True
    assert np.array_equal(masks(row)[0], expected)


def test_a_mask_may_begin_with_ones(tmp_path: Path) -> None:
    assert masks(draw(tmp_path, mask("0,6", 58, 45, 3, 2)).rows[0])[0][45:, 58:].all()


@pytest.mark.parametrize(
    ("rle", "box", "rule"),
    [
        ("1,3,3", (10, 20, 3, 2), "runs of 7 px in all, its box 3×2 has 6"),
        ("1,3,1", (10, 20, 3, 2), "runs of 5 px in all, its box 3×2 has 6"),
        ("1,-3,8", (10, 20, 3, 2), "negative"),
        ("1,,5", (10, 20, 3, 2), "no numbers"),
        ("", (10, 20, 3, 2), "no numbers"),
        ("1.5,4.5", (10, 20, 3, 2), "no whole numbers"),
        ("nan,6", (10, 20, 3, 2), "no whole numbers"),
        ("1e300", (10, 20, 3, 2), "longer than"),
        ("6", (10, 20, -3, -2), "width"),
        ("6", (10, 20, 3, 1e9), "height"),
        ("6", (10, 20, 1000000, 1000000), "impossible size"),
        ("6", ("a", 20, 3, 2), "left"),
        ("6", (10.5, 20, 3, 2), "no whole number"),
        ("6", (10, "9" * 5000, 3, 2), "top"),
    ],
)
def test_a_broken_mask_is_an_error(tmp_path: Path, rle: str, box: tuple[object, ...], rule: str) -> None:
    (message,) = told(draw(tmp_path, mask(rle, *box), polygon()), "error")
    assert rule in message and "annotations.xml: images/part.png, object 1 (mask), pit" in message


def test_polygons_are_filled(tmp_path: Path) -> None:
    row = draw(tmp_path, polygon(points="10.00,20.00;15.00,20.00;15.00,22.00;10.00,22.00")).rows[0]
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[20:22, 10:15] = True
    assert np.array_equal(masks(row)[0], expected)
    assert row.drawn[0].where == "object 1 (polygon)" and row.file == "annotations.xml"
    assert (row.name, row.size) == ("images/part.png", (HEIGHT, WIDTH))


@pytest.mark.parametrize(
    "points", ["1,2;;3", "1,2;3", "1,2;3,4,5;6,7", "1,2;3,4;5,6;", "a,b;c,d;e,f", "1,2;3,4;nan,5", "1,2;3,4;inf,5"]
)
def test_malformed_points_are_an_error(tmp_path: Path, points: str) -> None:
    (message,) = told(draw(tmp_path, polygon(points=points), polygon()), "error")
    assert "images/part.png, object 1 (polygon), pit" in message and "coordinate" in message


@pytest.mark.parametrize("points", ["1,2;3,4;1e9,5", "1,2;3,4;-1e7,5"])
def test_far_points_are_an_error(tmp_path: Path, points: str) -> None:
    assert "beyond" in told(draw(tmp_path, polygon(points=points)), "error")[0]


@pytest.mark.parametrize("points", ["", "1,2", "1,2;3,4"])
def test_too_few_points_are_left_out(tmp_path: Path, points: str) -> None:
    listing = draw(tmp_path, polygon(points=points), polygon("crack"))
    assert [one.defect for one in listing.rows[0].drawn] == ["crack"]
    assert "fewer than 3 points: left out" in told(listing, "warning")[0] and not told(listing, "error")


angles = st.floats(0, 360, exclude_max=True)
places = st.floats(5, 40)
sizes = st.floats(2, 20)


def upright(middle: tuple[float, float], degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """Each pixel's centre in the axes of something turned clockwise on the screen, as SVG's rotate() has it."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    turned = (x - middle[0]) + 1j * (y - middle[1])
    back = turned * np.exp(-1j * np.deg2rad(round(degrees, 2)))
    return back.real, back.imag


@shared_folder
@given(places, places, sizes, sizes, angles)
def test_a_turned_box_is_what_svg_would_show(
    tmp_path: Path, x: float, y: float, width: float, height: float, degrees: float
) -> None:
    left, top, right, bottom = (round(one, 2) for one in (x - width / 2, y - height / 2, x + width / 2, y + height / 2))
    text = f'xtl="{left}" ytl="{top}" xbr="{right}" ybr="{bottom}" rotation="{degrees:.2f}"'
    found = masks(draw(tmp_path, f'<box label="pit" {text}/>').rows[0])[0]
    along, across = upright(((left + right) / 2, (top + bottom) / 2), degrees)
    slack = np.maximum(abs(along) - (right - left) / 2, abs(across) - (bottom - top) / 2)
    clear = abs(slack) > 1e-6  # not on an edge
    assert np.array_equal(found[clear], slack[clear] < 0)


@shared_folder
@given(places, places, sizes, sizes, angles)
def test_a_turned_ellipse_is_what_svg_would_show(
    tmp_path: Path, x: float, y: float, across: float, down: float, degrees: float
) -> None:
    x, y, across, down = (round(one, 2) for one in (x, y, across, down))
    text = f'cx="{x}" cy="{y}" rx="{across}" ry="{down}" rotation="{degrees:.2f}"'
    found = masks(draw(tmp_path, f'<ellipse label="pit" {text}/>').rows[0])[0]
    u, v = upright((x, y), degrees)
    distance = (u / across) ** 2 + (v / down) ** 2 - 1
    clear = abs(distance) > 1e-9
    assert np.array_equal(found[clear], distance[clear] < 0)


def test_rotation_turns_clockwise_in_degrees(tmp_path: Path) -> None:
    bar = '<box label="pit" xtl="20" ytl="22" xbr="40" ybr="24" rotation="45.00"/>'
    found = masks(draw(tmp_path, bar).rows[0])[0]
    assert found[28, 35] and not found[17, 35] and found[17, 24]


@pytest.mark.parametrize(
    "objects",
    [
        '<box label="pit" xtl="9" ytl="2" xbr="1" ybr="9"/>',
        '<box label="pit" xtl="1" ytl="2" xbr="nan" ybr="9"/>',
        '<box label="pit" xtl="1" ytl="2" xbr="9"/>',
        '<box label="pit" xtl="1" ytl="2" xbr="9" ybr="9" rotation="steep"/>',
        '<ellipse label="pit" cx="9" cy="9" rx="-3" ry="2"/>',
        '<ellipse label="pit" cx="9" cy="9" rx="3" ry="2" rotation="inf"/>',
        polygon(label=""),
        polygon(label="a/b"),
        '<polygon points="1,2;9,2;9,8"/>',
    ],
)
def test_what_cannot_be_drawn_is_one_error(tmp_path: Path, objects: str) -> None:
    listing = draw(tmp_path, objects, polygon("crack"))
    assert len(told(listing, "error")) == 1 and "images/part.png, object 1 (" in told(listing, "error")[0]
    assert [one.defect for one in listing.rows[0].drawn] == ["crack"]


def test_a_line_needs_a_width(tmp_path: Path) -> None:
    line = '<polyline label="crack" points="5,10;25,10"/>'
    listing = draw(tmp_path, line, line)
    (message,) = told(listing, "error")
    assert "2 open lines without a width, first images/part.png, object 1 (polyline)" in message
    assert "--line-width" in message and not listing.rows[0].drawn
    found = masks(draw(tmp_path, line, reading=Reading(line_width=4)).rows[0])[0]
    assert found[8:12, 5:25].all() and found.sum() < 4 * 20 + 16


@pytest.mark.parametrize("kind", ["points", "skeleton", "cuboid", "unheard_of"])
def test_what_has_no_area_is_left_out_and_its_image_is_not_good(tmp_path: Path, kind: str) -> None:
    inner = f'<{kind} label="pit" points="1,2"><points label="1" outside="0" points="1,2"/>{polygon()}</{kind}>'
    listing = draw(tmp_path, inner, inner)
    (message,) = told(listing, "warning")
    assert f"2 objects of type {kind}, first images/part.png, object 1 ({kind}): left out" in message
    assert not listing.rows[0].drawn and not told(listing, "error")
    assert not resolve(listing)[0].records


def test_attributes_and_z_order_change_nothing(tmp_path: Path) -> None:
    plain = draw(tmp_path / "a", polygon())
    more = polygon(more='source="auto" group_id="3"').replace("/>", '><attribute name="size">3</attribute></polygon>')
    other = draw(tmp_path / "b", more.replace('z_order="0"', 'z_order="7"'))
    assert np.array_equal(masks(plain.rows[0])[0], masks(other.rows[0])[0])
    assert plain.problems == other.problems == ()


# Tags


def test_a_good_tag_says_nothing(tmp_path: Path) -> None:
    listing = draw(tmp_path, '<tag label="Good" source="manual"/>')
    assert listing.problems == () and resolve(listing)[0].records[0].good


def test_an_image_that_is_only_tagged_is_not_good(tmp_path: Path) -> None:
    listing = draw(tmp_path, '<tag label="scratch"/>')
    dataset, _, problems = resolve(listing)
    assert not dataset.records and [one.level for one in problems] == ["warning"] and "scratch" in problems[0].what


def test_a_tag_beside_objects_is_left_out(tmp_path: Path) -> None:
    listing = draw(tmp_path, polygon(), '<tag label="scratch"/>')
    assert "1 tag of images with outlined defects, first images/part.png, scratch: left out" in listing.problems[0].what
    assert resolve(listing)[0].records[0].defects == ("pit",)


def test_an_outline_called_good_is_left_out(tmp_path: Path) -> None:
    listing = draw(tmp_path, polygon("good"))
    assert listing.problems[0].level == "warning" and resolve(listing)[0].records[0].good


# Images


def test_an_image_without_objects_is_good(tmp_path: Path) -> None:
    assert draw(tmp_path).rows[0].drawn == () and resolve(scan(tmp_path))[0].records[0].good


@pytest.mark.parametrize("name", ["a/b c/x.1.2.png", "50%.png", "50%25.png", "Größe &amp; 'x'.png", "line 2/v1.0.PNG"])
def test_names_are_taken_as_they_are(tmp_path: Path, name: str) -> None:
    there = name.replace("&amp;", "&")
    paint(tmp_path / "images" / there)
    paint(tmp_path / "images/other.png")
    write(tmp_path / "annotations.xml", image(polygon(), name))
    assert [row.name for row in scan(tmp_path).rows] == [f"images/{there}"]


def test_images_may_be_elsewhere(tmp_path: Path) -> None:
    paint(tmp_path / "photos/line/part.png")
    write(tmp_path / "set/annotations.xml", image(polygon(), "line/part.png"))
    row = scan(tmp_path / "set", reading=Reading(images=tmp_path / "photos")).rows[0]
    assert row.image == tmp_path / "photos/line/part.png" and row.name == "line/part.png"


def test_no_name_leaves_the_folder(tmp_path: Path) -> None:
    paint(tmp_path / "secret.png")
    names = ["../secret.png", f"{tmp_path}/secret.png", "..\\secret.png", "", "x" * 100_000, "images/../../secret.png"]
    write(tmp_path / "set/annotations.xml", *(image(polygon(), name) for name in names))
    listing = scan(tmp_path / "set")
    assert not listing.rows and len(set(told(listing, "error"))) >= 4


def test_a_missing_image_is_one_error(tmp_path: Path) -> None:
    paint(tmp_path / "images/part.png")
    write(tmp_path / "annotations.xml", image(polygon() * 3, "gone.png"), image(polygon()))
    listing = scan(tmp_path)
    assert len(listing.rows) == 1 and "gone.png is missing" in told(listing, "error")[0]
    assert len(told(listing, "error")) == 1


@pytest.mark.parametrize(
    "size", ['width="9e99" height="47"', 'width="61"', 'width="61.5" height="47"', f'width="{"9" * 5000}" height="1"']
)
def test_an_impossible_size_is_an_error(tmp_path: Path, size: str) -> None:
    paint(tmp_path / "images/part.png")
    write(tmp_path / "annotations.xml", image(polygon(), more=size))
    (message,) = told(scan(tmp_path), "error")
    assert message.startswith("annotations.xml: image part.png: has a ")


def test_another_size_than_the_file_is_an_error(tmp_path: Path) -> None:
    paint(tmp_path / "images/part.png", 20, 30)
    write(tmp_path / "annotations.xml", image(polygon()))
    assert "is 30×20 px, its labels in annotations.xml are for 61×47 px" in resolve(scan(tmp_path))[2][0].what


def test_an_image_that_is_named_again_is_joined(tmp_path: Path) -> None:
    paint(tmp_path / "images/part.png")
    write(tmp_path / "annotations.xml", image(polygon()), image(polygon("crack")))
    listing = scan(tmp_path)
    assert [one.defect for one in listing.rows[0].drawn] == ["pit", "crack"]
    assert "1 image named again, first images/part.png: the objects are joined" in told(listing, "warning")[0]


def test_the_same_id_for_several_images_is_no_fault(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        paint(tmp_path / "images" / name)
    write(tmp_path / "annotations.xml", image(polygon(), "a.png"), image("", "b.png"))
    assert [len(row.drawn) for row in scan(tmp_path).rows] == [1, 0] and not scan(tmp_path).problems


def test_two_names_for_one_file_are_an_error(tmp_path: Path) -> None:
    paint(tmp_path / "images/part.png")
    write(tmp_path / "annotations.xml", image(polygon(), "a/part.png"), image(polygon(), "b/part.png"))
    assert "is the only image for a/part.png and b/part.png" in told(scan(tmp_path), "error")[0]


def test_tasks_of_a_project_keep_their_images_apart(tmp_path: Path) -> None:
    for subset in ("Train", "Test"):
        paint(tmp_path / f"images/{subset}/img0.jpg")
    size = f'width="{WIDTH}" height="{HEIGHT}"'
    write(
        tmp_path / "annotations.xml",
        image(polygon("pit"), "img0.jpg", f'subset="Test" task_id="39" {size}'),
        image(polygon("crack") * 2, "img0.jpg", f'subset="Train" task_id="37" {size}'),
    )
    listing = scan(tmp_path)
    assert [(row.name, len(row.drawn)) for row in listing.rows] == [
        ("images/Test/img0.jpg", 1),
        ("images/Train/img0.jpg", 2),
    ]
    assert not listing.problems


def test_several_files_name_the_images_beside_them(tmp_path: Path) -> None:
    for task in ("one", "two"):
        paint(tmp_path / task / "images/part.png")
    files = [
        write(tmp_path / "one/annotations.xml", image(polygon("pit"))),
        write(tmp_path / "two/annotations.xml", image(polygon("crack") * 2)),
    ]
    listing = scan(tmp_path, *files)
    assert [(row.file, len(row.drawn)) for row in listing.rows] == [
        ("one/annotations.xml", 1),
        ("two/annotations.xml", 2),
    ]
    assert not listing.problems


def test_several_files_of_the_same_images_are_joined(tmp_path: Path) -> None:
    paint(tmp_path / "images/part.png")
    files = [write(tmp_path / f"{job}.xml", image(polygon(job))) for job in ("pit", "crack")]
    listing = scan(tmp_path, *files)
    assert [one.defect for one in listing.rows[0].drawn] == ["pit", "crack"] and len(told(listing, "warning")) == 1


# Videos


META = """<task><size>4</size><mode>interpolation</mode><start_frame>0</start_frame><stop_frame>3</stop_frame>
<original_size><width>61</width><height>47</height></original_size></task>"""


def track(*frames: tuple[int, int], label: str = "pit", shape: str = 'points="1,2;9,2;9,8"') -> str:
    shapes = "".join(f'<polygon frame="{one}" keyframe="1" outside="{out}" {shape}/>' for one, out in frames)
    return f'<track id="7" label="{label}" source="manual">{shapes}</track>'


@pytest.mark.parametrize("name", ["frame_{:06d}.PNG", "frame_{:06d}.png", "frame_{:06d}.jpg", "press 3 {:d}.png"])
def test_tracks_are_objects_in_their_frames(tmp_path: Path, name: str) -> None:
    for index in range(5):
        paint(tmp_path / "images" / name.format(index))
    write(tmp_path / "annotations.xml", track((0, 0), (1, 0), (2, 1)), track((1, 0), label="crack"), meta=META)
    listing = scan(tmp_path)
    assert [[one.defect for one in row.drawn] for row in listing.rows] == [["pit"], ["pit", "crack"], [], []]
    assert [row.size for row in listing.rows] == [(HEIGHT, WIDTH)] * 4 and not told(listing, "error")
    assert [one.file for one in listing.problems] == [f"images/{name.format(4)}"]  # beyond the task's last frame
    assert listing.rows[0].drawn[0].where == "track 7 (polygon)"


def test_frames_that_are_not_there_are_counted_once(tmp_path: Path) -> None:
    paint(tmp_path / "images/frame_000000.PNG")
    write(tmp_path / "annotations.xml", track(*((index, 0) for index in range(40))), track((7, 0)), meta=META)
    listing = scan(tmp_path)
    assert "39 frames with objects and without an image, first frame 1: left out" in listing.problems[0].what
    assert [one.level for one in listing.problems] == ["warning"] and len(listing.rows) == 1


@pytest.mark.parametrize("names", [[], ["press_1.png", "press_2.png"], ["a_0.png", "b_0.png"]])
def test_a_video_without_its_frames_is_an_error(tmp_path: Path, names: Sequence[str]) -> None:
    """Numbers that begin with 1 might be off by one; which of two series is meant cannot be known."""
    for name in names:
        paint(tmp_path / "images" / name)
    write(tmp_path / "annotations.xml", track((0, 0), (1, 0)), meta=META)
    assert not scan(tmp_path).rows and "2 frames" in told(scan(tmp_path), "error")[0]


def test_frames_listed_as_images_have_no_ending(tmp_path: Path) -> None:
    for index in range(2):
        paint(tmp_path / f"images/frame_{index:06d}.PNG")
    write(tmp_path / "annotations.xml", *(image(polygon(), f"frame_{index:06d}") for index in range(2)), meta=META)
    listing = scan(tmp_path)
    assert [len(row.drawn) for row in listing.rows] == [1, 1] and not listing.problems


@pytest.mark.parametrize("frame", ["", "-1", "1.5", "9" * 5000, "one"])
def test_a_frame_that_is_no_number_is_an_error(tmp_path: Path, frame: str) -> None:
    paint(tmp_path / "images/frame_000000.PNG")
    shape = f'<polygon frame="{frame}" outside="0" points="1,2;9,2;9,8"/>'
    write(tmp_path / "annotations.xml", f'<track id="7" label="pit">{shape}</track>', meta=META)
    assert "annotations.xml: track 7: has a frame that is no number" in told(scan(tmp_path), "error")[0]


# Files


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "<annotations>",
        "<annotations><image",
        '<!DOCTYPE x [<!ENTITY a "b">]><annotations>&a;</annotations>',
        '<!DOCTYPE x SYSTEM "http://localhost/x.dtd"><annotations/>',
        '<annotations><image name="&#0;"/></annotations>',
        "\ufeff\ufeff<annotations/>",
    ],
)
def test_what_is_no_xml_is_one_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "annotations.xml").write_text(text, encoding="utf-8")
    (message,) = told(scan(tmp_path), "error")
    assert message.startswith("annotations.xml: ")


def test_a_broken_file_does_not_hide_the_others(tmp_path: Path) -> None:
    paint(tmp_path / "images/part.png")
    files = [write(tmp_path / "a.xml", image(polygon())), tmp_path / "gone.xml"]
    listing = scan(tmp_path, *reversed(files))
    assert len(listing.rows) == 1 and "gone.xml: cannot be read" in told(listing, "error")[0]


@pytest.mark.parametrize(
    "body",
    [
        "<image/>",
        "<track/>",
        "<image>text<image><polygon/></image></image>",
        "<meta><task><size>x</size><mode/><stop_frame>1e9</stop_frame></task></meta><track><box/></track>",
        f"<meta><task><mode>interpolation</mode><stop_frame>{'9' * 5000}</stop_frame></task></meta>",
        "<meta><task><original_size><width>-1</width></original_size></task></meta>",
        '<image name="part.png"><mask rle="0,536870912" left="0" top="0" width="536870912" height="1"/></image>',
        "<polygon/><box/>",
        '<x xmlns="http://x"><image/></x>',
    ],
)
def test_nothing_in_a_file_stops_the_reader(tmp_path: Path, body: str) -> None:
    paint(tmp_path / "images/part.png")
    (tmp_path / "annotations.xml").write_text(f"<annotations>{body}</annotations>")
    assert isinstance(scan(tmp_path), Listing)


EVERYTHING = f"""<annotations><version>1.1</version><meta>{META}</meta>
<image id="0" name="frame_000000.PNG" width="61" height="47" subset="" task_id="1">
{polygon()}{mask("1,3,2", 10, 20, 3, 2)}
<box label="pit" xtl="1" ytl="2" xbr="9" ybr="9" rotation="30"/><tag label="pit"/>
<ellipse label="pit" cx="9" cy="9" rx="3" ry="2" rotation="30"><attribute name="flawsmith_id">x</attribute></ellipse>
<polyline label="pit" points="1,2;5,6"/></image>
{track((0, 0), (1, 0), (2, 1))}</annotations>"""
TEXTS = ["", "x", "-1", "nan", "1e9", "9" * 5000, "1,2;;3", "../.."]


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:8])
def test_any_text_may_stand_anywhere(tmp_path: Path, text: str) -> None:
    """Each ends as an error, a warning, or objects that can be turned into pixels; the file is always named."""
    for index in range(3):
        paint(tmp_path / f"images/frame_{index:06d}.PNG")
    count = len(list(ElementTree.fromstring(EVERYTHING).iter()))
    for index in range(count):
        for key in (None, *list(ElementTree.fromstring(EVERYTHING).iter())[index].attrib):
            tree = ElementTree.fromstring(EVERYTHING)
            element = list(tree.iter())[index]
            if key is None:
                element.text = text
            else:
                element.set(key, text)
            (tmp_path / "annotations.xml").write_bytes(ElementTree.tostring(tree))
            listing = scan(tmp_path, reading=Reading(line_width=2))
            assert all(one.file.startswith(("annotations.xml", "images/frame_")) for one in listing.problems)
            for row in listing.rows:
                masks(row)


def test_deep_and_wide_files_stay_quick(tmp_path: Path) -> None:
    paint(tmp_path / "images/part.png")
    deep = "<a>" * 20_000 + "</a>" * 20_000
    wide = polygon(points=";".join(["1,2"] * 300_000))
    start = time.process_time()
    for body in (deep, image(deep), image(wide), image('<mask rle="' + "1," * 300_000 + '1"/>')):
        (tmp_path / "annotations.xml").write_text(f"<annotations>{body}</annotations>")
        scan(tmp_path)
    assert time.process_time() - start < 8


def test_detection() -> None:
    assert cvat.matches("annotations", b"") and not cvat.matches("annotation", b"<annotation>")


# The writer


def picture(name: str, source: Path, found: Sequence[tuple[str, Patch]], origin: str | None = None) -> Picture:
    return Picture(name, source, HEIGHT, WIDTH, tuple(Instance(*one) for one in found), "group", origin)


def save(root: Path, pictures: Sequence[Picture], classes: Sequence[str] = ("crack", "pit")) -> None:
    root.mkdir(parents=True, exist_ok=True)
    writer = cvat.CvatWriter(root, classes)
    for one in pictures:
        assert writer.add(one) == [1.0] * len(one.instances)
    writer.close()


@shared_folder
@given(st.integers(0, 2**32 - 1), st.integers(0, 5), st.floats(0.02, 0.98))
def test_what_is_written_is_read_again(tmp_path: Path, seed: int, count: int, density: float) -> None:
    """Random masks, of one pixel up to the whole image, holes, parts and overlaps; every instance comes back alone."""
    random = np.random.default_rng(seed)
    source, found = paint(tmp_path / "source.png"), []
    for _ in range(count):
        high, wide = random.integers(1, HEIGHT + 1), random.integers(1, WIDTH + 1)
        pixels = random.random((high, wide)) < density
        pixels[random.integers(high), random.integers(wide)] = True
        place = random.integers(HEIGHT - high + 1), random.integers(WIDTH - wide + 1)
        found.append((str(random.choice(["crack", "pit"])), Patch(int(place[0]), int(place[1]), pixels)))
    root = tmp_path / f"{seed}-{count}-{density}"
    save(root, [picture("line 2/part.png", source, found, "abc123"), picture("good.png", source, [])])
    good, row = scan(root).rows
    assert (row.name, good.name) == ("images/line 2/part.png", "images/good.png") and good.drawn == ()
    assert [one.defect for one in row.drawn] == [defect for defect, _ in found]
    for mine, (_, patch) in zip(masks(row), found, strict=True):
        assert np.array_equal(mine, patch.full(HEIGHT, WIDTH))
    assert row.origin == ("abc123" if found else None) and row.size == (HEIGHT, WIDTH)
    assert row.image.read_bytes() == source.read_bytes() and not scan(root).problems


def spot(top: int = 3, left: int = 4) -> Patch:
    return Patch(top, left, np.ones((2, 3), bool))


def test_empty_margins_are_no_part_of_the_box(tmp_path: Path) -> None:
    wide = np.zeros((10, 12), bool)
    wide[3:5, 4:7] = True
    source = paint(tmp_path / "source.png")
    save(tmp_path / "a", [picture("part.png", source, [("pit", Patch(0, 0, wide))])])
    save(tmp_path / "b", [picture("part.png", source, [("pit", spot())])])
    assert (tmp_path / "a/annotations.xml").read_bytes() == (tmp_path / "b/annotations.xml").read_bytes()


def test_the_structure_is_that_of_a_task_export(tmp_path: Path) -> None:
    source = paint(tmp_path / "source.png")
    save(tmp_path / "out", [picture("a.png", source, [("pit", spot())], "id1"), picture("b.png", source, [])])
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["annotations.xml", "images"]
    root = ElementTree.parse(tmp_path / "out/annotations.xml").getroot()
    assert [child.tag for child in root] == ["version", "meta", "image", "image"]
    assert root.findtext("version") == "1.1" and root.findtext("meta/task/size") == "2"
    assert [one.findtext("name") for one in root.findall("meta/task/labels/label")] == ["crack", "pit"]
    colours = [one.findtext("color") or "" for one in root.findall("meta/task/labels/label")]
    assert len(set(colours)) == 2 and all(len(one) == 7 and int(one[1:], 16) >= 0 for one in colours)
    assert [one.findtext("name") for one in root.iter("attribute") if len(one)] == ["flawsmith_id"] * 2
    first, second = root.findall("image")
    assert first.attrib == {"id": "0", "name": "a.png", "width": str(WIDTH), "height": str(HEIGHT)} and not len(second)
    (found,) = first
    assert found.get("rle") == "0, 6" and [found.get(key) for key in ("left", "top", "width", "height")] == [*"4332"]
    assert [(one.get("name"), one.text) for one in found] == [("flawsmith_id", "id1")]


def test_real_images_get_no_attribute(tmp_path: Path) -> None:
    save(tmp_path / "out", [picture("a.png", paint(tmp_path / "source.png"), [("pit", spot())])])
    assert "flawsmith_id" not in (tmp_path / "out/annotations.xml").read_text()


def test_names_are_escaped(tmp_path: Path) -> None:
    name, defect, origin = "a&b <c> 'd' \"e\".png", 'x<y> & "z"', "<&>"
    source = paint(tmp_path / "source.png")
    save(tmp_path / "out", [picture(name, source, [(defect, spot())], origin)], [defect])
    tree = ElementTree.parse(tmp_path / "out/annotations.xml")
    mine = tree.find("image/mask")
    assert mine is not None and mine.get("label") == defect == tree.findtext("meta/task/labels/label/name")
    assert tree.find("image").get("name") == name  # type: ignore[union-attr]
    assert scan(tmp_path / "out").rows[0].origin == origin


@pytest.mark.parametrize("name", ["a\x01.png", "a\ud800.png", "a\uffff.png"])
def test_what_xml_cannot_hold_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="rename"):
        save(tmp_path / "out", [picture(name, paint(tmp_path / "source.png"), [])])


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    source = paint(tmp_path / "source.png")
    for name in ("one", "two"):
        save(tmp_path / name, [picture("a.png", source, [("pit", spot()), ("crack", spot(9))], "id")])
    assert (tmp_path / "one/annotations.xml").read_bytes() == (tmp_path / "two/annotations.xml").read_bytes()


def test_without_close_there_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    writer = cvat.CvatWriter(tmp_path / "out", ["pit"])
    writer.add(picture("a.png", paint(tmp_path / "source.png"), [("pit", spot())]))
    del writer
    assert not list((tmp_path / "out").glob("*.xml")) and not list((tmp_path / "out").glob(".*"))


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        cvat.CvatWriter(tmp_path / "gone", ["pit"])


# Real exports


@needs_real
@pytest.mark.parametrize("file", sorted(REAL.glob("cvat*.xml")), ids=lambda path: path.stem)
def test_real_exports(tmp_path: Path, file: Path) -> None:
    """Every image and object is either read or told of; the two of datumaro have lines, points and empty labels."""
    (tmp_path / "annotations.xml").write_bytes(file.read_bytes())
    root = ElementTree.parse(file).getroot()
    for one in root.findall("image"):
        name = Path("images", one.get("subset", ""), one.get("name", ""))
        paint(tmp_path / name, 1, 1)
    listing = scan(tmp_path, reading=Reading(line_width=2))
    assert len(listing.rows) == len(root.findall("image"))
    named = [child for one in root.findall("image") for child in one if child.get("label") and child.tag != "points"]
    assert sum(len(row.drawn) for row in listing.rows) == len(named) > 0
    nameless = sum(child.get("label") == "" for one in root.findall("image") for child in one)
    assert len(told(listing, "error")) == nameless
