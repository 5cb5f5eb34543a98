"""Splits: whole groups, every class on both sides, and no way for a test image into anything that learns."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.files import read_json, write_json
from flawsmith.data.record import DataSet, Label, Record
from flawsmith.data.split import Split, make_split


def picture(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 16)).astype(np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((64, 48), Image.Resampling.BICUBIC))


def folder(root: Path, groups: int = 8, each: int = 3) -> DataSet:
    """`groups` parts of `each` photographs: a good one, then pits and, on every other part, scratches."""
    (root / "images").mkdir(parents=True)
    records = []
    for group in range(groups):
        for i in range(each):
            name = f"images/{group}_{i}.png"
            Image.fromarray(picture(100 * group + i)).save(root / name)
            defects = [["pit"], ["scratch" if group % 2 else "pit"]][i - 1] if i else []
            labels = tuple(Label(defect, root / "mask.png") for defect in defects)
            records.append(Record(name, root / name, f"part {group}", labels))
    return DataSet(root, tuple(records), ("pit", "scratch"), True)


@pytest.fixture
def dataset(tmp_path: Path) -> DataSet:
    return folder(tmp_path / "data")


def test_groups_stay_whole_and_every_class_is_on_both_sides(dataset: DataSet) -> None:
    for seed in range(4):
        split = make_split(dataset, 0.5, seed)
        pool, test = split.pool(dataset), split.test(dataset)
        assert {record.name for record in pool + test} == {record.name for record in dataset.records}
        assert not {record.group for record in pool} & {record.group for record in test}
        for part in (pool, test):
            assert {defect for record in part for defect in record.defects} == {"pit", "scratch"}
            assert any(record.good for record in part)
            assert len(part) == 12
        assert split.note == ""


def test_a_split_is_a_function_of_the_images_and_the_seed(dataset: DataSet) -> None:
    shuffled = replace(dataset, records=dataset.records[::-1])
    assert make_split(dataset, 0.5, 1) == make_split(shuffled, 0.5, 1)
    assert len({make_split(dataset, 0.5, seed).images for seed in range(4)}) > 1


def test_a_split_survives_its_file(dataset: DataSet, tmp_path: Path) -> None:
    split = make_split(dataset, 0.3, 5)
    split.save(tmp_path / "split.json")
    assert Split.load(tmp_path / "split.json") == split
    assert (tmp_path / "split.json").stat().st_size < 2000 * len(split.images)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, 1.5, float("nan")])
def test_a_share_outside_0_and_1_is_refused(dataset: DataSet, share: float) -> None:
    with pytest.raises(UsageError, match="--test"):
        make_split(dataset, share)


def test_a_class_of_one_group_goes_to_the_pool_and_it_is_said(dataset: DataSet) -> None:
    records = list(dataset.records)
    records[1] = replace(records[1], labels=(Label("rare", dataset.root / "mask.png"),))
    rare = replace(dataset, records=tuple(records), classes=("pit", "rare", "scratch"))
    for seed in range(4):
        split = make_split(rare, 0.5, seed)
        assert "No image of rare is in the test part" in split.note
        assert any("rare" in record.defects for record in split.pool(rare))


def test_nothing_to_test_is_refused(dataset: DataSet) -> None:
    one = replace(dataset, records=tuple(replace(record, group="one") for record in dataset.records))
    with pytest.raises(UserError, match="test part needs a defect"):
        make_split(one)
    with pytest.raises(UserError, match="needs a defect"):
        make_split(replace(dataset, records=dataset.good))


def copy_across(dataset: DataSet) -> DataSet:
    """Another group's second image becomes a mirrored JPEG of part 0's second image."""
    path = dataset.root / "images" / "copy.jpg"
    Image.open(dataset.records[1].image).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(path, quality=75)
    copied = replace(dataset.records[10], name="images/copy.jpg", image=path)
    return replace(dataset, records=(*dataset.records[:10], copied, *dataset.records[11:]))


def test_near_duplicates_in_different_groups_are_kept_on_one_side_and_told(dataset: DataSet) -> None:
    dataset = copy_across(dataset)
    for seed in range(6):
        split = make_split(dataset, 0.5, seed)
        parts = {entry.name: entry.part for entry in split.images}
        assert parts["images/copy.jpg"] == parts["images/0_1.png"]
        assert "near-duplicate pair(s) belong to different groups" in split.note


def test_without_groups_near_duplicates_are_groups(dataset: DataSet) -> None:
    loose = copy_across(dataset)
    records = tuple(replace(record, group=record.name) for record in loose.records)
    loose = replace(loose, records=records, grouped=False)
    split = make_split(loose, 0.5, 0)
    group = {entry.name: entry.group for entry in split.images}
    assert "No groups are given" in split.note
    assert group["images/copy.jpg"] == group["images/0_1.png"]
    assert len(set(group.values())) == len(records) - 1
    assert {record.group for record in split.pool(loose)} <= set(group.values())


def test_new_changed_and_missing_images_are_refused(dataset: DataSet) -> None:
    split = make_split(dataset)
    pool = split.pool(dataset)
    assert split.pool(replace(dataset, records=pool)) == pool  # the test part need not be there to learn
    with pytest.raises(UserError, match="test part is missing"):
        split.test(replace(dataset, records=pool))
    extra = dataset.root / "images" / "new.png"
    Image.fromarray(picture(999)).save(extra)
    with pytest.raises(UserError, match=r"new\.png"):
        split.pool(replace(dataset, records=(*dataset.records, Record("images/new.png", extra, "g"))))
    Image.fromarray(picture(998)).save(pool[0].image)
    for part in (split.pool, split.test):
        with pytest.raises(UserError, match="must not change"):
            part(dataset)


def stranger(root: Path, name: str) -> Record:
    return Record(name, root / name, "elsewhere")


def test_the_pool_is_allowed_and_not_even_opened(dataset: DataSet, monkeypatch: pytest.MonkeyPatch) -> None:
    split = make_split(dataset)

    def forbidden(path: Path) -> None:
        raise AssertionError(path)

    monkeypatch.setattr("flawsmith.data.split.read_image", forbidden)
    split.refuse_test(split.pool(dataset))


def test_a_test_file_is_refused_under_any_name(dataset: DataSet, tmp_path: Path) -> None:
    split = make_split(dataset)
    victim = split.test(dataset)[2]
    with pytest.raises(UserError, match="the same file"):
        split.refuse_test([*split.pool(dataset), victim])
    shutil.copy(victim.image, tmp_path / "innocent.png")
    with pytest.raises(UserError, match=rf"innocent\.png.*{victim.name}"):
        split.refuse_test([stranger(tmp_path, "innocent.png")])


@pytest.mark.parametrize("turn", [None, *Image.Transpose])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp"])
def test_a_turned_and_resaved_test_image_is_refused(
    dataset: DataSet, tmp_path: Path, turn: Image.Transpose | None, suffix: str
) -> None:
    split = make_split(dataset)
    victim = split.test(dataset)[4]
    image = Image.open(victim.image)
    image = image if turn is None else image.transpose(turn)
    image.convert("RGB").save(tmp_path / f"other{suffix}", **({"quality": 75} if suffix in (".jpg", ".webp") else {}))
    with pytest.raises(UserError, match=rf"copy as {victim.name}"):
        split.refuse_test([stranger(tmp_path, f"other{suffix}")])


def test_copies_of_pool_images_and_other_parts_are_allowed(dataset: DataSet, tmp_path: Path) -> None:
    split = make_split(dataset)
    Image.open(split.pool(dataset)[0].image).save(tmp_path / "copy.jpg", quality=80)
    Image.fromarray(picture(12345)).save(tmp_path / "new.png")
    split.refuse_test([stranger(tmp_path, "copy.jpg"), stranger(tmp_path, "new.png")])


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: [],
        lambda content: content | {"version": 99},
        lambda content: content | {"images": 3},
        lambda content: content | {"images": [{"name": "a"}]},
        lambda content: content | {"images": [content["images"][0] | {"part": "train"}]},
        lambda content: content | {"images": [content["images"][0] | {"fingerprint": "AAAA"}]},
        lambda content: content | {"images": [content["images"][0] | {"sha256": None}]},
        lambda content: content | {"images": content["images"][:1] * 2},
        lambda content: {key: value for key, value in content.items() if key != "seed"},
    ],
)
def test_a_damaged_split_file_is_refused(dataset: DataSet, tmp_path: Path, damage: object) -> None:
    path = tmp_path / "split.json"
    make_split(dataset).save(path)
    assert callable(damage)
    write_json(path, damage(read_json(path)))
    with pytest.raises(UserError, match=r"split\.json"):
        Split.load(path)
