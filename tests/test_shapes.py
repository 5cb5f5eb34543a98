import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy import ndimage

from flawsmith.gan.bank import Bank
from flawsmith.gan.canvas import PAD, ShapeParams
from flawsmith.gan.instance import Healed
from flawsmith.gan.shapes import LARGEST, SMALLEST, crop, draw_shape, flip, sample_shape, source_coordinates

SIZE = (220, 260)
SAME = ShapeParams(0, 0, 0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0, False, False)
EIGHT = np.ones((3, 3), bool)


def bank_of(*masks: np.ndarray) -> Bank:
    """A bank of one class with these masks."""
    image = (0.5 + np.random.default_rng(0).normal(0, 0.02, (*SIZE, 1))).astype(np.float32)
    found = [one for mask in masks for one in Healed(image, image, "a.png", "a").instances(mask, 0)]
    return Bank(tuple(found), ("pit",), 1, 255)


def disc(row: int, column: int, radius: float) -> np.ndarray:
    y, x = np.ogrid[: SIZE[0], : SIZE[1]]
    return np.asarray((y - row) ** 2 + (x - column) ** 2 <= radius**2)


def crack(top: int = 40, length: int = 120) -> np.ndarray:
    """A winding line, 2 px wide."""
    mask = np.zeros(SIZE, bool)
    for row in range(length):
        column = 120 + round(12 * np.sin(row / 18))
        mask[top + row, column : column + 2] = True
    return mask


def tight(mask: np.ndarray) -> np.ndarray:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


BLOBS = bank_of(disc(100, 60, 12), disc(100, 130, 10), disc(100, 200, 2.5))


@pytest.mark.parametrize("mask", [disc(100, 100, 12), disc(100, 100, 1.5), crack(), crack(0), disc(100, 259, 9)])
def test_no_change_draws_the_real_mask(mask: np.ndarray) -> None:
    assert np.array_equal(draw_shape(SAME, bank_of(mask)).mask, tight(mask))


@pytest.mark.parametrize("seed", range(12))
def test_the_same_parameters_draw_the_same_shape_after_json(seed: int) -> None:
    params = sample_shape(BLOBS, 0, np.random.default_rng(seed))
    again = ShapeParams.from_json(json.loads(json.dumps(asdict(params))))
    assert again == params and np.array_equal(draw_shape(again, BLOBS).mask, draw_shape(params, BLOBS).mask)


def test_the_same_generator_draws_the_same_parameters() -> None:
    first, second = (sample_shape(BLOBS, 0, np.random.default_rng(5)) for _ in range(2))
    assert first == second != sample_shape(BLOBS, 0, np.random.default_rng(6))


def test_shapes_differ_and_their_areas_stay_within_what_was_seen() -> None:
    random = np.random.default_rng(0)
    shapes = [draw_shape(sample_shape(BLOBS, 0, random), BLOBS).mask for _ in range(60)]
    areas = np.array([shape.sum() for shape in shapes])
    seen = [one.area for one in BLOBS.instances]
    assert areas.min() >= SMALLEST * min(seen) - 2 and areas.max() <= LARGEST * max(seen) + 2
    assert len({shape.tobytes() for shape in shapes}) > 40


@pytest.mark.parametrize("seed", range(20))
def test_a_thin_crack_stays_in_one_piece_and_thin(seed: int) -> None:
    bank = bank_of(crack())
    shape = draw_shape(sample_shape(bank, 0, np.random.default_rng(seed)), bank).mask
    assert ndimage.label(shape, EIGHT)[1] == 1
    assert ndimage.distance_transform_edt(np.pad(shape, 1)).max() < 3.5 and max(shape.shape) > 80


@pytest.mark.parametrize("seed", range(10))
def test_small_blobs_stay_blobs(seed: int) -> None:
    bank = bank_of(disc(100, 100, 2.5))
    shape = draw_shape(sample_shape(bank, 0, np.random.default_rng(seed)), bank).mask
    assert shape.mean() > 0.5 and max(shape.shape) <= 2 * min(shape.shape)


@pytest.mark.parametrize("seed", range(10))
def test_a_mask_that_touched_the_border_ends_in_it(seed: int) -> None:
    bank = bank_of(crack(0))
    shape = draw_shape(sample_shape(bank, 0, np.random.default_rng(seed)), bank)
    top, right, bottom, left = shape.touches
    assert top != bottom and not (right or left)
    assert shape.mask[0 if top else -1].any()


def test_scaling_scales_the_area() -> None:
    areas = [draw_shape(replace(SAME, scale=scale), BLOBS).mask.sum() for scale in (0.8, 1.0, 1.25)]
    assert areas == pytest.approx([0.64 * areas[1], areas[1], 1.5625 * areas[1]], rel=0.03)


def test_a_blend_lies_between_the_two() -> None:
    wide = np.zeros(SIZE, bool)
    wide[95:105, 30:70] = True
    tall = np.zeros(SIZE, bool)
    tall[80:120, 150:160] = True
    bank = bank_of(wide, tall)
    height, width = draw_shape(replace(SAME, second=1, weight=0.5), bank).mask.shape
    assert 10 < height < 40 and 10 < width < 40


def test_mirroring_twice_is_no_change_and_moves_the_touched_side() -> None:
    bank = bank_of(crack(0))
    shape = draw_shape(SAME, bank)
    mirrored = flip(shape, True, False)
    assert mirrored.touches == (False, False, True, False)
    assert np.array_equal(flip(mirrored, True, False).mask, shape.mask)
    assert np.array_equal(draw_shape(mirrored.params, bank).mask, mirrored.mask)


def test_a_cropped_shape_is_drawn_again_from_its_parameters() -> None:
    part = crop(crop(flip(draw_shape(SAME, BLOBS), False, True), 2, 3, 15, 14), 1, 1, 9, 8)
    assert part.mask.shape == (9, 8)
    assert np.array_equal(draw_shape(part.params, BLOBS).mask, part.mask)
    with pytest.raises(ValueError, match="before"):
        flip(part, True, False)


def test_without_a_change_pixels_come_from_where_they_were() -> None:
    one = BLOBS.instances[0]
    rows, columns = source_coordinates(SAME, BLOBS)
    box = np.flatnonzero(one.mask.any(1))[0], np.flatnonzero(one.mask.any(0))[0]
    assert np.allclose(rows[PAD:-PAD, PAD], box[0] + np.arange(rows.shape[0] - 2 * PAD), atol=0.6)
    assert np.allclose(columns[PAD, PAD:-PAD], box[1] + np.arange(columns.shape[1] - 2 * PAD), atol=0.6)


@pytest.mark.parametrize("seed", range(10))
def test_pixels_of_the_shape_come_from_within_the_defect(seed: int) -> None:
    params = sample_shape(BLOBS, 0, np.random.default_rng(seed))
    shape, source = draw_shape(params, BLOBS), source_coordinates(params, BLOBS)
    inside = source[:, PAD:-PAD, PAD:-PAD][:, shape.mask]
    mask = BLOBS.instances[params.first].mask
    hit = mask[tuple(np.rint(inside).astype(int))]
    assert source.shape[1:] == tuple(length + 2 * PAD for length in shape.mask.shape)
    assert hit.mean() > 0.85


def test_a_class_that_leans_is_not_mirrored() -> None:
    masks = []
    for k in range(4):
        mask = np.zeros(SIZE, bool)
        for row in range(30 + 2 * k):
            mask[80 + row, 60 + row : 66 + row] = True
        masks.append(mask)
    bank = bank_of(*masks)
    assert bank.aligned == ((True, True),)
    random = np.random.default_rng(0)
    assert not any(p.flip_rows or p.flip_columns for p in (sample_shape(bank, 0, random) for _ in range(20)))
