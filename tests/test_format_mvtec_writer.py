"""The MVTec AD tree: a class an image, masks of 0 and 255, no part in both train and test, and anomalib's order."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from flawsmith.data.errors import UsageError
from flawsmith.data.formats.mvtec import MvtecWriter, is_mvtec, scan
from flawsmith.data.formats.picture import Instance, Picture
from flawsmith.data.geometry.patch import Patch
from flawsmith.data.resolve import resolve
from flawsmith.data.sample import load

SIZE = 12, 18  # H, W
CLASSES = ("pit", "scratch")
Box = tuple[str, int, int, int, int]


def picture(root: Path, name: str, boxes: list[Box], group: str = "") -> Picture:
    """A picture with boxes, whose image file is its own."""
    source = root / "source" / name
    source.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((*SIZE, 3), len(name), np.uint8)).save(source)
    masks = []
    for defect, top, left, high, wide in boxes:
        mask = np.zeros(SIZE, bool)
        mask[top : top + high, left : left + wide] = True
        masks.append(Instance(defect, Patch.of(mask)))
    return Picture(name, source, *SIZE, tuple(masks), group, None)


def written(root: Path, pictures: list[Picture]) -> tuple[Path, dict[str, str], list[list[float]]]:
    """The folder, where each picture is, and what each add() returned."""
    output = root / "out"
    output.mkdir()
    writer = MvtecWriter(output, CLASSES)
    ious = [writer.add(one) for one in pictures]
    writer.close()
    return output, writer.images, ious


PIT: Box = ("pit", 1, 1, 3, 4)
FAR: Box = ("pit", 7, 9, 2, 5)
SCRATCH: Box = ("scratch", 5, 2, 1, 6)


def test_the_tree(tmp_path: Path) -> None:
    output, images, ious = written(
        tmp_path,
        [
            picture(tmp_path, "a.png", []),
            picture(tmp_path, "line 2/a.png", [PIT, FAR]),
            picture(tmp_path, "line 2_a.jpg", [SCRATCH]),
            picture(tmp_path, "b.c.png", [PIT, SCRATCH]),
        ],
    )
    assert {path.relative_to(output).as_posix() for path in output.rglob("*.*")} == {
        "train/good/000003_a.png",
        "test/pit/000000_line 2_a.png",
        "ground_truth/pit/000000_line 2_a_mask.png",
        "test/scratch/000001_line 2_a_2.jpg",
        "ground_truth/scratch/000001_line 2_a_2_mask.png",
        "test/combined/000002_b_c.png",
        "ground_truth/combined/000002_b_c_mask.png",
    }
    assert images["line 2/a.png"] == "test/pit/000000_line 2_a.png"
    assert (output / images["line 2_a.jpg"]).read_bytes() == (tmp_path / "source" / "line 2_a.jpg").read_bytes()
    assert ious == [[], [1.0, 1.0], [1.0], [12 / 18, 6 / 18]]
    with Image.open(output / "ground_truth/combined/000002_b_c_mask.png") as mask:
        assert mask.mode == "L" and mask.size == SIZE[::-1]
        values = np.asarray(mask)
    assert set(np.unique(values)) == {0, 255} and (values > 0).sum() == 18


BOXES = st.lists(
    st.tuples(st.sampled_from(CLASSES), st.integers(0, 9), st.integers(0, 15), st.integers(1, 6), st.integers(1, 6)),
    max_size=4,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(all_boxes=st.lists(BOXES, min_size=1, max_size=4))
def test_class_masks_come_back_pixel_by_pixel(tmp_path: Path, all_boxes: list[list[Box]]) -> None:
    root = tmp_path / str(len(list(tmp_path.iterdir())))
    pictures = [picture(root, f"part{number}.png", boxes) for number, boxes in enumerate(all_boxes)]
    output, images, ious = written(root, pictures)
    dataset, _, problems = resolve(scan(output))
    assert is_mvtec(output)
    assert not [one for one in problems if "whole image" not in one.what]
    records = {record.name: record for record in dataset.records}
    assert records.keys() == set(images.values())
    for one, kept in zip(pictures, ious, strict=True):
        names = {instance.defect for instance in one.instances}
        record = records[images[one.name]]
        want = np.zeros(SIZE, bool)
        for instance in one.instances:
            instance.patch.onto(want)
        assert set(record.defects) == (names if len(names) < 2 else {"combined"})
        if names:
            assert (load(record, record.defects).masks[0] == want).all()
        assert len(kept) == len(one.instances) and all(0 < share <= 1 for share in kept)


def test_objects_that_touch_are_one_and_told_so(tmp_path: Path) -> None:
    boxes: list[Box] = [("pit", 1, 1, 3, 4), ("pit", 4, 5, 2, 2), ("pit", 9, 12, 1, 5)]  # the first two by a corner
    _, _, ious = written(tmp_path, [picture(tmp_path, "a.png", boxes)])
    assert ious == [[12 / 16, 4 / 16, 1.0]]


def test_parts_of_one_object_are_kept_together(tmp_path: Path) -> None:
    mask = np.zeros(SIZE, bool)
    mask[0, 0] = mask[8:10, 8:10] = True
    one = picture(tmp_path, "a.png", [])
    one = Picture(one.name, one.source, *SIZE, (Instance("pit", Patch.of(mask)),), "", None)
    assert written(tmp_path, [one])[2] == [[1.0]]


def test_no_group_is_in_train_and_test(tmp_path: Path) -> None:
    pictures = [picture(tmp_path, f"good{number}.png", [], f"part{number // 2}") for number in range(24)]
    pictures.insert(20, picture(tmp_path, "bad.png", [PIT], "part0"))
    _, images, _ = written(tmp_path, pictures)
    groups: dict[str, set[str]] = {}
    for one in pictures:
        groups.setdefault(one.group, set()).add(images[one.name].split("/")[0])
    assert all(len(parts) == 1 for parts in groups.values())
    assert sorted(group for group, parts in groups.items() if parts == {"test"}) == ["part0", "part2", "part7"]


def test_without_groups_each_image_is_its_own(tmp_path: Path) -> None:
    pictures = [picture(tmp_path, f"{number}.png", [PIT] if number == 0 else []) for number in range(8)]
    _, images, _ = written(tmp_path, pictures)
    assert [name for name, place in images.items() if place.startswith("test/good")] == ["2.png", "7.png"]


@pytest.mark.parametrize("boxes", [[], [PIT]])
def test_a_set_of_one_kind_is_still_such_a_tree(tmp_path: Path, boxes: list[Box]) -> None:
    output, _, _ = written(tmp_path, [picture(tmp_path, "a.png", boxes)])
    assert is_mvtec(output) and not scan(output).problems and len(scan(output).rows) == 1


def test_images_and_masks_sort_alike(tmp_path: Path) -> None:
    """As anomalib 2.7 pairs them: both lists sorted by path, then the image's stem must be in the mask's."""
    names = ["part1.png", "part10.png", "part1_b.png", "part1B.png", "part1-2.png", "part.png"]
    output, _, _ = written(tmp_path, [picture(tmp_path, name, [PIT]) for name in names])
    images = sorted(str(path) for path in (output / "test").rglob("*.png"))
    masks = sorted(str(path) for path in (output / "ground_truth").rglob("*.png"))
    assert [f"{Path(image).stem}_mask" for image in images] == [Path(mask).stem for mask in masks]
    assert sorted(names) != [
        f"{stem}.png" for stem in sorted(f"{name[:-4]}_mask" for name in names)
    ]  # bare, they do not


@pytest.mark.parametrize("name", ["good", "Good", "ground_truth", ".pit"])
def test_names_that_the_layout_takes(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="rename"):
        MvtecWriter(tmp_path, ["pit", name])


def test_a_class_called_combined(tmp_path: Path) -> None:
    writer = MvtecWriter(tmp_path, ["pit", "combined"])
    writer.add(picture(tmp_path, "a.png", [PIT, ("combined", 8, 8, 2, 2)]))
    writer.close()
    assert writer.images == {"a.png": "test/combined_/000000_a.png"}
