from dataclasses import replace

import numpy as np
import pytest
import torch

from flawsmith.data.image import read_image
from flawsmith.data.select import Selection
from flawsmith.gan import patches
from flawsmith.gan.bank import Bank
from flawsmith.gan.patches import BlankPatches, RealPatches, View, window


def test_a_neutral_view_is_the_photograph_itself(bank: Bank) -> None:
    instance = bank.instances[0]
    height, width = instance.mask.shape
    side = min(height, width) // 8 * 8
    view = View(0, side / 2, side / 2, 1.0, 0.0, False)
    image, healed, mask = RealPatches(bank, side, 0).apply(view)
    assert np.allclose(image.numpy().transpose(1, 2, 0), instance.image[:side, :side], atol=1e-4)
    assert np.allclose(healed.numpy().transpose(1, 2, 0), instance.healed[:side, :side], atol=1e-4)
    assert np.array_equal(mask[0].numpy() > 0, instance.mask[:side, :side])


def test_every_view_shows_its_defect_and_masks_are_boolean(bank: Bank) -> None:
    reals = RealPatches(bank, 64, 0)
    for step in range(20):
        real = reals.batch(step, 4)
        assert real.mask.sum((1, 2, 3)).min() > 10 and set(real.mask.unique().tolist()) == {0.0, 1.0}
        assert sorted(real.defect.tolist()) == [0, 0, 1, 1]


def test_a_step_depends_on_seed_and_number_alone(bank: Bank) -> None:
    first, second = RealPatches(bank, 64, 5), RealPatches(bank, 64, 5)
    first.batch(0, 4)
    assert torch.equal(first.batch(7, 4).image, second.batch(7, 4).image)
    assert not torch.equal(first.batch(7, 4).image, RealPatches(bank, 64, 6).batch(7, 4).image)


def test_blank_patches_are_clean_and_hold_a_shape_of_the_class(bank: Bank, selection: Selection) -> None:
    blanks = BlankPatches(bank, selection.good, 64, 8, 0)
    blank = blanks.batch(3, torch.tensor([0, 1, 1]))
    assert blank.clean.shape == (3, 1, 64, 64) and blank.mask.sum((1, 2, 3)).min() > 10
    assert blank.defect.tolist() == [0, 1, 1]


def test_good_parts_are_read_one_after_the_other(
    bank: Bank, selection: Selection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a camera's full size take long to read; which one a place is on depends on seed and number alone."""
    read: list[object] = []

    def reading(path: object) -> np.ndarray:
        read.append(path)
        return read_image(path)  # type: ignore[arg-type]

    monkeypatch.setattr(patches, "read_image", reading)
    few = BlankPatches(bank, selection.good, 64, 8, 0)
    read.clear()
    many = BlankPatches(bank, selection.good, 64, 40, 0)
    assert len(read) <= 2 * len(selection.good) < 40, "forty places: each part once, and a few for second tries"
    for defect, places in few.of_class.items():
        for (both, mask), (same, mask_too) in zip(places, many.of_class[defect], strict=False):
            assert np.array_equal(both, same) and np.array_equal(mask, mask_too)


def test_a_class_that_fits_on_no_good_part_is_painted_where_it_was(bank: Bank, selection: Selection) -> None:
    only = replace(bank, instances=tuple(one for one in bank.instances if one.defect == 0))
    blanks = BlankPatches(only, selection.good, 64, 0, 0)
    assert blanks.batch(0, torch.tensor([0])).mask.sum() > 10


@pytest.mark.parametrize("size", [(200, 150), (40, 300), (20, 20)])
def test_a_window_has_the_patch_size_and_keeps_its_pixel(size: tuple[int, int]) -> None:
    clean, mask = np.random.default_rng(0).random((*size, 1)).astype(np.float32), np.zeros(size, bool)
    mask[size[0] - 2, 3] = True
    patch, inside = window(clean, mask, size[0] - 2, 3, 64)
    assert patch.shape == (64, 64, 1) and inside.shape == (64, 64) and inside.any()
    assert clean[mask][0] in patch[inside]
