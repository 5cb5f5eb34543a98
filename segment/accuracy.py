"""How often an image's kind is named rightly, of the good ones and of those of each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.record import GOOD
from flawsmith.segment.metrics import ratio


@dataclass
class Accuracy:
    """What is known after some images."""

    classes: tuple[str, ...]
    threshold: float
    right: dict[str, int] = field(default_factory=dict)  # by what the images show
    images: dict[str, int] = field(default_factory=dict)

    def add(self, grades: NDArray[np.float32], shown: Sequence[bool]) -> None:
        """Counts one image: grades (K,) in [0, 1], and which of the K classes it shows.

        It is called by its most probable class, or good where that is less probable than the threshold. An image of
        several classes is called rightly by any of them, and counts for each.
        """
        best = int(np.argmax(grades))
        called = self.classes[best] if grades[best] >= self.threshold else GOOD
        kinds = [name for name, there in zip(self.classes, shown, strict=True) if there] or [GOOD]
        for kind in ("all", *kinds):
            self.images[kind] = self.images.get(kind, 0) + 1
            self.right[kind] = self.right.get(kind, 0) + (called in kinds)

    def result(self) -> dict[str, Any]:
        """The share of images that were called rightly: of all, good and each class; None where there is no image."""
        return {kind: ratio(self.right.get(kind, 0), self.images.get(kind, 0)) for kind in ("all", GOOD, *self.classes)}
