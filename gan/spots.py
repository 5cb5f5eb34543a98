"""Defects painted to be looked at: the place of each, so that it can be painted there again, otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.geometry.patch import Patch
from flawsmith.data.image import to_float, to_uint
from flawsmith.data.record import Record
from flawsmith.gan.bank import Bank
from flawsmith.gan.blend import composite
from flawsmith.gan.context import survey
from flawsmith.gan.gate import Gate
from flawsmith.gan.painter import Job, Paint, Painter
from flawsmith.gan.production.items import part_of
from flawsmith.gan.region import Mask, Pixels
from flawsmith.gan.scene import Proposal, Scene, SceneConfig, accept, begin, draw_shapes, propose
from flawsmith.gan.severity import harder

TILE = 128  # px a side of one picture


@dataclass(frozen=True, eq=False)
class Spot:
    """One defect: a tile (TILE, TILE, C) of the part around it, white beyond the part, the job, and its paint."""

    around: Pixels  # what it shows of the job's window does not count
    row: int  # of the job's window in the tile
    column: int
    job: Job
    allowed: Mask  # (h, w): where in the window paint may be
    paint: Paint
    label: Mask  # (TILE, TILE): as painted sets label it

    def shown(self, paint: Paint | None = None, severity: float = 1) -> Pixels:
        """The tile with this paint, or its own, at a severity."""
        paint = harder(paint or self.paint, self.job.clean, severity)
        after = composite(self.job.clean, paint.painted, paint.alpha * self.allowed)
        tile = self.around.copy()
        (top, bottom), (left, right) = (
            _overlap(*one) for one in zip((self.row, self.column), after.shape, strict=False)
        )
        tile[top:bottom, left:right] = after[
            top - self.row : bottom - self.row, left - self.column : right - self.column
        ]
        return tile

    def looks(self, painter: Painter, count: int) -> list[Pixels]:
        """Tiles of the same shape at the same place with other latents and noise; the first is its own."""
        jobs = [replace(self.job, seed=(*self.job.seed, number)) for number in range(1, count)]
        return [self.shown(), *(self.shown(paint) for paint in painter.paint(jobs))]


def _overlap(start: int, length: int) -> tuple[int, int]:
    """What of [start, start + length) lies in a tile."""
    return max(start, 0), min(start + length, TILE)


def paint_spot(scene: Scene, bank: Bank, painter: Painter, gate: Gate, seed: int) -> Spot | None:
    """The first defect that passes on a scene; None where none of the tries does."""
    config = SceneConfig()
    while scene.attempt < config.tries:
        proposal = propose(scene, bank, config, seed)
        if proposal is not None:
            paint = painter.paint([proposal.job])[0]
            if accept(scene, proposal, paint, config, gate):
                return _spot(scene.pixels, scene.labels[-1], proposal, paint)
        scene.attempt += 1
    return None


def _spot(pixels: NDArray[Any], label: Patch, proposal: Proposal, paint: Paint) -> Spot:
    top, left = corner(label, pixels.shape)
    marked = Patch(label.top - top, label.left - left, label.mask).full(TILE, TILE)
    around = tile_at(pixels, top, left, proposal.job.clean.shape[2])
    return Spot(around, proposal.top - top, proposal.left - left, proposal.job, proposal.allowed, paint, marked)


def corner(patch: Patch, size: tuple[int, ...]) -> tuple[int, int]:
    """Where in an image (H, W) the tile about a defect begins; beyond the image only where that is smaller."""
    top, left = (
        min(max(start + extent // 2 - TILE // 2, 0), length - TILE) if length > TILE else (length - TILE) // 2
        for start, extent, length in zip((patch.top, patch.left), patch.mask.shape, size, strict=False)
    )
    return top, left


def tile_at(image: NDArray[Any], top: int, left: int, channels: int) -> Pixels:
    """(TILE, TILE, channels) of an image (H, W, C) from a pixel on, which may lie outside; white beyond the image."""
    tile = np.ones((TILE, TILE, channels), np.float32)
    rows = slice(max(top, 0), min(top + TILE, image.shape[0]))
    columns = slice(max(left, 0), min(left + TILE, image.shape[1]))
    seen = to_float(image[rows, columns], channels).transpose(1, 2, 0)
    tile[rows.start - top :, columns.start - left :][: seen.shape[0], : seen.shape[1]] = seen
    return tile


def scene_for(
    bank: Bank, clean: Sequence[Record] | None, defect: int, config: SceneConfig, seed: int, number: int
) -> Scene:
    """Something to paint on: one of the clean parts; None of them: the surroundings of a real defect, healed."""
    if clean is not None:
        record = clean[part_of(seed, number, 0, len(clean))]
        return begin(bank, record, defect, config.control, seed, (number,))
    instance = bank.instances[bank.members[defect][number % len(bank.members[defect])]]
    record = Record(instance.source, Path(instance.source), instance.group)
    pixels = to_uint(instance.healed.transpose(2, 0, 1), np.dtype(np.uint8 if bank.depth == 255 else np.uint16))
    shapes = draw_shapes(bank, defect, 1, config.control, seed, (number,))
    return Scene((number,), record, defect, 1, pixels, survey(pixels, whole=bank.whole), shapes)


def real_tile(bank: Bank, defect: int, number: int) -> Pixels | None:
    """One real defect (TILE, TILE, C); None where there are fewer."""
    members = bank.members[defect]
    if number >= len(members):
        return None
    one = bank.instances[members[number]]
    pixels = to_uint(one.image.transpose(2, 0, 1), np.dtype(np.uint16))
    return tile_at(pixels, *corner(Patch.of(one.mask), pixels.shape), bank.channels)
