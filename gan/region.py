"""Regions of pixels: bounding boxes, growing by a radius, fragments that belong together."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from flawsmith.data.geometry.box import Box

Mask = NDArray[np.bool_]  # (H, W)
Pixels = NDArray[np.float32]  # (H, W, C) in [0, 1]

EIGHT = np.ones((3, 3), bool)  # pixels that meet at a corner are neighbours


def bounding_box(mask: Mask, pad: int = 0) -> Box:
    """The smallest box around the True pixels of `mask` (H, W), `pad` pixels wider on each side, within the image."""
    rows, columns = np.asarray(mask.any(1)), np.asarray(mask.any(0))
    if not rows.any():
        raise ValueError("an empty mask has no bounding box")
    height, width = mask.shape
    return Box(
        max(int(rows.argmax()) - pad, 0),
        max(int(columns.argmax()) - pad, 0),
        min(height - int(rows[::-1].argmax()) + pad, height),
        min(width - int(columns[::-1].argmax()) + pad, width),
    )


def grow(mask: Mask, radius: float) -> Mask:
    """The pixels of `mask` (H, W) and all within `radius` pixels (Euclidean) of one."""
    grown = mask.copy()
    if radius > 0 and mask.any():
        window = bounding_box(mask, int(np.ceil(radius))).slices
        grown[window] = ndimage.distance_transform_edt(~mask[window]) <= radius
    return grown


def fragments(mask: Mask, gap: float) -> list[Mask]:
    """The parts of `mask` (H, W); pieces less than about `gap` pixels apart belong to one part."""
    labels, count = ndimage.label(grow(mask, gap / 2), EIGHT)
    return [mask & (labels == number) for number in range(1, count + 1)]


def brightness(image: NDArray[Any]) -> NDArray[np.float32]:
    """The mean over the colours of `image` (H, W, C), float32 in [0, 1] or uint8 or uint16, as (H, W) in [0, 1]."""
    top = np.float32(np.iinfo(image.dtype).max if image.dtype.kind == "u" else 1)
    if image.shape[2] == 1:
        grey = image[..., 0]
        return grey.astype(np.float32) / top if image.dtype.kind == "u" else grey
    first, second, third = (image[..., k] for k in range(3))
    total = np.add(first, second, dtype=np.float32)
    total += third
    total /= 3 * top
    return np.asarray(total)


def reduced(values: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """The mean of `values` (H, W) over blocks of `step` px; a rest at the lower and right border is left out."""
    height, width = (length // step * step for length in values.shape)
    if step == 1:
        return values
    rows = values[:height, :width].reshape(-1, step, width).sum(1)
    blocks = rows[:, ::step].copy()
    for start in range(1, step):
        blocks += rows[:, start::step]
    return np.asarray(blocks / np.float32(step * step), np.float32)
