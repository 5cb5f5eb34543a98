"""Kernel distance: how far painted defects lie from real ones that nothing saw, beside how far real ones lie apart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from flawsmith.data.geometry.box import Box
from flawsmith.data.image import to_float
from flawsmith.data.record import Record
from flawsmith.data.sample import load
from flawsmith.data.seeds import rng
from flawsmith.gan.instance import GAP, LEAST
from flawsmith.gan.region import bounding_box, fragments
from flawsmith.segment.efficientnet import Encoder

NETWORK = "EfficientNet-Lite0 (ImageNet), mean of its last map at one length"
CONTEXT = 16  # px around a defect's box that are looked at too
GRAIN, SHORTEST, LONGEST = 32, 64, 256  # px: sides of a crop, at native size
DRAWS, SUBSET = 100, 50  # subsets, and the most crops in one

Features = NDArray[np.float64]  # (n, F)


def kernel_distance(first: Features, second: Features) -> float:
    """Unbiased squared MMD under the kernel (x·y / F + 1)³, from two rows on: Bińkowski et al. 2018, section 3."""
    size = first.shape[1]
    within = []
    for rows in (first, second):
        kernel = (rows @ rows.T / size + 1) ** 3
        within.append((kernel.sum() - np.trace(kernel)) / (len(rows) * (len(rows) - 1)))
    return float(sum(within) - 2 * ((first @ second.T / size + 1) ** 3).mean())


def spread(first: Features, second: Features, random: np.random.Generator) -> tuple[float | None, float | None]:
    """Mean and standard deviation of the distance over subsets of one size; None where a side has fewer than two."""
    least = min(len(first), len(second))
    if least < 2:
        return None, None
    size = min(SUBSET, max(2, least * 3 // 4))
    found = [
        kernel_distance(*(rows[random.choice(len(rows), size, replace=False)] for rows in (first, second)))
        for _ in range(DRAWS)
    ]
    return float(np.mean(found)), float(np.std(found))


def halves(rows: Features, groups: Sequence[str], random: np.random.Generator) -> tuple[float | None, float | None]:
    """Mean and deviation of the distance between halves of the groups; None where there are too few."""
    names = np.unique(np.array(groups, str))
    found = []
    for _ in range(DRAWS if len(names) > 1 else 0):
        chosen = np.isin(groups, random.permutation(names)[: len(names) // 2])
        if 2 <= chosen.sum() <= len(rows) - 2:
            found.append(kernel_distance(rows[chosen], rows[~chosen]))
    return (float(np.mean(found)), float(np.std(found))) if found else (None, None)


class Eye:
    """The feature network: a crop in, one vector out."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.encoder = device, Encoder().load_imagenet().eval().to(device)

    @torch.no_grad()
    def look(self, image: NDArray[Any], box: Box) -> NDArray[np.float64]:
        """The features (F,) of a box of an image (H, W, C) uint8 or uint16, with context, at native size.

        Their mean square is 1: the kernel stays within 0 and 8, and no single crop rules the distance.
        """
        values = torch.from_numpy(to_float(crop(image, box), 3))[None].to(self.device)
        found = self.encoder(values)[-1].mean((2, 3))[0].cpu().double().numpy()
        return np.asarray(found / max(np.sqrt((found**2).mean()), 1e-12))


def crop(image: NDArray[Any], box: Box) -> NDArray[Any]:
    """The box with context, sides multiples of GRAIN, moved to lie on the image; a smaller image is mirrored."""
    cut = []
    for start, stop, length in ((box.top, box.bottom, image.shape[0]), (box.left, box.right, image.shape[1])):
        side = int(np.clip(-(-(stop - start + 2 * CONTEXT) // GRAIN) * GRAIN, SHORTEST, LONGEST))
        low = int(np.clip((start + stop) // 2 - side // 2, 0, max(length - side, 0)))
        cut.append(slice(low, low + side))
    part = image[cut[0], cut[1]]
    pad = [(0, piece.stop - piece.start - have) for piece, have in zip(cut, part.shape, strict=False)]
    return np.pad(part, [*pad, (0, 0)], mode="symmetric") if any(after for _, after in pad) else part


def real_defects(records: Sequence[Record], name: str, most: int) -> Iterator[tuple[NDArray[Any], Box, str]]:
    """Image (H, W, C), box and group of the defects of one class: at most `most`, the images evenly spread."""
    shown = [record for record in records if name in record.defects]
    step = max(1, -(-len(shown) // most))
    found = 0
    for record in shown[::step]:
        sample = load(record, (name,))
        for part in fragments(sample.masks[0], GAP):
            if part.sum() >= LEAST and found < most:
                found += 1
                yield sample.image, bounding_box(part), record.group


class Yardstick:
    """The real defects of one class: those drawn, and those of the pool that were not."""

    def __init__(self, drawn: Sequence[Record], held: Sequence[Record], name: str, eye: Eye, most: int) -> None:
        self.name, self.eye = name, eye
        self.drawn, _ = self._seen(drawn, most)
        self.held, self.groups = self._seen(held, most)

    def _seen(self, records: Sequence[Record], most: int) -> tuple[Features, list[str]]:
        found = [(self.eye.look(image, box), group) for image, box, group in real_defects(records, self.name, most)]
        return stacked([features for features, _ in found]), [group for _, group in found]

    def floor(self, seed: int) -> dict[str, Any]:
        """How far real defects lie from real ones: the drawn from the others, and halves of the others by group."""
        drawn, deviation = spread(self.drawn, self.held, rng(seed, "floor"))
        apart, apart_deviation = halves(self.held, self.groups, rng(seed, "halves"))
        return {"floor": drawn, "floor_std": deviation, "halves": apart, "halves_std": apart_deviation}

    def measure(self, painted: Features, seed: int) -> dict[str, Any]:
        """The distance of painted defects (n, F) from those of the pool that were not drawn."""
        distance, deviation = spread(painted, self.held, rng(seed, "kernel distance"))
        return {"kid": distance, "kid_std": deviation, "n_synthetic": len(painted), "n_real": len(self.held)}


def stacked(rows: Sequence[NDArray[np.float64]]) -> Features:
    """Vectors (F,) as (n, F); (0, 1) of none."""
    return np.stack(rows) if rows else np.zeros((0, 1))
