"""Shams: a piece of one good part joined to another in the shape of a defect, with nothing to find there.

What is painted is joined to a part somehow. A network that sees such joints only where a defect is learns the joint.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

SOFTEST = 1.5  # px, sigma of the joint: from as sharp as pasted to softer than painted
AROUND = 4  # px about the shape over which the piece is brought to the part's light
DIMMEST, BRIGHTEST = 0.5, 2.0  # how much its light may be changed


def paste_sham(
    image: NDArray[Any], piece: NDArray[Any], shape: NDArray[np.bool_], rng: np.random.Generator
) -> NDArray[Any]:
    """`image` (H, W, C) with `piece` (H, W, C) of the same depth inside `shape` (H, W), softly joined; a new array."""
    softness = float(rng.uniform(0, SOFTEST))
    if not shape.any():
        return image
    box = ndimage.find_objects(ndimage.binary_dilation(shape, iterations=2 * AROUND).astype(np.uint8))[0]
    part, piece, shape = image[box].astype(np.float32), piece[box].astype(np.float32), shape[box]
    ring = ndimage.binary_dilation(shape, iterations=AROUND) & ~shape
    seen = ring if ring.any() else shape
    light = np.clip((part[seen].mean() + 1) / (piece[seen].mean() + 1), DIMMEST, BRIGHTEST)
    alpha = ndimage.gaussian_filter(shape.astype(np.float32), softness)[..., None]
    mixed = part + alpha * (np.clip(piece * light, 0, np.iinfo(image.dtype).max) - part)
    result = image.copy()
    result[box] = np.rint(mixed).astype(image.dtype)
    return result
