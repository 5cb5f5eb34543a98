import numpy as np
import pytest
from scipy import ndimage

from flawsmith.gan.blend import composite, feather, poisson

RNG = np.random.default_rng(0)
Y, X = np.mgrid[:24, :30].astype(np.float32) / 30


def picture(channels: int = 2) -> np.ndarray:
    return RNG.random((24, 30, channels)).astype(np.float32)


def disc(radius: int = 6) -> np.ndarray:
    return np.hypot(*np.mgrid[-12:12, -15:15]) <= radius


def test_pixels_outside_the_mask_keep_their_bits() -> None:
    target, mask = picture(), disc()
    assert np.array_equal(poisson(picture(), target, mask)[~mask], target[~mask])


@pytest.mark.parametrize("border", [False, True])
def test_an_image_solved_into_itself_with_an_offset_comes_back(border: bool) -> None:
    target, mask = picture(), disc()
    if border:
        mask[:, 18:] = True
    assert np.allclose(poisson(target + 0.4, target, mask), target, atol=1e-5)


def test_a_flat_source_gives_the_harmonic_membrane() -> None:
    """The linear ramp is harmonic: it is what the membrane must be, whatever was there before."""
    ramp = (X + 2 * Y)[..., None]
    holed = np.where(disc()[..., None], 7, ramp).astype(np.float32)
    assert np.allclose(poisson(np.zeros_like(ramp), holed, disc()), ramp, atol=1e-5)


def test_the_solution_satisfies_the_equation_at_every_inner_pixel() -> None:
    source, target, mask = picture(1), picture(1), disc()
    solved = poisson(source, target, mask)
    difference = ndimage.laplace((solved - source)[..., 0])
    assert np.abs(difference[ndimage.binary_erosion(mask)]).max() < 1e-5


def test_mixed_gradients_keep_a_stronger_structure_of_the_target() -> None:
    target = np.repeat((X > 0.5).astype(np.float32)[..., None], 1, 2)
    flat = np.full_like(target, 0.5)
    assert np.abs(poisson(flat, target, disc(), mixed=True) - target).max() < 1e-5
    assert np.abs(poisson(flat, target, disc()) - target).max() > 0.1


def test_a_mask_that_covers_the_image_keeps_the_source() -> None:
    source, target = picture(), picture()
    assert np.array_equal(poisson(source, target, np.ones((24, 30), bool)), source)


def test_an_empty_mask_changes_nothing() -> None:
    target = picture()
    assert np.array_equal(poisson(picture(), target, np.zeros((24, 30), bool)), target)


def test_a_feather_is_one_inside_and_zero_beyond_its_width() -> None:
    alpha = feather(disc(), 3)
    way = ndimage.distance_transform_edt(~disc())
    assert (alpha[disc()] == 1).all() and (alpha[way >= 4] == 0).all() and (alpha[(way > 0) & (way < 3)] > 0).all()


def test_no_width_is_the_mask_itself() -> None:
    assert np.array_equal(feather(disc(), 0), disc().astype(np.float32))


def test_where_alpha_is_zero_the_mix_is_the_clean_part_bit_by_bit() -> None:
    clean, alpha = picture(), feather(disc(), 2)
    mixed = composite(clean, picture() + 1, alpha)
    assert np.array_equal(mixed[alpha == 0], clean[alpha == 0]) and (mixed[alpha == 1] == 1).all()
