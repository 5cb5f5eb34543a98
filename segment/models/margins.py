"""Classical thresholds as margins: how far each pixel lies beyond one, in units of the image's own noise.

A margin of 0 is the threshold that Otsu or Sauvola would set, or the background itself. Grey-scale morphology of a
margin is binary morphology at every threshold at once, so a map of margins has a precision and a recall.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import threshold_otsu, threshold_sauvola
from skimage.morphology import disk

Method = Literal["otsu", "sauvola", "median", "gaussian"]
Polarity = Literal["dark", "bright", "either"]
Grey = NDArray[np.float32]
Margins = dict[Polarity, Grey]

SMOOTH = 0.7  # px, sigma, before anything else: single hot pixels are noise
SAUVOLA_K, SAUVOLA_R = 0.2, 0.5  # as Sauvola & Pietikäinen 2000; R is half of the range of the values
GAUSSIAN = 1 / 3  # sigma over window
CELLS = 9  # a median over a larger window is taken of means over cells, so that it is about so many cells wide
FLOOR = 1e-3  # least noise, of a range of 1: a computer-made flat image has none


@dataclass(frozen=True)
class Base:
    """What a pixel is compared with; `window` px wide, 0 for Otsu, who takes the whole image."""

    method: Method
    window: int = 0


def margins(grey: Grey, base: Base) -> Margins:
    """By polarity, the margins (H, W) float32 of an image (H, W) in [0, 1]; above 0 is beyond the threshold."""
    x = ndimage.gaussian_filter(grey, SMOOTH, mode="reflect")
    if base.method == "sauvola":
        bright = (1 - _sauvola(1 - x, base.window)) - x
        dark, bright = _sauvola(x, base.window) - x, -bright
    else:
        bright = x - _reference(x, base)
        dark = -bright
    dark, bright = dark / noise(dark), bright / noise(bright)
    return {"dark": dark, "bright": bright, "either": np.maximum(dark, bright)}


def noise(values: Grey) -> np.float32:
    """The standard deviation of a map's usual values, by the median of absolute deviations."""
    deviation = 1.4826 * np.median(np.abs(values - np.median(values)))
    return np.float32(max(deviation, FLOOR))


def tidied(margin: Grey, opening: int, closing: int) -> Grey:
    """Without specks of up to `opening` px radius, with gaps of up to `closing` px radius filled; 0 does nothing."""
    if opening:
        margin = ndimage.grey_opening(margin, footprint=disk(opening))  # type: ignore[no-untyped-call]
    if closing:
        margin = ndimage.grey_closing(margin, footprint=disk(closing))  # type: ignore[no-untyped-call]
    return margin


def _sauvola(x: Grey, window: int) -> Grey:
    size = _odd(min(window, *(2 * side - 1 for side in x.shape)))
    local = threshold_sauvola(x, size, SAUVOLA_K, SAUVOLA_R)  # type: ignore[no-untyped-call]
    return np.asarray(local, np.float32)


def _reference(x: Grey, base: Base) -> Grey | np.float32:
    """Otsu's threshold, or the background."""
    if base.method == "otsu":
        return np.float32(threshold_otsu(x))  # type: ignore[no-untyped-call]
    if base.method == "gaussian":
        return np.asarray(ndimage.gaussian_filter(x, base.window * GAUSSIAN, mode="reflect"), np.float32)
    return _median(x, base.window)


def _median(x: Grey, window: int) -> Grey:
    """The median over a window, of means over cells."""
    cell = max(1, window // CELLS)
    padded = np.pad(x, [(0, -side % cell) for side in x.shape], mode="edge")
    rows, columns = (side // cell for side in padded.shape)
    coarse = padded.reshape(rows, cell, columns, cell).mean((1, 3))
    middle = ndimage.median_filter(coarse, _odd(window // cell), mode="reflect")
    if cell == 1:
        return np.asarray(middle, np.float32)
    at = [(np.arange(side) + 0.5) / cell - 0.5 for side in x.shape]
    grid = np.meshgrid(*at, indexing="ij")
    return np.asarray(ndimage.map_coordinates(middle, grid, order=1, mode="nearest"), np.float32)


def _odd(number: int) -> int:
    return max(3, number + 1 - number % 2)
