"""What a model of any kind says of one image: its maps, and the single defects in them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.geometry.patch import Patch
from flawsmith.segment.instances import Found, instances
from flawsmith.segment.model import Model, shrink_of
from flawsmith.segment.models.objects import Finder, Grader, Object, drawn
from flawsmith.segment.models.threshold import Threshold
from flawsmith.segment.tiles import Tiling, predict_tiled

_INSIDE = 0.5  # what an object's pixels reach

Seen = tuple[NDArray[np.float32], tuple[Found, ...]]


def look(model: Model, image: NDArray[Any], threshold: float, least: int, tiling: Tiling) -> Seen:
    """The maps (K, H, W) float32 of an image (H, W, C), and the defects in it of at least `least` px.

    A model that tells objects apart is asked for them; one that grades whole images has none.
    """
    if isinstance(model, Finder):
        objects = model.find(image, tiling)
        found = (_found(one, model.classes) for one in objects if one.score >= threshold)
        maps = drawn(objects, len(model.classes), *image.shape[:2])
        return maps, tuple(one for one in found if one.patch.area >= least)
    maps = maps_of(model, image, tiling)
    return maps, () if isinstance(model, Grader) else instances(maps, model.classes, threshold, least)


def maps_of(model: Model, image: NDArray[Any], tiling: Tiling) -> NDArray[np.float32]:
    """The maps (K, H, W) float32 of an image (H, W, C), large ones by tiles where the model sees no more than that."""
    if isinstance(model, Finder):
        return drawn(model.find(image, tiling), len(model.classes), *image.shape[:2])
    whole = isinstance(model, Threshold | Grader)  # they compare all of an image, or cut it themselves
    return model.predict(image) if whole else predict_tiled(model, image, tiling.further(shrink_of(model)))


def marked(model: Model, maps: NDArray[np.float32], found: tuple[Found, ...], threshold: float) -> NDArray[np.bool_]:
    """The pixels (K, H, W) of defects: where the maps reach the threshold, or of a model of objects those of `found`.

    The maps of objects are scores times probabilities: an object that is found may nowhere reach the threshold there.
    """
    if not isinstance(model, Finder):
        return maps >= threshold
    masks = np.zeros(maps.shape, bool)
    for one in found:
        one.patch.onto(masks[model.classes.index(one.defect)])
    return masks


def _found(one: Object, classes: tuple[str, ...]) -> Found:
    return Found(classes[one.defect], one.score, Patch.of(one.values >= _INSIDE, one.top, one.left))
