"""Every format against itself: what is written is read again, found by its content, in a folder, a zip, and by name."""

import csv
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from pycocotools import mask as rle

from flawsmith.data.convert import REPORT, convert
from flawsmith.data.formats.reading import Reading, Source
from flawsmith.data.image import read_image
from flawsmith.data.read import read
from flawsmith.data.record import DataSet
from flawsmith.data.sample import instances

Mask = np.ndarray[Any, np.dtype[np.bool_]]

CLASSES = ["1#", "a & 'b', c", "deep dent", "Kratzer ä", "pit"]
NAMES = ["100%.png", "a%20b.png", "line 2/part.png", "line 2/x.y.z.png", "Stück ä/#1 (2).png", "Teil.png", "ß/ß/ß.png"]
KEPT_NAMES = ("coco", "cvat", "labelme", "labelstudio")
LOSSLESS = (*KEPT_NAMES, "webdataset")
LABELS = {"coco": "annotations.json", "cvat": "annotations.xml", "labelstudio": "tasks.json"}
FAIR = 20  # px of an object, of which YOLO keeps 0.98
few = settings(max_examples=25)


@dataclass(frozen=True)
class Part:
    """One image of a set: `instances` are classes and masks (H, W)."""

    name: str
    size: tuple[int, int]
    instances: tuple[tuple[str, Mask], ...]
    group: str | None
    origin: str | None


Parts = list[Part]
sides = st.integers(1, 20)
texts = st.none() | st.sampled_from(["7f3a", "lot 5, no. 3", 'Ü "x" <&>'])


def masks(size: tuple[int, int]) -> st.SearchStrategy[Mask]:
    """Any mask with a pixel or more: noise has holes, parts and pixels that touch at corners."""
    pixel = st.tuples(*(st.integers(0, side - 1) for side in size)).map(lambda place: _pixel(size, place))
    return arrays(bool, size).filter(lambda mask: bool(mask.any())) | st.just(np.ones(size, bool)) | pixel


def _pixel(size: tuple[int, int], place: tuple[int, ...]) -> Mask:
    mask = np.zeros(size, bool)
    mask[place] = True
    return mask


def apart(size: tuple[int, int]) -> st.SearchStrategy[list[tuple[str, Mask]]]:
    """Objects of which none overlaps another: at most one for each of the numbers in a mask."""
    numbers = arrays(np.uint8, size, elements=st.integers(0, 3))
    kinds = st.lists(st.sampled_from(CLASSES), min_size=3, max_size=3)
    split = st.tuples(numbers, kinds)
    return split.map(lambda one: [(kind, one[0] == n) for n, kind in enumerate(one[1], 1) if (one[0] == n).any()])


def overlapping(size: tuple[int, int]) -> st.SearchStrategy[list[tuple[str, Mask]]]:
    """Any objects, but the same one only once: COCO's reader takes a second one for a slip."""
    found = st.tuples(st.sampled_from(CLASSES), masks(size))
    return st.lists(found, max_size=4, unique_by=lambda one: (one[0], one[1].tobytes()))


@st.composite
def sets(draw: st.DrawFn, objects: Any = overlapping) -> Parts:
    """One to three images, all with a group or none; painted ones have an id of their own."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    grouped = draw(st.booleans())
    parts = []
    for name in sorted(names):
        size = draw(st.tuples(sides, sides))
        group = draw(st.sampled_from(["A", "lot 5, no. 3", "Ü"])) if grouped else None
        parts.append(Part(name, size, tuple(draw(objects(size))), group, draw(texts)))
    return parts


def write(parts: Parts, folder: Path) -> Path:
    """The set as COCO, by the encoder of pycocotools; each image is of a grey of its own."""
    images, annotations = [], []
    for number, part in enumerate(parts, 1):
        path = folder / part.name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full(part.size, number, np.uint8)).save(path)
        about = {"group": part.group, "flawsmith_id": part.origin}
        images.append(
            {"id": number, "file_name": part.name, "height": part.size[0], "width": part.size[1]}
            | {key: value for key, value in about.items() if value}
        )
        for kind, mask in part.instances:
            packed = rle.encode(np.asfortranarray(mask.astype(np.uint8)))
            segmentation = {"size": list(part.size), "counts": packed["counts"].decode()}
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, "category_id": 1 + CLASSES.index(kind)}
                | {"segmentation": segmentation, "bbox": rle.toBbox(packed).tolist(), "iscrowd": 0}
            )
    categories = [{"id": number, "name": name} for number, name in enumerate(CLASSES, 1)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder


def turn(source: Path, output: Path, format: str) -> Path:
    """Converts a folder."""
    list(convert(source, output, format))
    return output


def ways(folder: Path, format: str) -> Iterator[DataSet]:
    """The folder as it is found, as it is named, and packed: as it is, and as a folder in the archive."""
    yield read(folder)
    yield read(Source(folder, Reading(format=format)))
    yield read(Path(shutil.make_archive(f"{folder}-plain", "zip", folder)))
    yield read(Path(shutil.make_archive(f"{folder}-within", "zip", folder.parent, folder.name)))


def number(record: Any) -> int:
    """Which image it is, from its pixels."""
    return int(read_image(record.image)[0, 0, 0])


def found(dataset: DataSet, parts: Parts) -> dict[int, list[tuple[str, Mask]]]:
    """The objects of each image."""
    return {
        number(record): [
            (kind, patch.full(*parts[number(record) - 1].size))
            for kind, patch in instances(record, *parts[number(record) - 1].size)
        ]
        for record in dataset.records
    }


def by_class(objects: list[tuple[str, Mask]]) -> dict[str, Mask]:
    """The pixels of each class."""
    kinds = {kind for kind, _ in objects}
    return {kind: np.any([mask for one, mask in objects if one == kind], axis=0) for kind in kinds}


def same(one: dict[str, Mask], other: dict[str, Mask]) -> bool:
    """True where the same classes have the same pixels."""
    return one.keys() == other.keys() and all(np.array_equal(one[kind], other[kind]) for kind in one)


def check_objects(dataset: DataSet, parts: Parts) -> None:
    """Object by object, in their order."""
    seen = found(dataset, parts)
    assert sorted(seen) == list(range(1, len(parts) + 1))
    for place, part in enumerate(parts, 1):
        assert [kind for kind, _ in seen[place]] == [kind for kind, _ in part.instances]
        assert all(
            np.array_equal(mask, there) for (_, mask), (_, there) in zip(part.instances, seen[place], strict=True)
        )


def check_about(dataset: DataSet, parts: Parts) -> None:
    """Classes, groups and provenance ids."""
    assert dataset.classes == tuple(sorted({kind for part in parts for kind, _ in part.instances}))
    assert dataset.grouped == any(part.group for part in parts)
    for record in dataset.records:
        part = parts[number(record) - 1]
        assert record.origin == part.origin
        assert record.group == part.group if dataset.grouped else record.group == record.name


@pytest.mark.parametrize("format", LOSSLESS)
@few
@given(parts=sets())
def test_objects_come_back_to_the_pixel(format: str, parts: Parts) -> None:
    with TemporaryDirectory() as folder:
        output = turn(write(parts, Path(folder) / "source"), Path(folder) / format, format)
        for dataset in ways(output, format):
            check_objects(dataset, parts)
            check_about(dataset, parts)
            if format in KEPT_NAMES:
                assert [record.name.removeprefix("images/") for record in dataset.records] == sorted(
                    part.name for part in parts
                )


@pytest.mark.parametrize("format", ["png", "manifest", "webdataset"])
@few
@given(parts=sets(apart))
def test_the_pixels_of_each_class_come_back(format: str, parts: Parts) -> None:
    with TemporaryDirectory() as folder:
        output = turn(write(parts, Path(folder) / "source"), Path(folder) / format, format)
        for dataset in ways(output, format):
            seen = found(dataset, parts)
            assert all(same(by_class(seen[i]), by_class(list(part.instances))) for i, part in enumerate(parts, 1))
            check_about(dataset, parts)


@few
@given(parts=sets(apart))
def test_png_tells_objects_apart(parts: Parts) -> None:
    with TemporaryDirectory() as folder:
        output = turn(write(parts, Path(folder) / "source"), Path(folder) / "png", "png")
        seen = found(read(output), parts)
        for place, part in enumerate(parts, 1):
            wanted = sorted((kind, mask.tobytes()) for kind, mask in part.instances)
            assert sorted((kind, mask.tobytes()) for kind, mask in seen[place]) == wanted


@few
@given(parts=sets(apart))
def test_mvtec_keeps_the_class_of_an_image_and_all_its_defect_pixels(parts: Parts) -> None:
    with TemporaryDirectory() as folder:
        output = turn(write(parts, Path(folder) / "source"), Path(folder) / "mvtec", "mvtec")
        for dataset in ways(output, "mvtec"):
            seen = found(dataset, parts)
            for place, part in enumerate(parts, 1):
                kinds = {kind for kind, _ in part.instances}
                every = [("combined" if len(kinds) > 1 else kind, mask) for kind, mask in part.instances]
                assert same(by_class(seen[place]), by_class(every))
            assert {record.origin for record in dataset.records} == {part.origin for part in parts}
            assert dataset.grouped == any(part.group for part in parts)


@st.composite
def alone(draw: st.DrawFn) -> Parts:
    """One object an image, of at least 20 px."""
    parts = []
    for name in sorted(draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))):
        size = draw(st.tuples(st.integers(5, 30), st.integers(5, 30)))
        mask = draw(masks(size).filter(lambda mask: int(mask.sum()) >= FAIR))
        parts.append(Part(name, size, ((draw(st.sampled_from(CLASSES)), mask),), None, draw(texts)))
    return parts


@few
@given(parts=alone())
def test_yolo_keeps_nearly_all_of_an_object_and_tells_how_much(parts: Parts) -> None:
    with TemporaryDirectory() as folder:
        output = turn(write(parts, Path(folder) / "source"), Path(folder) / "yolo", "yolo")
        with (output / REPORT).open(encoding="utf-8", newline="") as file:
            told = {row["image"]: float(row["iou"]) for row in csv.DictReader(file)}
        for dataset in ways(output, "yolo"):
            seen = found(dataset, parts)
            for place, part in enumerate(parts, 1):
                ((kind, mask),) = part.instances
                assert {one for one, _ in seen[place]} == {kind}
                other = np.any([pixels for _, pixels in seen[place]], axis=0)
                kept = (mask & other).sum() / (mask | other).sum()
                assert kept >= 0.98
                assert told[part.name] == pytest.approx(kept, abs=1e-4)
            assert dataset.classes == tuple(sorted({kind for part in parts for kind, _ in part.instances}))


@pytest.mark.parametrize(("first", "second"), [*permutations(KEPT_NAMES, 2)])
@settings(max_examples=5)
@given(parts=sets())
def test_there_and_back_is_the_same_set_and_the_same_labels(first: str, second: str, parts: Parts) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        start = turn(write(parts, root / "source"), root / "start", first)
        back = turn(turn(start, root / "other", second), root / "back", first)
        check_objects(read(back), parts)
        check_about(read(back), parts)
        for path in (path for path in start.rglob("*") if path.is_file()):
            assert (back / path.relative_to(start)).read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize("format", LABELS)
@settings(max_examples=5)
@given(parts=sets())
def test_a_file_of_labels_stands_for_its_folder(format: str, parts: Parts) -> None:
    with TemporaryDirectory() as folder:
        output = turn(write(parts, Path(folder) / "source"), Path(folder) / format, format)
        check_objects(read(output / LABELS[format]), parts)


@pytest.mark.parametrize("format", LOSSLESS)
def test_a_pixel_less_is_noticed(format: str, tmp_path: Path) -> None:
    mask = np.zeros((9, 9), bool)
    mask[2:6, 3:7] = True
    parts = [Part("Teil.png", (9, 9), (("pit", mask),), None, None)]
    output = turn(write(parts, tmp_path / "source"), tmp_path / format, format)
    mask[2, 3] = False
    with pytest.raises(AssertionError):
        check_objects(read(output), parts)
