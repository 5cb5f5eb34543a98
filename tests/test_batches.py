"""The stream of patches: what is in a batch, where it is cut, and that it can be replayed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, example, given
from hypothesis.strategies import floats, integers
from PIL import Image

from flawsmith.data.augment import AugmentConfig
from flawsmith.data.record import Label, Record
from flawsmith.data.sample import Sample
from flawsmith.segment.batches import Batches, Kind, Pool, cut, inside, mirrored, near_defect, plan

PLAIN = AugmentConfig(False, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
CLASSES = ("pit", "scratch")
KINDS: tuple[Kind, ...] = ("real", "real", "synthetic", "synthetic", "good", "good", "good", "around")


def _record(folder: Path, name: str, level: int, defect: str | None = None, size: tuple[int, int] = (50, 40)) -> Record:
    """A part of one grey level on disk; its defect is the square 30:36, 4:10."""
    Image.fromarray(np.full(size, level, np.uint8)).save(folder / f"{name}.png")
    labels: tuple[Label, ...] = ()
    if defect:
        mask = np.zeros(size, bool)
        mask[30:36, 4:10] = True
        Image.fromarray(mask).save(folder / f"{name}-mask.png")
        labels = (Label(defect, folder / f"{name}-mask.png"),)
    return Record(f"{name}.png", folder / f"{name}.png", name, labels)


@pytest.fixture
def batches(tmp_path: Path) -> Batches:
    """Real parts have level 50, synthetic ones 150, good ones 250."""
    real = Pool([_record(tmp_path, f"r{i}", 50, CLASSES[i]) for i in range(2)], CLASSES)
    synthetic = Pool([_record(tmp_path, "s", 150, "pit")], CLASSES)
    good = Pool([_record(tmp_path, f"g{i}", 250) for i in range(3)], CLASSES)
    return Batches(real, synthetic, good, KINDS, 1, 24, 7, PLAIN)


def test_shares_of_a_batch() -> None:
    assert plan(8, 0.5, 0.25, real=9, synthetic=0, good=9) == ("real",) * 4 + ("good",) * 3 + ("around",)
    assert plan(12, 0.5, 1 / 3, 9, 500, 9) == ("real",) * 4 + ("synthetic",) * 2 + ("good",) * 5 + ("around",)
    assert plan(8, 0.5, 0.25, 0, 500, 9) == ("synthetic",) * 4 + ("good",) * 3 + ("around",)
    assert plan(8, 0.5, 0.25, 9, 0, 0) == ("real",) * 8
    assert plan(8, 0.5, 0.25, 9, 9, 0) == ("real",) * 6 + ("synthetic",) * 2


@example(batch=3, defects=0.5, painted=0.5, real=1, synthetic=1, good=0)  # three patches at a defect: two are real
@given(integers(2, 40), floats(0.05, 0.95), floats(0, 0.5), integers(0, 3), integers(0, 3), integers(0, 3))
def test_a_batch_is_full_and_painted_defects_never_swamp_real_ones(
    batch: int, defects: float, painted: float, real: int, synthetic: int, good: int
) -> None:
    kinds = plan(batch, defects, painted, real, synthetic, good)
    assume(real or synthetic)
    assert len(kinds) == batch
    if real:
        assert kinds.count("real") >= kinds.count("synthetic")
    for kind, there in (("real", real), ("synthetic", synthetic), ("good", good)):
        assert there or kind not in kinds
    alone = plan(batch, defects, painted, real, 0, good)
    assert not (real and good) or kinds.count("good") == alone.count("good")


def test_a_batch_holds_what_was_planned(batches: Batches) -> None:
    images, masks = batches.batch(0)
    assert images.shape == (8, 1, 24, 24) and masks.shape == (8, 2, 24, 24)
    levels = (images.mean((1, 2, 3)) * 255).round().int().tolist()
    assert levels == [50, 50, 150, 150, 250, 250, 250, 50]
    assert (masks[:4].sum((1, 2, 3)) > 0).all() and masks[4:7].sum() == 0


def test_item_depends_on_seed_and_index_alone(batches: Batches) -> None:
    alone = batches.item(13)
    whole = batches.batch(1)
    assert torch.equal(alone[0], whole[0][5])
    other = Batches(**{**vars(batches), "seed": 8})
    assert not torch.equal(other.batch(0)[1], batches.batch(0)[1])


def test_a_cache_without_room_changes_nothing(batches: Batches) -> None:
    frugal = Batches(**{**vars(batches), "real": Pool(batches.real.records, CLASSES, room=0)})
    assert torch.equal(frugal.batch(3)[0], batches.batch(3)[0])
    assert frugal.real.room == 0


def test_classes_come_equally_often_whatever_their_number(tmp_path: Path) -> None:
    records = [_record(tmp_path, f"p{i}", 9, "pit") for i in range(9)] + [_record(tmp_path, "s", 99, "scratch")]
    pool = Pool(records, CLASSES)
    seen = [near_defect(pool, 16, np.random.default_rng(i))[0].image[0, 0, 0] for i in range(200)]
    assert 60 < seen.count(99) < 140


def test_a_defect_patch_shows_the_defect(batches: Batches) -> None:
    for i in range(40):
        sample, middle = near_defect(batches.real, 16, np.random.default_rng(i))
        assert cut(sample, middle, 16)[1].any()


def test_a_patch_stays_inside_where_it_can() -> None:
    assert inside((0, 99), (50, 60), 20) == (10, 50)
    assert inside((0, 99), (10, 60), 21) == (5, 49)


def test_mirroring_agrees_with_numpy() -> None:
    line = np.arange(7)
    assert line[mirrored(-5, 17, 7)].tolist() == np.pad(line, 5, mode="reflect").tolist()
    assert mirrored(-30, 100, 7).max() == 6 and mirrored(-3, 9, 1).tolist() == [0] * 9


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_images_smaller_than_the_patch_are_mirrored(dtype: type) -> None:
    image = np.arange(5 * 4 * 3, dtype=dtype).reshape(5, 4, 3)
    sample = Sample(image, image[None, ..., 0] > 20)
    window, masks = cut(sample, (2, 2), 12)
    assert window.shape == (12, 12, 3) and masks.shape == (1, 12, 12) and window.dtype == dtype
    assert np.array_equal(window[4:9, 4:8], image)
    assert np.array_equal(masks[0], window[..., 0] > 20)


def test_good_parts_hold_no_masks_in_memory(batches: Batches) -> None:
    masks = batches.good.sample(0).masks
    assert masks.shape == (2, 50, 40) and masks.strides == (0, 0, 0) and not masks.any()


def test_half_of_the_good_patches_show_hard_spots(tmp_path: Path, batches: Batches) -> None:
    image = np.zeros((400, 400), np.uint8)
    image[300, 20] = 255
    Image.fromarray(image).save(tmp_path / "hard.png")
    good = Pool([Record("hard.png", tmp_path / "hard.png", "hard")], CLASSES)
    mined = replace(batches, good=good, hard=((0, 300, 20),))
    shown = [
        bool(mined.item(index)[0].max() > 0.9) for index in range(400) if mined.kinds[index % len(KINDS)] == "good"
    ]
    assert 0.35 < np.mean(shown) < 0.65
    assert all(torch.equal(mined.item(5)[k], mined.item(5)[k]) for k in range(2))
