"""Whether directions agree, and which way the pixels of an image run."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FINEST = 256  # px: longer images are looked at as small, where grain is more than noise
SMOOTH = 2.0  # px: the gradients of noise and of rounded values lie along rows and columns

Vectors = NDArray[np.float64]


def agree(vectors: Vectors, chance: float) -> bool:
    """Whether vectors (n, 2) point one way: Rayleigh's test, with their lengths as weights.

    `chance`, in (0, 1), is how often directions are taken to agree that are uniform: then the square of their sum over
    the sum of their squares is about exponential (Mardia and Jupp, Directional Statistics, 2000, 6.3.1). It is at most
    their number, and so ln(1 / chance) or fewer never agree.
    """
    return bool((vectors.sum(0) ** 2).sum() > -np.log(chance) * (vectors**2).sum())


def grain(image: NDArray[np.float32]) -> Vectors:
    """Which way the gradients of an image (H, W) run: (2, 2), twice and four times the angle, each of length 0 to 1.

    Twice the angle is the mean structure tensor (Bigün and Granlund 1987), which is nothing where as much runs along
    the rows as along the columns, as on a grid or a square part: four times the angle tells those.
    """
    by = -(-max(image.shape) // FINEST)
    height, width = (max(length // by, 2) * by for length in image.shape)
    whole = np.pad(image, ((0, max(height - image.shape[0], 0)), (0, max(width - image.shape[1], 0))), mode="edge")
    small = whole[:height, :width].reshape(height // by, by, width // by, by).mean((1, 3), dtype=np.float64)
    down, across = np.gradient(ndimage.gaussian_filter(small, SMOOTH))
    slope = across + 1j * down
    energy = np.abs(slope) ** 2 + 1e-12
    means = np.array([(slope**2).mean(), (slope**4 / energy).mean()]) / energy.mean()
    return np.stack([means.real, means.imag], 1)
