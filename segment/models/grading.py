"""The grade of an image of any size: that of its most suspect part."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.segment.models.objects import Maps
from flawsmith.segment.tiles import Tiling, tiles


class Grader(ABC):
    """A classifier, however it grades what fits into memory."""

    @abstractmethod
    def grade_part(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """How probable each class is (K,) float32 for an image (H, W, C) that fits into memory."""

    def grade(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """The same for an image (H, W, C) uint8 or uint16 of any size: the highest grades of its tiles."""
        parts = tiles(Tiling(), *image.shape[:2])
        grades = [self.grade_part(image[rows.seen, columns.seen]) for rows, columns in parts]
        return np.asarray(np.max(grades, axis=0), np.float32)

    def predict(self, image: NDArray[Any]) -> Maps:
        """The grades as maps (K, H, W) float32 that are the same everywhere: where a defect lies is not known."""
        grades = self.grade(image)
        return np.broadcast_to(grades[:, None, None], (len(grades), *image.shape[:2]))
