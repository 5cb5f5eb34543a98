import numpy as np
import pytest

from flawsmith.gan.visible import noise_of, shown, visible

DISC = np.hypot(*np.mgrid[-30:30, -40:40]) <= 9
ALL = np.ones(DISC.shape, bool)


def clean(noise: float = 0.02, channels: int = 1) -> np.ndarray:
    shape = (*DISC.shape, channels)
    return (0.5 + np.random.default_rng(0).normal(0, noise, shape)).astype(np.float32)


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize("noise", [0.01, 0.04])
def test_the_noise_is_that_of_the_mean_over_nine_pixels(noise: float) -> None:
    assert noise_of(clean(noise)) == pytest.approx(noise / 3, rel=0.2)


def test_shading_is_no_noise() -> None:
    ramp = np.linspace(0, 1, 80, dtype=np.float32)[None, :, None].repeat(60, 0)
    assert noise_of(ramp) < 0.005


@pytest.mark.parametrize("change", [-0.3, 0.1])
def test_the_label_is_the_disc_that_changed(change: float) -> None:
    before = clean()
    after = before + np.float32(change) * DISC[..., None]
    assert overlap(visible(before, after, ALL, noise_of(before)), DISC) > 0.9
    assert np.array_equal(visible(before, after, DISC, noise_of(before)), DISC)


def test_a_change_within_the_noise_is_not_labelled() -> None:
    before = clean()
    assert not visible(before, before + np.float32(0.005) * DISC[..., None], ALL, noise_of(before)).any()


def test_an_unchanged_part_has_no_label() -> None:
    before = clean()
    assert not visible(before, before, ALL, noise_of(before)).any()


def test_nothing_is_labelled_outside_the_support() -> None:
    before = clean()
    left = ALL & (np.arange(80) < 40)
    assert not (visible(before, before - np.float32(0.3), left, noise_of(before)) & ~left).any()


def test_a_colour_change_at_equal_brightness_is_seen() -> None:
    before = clean(channels=3)
    after = before + DISC[..., None] * np.array([0.2, -0.2, 0], np.float32)
    assert overlap(visible(before, after, ALL, noise_of(before)), DISC) > 0.8


def test_a_hole_is_filled() -> None:
    before = clean(0.005)
    ring = DISC & ~(np.hypot(*np.mgrid[-30:30, -40:40]) <= 4)
    assert overlap(visible(before, before - 0.3 * ring[..., None].astype(np.float32), ALL, 0.005), DISC) > 0.85


def test_a_gap_at_the_image_border_is_closed_as_one_inside_is() -> None:
    before = np.full((*DISC.shape, 1), 0.5, np.float32)
    shape = np.hypot(*np.mgrid[0:60, -40:40]) <= 9
    gap = np.zeros_like(shape)
    gap[:4, 38:42] = True
    label = visible(before, before - 0.3 * (shape & ~gap)[..., None].astype(np.float32), shape, 0.005)
    assert np.array_equal(label, shape)


def test_of_a_wide_outline_a_small_share_is_shown() -> None:
    before = clean(0.005)
    after = before - 0.3 * DISC[..., None].astype(np.float32)
    wide = np.hypot(*np.mgrid[-30:30, -40:40]) <= 18
    assert shown(before, after, DISC) > 0.95
    assert shown(before, after, wide) == pytest.approx(0.25, abs=0.07)
    assert shown(before, before, wide) == shown(before, after, np.zeros_like(wide)) == 0
