"""Which places an object's probability depends on: each is covered in turn with what lies around it.

Zeiler & Fergus, ECCV 2014. It asks nothing of a model but predictions: it is the same for a network, an exported one
and a plain rule.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from flawsmith.data.geometry.patch import Mask, Patch
from flawsmith.segment.explain.view import Image, View, predictions, probability
from flawsmith.segment.explain.window import Window
from flawsmith.segment.model import Model

Heat = NDArray[np.float32]  # (h, w)
HOTTEST = 0.95  # of the largest fall


@dataclass(frozen=True)
class OcclusionConfig:
    """How much is covered, and how often."""

    near: int = 40  # predictions with a place near the object covered, at most
    far: int = 24  # the same of all the rest of the view, with larger places: is it anything far away?
    margin: int = 16  # px around the object that are near, or half of its longer side
    rim: int = 3  # px around the object that do not tell what its surroundings look like


@dataclass(frozen=True, eq=False)
class Occlusion:
    """How far the object's probability falls (h, w) where a place is covered; below 0 it rises."""

    heat: Heat
    probability: float  # with nothing covered
    side: int  # px of a covered place near the object
    passes: int  # predictions that it took
    away: int | None  # px from the object to the place of the largest fall, 0 on it; None where there is no fall

    @property
    def most(self) -> float:
        """The largest fall."""
        return float(self.heat.max(initial=0))


def occlude(model: Model, seen: View, config: OcclusionConfig | None = None) -> Occlusion:
    """Covers places of a view and predicts each time: at most `near` + `far` predictions, and one with nothing covered.

    Far places spare what is near, so that no fall is put down to a place that was covered together with the object.
    """
    config = config or OcclusionConfig()
    background = surroundings(seen.image, seen.mask, config.rim)
    whole, near = Window.whole(*seen.size), _near(seen, config)
    spared = np.zeros(seen.size, bool)
    spared[near.slices] = True
    close = places(near, config.near if near != whole else config.near + config.far, whole)
    distant = [one for one in places(whole, config.far, whole) if not spared[one.slices].all()] if near != whole else []
    base = probability(model, next(predictions(model, [seen.image])), seen)
    heat = _falls(model, seen, background, close, ~spared, base)
    if distant:
        heat = np.where(spared, heat, _falls(model, seen, background, distant, spared, base))
    side = max(max(one.size) for one in close)
    return Occlusion(heat, base, side, 1 + len(close) + len(distant), _away(heat, seen.mask))


def places(area: Window, most: int, whole: Window) -> list[Window]:
    """At most `most` squares on a grid over an area, each half as large again on every side, cut to the whole."""
    height, width = area.size
    step = max(1, math.floor(math.sqrt(height * width / most)))
    while -(-height // step) * -(-width // step) > most:
        step += 1
    rows, columns = range(area.top, area.bottom, step), range(area.left, area.right, step)
    squares = (
        Window(row, column, min(row + step, area.bottom), min(column + step, area.right))
        for row, column in product(rows, columns)
    )
    return [one.grown(step // 2, whole.bottom, whole.right) for one in squares]


def surroundings(image: Image, mask: Mask, rim: int) -> Image:
    """An image (H, W, C) as if there were only what surrounds the object: blurred, without the object's own pixels."""
    sigma = 8 + max(Patch.of(mask).mask.shape) / 4  # px
    beside = ~ndimage.binary_dilation(mask, np.ones((3, 3), bool), iterations=rim)
    if not beside.any():
        beside[:] = True
    weight = ndimage.gaussian_filter(beside.astype(np.float32), sigma, mode="nearest")
    values = image.astype(np.float32)
    mean = values[beside].mean(0)
    blurred = np.stack(
        [
            ndimage.gaussian_filter(np.where(beside, values[..., k] - mean[k], 0), sigma, mode="nearest")
            for k in range(image.shape[2])
        ],
        axis=2,
    )
    found = mean + blurred / np.maximum(weight, 1e-3)[..., None]
    return np.asarray(np.rint(found.clip(0, np.iinfo(image.dtype).max)), image.dtype)


def _away(heat: Heat, mask: Mask) -> int | None:
    """How far the hottest pixels lie from the object (h, w); of those that are all but as hot the nearest counts."""
    most = float(heat.max(initial=0))
    distance = ndimage.distance_transform_edt(~mask)
    return int(distance[heat >= HOTTEST * most].min()) if most > 0 else None


def _near(seen: View, config: OcclusionConfig) -> Window:
    """The object with a margin; all of the view where the object fills it."""
    patch = Patch.of(seen.mask)
    margin = max(config.margin, max(patch.mask.shape) // 2)
    return Window.of(patch).grown(margin, *seen.size)


def _falls(model: Model, seen: View, background: Image, covered: Sequence[Window], spared: Mask, base: float) -> Heat:
    """At each pixel the mean fall over the places that cover it; the pixels that are spared are never covered."""
    total, count = (np.zeros(seen.size, np.float32) for _ in range(2))
    images = _covered(seen.image, background, covered, spared)
    for one, maps in zip(covered, predictions(model, images), strict=True):
        open_here = ~spared[one.slices]
        total[one.slices] += open_here * np.float32(base - probability(model, maps, seen))
        count[one.slices] += open_here
    return np.asarray(total / np.maximum(count, 1), np.float32)


def _covered(image: Image, background: Image, covered: Sequence[Window], spared: Mask) -> Iterator[Image]:
    """The image with each of the places covered."""
    for one in covered:
        copy = image.copy()
        copy[one.slices] = np.where(spared[one.slices][..., None], image[one.slices], background[one.slices])
        yield copy
