"""What learning commands see: the pool, the drawn defects of the chosen classes, never a test image."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.read import read
from flawsmith.data.select import select
from flawsmith.data.select import test_records as judged
from flawsmith.data.split import Split, make_split

CLASSES = ("pit", "scratch")


def write(root: Path, good: int = 1, defects: tuple[str, ...] = CLASSES, groups: int = 6) -> Path:
    """A folder with manifest.csv: on each of the parts `good` good images and one of each defect."""
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    rows = ["image,mask,class,group"]
    for group in range(groups):
        for i, defect in enumerate((*["good"] * good, *defects)):
            name = f"{group}_{i}.png"
            coarse = np.random.default_rng(100 * group + i).integers(0, 256, (12, 16)).astype(np.uint8)
            Image.fromarray(coarse).resize((64, 48), Image.Resampling.BICUBIC).save(root / "images" / name)
            if defect != "good":
                mask = np.zeros((48, 64), bool)
                mask[10:20, 20:30] = True
                Image.fromarray(mask).save(root / "masks" / name)
            rows.append(f"images/{name},{'' if defect == 'good' else f'masks/{name}'},{defect},part{group}")
    (root / "manifest.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "data")


@pytest.fixture
def split(root: Path, tmp_path: Path) -> Path:
    make_split(read(root), 0.5, 0).save(tmp_path / "split.json")
    return tmp_path / "split.json"


def test_without_a_split_everything_is_learned_from(root: Path) -> None:
    found = select(root)
    assert found.classes == CLASSES
    assert len(found.good) == 6
    assert len(found.defects) == 12
    assert len(judged(root)) == 18


def test_with_a_split_only_its_pool_is_seen_and_only_its_test_part_judged(root: Path, split: Path) -> None:
    found = select(root, split)
    test = {entry.name for entry in Split.load(split).images if entry.part == "test"}
    assert test == {record.name for record in judged(root, split)}
    assert len(test) == 9
    assert not test & {record.name for record in (*found.dataset.records, *found.defects, *found.good)}


def test_real_draws_so_many_of_each_class(root: Path, split: Path) -> None:
    found = select(root, split, real=2)
    assert [sum(name in record.defects for record in found.defects) for name in CLASSES] == [2, 2]
    assert set(select(root, split, real=1).defects) <= set(found.defects)


def test_other_defects_are_left_out_and_never_good(root: Path) -> None:
    found = select(root, classes=["scratch"])
    assert {defect for record in found.defects for defect in record.defects} == {"scratch"}
    assert all(record.good for record in found.good)
    assert len(found.good) == 6
    assert len(judged(root, classes=["scratch"])) == 12


def test_classes_keep_the_order_asked_for(root: Path) -> None:
    assert select(root, classes=["scratch", "pit", "scratch"]).classes == ("scratch", "pit")


@pytest.mark.parametrize("classes", [["dent"], []])
def test_an_unknown_class_is_refused_with_those_there_are(root: Path, classes: list[str]) -> None:
    for call in (select, judged):
        with pytest.raises(UsageError, match="--classes"):
            call(root, classes=classes)
    with pytest.raises(UsageError, match="pit, scratch"):
        select(root, classes=["dent"])


def test_no_good_images_and_no_defects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="good images"):
        select(write(tmp_path / "bad", good=0))
    with pytest.raises(UserError, match="defect image"):
        select(write(tmp_path / "good", defects=()))
    with pytest.raises(UserError, match="defect image"):
        judged(tmp_path / "good")


def test_a_test_image_slipped_into_the_pool_is_refused(root: Path, split: Path) -> None:
    entries = {entry.part: root / entry.name for entry in Split.load(split).images}
    Image.open(entries["test"]).transpose(Image.Transpose.ROTATE_180).save(entries["pool"])
    with pytest.raises(UserError, match="must not change"):
        select(root, split)


def test_a_renamed_test_image_is_refused(root: Path, split: Path) -> None:
    test = next(entry for entry in Split.load(split).images if entry.part == "test")
    Image.open(root / test.name).transpose(Image.Transpose.FLIP_TOP_BOTTOM).save(root / "images" / "new.png")
    with (root / "manifest.csv").open("a", encoding="utf-8") as manifest:
        manifest.write("images/new.png,,good,part99\n")
    with pytest.raises(UserError, match=r"new\.png"):
        select(root, split)


def test_good_parts_alone_are_enough_beside_painted_ones(tmp_path: Path) -> None:
    root = write(tmp_path / "data", defects=())
    found = select(root, painted=CLASSES)
    assert (found.defects, len(found.good), found.classes) == ((), 6, CLASSES)
    assert select(root, painted=CLASSES, classes=("pit",)).classes == ("pit",)
    with pytest.raises(UsageError, match=r"--classes: .* holds pit, scratch; found rust"):
        select(root, painted=CLASSES, classes=("rust",))
    for options in ({}, {"painted": CLASSES, "real": 2}):
        with pytest.raises(UserError, match="at least one defect image is needed"):
            select(root, **options)  # type: ignore[arg-type]


def test_what_is_painted_changes_nothing_where_there_are_real_defects(root: Path) -> None:
    assert select(root, real=2, painted=("rust",)) == select(root, real=2)
