"""What is looked at to explain one object: the part of its image that the model can have taken into account."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from flawsmith.data.device import autocast, memory_format
from flawsmith.data.geometry.patch import Mask, Patch
from flawsmith.data.image import to_float
from flawsmith.segment.explain.window import Window
from flawsmith.segment.model import Model, shrink_of
from flawsmith.segment.models.objects import Finder, Grader, Maps
from flawsmith.segment.models.threshold import Threshold
from flawsmith.segment.segmenter import Segmenter
from flawsmith.segment.tiles import Tiling, tiles

Image = NDArray[Any]  # (H, W, C) uint8 or uint16

REACH = 128  # px, as the network sees them, around an object; beyond it the own networks see next to nothing
GRID = 32  # px, as the network sees them: a network's strides fall on the same pixels as in the whole image
LARGEST = 1024  # px a side, as the network sees them: so much fits into the memory, with the gradients of a network
BATCH = 2**20  # px that a network is shown at a time


@dataclass(frozen=True, eq=False)
class View:
    """A window of an image, the pixels (h, w) of the object in it, and the index of its class."""

    window: Window
    image: Image  # (h, w, C)
    mask: Mask
    defect: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.window.size

    def share(self, heat: NDArray[np.float32], near: int) -> float | None:
        """How much of a heat (h, w), none below 0, lies on the object or within `near` px of it; None of no heat."""
        total = float(heat.sum())
        around = ndimage.distance_transform_edt(~self.mask) <= near
        return float(heat[around].sum()) / total if total > 0 else None


def view(model: Model, image: Image, patch: Patch, defect: int) -> View:
    """What to look at of an image (H, W, C) for an object of a class: its surroundings, or all of it.

    A rule compares all of an image, and is shown all. A model that grades whole images is shown all of a small one, and
    of a larger one the tile that it suspects most.
    """
    height, width = image.shape[:2]
    if isinstance(model, Grader):
        window = _most_suspect(model, image, defect)
        return View(window, image[window.slices], np.ones(window.size, bool), defect)
    if isinstance(model, Threshold):
        return View(Window.whole(height, width), image, patch.full(height, width), defect)
    shrink = shrink_of(model)
    near = Window.of(patch).grown(REACH * shrink, height, width, GRID * shrink)
    window = near.at_most(LARGEST * shrink, *_middle(patch))
    return View(window, np.ascontiguousarray(image[window.slices]), window.cut(patch), defect)


def predictions(model: Model, images: Iterable[Image]) -> Iterator[Maps]:
    """The maps (K, H, W) of each image; a segmenter sees several of one size at a time."""
    if not isinstance(model, Segmenter):
        yield from (model.predict(image) for image in images)
        return
    for shape, alike in groupby(images, key=lambda one: one.shape):
        count = max(1, BATCH // max(1, shape[0] * shape[1]))
        while batch := list(islice(alike, count)):
            yield from _batch(model, batch)


def probability(model: Model, maps: Maps, seen: View) -> float:
    """How probable an object is by the maps (K, h, w) of its view: the mean over its pixels.

    Of a model that tells objects apart the highest, which is its score: its maps are scores times probabilities.
    """
    values = maps[seen.defect][seen.mask]
    return float(values.max() if isinstance(model, Finder) else values.mean())


def _batch(model: Segmenter, images: Sequence[Image]) -> Maps:
    values = torch.from_numpy(np.stack([to_float(image, model.channels) for image in images]))
    with torch.inference_mode(), autocast(model.device):
        logits = model.network(values.to(model.device, memory_format=memory_format(model.device)))
    return np.asarray(logits.float().sigmoid().cpu().numpy(), np.float32)


def _most_suspect(model: Grader, image: Image, defect: int) -> Window:
    """The tile with the highest grade of the class; all of an image that is no larger than one."""
    height, width = image.shape[:2]
    if max(height, width) <= LARGEST:
        return Window.whole(height, width)
    found = [
        Window(rows.seen.start, columns.seen.start, rows.seen.stop, columns.seen.stop)
        for rows, columns in tiles(Tiling(LARGEST), height, width)
    ]
    return max(found, key=lambda one: model.grade(np.ascontiguousarray(image[one.slices]))[defect])


def _middle(patch: Patch) -> tuple[int, int]:
    """The object's own pixel that is nearest to the middle of all of them."""
    rows, columns = np.nonzero(patch.mask)
    at = int(np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2))
    return patch.top + int(rows[at]), patch.left + int(columns[at])
