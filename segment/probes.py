"""Images on which an exported model is compared with its original: real ones, or made ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from flawsmith.data.errors import UserError
from flawsmith.data.formats.reading import Data
from flawsmith.data.read import read
from flawsmith.data.record import Record
from flawsmith.data.sample import load
from flawsmith.data.seeds import rng
from flawsmith.data.select import test_records
from flawsmith.data.split import Split
from flawsmith.segment.places import Sources

MOST = 64  # images, evenly picked: more say nothing new
SIZES = ((64, 64), (97, 131), (33, 200), (256, 255))  # px of made images: even and odd, small, flat, more than a cell


@dataclass(frozen=True, eq=False)
class Probe:
    """An image (H, W, C), and its true masks (K, H, W) bool where they are known."""

    image: NDArray[Any]
    truth: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Probes:
    """Images that are read when they are asked for."""

    records: tuple[Record, ...]
    classes: tuple[str, ...]
    labelled: bool

    @classmethod
    def of(cls, place: Data, split: Path | None, classes: Sequence[str]) -> Probes:
        """The labelled images of a data set, or all images of a folder without labels; raises UserError.

        With a split those of its pool: an export is accepted by them, and calibrated, which a test part must not do.
        """
        try:
            records = test_records(place) if split is None else Split.load(split).pool(read(place))
            labelled = True
        except UserError:
            if split is not None or not isinstance(place, Path):
                raise
            images = Sources.of([place]).images
            if not images:
                raise
            records = tuple(Record(name, path, name) for name, path in images.items())
            labelled = False
        return cls(_evenly(records), tuple(classes), labelled)

    def every_second(self, first: int) -> Probes:
        """Those at even (0) or odd (1) places."""
        return Probes(self.records[first::2], self.classes, self.labelled)

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, number: int) -> Probe:
        """Reads one; raises UserError where it cannot, and IndexError after the last."""
        sample = load(self.records[number], self.classes)
        return Probe(sample.image, sample.masks if self.labelled else None)


def made(channels: int) -> list[Probe]:
    """Images made by numbers: texture with bright and dark spots, of many sizes."""
    random = rng(0, "probes")
    return [Probe(_textured(random, height, width, channels)) for height, width in SIZES]


def _textured(random: np.random.Generator, height: int, width: int, channels: int) -> NDArray[np.uint8]:
    """One of them (height, width, channels)."""
    noise = random.normal(size=(height, width, channels))
    coarse = 400 * ndimage.gaussian_filter(noise, (8, 8, 0))
    spots = 2000 * ndimage.gaussian_filter(noise * (abs(noise) > 3.2), (2, 2, 0))
    return np.asarray((128 + coarse + spots + 5 * noise).clip(0, 255), np.uint8)


def _evenly(records: Sequence[Record]) -> tuple[Record, ...]:
    """At most MOST of them."""
    places = np.linspace(0, len(records) - 1, min(MOST, len(records))).round().astype(int)
    return tuple(records[place] for place in places)
