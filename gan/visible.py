"""Where paint can be seen: the pixels that visibly changed, measured against the part's own noise.

They are not the label. How far beyond the change annotators draw a rim, and whether they draw a hole, differs from
product to product: a network that learns from other rims than those it is judged by learns to find too little, or too
much. The label is the shape, which was drawn about a real defect.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from flawsmith.gan.region import EIGHT, Mask, Pixels, bounding_box, brightness

CHANGE = 2.5  # times the noise: a mean change over 3 × 3 px that an eye can tell from the grain
QUIET = 0.004  # one grey level of 255: the least noise that is assumed, also of a part without any
SHARE = 0.4  # of the strongest change nearby: a weaker one beside it is its blurred rim
NEARBY = 5  # px
BRIDGE = 3  # px: radius of the closing that joins the changed spots of one defect
DISC = np.hypot(*np.mgrid[-BRIDGE : BRIDGE + 1, -BRIDGE : BRIDGE + 1]) <= BRIDGE + 0.5
SPECK = 4  # px: smaller changed spots away from the rest are grain


def noise_of(clean: Pixels) -> float:
    """The part's grain: robust standard deviation of the 3 × 3 mean of `clean` (H, W, C), without slow shading."""
    grey = brightness(clean)
    fine = ndimage.uniform_filter(grey, 3) - ndimage.uniform_filter(grey, 9)
    return max(float(1.4826 * np.median(np.abs(fine))), QUIET)


def shown(clean: Pixels, painted: Pixels, shape: Mask) -> float:
    """The share of `shape` (H, W) where `painted` visibly differs from `clean` (H, W, C)."""
    return float(visible(clean, painted, shape, noise_of(clean))[shape].mean()) if shape.any() else 0.0


def visible(clean: Pixels, painted: Pixels, support: Mask, noise: float) -> Mask:
    """The pixels (H, W) of `support` (H, W) where `painted` visibly differs from `clean` (H, W, C).

    The change of the mean over 3 × 3 px, as far as they are painted, exceeds CHANGE times `noise` and SHARE of the
    strongest change nearby; gaps are closed, holes filled, specks dropped.
    """
    label = np.zeros(support.shape, bool)
    if not support.any():
        return label
    window = bounding_box(support, 2).slices
    inside = support[window]
    change = _change(clean[window], painted[window], inside)
    strongest = ndimage.maximum_filter(change, 2 * NEARBY + 1)
    seen = change > np.maximum(CHANGE * noise, SHARE * strongest)
    pad = BRIDGE + 1
    # Beyond the image's border it goes on as it ends there, or the border would be left with a notch at every gap.
    seen = ndimage.binary_closing(np.pad(seen, pad, mode="edge"), DISC)[pad:-pad, pad:-pad]
    label[window] = _without_specks(ndimage.binary_fill_holes(seen) & inside)
    return label


def _change(clean: Pixels, painted: Pixels, support: Mask) -> NDArray[np.float32]:
    """How much the mean over the pixels of `support` within 3 × 3 px changes, in the channel where most: (H, W)."""
    change = (painted - clean) * support[..., None]
    share = np.maximum(ndimage.uniform_filter(support.astype(np.float32), 3, mode="constant"), 1 / 18)
    smooth = [np.abs(ndimage.uniform_filter(change[..., k], 3, mode="constant")) for k in range(change.shape[2])]
    return np.asarray(np.max(smooth, axis=0) / share * support, np.float32)


def _without_specks(mask: Mask) -> Mask:
    """The mask without pieces of fewer than SPECK px, unless there are no others."""
    pieces, count = ndimage.label(mask, EIGHT)
    if count < 2:
        return mask
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return np.asarray((sizes >= min(SPECK, sizes.max()))[pieces])
