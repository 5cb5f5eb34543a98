"""Photographs of demo parts: light falls as it should, and the mask is what can be seen."""

import numpy as np
import pytest

from flawsmith.data.demo_defect import DEFECTS, apply
from flawsmith.data.demo_photo import Light, confine, expose, render
from flawsmith.data.demo_surface import Surface, make_surface

LIGHT = Light(azimuth=0.0, elevation=0.8, exposure=1.0, fall=(0.0, 0.0), vignette=0.0, noise=0.008, colour=(1, 1, 1))


def plate(side: int = 64) -> Surface:
    """A flat, grey, dull plate."""
    zero, one = np.zeros((side, side), np.float32), np.ones((side, side), np.float32)
    return Surface(zero, np.repeat(0.4 * one[..., None], 3, 2), zero, zero, one)


def hollow(side: int = 64) -> np.ndarray:
    y, x = np.mgrid[:side, :side] - side / 2
    return (-4 * np.clip(1 - (x**2 + y**2) / 14**2, 0, 1)).astype(np.float32)


def test_a_flat_plate_is_evenly_lit() -> None:
    picture = render(plate(), LIGHT)
    assert picture.shape == (64, 64, 3)
    assert np.ptp(picture) < 1e-5


def test_a_hollow_is_dark_towards_the_lamp_and_bright_beyond() -> None:
    surface = plate()
    dug = Surface(hollow(), surface.albedo, surface.gloss, surface.lay, surface.machined)
    flat, picture = render(surface, LIGHT)[32, :, 0], render(dug, LIGHT)[32, :, 0]
    assert picture[42] < flat[42] - 0.05  # the lamp stands to the right: that wall turns away from it
    assert picture[22] > flat[22] + 0.03


def test_a_lamp_that_falls_off_is_dimmer_there() -> None:
    dim = Light(0.0, 0.8, 1.0, (0.3, 0.0), 0.2, 0.008, (1, 1, 1))
    picture = render(plate(), dim).mean(-1)
    assert picture[:, -8:].mean() > picture[:, :8].mean() + 0.05
    assert picture[32].mean() > picture[0].mean()


def test_a_change_below_the_noise_is_no_defect() -> None:
    clean = np.full((64, 64, 3), 0.5, np.float32)
    faint = clean.copy()
    faint[20:40, 20:40] += 0.004  # half of the noise
    picture, mask = confine(clean, faint, LIGHT.noise)
    assert not mask.any()
    assert np.array_equal(picture, clean)


def test_a_plain_change_is_masked_to_the_pixel_and_nowhere_else() -> None:
    clean = np.full((64, 64, 3), 0.5, np.float32)
    plain = clean.copy()
    plain[20:40, 20:40] -= 0.03
    picture, mask = confine(clean, plain, LIGHT.noise)
    assert mask[21:39, 21:39].all()
    assert mask.sum() <= 22**2
    assert np.array_equal(picture[~mask], clean[~mask])


def test_specks_and_changes_lost_in_rough_grain_are_no_defects() -> None:
    random = np.random.default_rng(0)
    rough = (0.5 + 0.1 * random.standard_normal((64, 64, 1))).repeat(3, 2).astype(np.float32)
    lost = rough.copy()
    lost[20:40, 20:40] -= 0.03  # as plain as above, but the surface itself varies thrice as much
    assert not confine(rough, lost, LIGHT.noise)[1].any()
    speck = np.full((64, 64, 3), 0.5, np.float32)
    speck[30:32, 30:32] = 0.3
    assert not confine(np.full((64, 64, 3), 0.5, np.float32), speck, LIGHT.noise)[1].any()


def test_the_sensor_adds_the_noise_that_it_says() -> None:
    image = expose(np.full((128, 128, 3), 0.5, np.float32), LIGHT, np.random.default_rng(0))
    assert image.dtype == np.uint8
    assert image.std() == pytest.approx(255 * LIGHT.noise, rel=0.1)


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_of_strength_0_changes_nothing(defect: str) -> None:
    surface = make_surface((96, 96), np.random.default_rng(1))
    damaged = apply(DEFECTS[defect](surface, 0.0, np.random.default_rng(2)), surface)
    assert np.allclose(render(damaged, LIGHT), render(surface, LIGHT), atol=1e-6)


@pytest.mark.parametrize("defect", DEFECTS)
def test_stronger_is_plainer(defect: str) -> None:
    surface = make_surface((96, 96), np.random.default_rng(1))
    clean = render(surface, LIGHT)

    def change(strength: float) -> float:
        damage = DEFECTS[defect](surface, strength, np.random.default_rng(2))
        return float(np.abs(render(apply(damage, surface), LIGHT) - clean).mean())

    assert change(0.2) < change(0.5) < change(1.0)
