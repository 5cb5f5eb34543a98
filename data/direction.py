"""Whether directions agree, and which way the pixels of an image run."""

import numpy as np
from numpy.typing import NDArray

CHANCE = 0.1  # that directions which do not agree are taken for ones that do
FINEST = 256  # px: longer images are looked at as small, where grain is more than noise

Vectors = NDArray[np.float64]


def agree(vectors: Vectors) -> bool:
    """Whether vectors (n, 2) point one way more than chance has them: Rayleigh's test, with their lengths as weights.

    Where directions are uniform, the square of their sum over the sum of their squares is about exponential (Mardia and
    Jupp, Directional Statistics, 2000, 6.3.1). Two never agree.
    """
    return bool((vectors.sum(0) ** 2).sum() > -np.log(CHANCE) * (vectors**2).sum())


def grain(image: NDArray[np.float32]) -> Vectors:
    """Which way the gradients of an image (H, W) run, as twice the angle, and how alike: (2,) of length 0 to 1.

    The mean structure tensor (Bigün and Granlund 1987).
    """
    by = -(-max(image.shape) // FINEST)
    height, width = (max(length // by, 2) * by for length in image.shape)
    whole = np.pad(image, ((0, max(height - image.shape[0], 0)), (0, max(width - image.shape[1], 0))), mode="edge")
    small = whole[:height, :width].reshape(height // by, by, width // by, by).mean((1, 3), dtype=np.float64)
    down, across = np.gradient(small)
    along_columns, along_rows, mixed = (down**2).mean(), (across**2).mean(), (down * across).mean()
    return np.asarray(np.array([along_rows - along_columns, 2 * mixed]) / (along_rows + along_columns + 1e-12))
