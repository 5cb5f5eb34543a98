import numpy as np
import pytest

from flawsmith.segment.sham import SOFTEST, paste_sham

SHAPE = np.zeros((60, 60), bool)
SHAPE[20:40, 25:45] = True


def grain(seed: int, level: int, dtype: type = np.uint8) -> np.ndarray:
    scale = 1 if dtype is np.uint8 else 257
    values = np.random.default_rng(seed).normal(level, 6, (60, 60, 1)).clip(0, 255) * scale
    return values.astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_piece_is_inside_and_the_rest_keeps_its_bits(dtype: type) -> None:
    image, piece = grain(0, 120, dtype), grain(1, 120, dtype)
    after = paste_sham(image, piece, SHAPE, np.random.default_rng(0))
    assert after.dtype == dtype and (after[25:35, 30:40] != image[25:35, 30:40]).mean() > 0.8
    far = np.ones_like(SHAPE)
    reach = int(4 * SOFTEST) + 1
    far[20 - reach : 40 + reach, 25 - reach : 45 + reach] = False
    assert np.array_equal(after[far], image[far])


def test_the_piece_takes_on_the_light_of_the_part() -> None:
    image, piece = grain(0, 150), grain(1, 100)
    after = paste_sham(image, piece, SHAPE, np.random.default_rng(0)).astype(float)
    assert abs(after[SHAPE].mean() - 150) < 0.1 * 150
    dark = paste_sham(image, grain(1, 20), SHAPE, np.random.default_rng(0)).astype(float)
    assert dark[SHAPE].mean() < 100  # a dark rim does not become bright metal


def test_the_given_image_is_left_alone_and_no_shape_changes_nothing() -> None:
    image = grain(0, 120)
    kept = image.copy()
    paste_sham(image, grain(1, 120), SHAPE, np.random.default_rng(0))
    assert np.array_equal(image, kept)
    assert np.array_equal(paste_sham(image, grain(1, 120), np.zeros_like(SHAPE), np.random.default_rng(0)), image)


def test_a_shape_that_fills_the_image_is_no_trouble() -> None:
    assert paste_sham(grain(0, 120), grain(1, 120), np.ones_like(SHAPE), np.random.default_rng(0)).shape == (60, 60, 1)
