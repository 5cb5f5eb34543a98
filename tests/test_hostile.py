"""Hostile input, format by format: an error or a warning that names file, image and annotation, and soon.

Each data set is examined in a process that has a gigabyte beyond its libraries; its work is bounded: small files have
2 s of processor time, those of a million vertices, which honestly take as much, 10: going back for each takes minutes.
"""

import base64
import json
import time
from collections.abc import Callable, Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz import HANG, SLOW, Outcome, Worker
from fuzz_seeds import LEFT, TOP, Seed, coco, labelme, labelme_shapes, pack, parts, png, seeds
from PIL import Image

from flawsmith.data.check import check

Edit = Callable[[Any, Any], None]  # of a parsed document, in place: sets a value


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    """The process of limited means."""
    with Worker() as one:
        yield one


def look(
    worker: Worker,
    folder: Path,
    name: str,
    changed: dict[str, bytes | None],
    to: str | None = "coco",
    most: float = SLOW,
) -> Outcome:
    """What becomes of a seed with other files in it; None: without that file. In any case no crash, and no hang."""
    seed = seeds()[name]
    files = {one: content for one, content in ({**seed.files, **changed}).items() if content is not None}
    return look_at(worker, folder, seed, list(files.items()), to, most)


def look_at(
    worker: Worker,
    folder: Path,
    seed: Seed,
    files: list[tuple[str, bytes]],
    to: str | None = "coco",
    most: float = SLOW,
) -> Outcome:
    """The same of a list of files."""
    data = seed.write(folder / "in", files)
    outcome = worker.path(data.path, folder / "out", to, **seed.options)
    assert outcome.verdict in ("accepted", "refused"), f"{outcome.verdict}\n{outcome.note}"
    assert outcome.seconds < most
    assert {path.name for path in folder.iterdir()} <= {"in", "out"}
    return outcome


def told(outcome: Outcome, *words: str) -> tuple[str, str, str, str]:
    """The first problem that has all the words in the place that it names or in what it says."""
    found = [one for one in outcome.problems if all(word in f"{one[1]} {one[2]}" for word in words)]
    assert found, f"{words} in none of {outcome.problems}"
    return found[0]


def of_json(name: str, edit: Edit, value: Any) -> dict[str, bytes]:
    """The label file of a seed with one value set."""
    file = seeds()[name].labels[0]
    content = seeds()[name].files[file]
    if file.endswith(".ndjson"):
        rows = [json.loads(line) for line in content.splitlines()]
        edit(rows, value)
        return {file: "".join(json.dumps(row) + "\n" for row in rows).encode()}
    document = json.loads(content)
    edit(document, value)
    return {file: json.dumps(document).encode()}


def of_text(name: str, file: str, old: str, new: str) -> dict[str, bytes]:
    """A label file of a seed with one piece of text replaced."""
    content = seeds()[name].files[file]
    assert old.encode() in content
    return {file: content.replace(old.encode(), new.encode(), 1)}


# How to set the first coordinate of the first object, and what names that object.
def _coco(document: Any, value: Any) -> None:
    document["annotations"][0]["segmentation"][0][0] = value


def _labelbox(rows: Any, value: Any) -> None:
    _labelbox_objects(rows)[0]["polygon"][0]["x"] = value


def _labelbox_objects(rows: Any) -> Any:
    return rows[0]["projects"]["p1"]["labels"][0]["annotations"]["objects"]


def _via_regions(document: Any) -> Any:
    found = document.get("_via_img_metadata", document)
    return next(iter(found.values()))["regions"]


def _via(document: Any, value: Any) -> None:
    _via_regions(document)[0]["shape_attributes"]["all_points_x"][0] = value


def _via_one(document: Any, value: Any) -> None:
    _via_regions(document)["0"]["shape_attributes"]["all_points_x"][0] = value


def _labelme(document: Any, value: Any) -> None:
    document["shapes"][0]["points"][0][0] = value


def _labelstudio(document: Any, value: Any) -> None:
    document[0]["annotations"][0]["result"][0]["value"]["points"][0][0] = value


JSON: dict[str, tuple[Edit, tuple[str, ...]]] = {
    "coco": (_coco, ("annotations.json", "part_001.png", "annotation 1")),
    "labelbox": (_labelbox, ("export.ndjson", "part_001.png", "line 1, object f1")),
    "labelbox-array": (_labelbox, ("export.json", "part_001.png", "row 1, object f1")),
    "via1": (_via_one, ("via.json", "part_001.png", "region 1")),
    "via2": (_via, ("via.json", "part_001.png", "region 1")),
    "via-project": (_via, ("via.json", "part_001.png", "region 1")),
    "labelme": (_labelme, ("part_001.json", "part_001.png", "shape 1")),
    "labelstudio": (_labelstudio, ("tasks.json", "part_001.png", "task 1, result r0")),
}
NUMBERS = [float("nan"), float("inf"), -float("inf"), 10**400, 1e308, -1e9, 1e7, "x", "", None, [], {}, [[1]], "\0"]
# How to put a text in the place of the first coordinate.
TEXTS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "cvat": ("annotations.xml", '"5.50,6.00', ("annotations.xml", "part_001.png", "object 1 (polygon)")),
    "cvat-video": ("annotations.xml", '"5.5,6.0', ("annotations.xml", "frame_000000.png", "track 0")),
    "via-csv": ("via.csv", "[6, 20, ", ("via.csv", "part_001.png", "line 2")),
    "yolo": ("labels/train/part_001.txt", "0.090164 ", ("labels/train/part_001.txt", "line 1")),
}
WORDS = [
    "nan",
    "inf",
    "-Infinity",
    "1e999",
    "1" + 400 * "0",
    "9" * 5000,
    "1e308",
    "-1e9",
    "1e7",
    "x",
    "",
    "1,2",
    "\x01",
]


@pytest.mark.parametrize("value", NUMBERS, ids=lambda value: repr(value)[:12])
@pytest.mark.parametrize("name", JSON)
def test_a_coordinate_that_is_none(worker: Worker, tmp_path: Path, name: str, value: Any) -> None:
    edit, words = JSON[name]
    outcome = look(worker, tmp_path, name, of_json(name, edit, value))
    assert told(outcome, *words)[0] == "error"


@pytest.mark.parametrize("value", WORDS, ids=lambda value: repr(value)[:12])
@pytest.mark.parametrize("name", TEXTS)
def test_a_text_that_is_no_coordinate(worker: Worker, tmp_path: Path, name: str, value: str) -> None:
    file, old, words = TEXTS[name]
    first = old.strip('"[').split(",")[0].split()[0]
    outcome = look(worker, tmp_path, name, of_text(name, file, old, old.replace(first, value, 1)))
    if name in ("cvat", "cvat-video", "via-csv") and value == "\x01":
        assert told(outcome, file)[0] == "error"  # no such character is allowed: the file is broken
    elif name == "yolo" and value in ("", "1,2"):
        assert told(outcome, *words)
    else:
        assert told(outcome, words[0], words[-1])[0] == "error"


MANY = 1_000_000


def _million(name: str) -> dict[str, bytes]:
    """The seed's first polygon with a million points."""
    ring = np.random.default_rng(0).integers(0, 40, (MANY, 2))
    if name in TEXTS:
        file, old, _ = TEXTS[name]
        pairs = ring.tolist()
        if name == "yolo":
            return of_text(name, file, old, " ".join(f"{x / 61:.3f} {y / 47:.3f}" for x, y in pairs) + " " + old)
        if name == "via-csv":
            content = seeds()[name].files[file].decode()
            content = content.replace("[6, 20, ", f"[{', '.join(str(x) for x, _ in pairs)}, 6, 20, ", 1)
            content = content.replace("[6, 8, ", f"[{', '.join(str(y) for _, y in pairs)}, 6, 8, ", 1)
            return {file: content.encode()}
        return of_text(name, file, old, '"' + ";".join(f"{x},{y}" for x, y in pairs) + ";" + old[1:])

    def edit(document: Any, _: Any) -> None:
        if name == "coco":
            document["annotations"][0]["segmentation"][0] = ring.ravel().tolist()
        elif name.startswith("labelbox"):
            _labelbox_objects(document)[0]["polygon"] = [{"x": x, "y": y} for x, y in ring.tolist()]
        elif name.startswith("via"):
            regions = _via_regions(document)
            shape = (regions["0"] if name == "via1" else regions[0])["shape_attributes"]
            shape["all_points_x"], shape["all_points_y"] = ring.T.tolist()
        elif name == "labelme":
            document["shapes"][0]["points"] = ring.tolist()
        else:
            document[0]["annotations"][0]["result"][0]["value"]["points"] = ring.tolist()

    return of_json(name, edit, None)


@pytest.mark.parametrize("name", [*JSON, *TEXTS])
def test_a_million_vertices(worker: Worker, tmp_path: Path, name: str) -> None:
    words = (JSON.get(name) or TEXTS[name][1:])[1]
    problem = told(look(worker, tmp_path, name, _million(name), most=HANG), words[0], words[-1], "points")
    assert problem[0] == "error"


@pytest.mark.parametrize(
    "points",
    [
        [(x % 2, x % 3) for x in range(249_000)],
        [(10 * x, 3000 * (x % 2)) for x in range(300)],
        [(0, 1e6 * (x % 2)) for x in range(1000)],
    ],
    ids=["on one spot", "to and fro", "far to and fro"],
)
def test_lines_without_end(worker: Worker, tmp_path: Path, points: list[tuple[int, int]]) -> None:
    shape = {"label": "pit", "points": points, "group_id": None, "shape_type": "linestrip", "flags": {}}
    large = np.zeros((3000, 4000), np.uint8)
    large[0, :3000] = np.arange(3000) % 251
    changed = {"part_001.png": png(large), "part_001.json": labelme("part_001.png", [shape], size=large.shape)}
    outcome = look(worker, tmp_path, "labelme", changed, to=None)
    assert outcome.verdict == "accepted" or told(outcome, "part_001.json: part_001.png, shape 1", "up and down")


def test_an_object_of_a_thousand_parts(tmp_path: Path) -> None:
    """Each covers a large image: one with a pixel is enough to know that the object has any."""
    document = coco()
    document["images"][0] |= {"width": 4000, "height": 3000}
    ring = [-5, -5, 4005, -5, 4005, 3005, -5, 3005]
    document["annotations"] = [document["annotations"][0] | {"segmentation": [ring] * 1000}]
    files = {**seeds()["coco"].files, "annotations.json": json.dumps(document).encode()}
    files["images/part_001.png"] = png(np.zeros((3000, 4000), np.uint8))
    data, start = seeds()["coco"].write(tmp_path / "in", files.items()), time.process_time()
    problems = check(data).problems
    assert time.process_time() - start < SLOW
    assert any("annotation 1" in one.file and "sticks out" in one.what for one in problems)


def _counts(place: int, change: Callable[[Any], Any]) -> Edit:
    def edit(document: Any, _: Any) -> None:
        one = document["annotations"][place]["segmentation"]
        one["counts"] = change(one["counts"])

    return edit


def _size(size: Any) -> Edit:
    def edit(document: Any, _: Any) -> None:
        document["annotations"][1]["segmentation"]["size"] = size

    return edit


def _brush(change: Callable[[list[int]], Any]) -> Edit:
    def edit(document: Any, _: Any) -> None:
        value = document[0]["annotations"][0]["result"][3]["value"]
        value["rle"] = change(value["rle"])

    return edit


RUNS: list[tuple[str, Edit, str]] = [
    *(
        ("coco", _counts(1, change), "annotation 2")
        for change in (
            lambda text: text[:-2],
            lambda text: text + "3",
            lambda text: text[::-1],
            lambda text: "",
            lambda text: "ooooooooo",
            lambda text: "é" + text,
            lambda text: "0" * 1_000_000,
            lambda text: None,
            lambda text: {},
        )
    ),
    *(
        ("coco", _counts(2, change), "annotation 3")
        for change in (
            lambda runs: runs[:-1],
            lambda runs: [*runs, 1],
            lambda runs: [-runs[0], *runs[1:]],
            lambda runs: [0.5, *runs],
            lambda runs: [float("nan")],
            lambda runs: [1e308, -1e308],
            lambda runs: [2**63],
            lambda runs: [2**62, 2**62, 2**62, 2**62, 2867],
            lambda runs: [[1], [2]],
            lambda runs: [1] * 1_000_000,
        )
    ),
    *(
        ("coco", _size(size), "annotation 2")
        for size in ([], [47], [61, 47], [-47, -61], [0, 0], [47.0, 61], [2**40, 2**40], "47", None, [10**400, 1])
    ),
    *(
        ("labelstudio", _brush(change), "result r3")
        for change in (
            lambda rle: rle[:-3],
            lambda rle: rle[:4],
            lambda rle: [],
            lambda rle: None,
            lambda rle: [*rle, 1, 2, 3],
            lambda rle: [255, 255, 255, 255, *rle[4:]],
            lambda rle: [300, *rle],
            lambda rle: ["1"],
            lambda rle: rle[:4] + [255] * 1_000_000,
        )
    ),
]


@pytest.mark.parametrize(("name", "edit", "where"), RUNS, ids=lambda value: value if isinstance(value, str) else "")
def test_runs_of_the_wrong_length(worker: Worker, tmp_path: Path, name: str, edit: Edit, where: str) -> None:
    outcome = look(worker, tmp_path, name, of_json(name, edit, None))
    assert told(outcome, seeds()[name].labels[0], "part_001.png", where)[0] == "error"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('rle="', 'rle="1, '),
        ('rle="', 'rle="-1, 1, '),
        ('rle="', 'rle="x, '),
        ('rle="', 'rle="nan, '),
        ('rle="', 'rle="1e18, '),
        ('rle="', 'other="'),
        ('rle="', 'rle="' + "1," * 1_000_000),
        ('width="40"', 'width="-40"'),
        ('width="40"', 'width="4000000"'),
        ('width="40"', 'width=""'),
        ('left="10"', 'left="1e9"'),
        ('height="20"', 'height="20.5"'),
    ],
    ids=lambda value: str(value)[:20],
)
def test_runs_of_cvat_that_do_not_fit(worker: Worker, tmp_path: Path, old: str, new: str) -> None:
    outcome = look(worker, tmp_path, "cvat", of_text("cvat", "annotations.xml", old, new))
    assert told(outcome, "annotations.xml", "part_001.png", "object 2 (mask)")[0] == "error"


@cache
def _huge_png() -> bytes:
    """A PNG of 30000×30000 px in a few kilobytes, most of them cut off."""
    buffer = BytesIO()
    Image.new("1", (30_000, 30_000)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("mask", [None, "", "!!", "AAAA", 7, "iVBORw0KGgo=", "x" * 1_000_000, "huge"], ids=str)
def test_masks_of_labelme_that_are_none(worker: Worker, tmp_path: Path, mask: Any) -> None:
    shapes = labelme_shapes()
    shapes[4]["mask"] = base64.b64encode(_huge_png()).decode() if mask == "huge" else mask
    outcome = look(worker, tmp_path, "labelme", {"part_001.json": labelme("part_001.png", shapes)})
    assert told(outcome, "part_001.json", "part_001.png", "shape 5")[0] == "error"


def test_masks_of_labelme_in_boxes_of_another_size(worker: Worker, tmp_path: Path) -> None:
    shapes = labelme_shapes()
    shapes[4]["points"] = [[LEFT, TOP], [LEFT + 5, TOP + 5]]
    outcome = look(worker, tmp_path, "labelme", {"part_001.json": labelme("part_001.png", shapes)})
    assert told(outcome, "part_001.json", "part_001.png", "shape 5")[0] == "error"


# Names of images that lead elsewhere: those that end with the name of an image that is there are taken for it.
NAMES = [
    "../../secret.png",
    "/etc/passwd",
    "C:\\Windows\\x.png",
    "..\\..\\secret.png",
    "file:///etc/passwd",
    "//host/share/x.png",
    "%2e%2e%2f%2e%2e%2fsecret.png",
    "\0",
    "",
    ".",
    "..",
    "/",
    "a\nb.png",
    "\ud800.png",
    "x" * 100_000,
    "../" * 2000,
    None,
    7,
    [],
]


def _named(name: str) -> Edit:
    def edit(document: Any, value: Any) -> None:
        if name == "coco":
            document["images"][0]["file_name"] = value
        elif name.startswith("labelbox"):
            document[0]["data_row"] |= {"external_id": value, "global_key": value, "row_data": value}
        elif name.startswith("via"):
            next(iter(document.get("_via_img_metadata", document).values()))["filename"] = value
        elif name == "labelme":
            document["imagePath"] = value
        else:
            document[0]["data"]["image"] = value

    return edit


@pytest.mark.parametrize("value", NAMES, ids=lambda value: repr(value)[:16])
@pytest.mark.parametrize("name", JSON)
def test_an_image_elsewhere(worker: Worker, tmp_path: Path, name: str, value: Any) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "secret.png").write_bytes(parts()["part_001.png"])
    seed = seeds()[name]
    files = {**seed.files, **of_json(name, _named(name), value)}
    data = seed.write(tmp_path / "in" / "a" / "b", files.items())
    outcome = worker.path(data.path, tmp_path / "out", "coco", **seed.options)
    assert outcome.verdict in ("accepted", "refused"), f"{outcome.verdict}\n{outcome.note}"
    assert told(outcome, seed.labels[0])[0] == "error"


@pytest.mark.parametrize(
    "value", [one for one in NAMES if isinstance(one, str) and "\0" not in one], ids=lambda one: one[:16]
)
@pytest.mark.parametrize("name", ["cvat", "via-csv", "manifest"])
def test_an_image_elsewhere_in_texts(worker: Worker, tmp_path: Path, name: str, value: str) -> None:
    if "\ud800" in value or (name != "cvat" and "\n" in value):
        pytest.skip("no text of a file")
    old = {"cvat": 'name="part_001.png"', "via-csv": "\npart_001.png,", "manifest": "\nimages/part_001.png,"}[name]
    new = old.replace("images/", "").replace("part_001.png", value)
    outcome = look(worker, tmp_path, name, of_text(name, seeds()[name].labels[0], old, new))
    assert told(outcome, seeds()[name].labels[0])[0] == "error"


@pytest.mark.parametrize("prefix", ["../../", "/srv/parts/", "C:\\parts\\", "..\\", "file:///srv/", "%2e%2e/", "a/../"])
@pytest.mark.parametrize("name", ["coco", "via2", "labelstudio"])
def test_an_image_of_that_name_here(worker: Worker, tmp_path: Path, name: str, prefix: str) -> None:
    outcome = look(worker, tmp_path, name, of_json(name, _named(name), f"{prefix}part_001.png"))
    assert outcome.verdict == "accepted"
    assert told(outcome, "part_001.png", "out of the folder")[0] == "warning"


@pytest.mark.parametrize(("key", "value"), [("group", "\ud800"), ("flawsmith_id", "a\x1b[2J")])
def test_groups_that_cannot_be_written(worker: Worker, tmp_path: Path, key: str, value: str) -> None:
    document = coco()
    document["images"][0][key] = value
    outcome = look(worker, tmp_path, "coco", {"annotations.json": json.dumps(document).encode()})
    assert told(outcome, "images/part_001.png", "control character or broken UTF-8")[0] == "error"


def test_names_of_a_megabyte_are_cut(worker: Worker, tmp_path: Path) -> None:
    outcome = look(worker, tmp_path, "pairs", {"classes.json": json.dumps({"x" * 1_000_000: "pit"}).encode()})
    assert len(told(outcome, "classes.json", "a mask's value")[2]) < 1000


CLASSES = [
    "../x",
    "/etc/x",
    "C:\\x",
    "..",
    ".",
    "",
    " ",
    "a\nb",
    "\0",
    "\x1b[2J",
    "x" * 5000,
    "\ud800",
    None,
    7.5,
    [],
    {},
]


def _classed(name: str) -> Edit:
    def edit(document: Any, value: Any) -> None:
        if name == "coco":
            document["categories"][0]["name"] = value
        elif name.startswith("labelbox"):
            _labelbox_objects(document)[0] |= {"name": value, "value": value}
        elif name.startswith("via"):
            regions = _via_regions(document)
            (regions["0"] if name == "via1" else regions[0])["region_attributes"]["defect"] = value
        elif name == "labelme":
            document["shapes"][0] |= {"label": value, "group_id": None}
        else:
            document[0]["annotations"][0]["result"][0]["value"]["polygonlabels"] = [value]

    return edit


@pytest.mark.parametrize("value", CLASSES, ids=lambda value: repr(value)[:12])
@pytest.mark.parametrize("name", JSON)
def test_classes_that_are_no_names(worker: Worker, tmp_path: Path, name: str, value: Any) -> None:
    if name.startswith("via") and value == 7.5:
        pytest.skip("VIA writes numbers without quotes")
    outcome = look(worker, tmp_path, name, of_json(name, _classed(name), value))
    words = (
        (seeds()[name].labels[0], "category 1")
        if name == "coco" and value in (None, "", " ", 7.5, [], {})
        else JSON[name][1]
    )
    assert told(outcome, *words)[0] == "error"


@pytest.mark.parametrize("value", ["../x", "/etc/x", "C:\\x", "..", "x" * 5000], ids=lambda value: value[:8])
@pytest.mark.parametrize(
    ("name", "file", "old", "words"),
    [
        ("cvat", "annotations.xml", 'label="scratch"', ("part_001.png", "object 1")),
        ("cvat-video", "annotations.xml", 'label="scratch"', ("frame_000000.png", "track 0")),
        ("via-csv", "via.csv", '""defect"": ""scratch"', ("part_001.png", "line 2")),
        ("yolo", "data.yaml", "0: scratch", ()),
        ("png", "labelmap.txt", "scratch", ()),
        ("pairs", "classes.json", "scratch", ()),
        ("manifest", "manifest.csv", "pit,a", ("manifest.csv:2",)),
    ],
)
def test_classes_in_texts(
    worker: Worker, tmp_path: Path, name: str, file: str, old: str, words: tuple[str, ...], value: str
) -> None:
    if name == "via-csv":
        value = json.dumps(value)[1:-1].replace('"', '""')
    new = old.replace("scratch", value).replace("pit,", f"{value},")
    outcome = look(worker, tmp_path, name, of_text(name, file, old, new))
    assert told(outcome, *(words or (file if name != "yolo" else "labels/train/part_001.txt",)))[0] == "error"


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
XML = {
    "laughs": f'<!DOCTYPE a [<!ENTITY l0 "lol">{LAUGHS}]><annotations>&l9;</annotations>',
    "quadratic": f'<!DOCTYPE a [<!ENTITY x "{"x" * 100_000}">]><annotations>{"&x;" * 10_000}</annotations>',
    "external": '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotations><image name="&x;"/></annotations>',
    "parameter": '<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:9/x.dtd"> %x;]><annotations/>',
    "dtd": '<!DOCTYPE annotations SYSTEM "http://127.0.0.1:9/x.dtd"><annotations/>',
    "deep": "<annotations>" + "<a>" * 200_000,
    "deep, whole": "<annotations>" + "<image>" * 100_000 + "</image>" * 100_000 + "</annotations>",
    "cut off": '<annotations><image name="part_001.png"',
    "not closed": '<annotations><image name="part_001.png" width="61" height="47">',
    "encoding": '<?xml version="1.0" encoding="x-nonsense"?><annotations/>',
    "null": "<annotations>\0</annotations>",
}


@pytest.mark.parametrize("kind", XML)
def test_bombs_of_entities_and_broken_xml(worker: Worker, tmp_path: Path, kind: str) -> None:
    outcome = look(worker, tmp_path, "cvat", {"annotations.xml": XML[kind].encode()})
    assert "root:" not in str(outcome)
    told(outcome, *(["annotations.xml"] if kind != "deep, whole" else []))


@pytest.mark.parametrize(
    "names",
    [
        "names: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]",
        "names: " + "[" * 100_000,
        "names: " + "[" * 20 + "]" * 20,
        "names: !!python/object/apply:os.system ['touch flawsmith-was-here']",
        "names: {0: x, 0: y, 99999999999999999999: z}",
        "names: [" + "x, " * 100_000 + "]",
        "names: {" + ", ".join(f"{n}: n{n}" for n in range(60_000)) + "}",
        "names:",
        "names: \0",
    ],
    ids=lambda names: names[:20],
)
def test_bombs_of_yaml(worker: Worker, tmp_path: Path, names: str) -> None:
    outcome = look(worker, tmp_path, "yolo", {"data.yaml": names.encode()})
    if "!!" in names:  # the tag says nothing here: a list of one name
        assert told(outcome, "labels/train/part_001.txt")[0] == "error"
    else:
        assert told(outcome, "data.yaml")[0] == "error"
    assert not list(Path.cwd().glob("flawsmith-was-here")) + list(tmp_path.rglob("flawsmith-was-here"))


DEEP = [100_000 * "[", 100_000 * '{"a":', 900 * "[" + 900 * "]", 100_000 * "[" + 100_000 * "]"]


@pytest.mark.parametrize("content", DEEP, ids=["open lists", "open objects", "900 lists", "100000 lists"])
@pytest.mark.parametrize("name", [*JSON, "pairs"])
def test_deep_json_alone(worker: Worker, tmp_path: Path, name: str, content: str) -> None:
    file = "classes.json" if name == "pairs" else seeds()[name].labels[0]
    look(worker, tmp_path, name, {file: content.encode()})


@pytest.mark.parametrize("depth", [50, 400, 900, 100_000])
@pytest.mark.parametrize("name", JSON)
def test_deep_json_within(worker: Worker, tmp_path: Path, name: str, depth: int) -> None:
    """Wherever there is a value, so far as one can set them all."""
    file = seeds()[name].labels[0]
    content = of_json(name, JSON[name][0], "HERE")[file].decode()
    whole = content.replace('"HERE"', depth * "[" + depth * "]").encode()
    words = JSON[name][1] if depth < 100_000 else (file,)
    assert told(look(worker, tmp_path, name, {file: whole}), *words)[0] == "error"


ENCODINGS = ("utf-8-sig", "utf-16", "utf-16-be", "utf-32", "latin-1")
LABELS = [
    (name, label)
    for name, seed in seeds().items()
    for label in seed.labels
    if not label.endswith((".png", ".tar")) and not seed.packed and seed.files[label]
]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize(("name", "label"), LABELS)
def test_byte_order_marks_and_utf_16(worker: Worker, tmp_path: Path, name: str, label: str, encoding: str) -> None:
    content = seeds()[name].files[label].decode()
    if encoding == "latin-1":
        content = content.replace("scratch", "rayé").replace("pit", "crème")
    outcome = look(worker, tmp_path, name, {label: content.encode(encoding)})
    if encoding == "utf-8-sig":
        assert outcome.verdict == "accepted"
    elif outcome.verdict != "accepted" or encoding == "latin-1":
        told(outcome, Path(label).name if name == "png" and "ImageSets" not in label else "")


def test_utf_16_with_a_mark_is_read(worker: Worker, tmp_path: Path) -> None:
    for name in (*JSON, "cvat"):
        label = seeds()[name].labels[0]
        content = seeds()[name].files[label].decode().replace('encoding="utf-8"', 'encoding="utf-16"')
        assert look(worker, tmp_path / name, name, {label: content.encode("utf-16")}).verdict == "accepted"


@pytest.mark.parametrize(
    "content", [b"", b" ", b"\0", b"\0" * 1000, b"\xff\xfe", b"\xef\xbb\xbf", b"\x80abc"], ids=repr
)
@pytest.mark.parametrize(("name", "label"), LABELS)
def test_files_with_nothing_in_them(worker: Worker, tmp_path: Path, name: str, label: str, content: bytes) -> None:
    look(worker, tmp_path, name, {label: content})


def _twice(name: str) -> Edit:
    def edit(document: Any, _: Any) -> None:
        if name == "coco images":
            document["images"][1]["id"] = 1
        elif name == "coco categories":
            document["categories"][1]["id"] = 1
        elif name == "coco annotations":
            document["annotations"][1]["id"] = 1
        elif name.startswith("labelbox"):
            document[1]["data_row"] |= {"external_id": "part_001.png", "global_key": "", "row_data": ""}
        elif name == "labelstudio":
            document[1]["data"]["image"] = "/data/upload/1/00000000-part_001.png"
        elif name == "labelme":
            document["imagePath"] = "part_001.png"

    return edit


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("coco images", ("annotations.json", "image 1", "part_002.png", "id")),
        ("coco categories", ("annotations.json", "category 1", "pit")),
        ("coco annotations", ("annotations.json", "annotation 1", "id")),
        ("labelbox", ("export.ndjson", "part_001.png", "line 2", "line 1")),
        ("labelstudio", ("tasks.json", "part_001.png", "task 2", "task 1")),
    ],
)
def test_ids_twice(worker: Worker, tmp_path: Path, kind: str, words: tuple[str, ...]) -> None:
    name = kind.split()[0]
    outcome = look(worker, tmp_path, name, of_json(name, _twice(kind), None))
    assert told(outcome, *words)[0] == "error"


@pytest.mark.parametrize(
    ("name", "file", "old", "new", "words"),
    [
        ("pairs", "classes.json", '"2": ', '"1": ', ("classes.json", "1")),
        ("pairs", "classes.json", '"pit"', '"scratch"', ("classes.json", "scratch")),
        ("png", "labelmap.txt", "pit:", "scratch:", ("labelmap.txt:4", "scratch")),
        ("png", "labelmap.txt", "0,128,0", "128,0,0", ("labelmap.txt:4", "scratch")),
        ("cvat", "annotations.xml", 'name="part_002.png"', 'name="part_001.png"', ("annotations.xml", "part_001.png")),
        ("manifest", "manifest.csv", "images/part_002.png,", "images/part_001.png,", ("part_001.png",)),
        ("yolo", "data.yaml", "1: pit", "1: scratch", ("data.yaml", "scratch")),
    ],
)
def test_names_twice(
    worker: Worker, tmp_path: Path, name: str, file: str, old: str, new: str, words: tuple[str, ...]
) -> None:
    told(look(worker, tmp_path, name, of_text(name, file, old, new)), *words)


SLIPS = [
    "../x.png",
    "a/../../x.png",
    "/tmp/x.png",
    "C:\\x.png",
    "C:x.png",
    "..\\x.png",
    "a\0b.png",
    "a\nb.png",
    "x/" * 2000,
]


@pytest.mark.parametrize("name", SLIPS, ids=lambda name: repr(name)[:12])
@pytest.mark.parametrize("ending", [".zip", ".tar", ".tar.gz", "shard"])
def test_archives_that_lead_out(worker: Worker, tmp_path: Path, ending: str, name: str) -> None:
    if ending == ".zip" and "\0" in name:
        pytest.skip("Python writes no such name")
    files = [*seeds()["zip"].files.items(), (name, parts()["part_001.png"])]
    if ending == "shard":
        outcome = look(worker, tmp_path, "webdataset", {"images-000000.tar": pack(files, ".tar")})
        said = "images-000000.tar"
    else:
        outcome = look_at(worker, tmp_path, Seed("x", {}, (), packed=ending), files)
        said = f"parts{ending}"
    if "\0" in name and ending != ".zip":
        return  # a tar's names end there
    assert told(outcome, said)[0] == "error"


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_bombs_in_archives(worker: Worker, tmp_path: Path, ending: str) -> None:
    outcome = look_at(worker, tmp_path, Seed("x", {}, (), packed=ending), [("x.png", bytes(300 * 2**20))])
    assert told(outcome, f"parts{ending}", "x.png", "times its size")[0] == "error"


@pytest.mark.parametrize("cut", [0, 1, 30, 200, -1, -30])
@pytest.mark.parametrize("name", ["zip", "tar", "tar.gz", "webdataset"])
def test_archives_that_are_cut_off(worker: Worker, tmp_path: Path, name: str, cut: int) -> None:
    if name == "webdataset":
        whole = seeds()[name].files["images-000000.tar"]
        outcome = look(worker, tmp_path, name, {"images-000000.tar": whole[:cut]})
        assert outcome.verdict == "refused" or cut < 0
        return
    path = seeds()[name].write(tmp_path / "in").path
    path.write_bytes(path.read_bytes()[:cut])
    outcome = worker.path(path, tmp_path / "out")
    if name == "tar" and cut < 0:  # blocks of zeros that pad the end
        assert outcome.verdict == "accepted"
    else:
        assert told(outcome, path.name)[0] == "error"


def test_masks_within_labels_that_explode(worker: Worker, tmp_path: Path) -> None:
    buffer, shapes = BytesIO(), labelme_shapes()
    Image.new("RGBA", (13_000, 13_000)).save(buffer, "PNG")
    shapes[4] |= {"mask": base64.b64encode(buffer.getvalue()).decode(), "points": [[0, 0], [12_999, 12_999]]}
    outcome = look(worker, tmp_path, "labelme", {"part_001.json": labelme("part_001.png", shapes)})
    assert told(outcome, "part_001.json: part_001.png, shape 5", "impossible size")[0] == "error"


def test_what_was_decoded_of_damaged_images_is_not_kept(worker: Worker, tmp_path: Path) -> None:
    """Together they would take more memory than there is."""
    buffer = BytesIO()
    Image.new("RGB", (5000, 4000)).save(buffer, "PNG", compress_level=1)
    (tmp_path / "in" / "images").mkdir(parents=True)
    for number in range(20):
        (tmp_path / "in" / "images" / f"{number}.png").write_bytes(buffer.getvalue()[:-2000])
    outcome = worker.path(tmp_path / "in", tmp_path / "out")
    assert sum("the image is damaged (found" in one[2] for one in outcome.problems) == 20


@pytest.mark.parametrize("kind", ["huge", "cut", "text", "jpeg", "empty", "colour"])
@pytest.mark.parametrize(
    ("name", "file", "said"),
    [
        ("coco", "images/part_001.png", ""),
        ("labelbox", "m/f2.png", "export.ndjson: part_001.png, line 1, object f2"),
        ("png", "SegmentationClass/part_001.png", ""),
        ("png", "SegmentationObject/part_001.png", ""),
        ("mvtec", "ground_truth/pit/000_mask.png", ""),
        ("manifest", "masks/part_001.png", ""),
        ("manifest", "masks/roi.png", ""),
        ("pairs", "masks/part_001.png", ""),
    ],
)
def test_pictures_that_are_none(worker: Worker, tmp_path: Path, name: str, file: str, said: str, kind: str) -> None:
    whole = seeds()[name].files[file]
    buffer = BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (47, 61, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, "JPEG" if kind == "jpeg" else "PNG")
    contents = {
        "huge": _huge_png() if kind == "huge" else b"",
        "cut": whole[: len(whole) // 2],
        "text": b"hello",
        "empty": b"",
    }
    outcome = look(worker, tmp_path, name, {file: contents.get(kind, buffer.getvalue())})
    fine = {"coco": ("jpeg", "colour")}.get(name, ("colour",) if "Object" in file else ())
    if kind not in fine:
        assert told(outcome, said or file)[0] == "error"
