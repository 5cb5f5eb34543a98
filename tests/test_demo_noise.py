"""Random fields: standardised, reproducible, and textures without seams or repetition."""

import numpy as np
import pytest
from scipy.ndimage import uniform_filter
from scipy.signal import fftconvolve

from flawsmith.data.demo_noise import WINDOW, fractal, photographed, streaks


def test_fractal_noise_is_standard_and_falls_with_frequency() -> None:
    field = fractal((200, 160), 1.5, np.random.default_rng(0))
    power = np.abs(np.fft.rfft2(field * np.outer(np.hanning(200), np.hanning(160)))) ** 2
    assert field.shape == (200, 160)
    assert abs(field.mean()) < 1e-4
    assert abs(field.std() - 1) < 1e-4
    assert power[2:8, 2:8].mean() > 100 * power[40:60, 40:60].mean()


def test_streaks_run_along_u() -> None:
    v, u = np.mgrid[:128, :128].astype(np.float32)
    field = streaks(u, v, np.random.default_rng(0), length=60, width=2)
    assert np.abs(np.diff(field, axis=0)).mean() > 8 * np.abs(np.diff(field, axis=1)).mean()


@pytest.mark.parametrize("name", ["gravel", "grass"])
def test_a_photographed_texture_never_repeats(name: str) -> None:
    field = photographed(name, (256, 256), 2.3, np.random.default_rng(0))
    likeness = fftconvolve(field, field[::-1, ::-1]) / field.size
    likeness[255 - 12 : 255 + 13, 255 - 12 : 255 + 13] = 0  # of course it is like itself, nearly unmoved
    assert np.abs(likeness).max() < 0.2


def test_that_measure_sees_tiles() -> None:
    tile = photographed("gravel", (64, 64), 2.3, np.random.default_rng(0))
    field = np.tile(tile, (4, 4))
    assert np.abs(fftconvolve(field, field[::-1, ::-1])[255 + 64, 255]) / field.size > 0.5


def test_a_photographed_texture_has_no_seams() -> None:
    """Where windows meet, the variance is that of their middles."""
    fields = [photographed("gravel", (192, 192), 2.3, np.random.default_rng(seed)) for seed in range(24)]
    spread = np.stack(fields).std(0)
    half = WINDOW // 2
    cell = spread.reshape(192 // half, half, 192 // half, half).mean((0, 2))  # by the place within a half window
    assert np.abs(uniform_filter(cell, 5, mode="wrap") - 1).max() < 0.15


def test_textures_are_reproducible() -> None:
    one, two = (photographed("grass", (64, 64), 2.0, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(one, two)
