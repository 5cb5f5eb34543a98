"""Paint outside the mask: every changed pixel of a set has to lie by a shape that provenance names."""

from collections.abc import Iterable

import numpy as np

from flawsmith.gan.integrity.figure import Figure
from flawsmith.gan.integrity.painted import Picture
from flawsmith.gan.painter import Painter
from flawsmith.gan.region import Mask, grow

REACH = 2.9  # px: the widest rim that a painter declares is 2 px, the last of them at a corner (2.83)


def leak(pictures: Iterable[Picture], painter: Painter, channels: int, replayed: int = 8) -> Figure:
    """Counts pixels that changed beyond REACH of the drawn shapes; in the first few images also where alpha is 0."""
    images = changed = far = transparent = 0
    for picture in pictures:
        moved = (picture.after != picture.clean).any(2)
        far += int((moved & ~grow(np.logical_or.reduce(picture.masks), REACH)).sum())
        transparent += int((moved & ~_support(picture, painter, channels)).sum()) if images < replayed else 0
        changed += int(moved.sum())
        images += 1
    return Figure(
        "paint outside the mask",
        float(far + transparent) if images else None,
        0,
        "max",
        f"Pixels that changed over {REACH:g} px away from the drawn shapes, or where alpha is 0: there may be none.",
        {"images": images, "changed": changed, "beyond reach": far, "alpha 0": transparent},
    )


def _support(picture: Picture, painter: Painter, channels: int) -> Mask:
    """Where the painter covers the part at all (H, W), asked again."""
    covered = np.zeros(picture.clean.shape[:2], bool)
    spots = picture.spots(channels)
    for spot, paint in zip(spots, painter.paint([spot.job(0, index) for index, spot in enumerate(spots)]), strict=True):
        top, left = spot.box.top - spot.top, spot.box.left - spot.left
        height, width = spot.mask.shape
        covered[top : top + height, left : left + width] |= paint.alpha > 0
    return covered
