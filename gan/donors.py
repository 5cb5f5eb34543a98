"""Good parts to heal from: those that look most like the defective one."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.image import read_image, to_float
from flawsmith.data.record import Record
from flawsmith.data.seeds import rng
from flawsmith.gan.region import Pixels, brightness

CANDIDATES = 200  # good images that are looked at for donors
DONORS = 5  # most similar good images that a defect is healed from
THUMBNAIL = 16  # px a side: what donors are compared on


def as_pixels(image: NDArray[Any], channels: int) -> Pixels:
    """(H, W, C) integers → (H, W, channels) float32 in [0, 1]."""
    return np.ascontiguousarray(to_float(image, channels).transpose(1, 2, 0))


class Donors:
    """Good images to heal from, found by likeness: thumbnails are kept in memory, few images are."""

    def __init__(self, records: Sequence[Record], channels: int, seed: int) -> None:
        order = rng(seed, "donors").permutation(len(records))[:CANDIDATES]
        self.records = [records[i] for i in order]
        self.channels = channels
        self._read = lru_cache(maxsize=16)(self._load)
        self._known = [_likeness(as_pixels(read_image(record.image), channels)) for record in self.records]

    def for_image(self, image: Pixels) -> list[Pixels]:
        """The good images (H, W, C) that are most like `image`, in size and in look."""
        own = _likeness(image)
        apart = [float(np.abs(own - other).sum()) for other in self._known]
        return [self._read(int(i)) for i in np.argsort(apart, kind="stable")[:DONORS]]

    def _load(self, index: int) -> Pixels:
        return as_pixels(read_image(self.records[index].image), self.channels)


def _likeness(image: Pixels) -> NDArray[np.float32]:
    """What is compared: a thumbnail, and the logarithm of the size, of which 0.1 counts as a tenth of the range."""
    height, width = image.shape[:2]
    rows = np.linspace(0, height, THUMBNAIL + 1).astype(int)[:-1]
    columns = np.linspace(0, width, THUMBNAIL + 1).astype(int)[:-1]
    sums = np.add.reduceat(np.add.reduceat(brightness(image), rows, axis=0), columns, axis=1)
    small = sums * (THUMBNAIL**2 / (height * width))
    size = np.log([height, width])
    return np.concatenate([small.ravel() / THUMBNAIL**2, size]).astype(np.float32)
