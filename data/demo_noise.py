"""Random fields and photographed textures that the demo parts are made of."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft2, rfftfreq
from scipy.ndimage import gaussian_filter, map_coordinates, zoom
from scipy.special import ndtri
from skimage import data as photographs

Field = npt.NDArray[np.float32]
WINDOW = 48  # px side of one piece of a shrunk photograph: several stones or blades, so that their shape survives


def standard(values: npt.NDArray[np.floating]) -> Field:
    """`values` shifted and scaled to mean 0 and standard deviation 1, float32."""
    return np.asarray((values - values.mean()) / (values.std() + 1e-8), np.float32)


def fractal(shape: tuple[int, int], slope: float, random: np.random.Generator, finest: float = 0.0) -> Field:
    """Noise (H, W) with amplitude spectrum 1/f^slope, nothing finer than `finest` px; mean 0, standard deviation 1."""
    height, width = (side + side // 4 for side in shape)  # the field is periodic: cut, so that borders do not match
    across = np.hypot(np.fft.fftfreq(height)[:, None], rfftfreq(width)[None])
    across[0, 0] = 1
    amplitude = across**-slope * np.exp(-((across * finest) ** 2))
    amplitude[0, 0] = 0
    phases = random.standard_normal((2, *across.shape), np.float32)
    field = irfft2((phases[0] + 1j * phases[1]) * amplitude, s=(height, width))
    return standard(field[: shape[0], : shape[1]])


def streaks(u: Field, v: Field, random: np.random.Generator, length: float, width: float) -> Field:
    """Streaks (H, W) `length` px long and `width` px wide along the coordinate u, across v; standard deviation 1."""
    rows, columns = 2048, 96  # v is sampled at 1/2 px, u at length/4: longer than any part, so that nothing repeats
    strip = gaussian_filter(random.standard_normal((rows, columns), np.float32), (width, 2.0), mode="wrap")
    return standard(map_coordinates(strip, [v * 2 % rows, u * 4 / length % columns], order=1, mode="grid-wrap"))


@lru_cache(maxsize=8)
def _gaussian(name: str, shrink: float) -> Field:
    """A photograph of scikit-image, shrunk, without its own shading, its histogram mapped to a normal one."""
    photo: Field = getattr(photographs, name)().astype(np.float32)
    flat = zoom(gaussian_filter(photo, shrink / 2.5) - gaussian_filter(photo, 40), 1 / shrink, order=1)
    ranks = flat.ravel().argsort(kind="stable").argsort(kind="stable")
    return np.asarray(ndtri((ranks + 0.5) / flat.size).reshape(flat.shape), np.float32)


def photographed(name: str, shape: tuple[int, int], shrink: float, random: np.random.Generator) -> Field:
    """An endless, never tiled texture (H, W) out of one photograph `shrink` times smaller; standard deviation 1.

    Windows from random places overlap by half and are blended with their variance kept (Heitz and Neyret, 2018,
    "High-performance by-example noise"), so that no two parts share a surface and no seam shows.
    """
    source, half = _gaussian(name, shrink), WINDOW // 2
    ramp = np.sin((np.arange(WINDOW) + 0.5) * np.pi / WINDOW)  # sin² + cos² = 1: the overlap keeps its variance
    window = np.outer(ramp, ramp).astype(np.float32)
    rows, columns = (-(-side // half) + 1 for side in shape)
    canvas = np.zeros(((rows + 1) * half, (columns + 1) * half), np.float32)
    for row in range(rows):
        for column in range(columns):
            top, left = (random.integers(0, side - WINDOW) for side in source.shape)
            cut = np.rot90(source[top : top + WINDOW, left : left + WINDOW], int(random.integers(4)))
            canvas[row * half : row * half + WINDOW, column * half : column * half + WINDOW] += window * cut
    return standard(canvas[half : half + shape[0], half : half + shape[1]])
