"""Training patches: which record, where, and how changed. Patch i of the stream is a function of (seed, i) alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flawsmith.data.augment import AugmentConfig, augment, sample_params, window_side
from flawsmith.data.image import to_float
from flawsmith.data.record import Record
from flawsmith.data.sample import Sample, load
from flawsmith.data.seeds import rng
from flawsmith.segment.shrink import smaller

Spot = tuple[int, int, int]  # index of a good record, row, column
Kind = Literal["real", "synthetic", "good", "around"]  # at a defect, twice; of a good part; anywhere in a defect image
ALL = slice(None)
CACHE = 600 * 2**20  # bytes of decoded images kept in memory; what does not fit is read again when it is needed


class Pool:
    """Records whose samples are read when first needed and kept as long as they fit into `room` bytes.

    All are `shrink` times smaller than they are on disk.
    """

    def __init__(self, records: Sequence[Record], classes: Sequence[str], room: int = CACHE, shrink: int = 1) -> None:
        self.records, self.classes, self.room, self.shrink = tuple(records), tuple(classes), room, shrink
        shown = [tuple(i for i, record in enumerate(records) if name in record.defects) for name in classes]
        self.by_class = tuple(members for members in shown if members)  # indices of the records that show a class
        self._kept: dict[int, Sample] = {}

    def __len__(self) -> int:
        return len(self.records)

    def sample(self, index: int) -> Sample:
        """Image and masks of one record."""
        if index not in self._kept:
            sample = smaller(load(self.records[index], self.classes), self.shrink)
            if self.records[index].good:  # its masks are empty: one byte seen from every pixel is enough
                sample = Sample(sample.image, np.broadcast_to(np.False_, sample.masks.shape))
            size = sample.image.nbytes + (0 if self.records[index].good else sample.masks.nbytes)
            if size > self.room:
                return sample
            self.room -= size
            self._kept[index] = sample
        return self._kept[index]


def plan(
    batch: int, defect_share: float, painted_share: float, real: int, synthetic: int, good: int
) -> tuple[Kind, ...]:
    """What each patch of a batch shows, from the shares wanted and the numbers of images there are.

    Painted patches take the place of real ones alone: good parts are shown as often as without them, or the network
    would come to expect more defects than there are. Of the patches at a defect at least half are real wherever there
    are real ones. A quarter of the good patches lies anywhere in images with a defect, whose surroundings are the
    hardest good texture there is.
    """
    defects = round(batch * defect_share) if good else batch
    painted = (min(round(defects * painted_share), defects // 2) if real else defects) if synthetic else 0
    reals = defects - painted if real else 0
    rest = batch - reals - painted
    around = rest // 4
    kinds: list[Kind] = ["real"] * reals
    kinds += ["synthetic"] * painted
    kinds += ["good" if good else "around"] * (rest - around)
    kinds += ["around"] * around
    return tuple(kinds)


@dataclass(frozen=True)
class Batches:
    """The endless stream of training batches, cut from three pools."""

    real: Pool
    synthetic: Pool
    good: Pool
    kinds: tuple[Kind, ...]  # one per place in the batch
    channels: int
    patch: int  # px, of samples as the pools make them
    seed: int
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    hard: tuple[Spot, ...] = ()  # half of the good patches show one of these, where there are any

    def batch(self, step: int, rows: slice = ALL) -> tuple[Tensor, Tensor]:
        """Images (B, C, P, P) float32 in [0, 1] and masks (B, K, P, P) float32, 0 or 1; or these rows of them."""
        size = len(self.kinds)
        items = [self.item(index) for index in range(step * size, (step + 1) * size)[rows]]
        return torch.stack([image for image, _ in items]), torch.stack([masks for _, masks in items]).float()

    def item(self, index: int) -> tuple[Tensor, Tensor]:
        """Patch `index` of the stream: image (C, P, P) float32 in [0, 1] and masks (K, P, P) bool."""
        random = rng(self.seed, "patch", index)
        params = sample_params(self.augment, random)
        kind, side = self.kinds[index % len(self.kinds)], window_side(params, self.patch)
        image, masks = cut(*self._place(kind, random), side)
        return augment(params, torch.from_numpy(to_float(image, self.channels)), torch.from_numpy(masks), self.patch)

    def _place(self, kind: Kind, random: np.random.Generator) -> tuple[Sample, tuple[int, int]]:
        if kind in ("real", "synthetic"):
            return near_defect(self.real if kind == "real" else self.synthetic, self.patch, random)
        if kind == "good" and self.hard and random.random() < 0.5:
            index, *middle = self.hard[int(random.integers(len(self.hard)))]
            return self.good.sample(index), near((middle[0], middle[1]), self.good.sample(index), self.patch, random)
        pool = self.good if kind == "good" else self.real if len(self.real) else self.synthetic
        sample = pool.sample(int(random.integers(len(pool))))
        return sample, anywhere(sample, self.patch, random)


def near_defect(pool: Pool, patch: int, random: np.random.Generator) -> tuple[Sample, tuple[int, int]]:
    """A sample, every class equally often, and the middle (y, x) of a patch that shows a defect pixel of it."""
    members = pool.by_class[random.integers(len(pool.by_class))]
    index = members[random.integers(len(members))]
    sample = pool.sample(index)
    names = [k for k, name in enumerate(pool.classes) if index in members and name in pool.records[index].defects]
    spots = np.flatnonzero(sample.masks[names].any(0))
    if not spots.size:
        return sample, anywhere(sample, patch, random)
    spot = divmod(int(spots[random.integers(spots.size)]), sample.image.shape[1])
    return sample, near(spot, sample, patch, random)


def near(spot: tuple[int, int], sample: Sample, patch: int, random: np.random.Generator) -> tuple[int, int]:
    """The middle (y, x) of a patch that shows the spot, seldom in its own middle."""
    shift = random.integers(-(patch * 2 // 5), patch * 2 // 5 + 1, 2)
    return inside((spot[0] + int(shift[0]), spot[1] + int(shift[1])), sample.image.shape, patch)


def anywhere(sample: Sample, patch: int, random: np.random.Generator) -> tuple[int, int]:
    """The middle (y, x) of a patch, uniform over the image."""
    height, width = sample.image.shape[:2]
    return inside((int(random.integers(height)), int(random.integers(width))), sample.image.shape, patch)


def inside(middle: tuple[int, int], shape: tuple[int, ...], patch: int) -> tuple[int, int]:
    """The nearest middle whose patch lies inside the image; the image's own where it is smaller than the patch."""
    y, x = (
        size // 2 if size <= patch else min(max(at, patch // 2), size - (patch + 1) // 2)
        for at, size in zip(middle, shape[:2], strict=True)
    )
    return y, x


def cut(sample: Sample, middle: tuple[int, int], side: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The window of `side` px about `middle`: image (S, S, C), masks (K, S, S); mirrored beyond the borders."""
    rows, columns = (
        mirrored(at - side // 2, side, size) for at, size in zip(middle, sample.image.shape[:2], strict=True)
    )
    return sample.image[rows[:, None], columns], sample.masks[:, rows[:, None], columns]


def mirrored(start: int, length: int, size: int) -> NDArray[np.intp]:
    """The indices start … start + length - 1 folded back into 0 … size - 1, borders not repeated, any distance out."""
    period = max(2 * size - 2, 1)
    index = np.arange(start, start + length) % period
    return np.minimum(index, period - index)
