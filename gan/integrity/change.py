"""How far a defect stands out from the surface it lies on, measured by itself and not by what labels it."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from flawsmith.gan.region import Mask, Pixels, brightness, grow

AROUND = 6  # px about a mask that tell the light there
DARKEST = 0.02  # brightness that contrasts are relative to, at least


def change(clean: Pixels, after: Pixels, mask: Mask) -> NDArray[np.float32]:
    """The mean change over the `mask`'s pixels within 3 × 3 px, in the channel where most; 0 outside it: (h, w)."""
    share = np.maximum(ndimage.uniform_filter(mask.astype(np.float32), 3, mode="constant"), 1 / 9)
    inside = (after - clean) * mask[..., None]
    means = [np.abs(ndimage.uniform_filter(inside[..., k], 3, mode="constant")) for k in range(inside.shape[2])]
    return np.asarray(np.max(means, axis=0) / share * mask, np.float32)


def contrast(clean: Pixels, after: Pixels, mask: Mask) -> float:
    """Root mean square of the change inside `mask` (h, w), relative to the brightness around it."""
    return float(np.sqrt((change(clean, after, mask)[mask] ** 2).mean())) / light(clean, mask)


def light(clean: Pixels, mask: Mask) -> float:
    """The mean brightness around `mask` (h, w), or inside where it fills the window."""
    around = grow(mask, AROUND) & ~mask
    grey = brightness(clean)
    return max(float(grey[around if around.any() else mask].mean()), DARKEST)
