import numpy as np
import pytest
from scipy import ndimage

from flawsmith.gan.region import bounding_box, brightness, fragments, grow, reduced


def two_squares(gap: int) -> np.ndarray:
    mask = np.zeros((30, 40), bool)
    mask[10:15, 5:10] = mask[10:15, 10 + gap : 15 + gap] = True
    return mask


def test_a_box_is_tight_and_stays_in_the_image() -> None:
    mask = two_squares(4)
    assert bounding_box(mask) == (10, 5, 15, 19)
    assert bounding_box(mask, 8) == (2, 0, 23, 27)


def test_an_empty_mask_has_no_box() -> None:
    with pytest.raises(ValueError, match="empty"):
        bounding_box(np.zeros((4, 4), bool))


@pytest.mark.parametrize("radius", [0, 1, 2.5, 6])
def test_growing_is_the_distance_transform_of_the_whole_image(radius: float) -> None:
    mask = two_squares(3)
    assert np.array_equal(grow(mask, radius), ndimage.distance_transform_edt(~mask) <= radius)


def test_near_fragments_belong_together_and_far_ones_do_not() -> None:
    assert len(fragments(two_squares(6), 8)) == 1
    assert len(fragments(two_squares(12), 8)) == 2


def test_fragments_share_out_the_mask() -> None:
    mask = two_squares(12)
    assert np.array_equal(np.sum(fragments(mask, 8), axis=0), mask)


def test_reducing_takes_block_means() -> None:
    values = np.random.default_rng(0).random((13, 17)).astype(np.float32)
    assert np.allclose(reduced(values, 3), values[:12, :15].reshape(4, 3, 5, 3).mean((1, 3)))


def test_brightness_is_the_mean_of_the_channels() -> None:
    image = np.random.default_rng(0).random((5, 6, 3)).astype(np.float32)
    assert np.allclose(brightness(image), image.mean(2)) and np.array_equal(brightness(image[..., :1]), image[..., 0])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_brightness_of_whole_numbers_is_that_of_their_colours_in_0_to_1(dtype: type, channels: int) -> None:
    top = np.iinfo(dtype).max
    image = np.random.default_rng(0).integers(0, top + 1, (5, 6, channels)).astype(dtype)
    assert np.allclose(brightness(image), image[..., :3].mean(2) / top, atol=1e-6)
