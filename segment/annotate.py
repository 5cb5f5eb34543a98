"""A picture with what was found drawn on it: outlines, boxes and scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from flawsmith.data.geometry.patch import Patch
from flawsmith.segment.instances import Found
from flawsmith.segment.overlay import COLOURS, Picture, to_rgb

GAP = 3  # px between a defect and its box
_TEXT = 11  # px: the height of a line


def annotate(image: NDArray[Any], found: Sequence[Found], classes: Sequence[str]) -> Picture:
    """An image (H, W, C) as RGB (H, W, 3) uint8 with each defect outlined, boxed and named with its score."""
    picture = to_rgb(image)
    colours = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(classes)}
    for name in {one.defect for one in found}:
        picture[_rings((one.patch for one in found if one.defect == name), picture.shape[:2])] = colours[name]
    canvas = Image.fromarray(picture)
    draw = ImageDraw.Draw(canvas)
    for one in found:
        left, top, width, height = one.patch.box
        box = (left - GAP, top - GAP, left + width - 1 + GAP, top + height - 1 + GAP)
        draw.rectangle(box, outline=colours[one.defect])
        place = (max(box[0], 0), box[1] - _TEXT - 1 if box[1] > _TEXT else box[3] + 1)
        draw.text(place, f"{one.defect} {one.score:.2f}", fill=colours[one.defect])
    return np.asarray(canvas)


def _rings(patches: Iterable[Patch], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Lines of 1 px just outside the pixels of defects, in an image of that size."""
    rings = np.zeros(size, bool)
    for patch in patches:
        inside = np.pad(patch.mask, 1)
        Patch(patch.top - 1, patch.left - 1, ndimage.binary_dilation(inside, np.ones((3, 3), bool)) & ~inside).onto(
            rings
        )
    return rings
