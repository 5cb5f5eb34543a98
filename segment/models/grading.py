"""The grade of an image of any size: that of its most suspect part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.segment.models.objects import Maps
from flawsmith.segment.tiles import Tiling, tiles

Grade = Callable[[NDArray[Any]], NDArray[np.float32]]  # of what fits into memory: (K,) in [0, 1]


def grade_by_tiles(grade: Grade, image: NDArray[Any]) -> NDArray[np.float32]:
    """How probable each class is (K,) float32 for an image (H, W, C): the highest grades of its tiles."""
    parts = tiles(Tiling(), *image.shape[:2])
    return np.asarray(np.max([grade(image[rows.seen, columns.seen]) for rows, columns in parts], axis=0), np.float32)


def even(grades: NDArray[np.float32], image: NDArray[Any]) -> Maps:
    """The grades as maps (K, H, W) that are the same everywhere: where a defect lies is not known."""
    return np.broadcast_to(grades[:, None, None], (len(grades), *image.shape[:2]))
