"""The pictures of an explanation: an object's surroundings, with what each way of looking says laid over them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from flawsmith.data.geometry.patch import Mask, Patch
from flawsmith.data.sheet import outline
from flawsmith.segment.explain.view import Image
from flawsmith.segment.explain.window import Window
from flawsmith.segment.overlay import COLOURS, glow, to_rgb
from flawsmith.segment.picture import Picture

SIDE = 260  # px, the longer side: what a phone shows of one of two in a row, at its density
MARGIN, LEAST = 64, 128  # px of the part that are shown around an object, and in all
CLOSE, SMALL = 24, 72  # px, the same of a training defect, which is shown by itself
TRUTH, MODEL = COLOURS[0], COLOURS[1]  # of outlines: red is labelled, blue is found
Heat = NDArray[np.float32]
Pixels = NDArray[np.uint8]


def shown(patches: Sequence[Patch], margin: int, least: int, height: int, width: int) -> Window:
    """The window of an image that shows all of the patches and something around them."""
    window = Window.of(patches[0])
    for one in patches[1:]:
        window = window.join(Window.of(one))
    return window.grown(margin, height, width).least(least, height, width)


def panel(
    image: Image,
    window: Window,
    caption: str,
    lines: Sequence[tuple[Mask, tuple[int, int, int]]] = (),
    heat: Heat | None = None,
) -> Picture:
    """A window of an image (H, W, C): heat (H, W) in [0, 1] glows, masks (H, W) are outlined in their colours."""
    pixels = to_rgb(image[window.slices])
    if heat is not None:
        pixels = glow(pixels, heat[window.slices].clip(0, 1)[None])
    small = _fitted(pixels)
    for mask, colour in lines:
        small[outline(mask[window.slices], small.shape[:2])] = colour
    return Picture(small, caption)


def _fitted(pixels: Pixels) -> Pixels:
    """At SIDE px: small defects are enlarged, so that lines beside them stay thin."""
    scale = SIDE / max(pixels.shape[:2])
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    way = Pillow.Resampling.BOX if scale < 1 else Pillow.Resampling.BICUBIC
    return np.array(Pillow.fromarray(np.ascontiguousarray(pixels)).resize(size, way))
