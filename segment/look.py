"""What a model of any kind says of one image: its maps, and the single defects in them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.geometry.patch import Patch
from flawsmith.segment.instances import Found, instances
from flawsmith.segment.model import Model
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
        objects = model.find(image)
        found = (_found(one, model.classes) for one in objects if one.score >= threshold)
        maps = drawn(objects, len(model.classes), *image.shape[:2])
        return maps, tuple(one for one in found if one.patch.area >= least)
    if isinstance(model, Grader):
        return model.predict(image), ()
    whole = isinstance(model, Threshold)  # it compares all of an image, and has no network whose memory could grow
    maps = model.predict(image) if whole else predict_tiled(model, image, tiling)
    return maps, instances(maps, model.classes, threshold, least)


def _found(one: Object, classes: tuple[str, ...]) -> Found:
    return Found(classes[one.defect], one.score, Patch.of(one.values >= _INSIDE, one.top, one.left))
