"""Class-id PNG: palettes, grey and colours mean the same; what is written is what is read, pixel by pixel."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.formats.classpng import ClassPngWriter, find, scan
from flawsmith.data.formats.labelmap import read_labels
from flawsmith.data.formats.palette import read_numbered, voc_colour
from flawsmith.data.formats.picture import Instance, Picture
from flawsmith.data.formats.reading import Reading
from flawsmith.data.geometry.patch import Patch
from flawsmith.data.listing import Listing

SIZE = 11, 17  # H, W
CLASSES = ("pit", "scratch")
LABELMAP = "# label:color_rgb:parts:actions\nbackground:0,0,0::\npit:10,20,30::\nscratch:200,0,100::\n"
# The palette of the VOC development kit, first entries and the border, as its documentation prints them.
VOC_PALETTE = {1: (128, 0, 0), 2: (0, 128, 0), 5: (128, 0, 128), 8: (64, 0, 0), 20: (0, 64, 128), 255: (224, 224, 192)}


def save(path: Path, values: np.ndarray, palette: list[int] | None = None) -> None:
    """Writes a PNG by Pillow alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(values)
    if palette is not None:
        image.putpalette(palette)
    image.save(path)


def numbers() -> np.ndarray:
    """A mask with both classes."""
    mask = np.zeros(SIZE, np.uint8)
    mask[1:4, 2:9] = 1
    mask[6:9, 5:16] = 2
    return mask


def voc() -> list[int]:
    return [channel for number in range(256) for channel in VOC_PALETTE.get(number, (number, 1, 1 if number else 0))]


def in_colours(mask: np.ndarray, colours: list[tuple[int, int, int]]) -> np.ndarray:
    return np.array(colours, np.uint8)[mask]


def folder(
    root: Path, mask: np.ndarray | None, palette: list[int] | None = None, labelmap: str | None = LABELMAP
) -> Path:
    """A data set of one image."""
    save(root / "JPEGImages" / "a.png", np.zeros(SIZE, np.uint8))
    if mask is not None:
        save(root / "SegmentationClass" / "a.png", mask, palette)
    if labelmap is not None:
        (root / "labelmap.txt").write_text(labelmap)
    return root


def read(root: Path, reading: Reading | None = None) -> Listing:
    return scan(root, find(root), reading or Reading())


def errors(listing: Listing) -> list[str]:
    return [f"{one.file}: {one.what}" for one in listing.problems if one.level == "error"]


def masks(listing: Listing, size: tuple[int, int] = SIZE) -> dict[str, dict[str, np.ndarray]]:
    """The pixels of each class of each image."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for row in listing.rows:
        mine = found.setdefault(row.name, {})
        for one in row.drawn:
            one.shape.patch(*size).onto(mine.setdefault(one.defect, np.zeros(size, bool)))
    return found


COLOURS = [(0, 0, 0), (10, 20, 30), (200, 0, 100)]


@pytest.mark.parametrize("kind", ["palette", "other palette", "grey", "colours", "alpha"])
def test_all_ways_to_write_a_mask_mean_the_same(tmp_path: Path, kind: str) -> None:
    mask = numbers()
    flat = [channel for colour in COLOURS for channel in colour]
    swapped = [*COLOURS[0], *COLOURS[2], *COLOURS[1]]
    written = {
        "palette": (mask, flat),
        "other palette": (np.array([0, 2, 1], np.uint8)[mask], swapped),  # its colours say what its numbers do not
        "grey": (mask, None),
        "colours": (in_colours(mask, COLOURS), None),
        "alpha": (np.dstack([in_colours(mask, COLOURS), np.full(SIZE, 255, np.uint8)]), None),
    }
    listing = read(folder(tmp_path, *written[kind]))
    assert not listing.problems
    row = listing.rows[0]
    assert (row.name, row.size, row.file) == ("JPEGImages/a.png", SIZE, "SegmentationClass/a.png")
    found = masks(listing)["JPEGImages/a.png"]
    assert found.keys() == {"pit", "scratch"}
    assert (found["pit"] == (mask == 1)).all() and (found["scratch"] == (mask == 2)).all()


def test_the_palette_is_that_of_voc() -> None:
    assert {number: voc_colour(number) for number in VOC_PALETTE} == VOC_PALETTE
    assert len({voc_colour(number) for number in range(256)}) == 256


@pytest.mark.parametrize("kind", ["palette", "colours"])
def test_voc_without_labelmap_and_its_border(tmp_path: Path, kind: str) -> None:
    mask = np.where(numbers() == 2, 255, numbers() * 20).astype(np.uint8)
    values = (mask, voc()) if kind == "palette" else (in_colours(mask, [voc_colour(i) for i in range(256)]), None)
    listing = read(folder(tmp_path, *values, labelmap=None))
    assert [row.drawn[0].defect for row in listing.rows] == ["tvmonitor"] and len(listing.rows[0].drawn) == 1
    assert [(one.file, one.level) for one in listing.problems] == [
        ("labelmap.txt", "warning"),
        ("SegmentationClass", "warning"),
    ]
    assert "border" in listing.problems[1].what


def test_names_of_labelme(tmp_path: Path) -> None:
    folder(tmp_path, numbers(), voc(), labelmap=None)
    (tmp_path / "class_names.txt").write_text("__ignore__\n_background_\npit\nscratch\n")
    (tmp_path / "SegmentationClass").rename(tmp_path / "SegmentationClassPNG")
    listing = read(tmp_path)
    assert not listing.problems and masks(listing)["JPEGImages/a.png"].keys() == {"pit", "scratch"}


def test_a_labelmap_without_background_counts_from_one(tmp_path: Path) -> None:
    listing = read(folder(tmp_path, numbers(), None, "pit:1,2,3::\nscratch:2,3,4::\n"))
    assert not listing.problems and masks(listing)["JPEGImages/a.png"].keys() == {"pit", "scratch"}


@pytest.mark.parametrize("form", ["palette", "colours", "16 bits"])
def test_objects_are_told_apart(tmp_path: Path, form: str) -> None:
    mask, objects = numbers(), np.zeros(SIZE, np.uint8)
    objects[1:4, 2:5], objects[1:4, 5:9], objects[6:9, 5:16] = 1, 2, 3
    root = folder(tmp_path, mask)
    wide = objects.astype(np.uint16) * 255  # 255 is a number there, no border
    beside = {"palette": objects, "colours": in_colours(objects, [voc_colour(i) for i in range(4)]), "16 bits": wide}
    save(root / "SegmentationObject" / "a.png", beside[form], voc() if form == "palette" else None)
    listing = read(root)
    assert not listing.problems
    found = [(one.defect, one.shape.patch(*SIZE).full(*SIZE)) for one in listing.rows[0].drawn]
    assert sorted(defect for defect, _ in found) == ["pit", "pit", "scratch"]
    assert all(one.where.startswith("object ") for one in listing.rows[0].drawn)
    for number in (1, 2, 3):
        assert sum(bool((pixels == (objects == number)).all()) for _, pixels in found) == 1


def test_pixels_of_no_object_and_objects_of_no_class(tmp_path: Path) -> None:
    objects = np.zeros(SIZE, np.uint8)
    objects[1:4, 2:5], objects[10, 0:3] = 1, 9
    root = folder(tmp_path, numbers())
    save(root / "SegmentationObject" / "a.png", objects)
    save(root / "SegmentationObject" / "b.png", objects)
    listing = read(root)
    assert [(one.defect, one.where) for one in listing.rows[0].drawn] == [
        ("pit", "pixels of no object"),
        ("scratch", "pixels of no object"),
        ("pit", "object 1"),
    ]
    assert [(one.file, one.level) for one in listing.problems] == [
        ("SegmentationClass/a.png", "warning"),
        ("SegmentationObject/b.png", "warning"),
    ]
    found = masks(listing)["JPEGImages/a.png"]
    assert (found["pit"] == (numbers() == 1)).all() and (found["scratch"] == (numbers() == 2)).all()


def test_good_is_what_is_black_or_only_listed(tmp_path: Path) -> None:
    root = folder(tmp_path, np.zeros(SIZE, np.uint8))
    save(root / "JPEGImages" / "line 2" / "b.c.png", np.zeros(SIZE, np.uint8))
    save(root / "JPEGImages" / "new.png", np.zeros(SIZE, np.uint8))
    (root / "ImageSets" / "Segmentation").mkdir(parents=True)
    (root / "ImageSets" / "Segmentation" / "default.txt").write_text('a\n"line 2/b.c"\n')
    listing = read(root)
    assert [(row.name, row.drawn) for row in listing.rows] == [
        ("JPEGImages/a.png", ()),
        ("JPEGImages/line 2/b.c.png", ()),
    ]
    assert [(one.file, one.level) for one in listing.problems] == [("JPEGImages/new.png", "warning")]


def test_images_elsewhere(tmp_path: Path) -> None:
    root = folder(tmp_path / "labels", numbers())
    (root / "JPEGImages").rename(tmp_path / "pictures")
    assert any("--images" in one.fix for one in read(root).problems if one.level == "error")
    listing = read(root, Reading(images=tmp_path / "pictures"))
    assert not listing.problems and listing.rows[0].name == "a.png" and len(listing.rows[0].drawn) == 2


# ---- what is wrong


@pytest.mark.parametrize(
    ("labelmap", "where", "what"),
    [
        ("background:0,0,0::\npit:1,2::\n", "labelmap.txt:2", "no label"),
        ("background:0,0,0::\npit:1,2,300::\n", "labelmap.txt:2", "no label"),
        ("background:0,0,0::\npit:1,2,3::\npit:1,2,4::\n", "labelmap.txt:3", "twice"),
        ("background:0,0,0::\npit:1,2,3::\ndent:1,2,3::\n", "labelmap.txt:3", "colour"),
        ("background:0,0,0::\na/b:1,2,3::\n", "labelmap.txt:2", "class name"),
        ("background:0,0,0::\n:1,2,3::\n", "labelmap.txt:2", "name"),
        ("background:0,0,0::\n", "SegmentationClass/a.png", "value 1 and 2, unknown to labelmap.txt"),
        ("\0\udcff", "labelmap.txt", "UTF-8"),
    ],
)
def test_labelmaps_that_are_wrong(tmp_path: Path, labelmap: str, where: str, what: str) -> None:
    folder(tmp_path, numbers(), None, None)
    (tmp_path / "labelmap.txt").write_bytes(labelmap.encode("utf-8", "surrogateescape"))
    assert any(one.startswith(f"{where}: ") and what in one for one in errors(read(tmp_path)))


def test_a_label_called_good_is_background(tmp_path: Path) -> None:
    listing = read(folder(tmp_path, numbers(), None, "background:0,0,0::\nGood:1,2,3::\nscratch:2,3,4::\n"))
    assert masks(listing)["JPEGImages/a.png"].keys() == {"scratch"}
    assert [(one.file, one.level) for one in listing.problems] == [("labelmap.txt:2", "warning")]


def test_colours_that_nobody_names(tmp_path: Path) -> None:
    colours = in_colours(numbers(), [(0, 0, 0), (10, 20, 30), (9, 9, 9)])
    assert errors(read(folder(tmp_path, colours))) == [
        "SegmentationClass/a.png: has the value 9,9,9, unknown to labelmap.txt"
    ]


def test_files_without_their_partner(tmp_path: Path) -> None:
    root = folder(tmp_path, numbers())
    save(root / "SegmentationClass" / "b.png", numbers())
    (root / "ImageSets" / "Segmentation").mkdir(parents=True)
    (root / "ImageSets" / "Segmentation" / "train.txt").write_text("a\nc\n")
    assert errors(read(root)) == [
        "SegmentationClass/b.png: is a mask without an image",
        "ImageSets/Segmentation: names 'c', of which there is no image",
    ]


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\0" * 5000])
@pytest.mark.parametrize("name", ["SegmentationClass", "SegmentationObject"])
def test_damaged_masks(tmp_path: Path, content: bytes, name: str) -> None:
    root = folder(tmp_path, numbers())
    (root / name).mkdir(exist_ok=True)
    (root / name / "a.png").write_bytes(content)
    listing = read(root)
    assert not listing.rows and [one.split(":")[0] for one in errors(listing)] == [f"{name}/a.png"]


def test_masks_that_do_not_fit(tmp_path: Path) -> None:
    root = folder(tmp_path, numbers())
    save(root / "SegmentationObject" / "a.png", np.zeros((5, 5), np.uint8))
    assert "another size" in errors(read(root))[0]
    listing = read(folder(tmp_path / "b", numbers()))
    with pytest.raises(UserError, match="size of its image"):
        listing.rows[0].drawn[0].shape.patch(5, 5)
    (tmp_path / "b" / "SegmentationClass" / "a.png").unlink()
    with pytest.raises(UserError, match="cannot be read"):
        listing.rows[0].drawn[0].shape.patch(*SIZE)


def test_smeared_colours_and_masses_of_objects(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    root = folder(tmp_path, noise)
    assert "smoothing" in next(one.fix for one in read(root).problems if one.level == "error")
    root = folder(tmp_path / "b", np.ones((256, 256), np.uint8))
    save(root / "SegmentationObject" / "a.png", np.arange(65536, dtype=np.uint16).reshape(256, 256))
    assert "at most 10000" in errors(read(root))[0]
    save(root / "SegmentationClass" / "a.png", (np.arange(65536) % 500).astype(np.uint16).reshape(256, 256))
    (root / "labelmap.txt").write_text("".join(f"c{i}:{i // 256},{i % 256},9::\n" for i in range(1, 500)))
    assert "of 499 classes" in errors(read(root))[0]


@pytest.mark.parametrize("twin", ["JPEGImages/a.jpg", "SegmentationClass/a.bmp"])
def test_two_files_of_one_stem(tmp_path: Path, twin: str) -> None:
    root = folder(tmp_path, numbers())
    save(root / twin, numbers())
    listing = read(root)
    assert not [row for row in listing.rows if row.drawn] and any("stem" in one for one in errors(listing))


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    assert find(tmp_path) == []
    save(tmp_path / "images" / "a.png", numbers())
    (tmp_path / "SegmentationClass").mkdir()
    assert find(tmp_path) == []


# ---- write and read

BOXES = st.lists(
    st.tuples(st.sampled_from(CLASSES), st.integers(0, 9), st.integers(0, 15), st.integers(1, 6), st.integers(1, 6)),
    max_size=5,
)


def picture(tmp_path: Path, name: str, boxes: list[tuple[str, int, int, int, int]]) -> Picture:
    """A picture with boxes that may overlap."""
    source = tmp_path / "source.png"
    if not source.exists():
        save(source, np.zeros(SIZE, np.uint8))
    instances = []
    for defect, top, left, high, wide in boxes:
        mask = np.zeros(SIZE, bool)
        mask[top : top + high, left : left + wide] = True
        instances.append(Instance(defect, Patch.of(mask)))
    return Picture(name, source, *SIZE, tuple(instances), "", None)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(boxes=BOXES)
def test_written_and_read_classes_are_the_same(tmp_path: Path, boxes: list[tuple[str, int, int, int, int]]) -> None:
    output = tmp_path / str(len(list(tmp_path.iterdir())))
    output.mkdir()
    writer, one = ClassPngWriter(output, CLASSES), picture(tmp_path, "line 2/a.b.png", boxes)
    ious = writer.add(one)
    writer.close()
    owner = np.zeros(SIZE, int)  # by hand: the later one wins
    for number, instance in enumerate(one.instances, 1):
        owner[instance.patch.full(*SIZE)] = number
    listing = read(output)
    assert not listing.problems and [row.name for row in listing.rows] == ["JPEGImages/line 2/a.b.png"]
    assert writer.images == {one.name: listing.rows[0].name}
    found = masks(listing)["JPEGImages/line 2/a.b.png"]
    for defect in CLASSES:
        mine = [number for number, instance in enumerate(one.instances, 1) if instance.defect == defect]
        assert (found.get(defect, np.zeros(SIZE, bool)) == np.isin(owner, mine)).all()
    for number, (instance, iou) in enumerate(zip(one.instances, ious, strict=True), 1):
        there, here = instance.patch.full(*SIZE), owner == number
        assert iou == pytest.approx((there & here).sum() / (there | here).sum())
    left = sorted(tuple(np.flatnonzero(drawn.shape.patch(*SIZE).full(*SIZE))) for drawn in listing.rows[0].drawn)
    assert left == sorted(tuple(np.flatnonzero(owner == number)) for number in np.unique(owner) if number)


@pytest.mark.parametrize("count", [254, 255, 300])
def test_many_objects_need_16_bits(tmp_path: Path, count: int) -> None:
    output = tmp_path / "out"
    output.mkdir()
    side = 20
    save(tmp_path / "a.png", np.zeros((side, side), np.uint8))
    dots = tuple(Instance("pit", Patch(i // side, i % side, np.ones((1, 1), bool))) for i in range(count))
    writer = ClassPngWriter(output, CLASSES)
    assert writer.add(Picture("a.png", tmp_path / "a.png", side, side, dots, "", None)) == [1.0] * count
    writer.close()
    with Image.open(output / "SegmentationObject" / "a.png") as file:
        assert file.mode == ("P" if count < 255 else "I;16")
    listing = read(output)
    assert not listing.problems and len(listing.rows[0].drawn) == count


def test_what_the_files_are(tmp_path: Path) -> None:
    outputs = [tmp_path / name for name in ("one", "two")]
    one = picture(tmp_path, "a.png", [("scratch", 1, 1, 3, 3)])
    for output in outputs:
        output.mkdir()
        writer = ClassPngWriter(output, CLASSES)
        writer.add(one)
        writer.add(picture(tmp_path, "A.png", []))
        writer.close()
    first, second = ({path.relative_to(o): path.read_bytes() for path in o.rglob("*.*")} for o in outputs)
    assert first == second
    assert (outputs[0] / "labelmap.txt").read_text() == (
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\npit:128,0,0::\nscratch:0,128,0::\n"
    )
    assert (outputs[0] / "ImageSets/Segmentation/default.txt").read_text() == "a\nA_2\n"
    assert (outputs[0] / "JPEGImages/a.png").read_bytes() == one.source.read_bytes()
    with Image.open(outputs[0] / "SegmentationClass/a.png") as file:
        assert file.mode == "P" and np.unique(np.asarray(file)).tolist() == [0, 2]
        assert file.convert("RGB").getpixel((2, 2)) == (0, 128, 0)


@pytest.mark.parametrize("classes", [["background"], ["ignored"], [f"c{i}" for i in range(255)]])
def test_classes_that_a_palette_cannot_have(tmp_path: Path, classes: list[str]) -> None:
    with pytest.raises(UsageError):
        ClassPngWriter(tmp_path, classes)


def test_a_mask_is_decoded_once_for_all_its_objects(tmp_path: Path) -> None:
    save(tmp_path / "a.png", numbers())
    first = read_numbered(tmp_path / "a.png")
    assert read_numbered(tmp_path / "a.png") is first
    os.utime(tmp_path / "a.png", ns=(1, 1))
    assert read_numbered(tmp_path / "a.png") is not first
    save(tmp_path / "a.png", np.zeros((3, 3), np.uint8))
    assert read_numbered(tmp_path / "a.png").pixels.shape == (3, 3)


def test_a_labelmap_without_colours_means_those_of_voc(tmp_path: Path) -> None:
    for text in ("background:::\ndent:::\npit:::\n", "dent:::\npit:::\n"):
        (tmp_path / "labelmap.txt").write_text(text)
        labels, problems = read_labels(tmp_path)
        assert labels.colours[128, 0, 0] == "dent"
        assert labels.colours[0, 128, 0] == "pit"
        assert not problems


@pytest.mark.parametrize("name", ["#1", "background", "_background_", "__ignore__"])
def test_a_class_that_labelmap_cannot_say_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be called"):
        ClassPngWriter(tmp_path, [name])
