import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from scipy import ndimage
from skimage.draw import line, polygon2mask

from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.formats import detect, yolo
from flawsmith.data.formats.picture import Instance, Picture
from flawsmith.data.formats.reading import Reading
from flawsmith.data.formats.size import size_of
from flawsmith.data.formats.yolo import YoloWriter, find
from flawsmith.data.geometry.patch import Patch
from flawsmith.data.image import read_image
from flawsmith.data.listing import Listing

SIZE = (40, 80)  # H, W
SQUARE = "0.25 0.25 0.5 0.25 0.5 0.75 0.25 0.75"
CORNERS = np.ones((3, 3), int)


def photo(path: Path, size: tuple[int, int] = SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size[::-1], 90).save(path)
    return path


def tree(root: Path, lines: str, names: str | None = "names: [pit, dent]\n") -> Path:
    """One image and its label file."""
    photo(root / "images/train/a.png")
    (root / "labels/train").mkdir(parents=True, exist_ok=True)
    (root / "labels/train/a.txt").write_text(lines)
    if names is not None:
        (root / "data.yaml").write_text(names)
    return root


def scanned(root: Path) -> Listing:
    return yolo.scan(root, find(root), Reading())


def masks(listing: Listing, size: tuple[int, int] = SIZE) -> list[np.ndarray]:
    return [one.shape.patch(*size).full(*size) for row in listing.rows for one in row.drawn]


def told(listing: Listing) -> list[str]:
    return [f"{one.level} {one.file}: {one.what}" for one in listing.problems]


def square() -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[10:30, 20:40] = True
    return mask


def as_ultralytics(text: str, size: tuple[int, int]) -> list[np.ndarray]:
    """The masks of a label file as the trainer decodes them: float32, cut to whole pixels, filled with the edge."""
    found = []
    for row in text.splitlines():
        ring = np.array(row.split()[1:], np.float32).reshape(-1, 2) * np.array(size[::-1], np.float32)
        corners = ring.astype(np.int32)
        mask = polygon2mask(size, corners[:, ::-1])
        for one, other in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            mask[line(one[1], one[0], other[1], other[0])] = True
        found.append(mask)
    return found


@pytest.mark.parametrize(
    ("image", "label"),
    [
        ("images/train/a.png", "labels/train/a.txt"),
        ("train/images/a.png", "train/labels/a.txt"),
        ("images/a.png", "labels/a.txt"),
        ("images/train/line2/a.b.png", "labels/train/line2/a.b.txt"),
        ("images/labels/images/a.png", "images/labels/labels/a.txt"),
        ("photos/a.png", "labels/a.txt"),
    ],
)
def test_any_arrangement_of_parts_is_found(tmp_path: Path, image: str, label: str) -> None:
    photo(tmp_path / image)
    (tmp_path / label).parent.mkdir(parents=True)
    (tmp_path / label).write_text(f"1 {SQUARE}\n\n")
    (tmp_path / "data.yaml").write_text("names:\n  0: pit\n  1: dent\n")
    listing = scanned(tmp_path)
    assert told(listing) == []
    (row,) = listing.rows
    assert row.name == image and row.drawn[0].defect == "dent" and row.drawn[0].where == "line 1" and row.file == label
    assert np.array_equal(masks(listing)[0], square())


def test_names_stand_in_classes_txt_as_well(tmp_path: Path) -> None:
    tree(tmp_path, f"1 {SQUARE}", None)
    for place in ("classes.txt", "labels/classes.txt"):
        (tmp_path / place).write_text("pit\ndent\n")
        assert [one.defect for row in scanned(tmp_path).rows for one in row.drawn] == ["dent"]
        (tmp_path / place).unlink()
    assert told(scanned(tmp_path))[0].startswith("error") and "no names of these classes" in told(scanned(tmp_path))[0]


def test_what_is_no_such_tree(tmp_path: Path) -> None:
    photo(tmp_path / "images/a.png")
    assert find(tmp_path) == []
    (tmp_path / "config.yaml").write_text("name: x\n")
    (tmp_path / "readme.txt").write_text("hello")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/a.json").write_text("{}")
    assert find(tmp_path) == []


def test_the_sides_are_those_of_the_upright_image(tmp_path: Path) -> None:
    tree(tmp_path, f"0 {SQUARE}")
    (tmp_path / "images/train/a.png").unlink()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("L", SIZE, 90).save(tmp_path / "images/train/a.jpg", exif=exif)
    assert np.array_equal(masks(scanned(tmp_path))[0], square())


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp"])
@pytest.mark.parametrize("orientation", [None, *range(1, 9)])
def test_the_size_is_that_of_the_pixels_as_read(tmp_path: Path, suffix: str, orientation: int | None) -> None:
    path, extra = tmp_path / f"a.{suffix}", {}
    if orientation is not None and suffix != "bmp":
        extra = {"exif": Image.Exif()}
        extra["exif"][0x0112] = orientation
    Image.new("RGB", (30, 20)).save(path, **extra)
    assert size_of(path) == read_image(path).shape[:2]


def test_an_orientation_behind_the_pixels_of_a_png_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.new("RGB", (30, 20)).save(path, exif=exif)
    content = path.read_bytes()
    at = content.index(b"eXIf") - 4
    end = at + 12 + int.from_bytes(content[at : at + 4], "big")
    last = content.index(b"IEND") - 4
    path.write_bytes(content[:at] + content[end:last] + content[at:end] + content[last:])
    assert size_of(path) == read_image(path).shape[:2] == (30, 20)


def test_a_file_that_is_no_image_has_no_size(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 30)
    with pytest.raises(UserError, match=r"a\.png: the image's size cannot be read"):
        size_of(tmp_path / "a.png")


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_an_empty_label_file_means_good(tmp_path: Path, text: str) -> None:
    listing = scanned(tree(tmp_path, text))
    assert told(listing) == [] and [row.drawn for row in listing.rows] == [()]


def test_an_image_without_a_label_file_is_good_and_said_so_once(tmp_path: Path) -> None:
    tree(tmp_path, f"0 {SQUARE}")
    for name in "bcd":
        photo(tmp_path / f"images/train/{name}.png")
    photo(tmp_path / "images/test/e.png")  # of a part that nobody labelled
    listing = scanned(tmp_path)
    assert [row.name for row in listing.rows if not row.drawn] == [f"images/train/{name}.png" for name in "bcd"]
    assert "warning images/train: holds 3 images without a label file: taken as good" in told(listing)
    assert "warning images/test/e.png: is in no YOLO file: left out" in told(listing)
    assert len(listing.problems) == 2


def test_detection_boxes_are_drawn_and_said_so_once(tmp_path: Path) -> None:
    tree(tmp_path, "0 0.375 0.5 0.25 0.5\n" * 3)
    listing = scanned(tmp_path)
    assert np.array_equal(masks(listing)[0], square()) and len(masks(listing)) == 3
    assert told(listing) == [
        "warning labels/train/a.txt: has the first of 3 lines of 5 numbers: boxes, which are no masks, drawn as boxes"
    ]


def test_outlines_that_are_all_turned_boxes_are_said_so(tmp_path: Path) -> None:
    turned = "0 0.25 0.25 0.375 0.5 0.25 0.75 0.125 0.5\n"  # a square on its corner
    assert "turned boxes (OBB)" in told(scanned(tree(tmp_path, turned)))[0]
    assert told(scanned(tree(tmp_path, turned + f"0 {SQUARE}"))) == []


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("0 0.1 0.1 0.9 0.1 0.9 x", "error labels/train/a.txt: line 1: has something that is no number"),
        ("pit 0.1 0.1 0.9 0.1 0.9 0.9", "line 1: has something that is no number"),
        ("0 0.1 0.1 0.9 nan 0.9 0.9", "line 1: has a coordinate that is not finite"),
        ("nan 0.1 0.1 0.9 0.1 0.9 0.9", "line 1, class nan: is of a class that has no name"),
        ("inf 0.1 0.1 0.9 0.1 0.9 0.9", "line 1, class inf: is of a class that has no name"),
        ("\n7 0.1 0.1 0.9 0.1 0.9 0.9", "line 2, class 7: is of a class that has no name"),
        ("-1 0.1 0.1 0.9 0.1 0.9 0.9\n" * 5, "line 1, class -1: is of a class that has no name (4 more like it)"),
        ("0.5 0.1 0.1 0.9 0.1 0.9 0.9", "line 1, class 0.5: is of a class that has no name"),
        ("0 0.5 0.5 0.2 0.2 0.3", "line 1, 5 numbers after the class: has no pairs of x and y: a turned box, a pose"),
        ("0 0.5 0.5 0.2 0.2 0.1 0.1 2 0.2 0.2 2", "line 1, 2: has a number far outside 0 to 1"),
        ("0 10 10 40 10 40 30", "line 1, 40: has a number far outside 0 to 1: a coordinate in pixels"),
        ("0", "line 1, 0 numbers after the class"),
        ("0 0.5 0.5", "warning labels/train/a.txt: line 1: has one point, needs 3: left out"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, lines: str, said: str) -> None:
    listing = scanned(tree(tmp_path, lines))
    assert len(listing.problems) == 1 and said in told(listing)[0], told(listing)
    assert masks(listing) == []


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("names: [pit\n", "must be YAML"),
        ("names: pit\n", "names must be a list or a table"),
        ("names: [[pit]]\n", "names must be texts, by whole numbers"),
        ("names: {x: pit}\n", "names must be texts, by whole numbers"),
        ("names: {0: pit}\nkpt_shape: [17, 3]\n", "key points of a pose"),
        ("a: &a [x, x]\nnames: [*a, *a]\n", "without anchors and aliases"),
        ("names: &a [*a]\n", "without anchors and aliases"),
        ("names: " + "[" * 2000 + "\n", "must be YAML of at most 32 levels"),
        ("names: [" + "a," * 60_000 + "]\n", "names of classes are YAML of at most 50000 entries"),
        ("names: !!python/object/apply:os.system [echo]\n", ""),
        ("names: [pit]\n#" + "x" * 2**20, "names of classes take at most 1048576 bytes"),
        ("names: [\0]\n", "must be YAML"),
    ],
)
def test_hostile_names_are_refused(tmp_path: Path, names: str, said: str) -> None:
    listing = scanned(tree(tmp_path, f"1 {SQUARE}", names))
    assert listing.problems[0].level == "error" and said in told(listing)[0]
    assert "data.yaml" in told(listing)[0] or not said


def test_names_are_texts_whatever_yaml_thinks(tmp_path: Path) -> None:
    tree(tmp_path, f"0 {SQUARE}\n1 {SQUARE}\n2.0 {SQUARE}", "names: [no, 1.0, 2020-01-01]\n")
    assert [one.defect for row in scanned(tmp_path).rows for one in row.drawn] == ["no", "1.0", "2020-01-01"]


def test_two_files_of_other_names_contradict(tmp_path: Path) -> None:
    tree(tmp_path, f"0 {SQUARE}")
    (tmp_path / "other.yml").write_text("names: [scratch]\n")
    assert "names other classes than data.yaml" in told(scanned(tmp_path))[0]


def test_one_name_of_two_numbers_is_one_class(tmp_path: Path) -> None:
    listing = scanned(tree(tmp_path, f"0 {SQUARE}\n1 {SQUARE}", "names: [pit, pit]\n"))
    assert {one.defect for row in listing.rows for one in row.drawn} == {"pit"}
    assert told(listing) == ["warning data.yaml: has the name pit twice: both numbers are one class"]


def test_labels_without_their_image_and_images_of_one_stem(tmp_path: Path) -> None:
    tree(tmp_path, f"0 {SQUARE}")
    (tmp_path / "labels/train/b.txt").write_text(f"0 {SQUARE}")
    photo(tmp_path / "images/train/a.bmp")
    found = told(scanned(tmp_path))
    assert any("labels/train/b.txt: its image b is missing" in one for one in found)
    assert any("labels/train/a.txt: its image a is there 2 times" in one for one in found)


def test_images_may_lie_elsewhere(tmp_path: Path) -> None:
    tree(tmp_path / "set", f"0 {SQUARE}")
    (tmp_path / "else").mkdir()
    (tmp_path / "set/images/train/a.png").rename(tmp_path / "else/a.png")
    listing = yolo.scan(tmp_path / "set", find(tmp_path / "set"), Reading(images=tmp_path / "else"))
    assert told(listing) == [] and [row.image for row in listing.rows] == [tmp_path / "else/a.png"]


@given(st.binary(max_size=200) | st.text("01.5 -e\nnaif", max_size=200).map(str.encode))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes_as_labels_are_survived(tmp_path: Path, content: bytes) -> None:
    tree(tmp_path, "")
    (tmp_path / "labels/train/a.txt").write_bytes(content)
    scanned(tmp_path)


@given(
    st.binary(max_size=200)
    | st.text("names: [a]{}&*!-\n01\"'", max_size=100).map(lambda text: f"names: {text}".encode())
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes_as_names_are_survived(tmp_path: Path, content: bytes) -> None:
    tree(tmp_path, f"0 {SQUARE}")
    (tmp_path / "data.yaml").write_bytes(content)
    scanned(tmp_path)


MASKS = arrays(bool, st.tuples(st.integers(1, 14), st.integers(1, 14)), elements=st.booleans()).filter(np.any)


def written(folder: Path, found: list[np.ndarray], parts: str = "split") -> tuple[list[float], str]:
    """The figures that the writer gives for some masks (H, W) of one image, and the lines it writes."""
    folder.mkdir()
    writer = YoloWriter(folder, ("pit",), parts)
    size = found[0].shape
    objects = tuple(Instance("pit", Patch.of(mask)) for mask in found)
    kept = writer.add(Picture("a.png", photo(folder.parent / "source.png", size), *size, objects, "", None))
    writer.close()
    return kept, (folder / "labels/train/a.txt").read_text()


@given(MASKS, st.integers(0, 20), st.integers(0, 900))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_both_readers_find_the_mask_that_was_written(
    tmp_path_factory: pytest.TempPathFactory, mask: np.ndarray, above: int, before: int
) -> None:
    mask = np.pad(mask, ((above, 3), (before, 0)))
    folder = tmp_path_factory.mktemp("yolo") / "out"
    kept, lines = written(folder, [mask])
    assert kept == [1.0]
    assert len(lines.splitlines()) == ndimage.label(mask, CORNERS)[1]
    assert np.array_equal(np.any(masks(scanned(folder), mask.shape), axis=0), mask)
    assert np.array_equal(np.any(as_ultralytics(lines, mask.shape), axis=0), mask)


@given(MASKS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
def test_a_bridged_object_is_one_line(tmp_path_factory: pytest.TempPathFactory, mask: np.ndarray) -> None:
    folder = tmp_path_factory.mktemp("yolo") / "out"
    kept, lines = written(folder, [mask], "bridge")
    assert kept == [1.0] and len(lines.splitlines()) == 1
    assert np.array_equal(masks(scanned(folder), mask.shape)[0], mask)
    assert (as_ultralytics(lines, mask.shape)[0] >= mask).all()


def test_a_written_tree_is_detected_and_read_without_a_word(tmp_path: Path) -> None:
    output = tmp_path / "out"
    output.mkdir()
    names = ("- dent, 1 #2", "no", "ölfleck", "a\u2028b")
    writer = YoloWriter(output, names)
    y, x = np.ogrid[:40, :80]
    ring = (np.hypot(y - 20, x - 30) < 15) & (np.hypot(y - 20, x - 30) > 7)
    source = photo(tmp_path / "source.png")
    objects = tuple(Instance(name, Patch.of(ring)) for name in names)
    assert writer.add(Picture("line2/a.png", source, *SIZE, objects, "g", "o")) == [1.0] * 4
    assert writer.add(Picture("good.png", source, *SIZE, (), "", None)) == []
    writer.close()
    listing = detect.scan(output, None, Reading())
    assert listing is not None and listing.layout == "YOLO" and told(listing) == []
    assert [row.name for row in listing.rows] == ["images/train/good.png", "images/train/line2/a.png"]
    assert [one.defect for one in listing.rows[1].drawn] == list(names)
    assert all(np.array_equal(mask, ring) for mask in masks(listing))
    assert (output / "images/train/line2/a.png").read_bytes() == source.read_bytes()


def test_holes_are_kept_in_one_line(tmp_path: Path) -> None:
    mask = square()
    mask[15:20, 25:30] = mask[22:24, 33:38] = mask[22:28, 22] = False
    kept, lines = written(tmp_path / "out", [mask])
    assert kept == [1.0] and len(lines.splitlines()) == 1
    assert np.array_equal(as_ultralytics(lines, SIZE)[0], mask)


def test_a_diagonal_crack_is_one_line(tmp_path: Path) -> None:
    _, lines = written(tmp_path / "out", [np.eye(50, dtype=bool)])
    assert len(lines.splitlines()) == 1 and np.array_equal(as_ultralytics(lines, (50, 50))[0], np.eye(50))


def test_wrong_options_and_names_that_collide_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--yolo-parts"):
        YoloWriter(tmp_path, ("pit",), "join")
    writer, source = YoloWriter(tmp_path, ("pit",)), photo(tmp_path / "source.png")
    writer.add(Picture("a.png", source, *SIZE, (), "", None))
    with pytest.raises(UserError, match="a name of its own"):
        writer.add(Picture("a.bmp", source, *SIZE, (), "", None))


def test_the_trainer_can_read_the_yaml(tmp_path: Path) -> None:
    import yaml

    YoloWriter(tmp_path, ("pit", "no")).close()
    content = yaml.safe_load((tmp_path / "data.yaml").read_text())
    assert content == {"train": "images/train", "val": "images/train", "names": {0: "pit", 1: "no"}}
    assert json.dumps(content)
