"""How much smaller a network should see the parts: as much as their real defects ask for.

A patch shows 192 px of a part. In the middle of a stain that is wider there is nothing to compare it with, and a
network that sees it so learns next to nothing; seen from further away it is a spot among others. Thin defects set the
other limit: below a few pixels they are gone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from flawsmith.data.record import Record
from flawsmith.data.sample import Sample, load

SHRINKS = (1, 2, 4, 8)
WIDEST, THINNEST = 48.0, 3.0  # px as the network sees them: a quarter of a patch; what two halvings leave visible
SLACK = 0.25  # halvings, of all classes together: for less nothing is made smaller
LOOKED = 64  # defect images that are looked at
_EIGHT = np.ones((3, 3), bool)


def shrink_for(records: Sequence[Record], classes: Sequence[str], patch: int) -> int:
    """The one of SHRINKS with which defects are neither wider nor thinner than a network sees well; 1 without any.

    Each class counts the same, and each of its images by the widest defect in it; the smallest shrink that is as good
    but for SLACK is taken. No part becomes smaller than a patch (px): what a patch shows beyond it is its mirror image.
    """
    widths: list[list[float]] = [[] for _ in classes]
    sides: list[int] = []
    for record in records[:: max(1, len(records) // LOOKED)]:
        sample = load(record, classes)
        sides.append(min(sample.image.shape[:2]))
        for own, mask in zip(widths, sample.masks, strict=True):
            own += [width(mask)] if mask.any() else []
    fitting = [shrink for shrink in SHRINKS if shrink == 1 or (sides and np.median(sides) >= patch * shrink)]
    misses = [sum(float(_beyond(np.array(own) / shrink).mean()) for own in widths if own) for shrink in fitting]
    return next(shrink for miss, shrink in zip(misses, fitting, strict=True) if miss <= min(misses) + SLACK)


def width(mask: NDArray[np.bool_]) -> float:
    """The diameter (px) of the largest disc that fits into a mask (H, W)."""
    return 2 * float(ndimage.distance_transform_edt(np.pad(mask, 1)).max())


def _beyond(widths: NDArray[np.float64]) -> NDArray[np.float64]:
    """How often widths would have to be halved, or doubled, to lie between the limits."""
    return np.maximum(np.log2(widths / WIDEST), 0) + np.maximum(np.log2(THINNEST / widths), 0)


def smaller(sample: Sample, shrink: int) -> Sample:
    """A sample `shrink` times smaller: means of its pixels; a mask where half of a pixel is, no piece of it gone."""
    if shrink == 1:
        return sample
    image = _blocks(sample.image, shrink).mean((1, 3))
    image = np.rint(image).astype(sample.image.dtype) if sample.image.dtype.kind == "u" else image
    return Sample(image, np.stack([_smaller_mask(mask, shrink) for mask in sample.masks]))


def _smaller_mask(mask: NDArray[np.bool_], shrink: int) -> NDArray[np.bool_]:
    covered = _blocks(mask[..., None], shrink).mean((1, 3))[..., 0]
    kept = covered >= 0.5
    numbers, count = ndimage.label(covered > 0, _EIGHT)
    lost = np.setdiff1d(np.arange(1, count + 1), numbers[kept])
    return np.asarray(kept | np.isin(numbers, lost))


def _blocks(values: NDArray[np.generic], shrink: int) -> NDArray[np.generic]:
    """(H, W, C) → (H / shrink, shrink, W / shrink, shrink, C), mirrored at the bottom and the right."""
    height, width = values.shape[:2]
    padded = np.pad(values, ((0, -height % shrink), (0, -width % shrink), (0, 0)), mode="symmetric")
    return padded.reshape(padded.shape[0] // shrink, shrink, padded.shape[1] // shrink, shrink, values.shape[2])
