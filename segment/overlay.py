"""Pictures to judge a prediction by eye: image | truth | prediction."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from flawsmith.data.image import to_float

GAP = 4  # px of white between the panels
COLOURS = ((230, 60, 50), (60, 140, 230), (60, 180, 75), (240, 170, 0), (170, 80, 200), (0, 170, 170))  # per class
Picture = NDArray[np.uint8]


def triptych(image: NDArray[Any], truth: NDArray[np.bool_], maps: NDArray[np.float32], threshold: float) -> Picture:
    """Image (H, W, C), truth (K, H, W) bool and probabilities (K, H, W) → RGB (H, 3 W + gaps, 3) uint8.

    The truth is outlined; the prediction glows with its probability and is outlined where it reaches the threshold.
    """
    plain = to_rgb(image)
    shown = outline(glow(plain, maps), maps >= threshold)
    gap = np.full((plain.shape[0], GAP, 3), 255, np.uint8)
    return np.concatenate([plain, gap, outline(plain, truth), gap, shown], axis=1)


def to_rgb(image: NDArray[Any]) -> Picture:
    """(H, W, C) uint8 or uint16 → (H, W, 3) uint8."""
    return np.asarray(np.rint(to_float(image, 3).transpose(1, 2, 0) * 255), np.uint8)


def outline(picture: Picture, masks: NDArray[np.bool_]) -> Picture:
    """Draws a line of 1 px just outside each mask (K, H, W), so that the defect itself stays visible."""
    drawn = picture.copy()
    for k, mask in enumerate(masks):
        drawn[ndimage.binary_dilation(mask, np.ones((3, 3), bool)) & ~mask] = COLOURS[k % len(COLOURS)]
    return drawn


def glow(picture: Picture, maps: NDArray[np.float32]) -> Picture:
    """Lays each class's colour over the picture, as opaque as the class is probable (at most 70 %)."""
    drawn = picture.astype(np.float32)
    for k, probability in enumerate(maps):
        alpha = 0.7 * probability[..., None]
        drawn = drawn * (1 - alpha) + np.array(COLOURS[k % len(COLOURS)], np.float32) * alpha
    return np.rint(drawn).astype(np.uint8)
