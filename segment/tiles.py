"""Large images by overlapping tiles: the memory of a network is that of one tile, and no seam shows.

What a network says near the edge of a tile is thrown away as far as it sees, and between two tiles their maps are
blended: the result is that of the whole image, up to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.errors import UsageError
from flawsmith.segment.model import Model

GRID = 32  # px: tiles begin on multiples of it, so that a network's strides fall on the same pixels everywhere


@dataclass(frozen=True)
class Tiling:
    """How an image is cut: all in pixels, as the network sees them."""

    size: int = 1024  # of a tile: 0.3 GB of a small U-Net's activations; its edges double the work
    margin: int = 128  # thrown away at an edge; beyond it the own networks see next to nothing
    ramp: int = 64  # beyond the margin: where two tiles pass into each other

    def __post_init__(self) -> None:
        if self.size % GRID or self.step % GRID or self.size < 2 * self.overlap:
            rule = f"a tile is a multiple of {GRID} px, and at least {2 * self.overlap} px: twice the overlap"
            raise UsageError("--tile", rule, self.size)

    @property
    def overlap(self) -> int:
        """What two neighbours share."""
        return 2 * self.margin + self.ramp

    @property
    def step(self) -> int:
        """From one tile to the next."""
        return self.size - self.overlap

    def further(self, shrink: int) -> Tiling:
        """The same in pixels of an image that the network sees `shrink` times smaller."""
        return Tiling(self.size * shrink, self.margin * shrink, self.ramp * shrink)

    def along(self, length: int) -> list[Stretch]:
        """The tiles along one axis of `length` px; the weights of all of them add up to 1 everywhere."""
        count = 1 + max(0, -(-(length - self.size) // self.step))
        return [self._stretch(number, count, length) for number in range(count)]

    def _stretch(self, number: int, count: int, length: int) -> Stretch:
        start = number * self.step
        weights = np.ones(min(self.size, length - start), np.float32)
        rise = np.clip((np.arange(self.overlap, dtype=np.float32) - self.margin + 0.5) / max(self.ramp, 1), 0, 1)
        if number > 0:
            weights[: self.overlap] = rise
        if number < count - 1:
            weights[-self.overlap :] = 1 - rise
        return Stretch(start, weights)


@dataclass(frozen=True, eq=False)
class Stretch:
    """A tile along one axis: its first pixel, and how much each of its pixels (n,) counts."""

    start: int
    weights: NDArray[np.float32]

    @property
    def seen(self) -> slice:
        """Its pixels in the image."""
        return slice(self.start, self.start + len(self.weights))

    @property
    def kept(self) -> slice:
        """Its pixels, counted from its first, that count at all."""
        counts = np.flatnonzero(self.weights)
        return slice(int(counts[0]), int(counts[-1]) + 1)

    @property
    def onto(self) -> slice:
        """The same pixels in the image."""
        return slice(self.start + self.kept.start, self.start + self.kept.stop)


def tiles(tiling: Tiling, height: int, width: int) -> Iterator[tuple[Stretch, Stretch]]:
    """The tiles of an image, row by row."""
    return product(tiling.along(height), tiling.along(width))


def predict_tiled(model: Model, image: NDArray[Any], tiling: Tiling) -> NDArray[np.float32]:
    """The probabilities (K, H, W) float32 of an image (H, W, C); the model never sees more than a tile of it."""
    height, width = image.shape[:2]
    if max(height, width) <= tiling.size:
        return model.predict(image)
    maps = np.zeros((len(model.classes), height, width), np.float32)
    for rows, columns in tiles(tiling, height, width):
        part = model.predict(np.ascontiguousarray(image[rows.seen, columns.seen]))[:, rows.kept, columns.kept]
        part *= rows.weights[rows.kept, None] * columns.weights[columns.kept]
        maps[:, rows.onto, columns.onto] += part
    return maps
