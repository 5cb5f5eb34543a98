"""Training patches for the painter: real defects with small variations, and clean places where one could sit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from flawsmith.data.distributed import ALONE, Group
from flawsmith.data.image import read_image, to_float
from flawsmith.data.record import Record
from flawsmith.data.seeds import rng
from flawsmith.gan.bank import Bank
from flawsmith.gan.game import Blank, Real
from flawsmith.gan.instance import Instance
from flawsmith.gan.painter import Job
from flawsmith.gan.placement import sample_place
from flawsmith.gan.shapes import draw_shape, sample_shape
from flawsmith.gan.transplant import transplant

Array = NDArray[np.float32]
ALL = slice(None)


@dataclass(frozen=True)
class View:
    """How one real defect is looked at: centre in its window, px; zoom; turn in radians; mirrored or not."""

    instance: int
    row: float
    column: float
    zoom: float
    turn: float
    mirror: bool


class RealPatches:
    """Patches around real defects; step t depends on (seed, t) alone."""

    def __init__(self, bank: Bank, patch: int, seed: int) -> None:
        self.bank, self.patch, self.seed = bank, patch, seed
        present = sorted({instance.defect for instance in bank.instances})
        self.of_class = [[i for i, x in enumerate(bank.instances) if x.defect == c] for c in present]

    def batch(self, step: int, count: int, rows: slice = ALL) -> Real:
        """`count` patches, or these rows of them: the classes in turn, each class's defects at random."""
        views = [self.sample(step, i) for i in range(count)[rows]]
        stacks = [self.apply(view) for view in views]
        image, healed, mask = (torch.stack([stack[k] for stack in stacks]) for k in range(3))
        defects = torch.tensor([self.bank.instances[view.instance].defect for view in views])
        return Real(image, healed, mask, defects)

    def sample(self, step: int, index: int) -> View:
        """Draw a view: any place of the defect within the middle of the patch."""
        random = rng(self.seed, "real patch", step, index)
        candidates = self.of_class[(step + index) % len(self.of_class)]
        chosen = int(candidates[random.integers(len(candidates))])
        rows, columns = np.nonzero(self.bank.instances[chosen].mask)
        at = int(random.integers(len(rows)))
        # A small defect is centred on itself, one larger than the patch on any of its pixels.
        small = max(np.ptp(rows), np.ptp(columns)) < 0.6 * self.patch
        row, column = (rows.mean(), columns.mean()) if small else (rows[at], columns[at])
        shift = random.uniform(-0.15, 0.15, 2) * self.patch
        turned = np.pi if self.bank.free[self.bank.instances[chosen].defect] else 0.12
        return View(
            chosen,
            float(row + shift[0]),
            float(column + shift[1]),
            float(np.exp(random.uniform(-0.18, 0.18))),
            float(random.uniform(-turned, turned)),
            bool(random.random() < 0.5),
        )

    def apply(self, view: View) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The patch of one view: image, healed (C, P, P), mask (1, P, P), moved to stay on the photograph."""
        instance = self.bank.instances[view.instance]
        height, width = instance.mask.shape
        reach = 0.5 * self.patch / view.zoom
        row = float(np.clip(view.row, min(reach, height / 2), max(height - reach, height / 2)))
        column = float(np.clip(view.column, min(reach, width / 2), max(width - reach, width / 2)))
        cos, sin = np.cos(view.turn) * reach, np.sin(view.turn) * reach
        flip = -1.0 if view.mirror else 1.0
        theta = torch.tensor(
            [
                [flip * cos * 2 / width, -sin * 2 / width, 2 * column / width - 1],
                [flip * sin * 2 / height, cos * 2 / height, 2 * row / height - 1],
            ],
            dtype=torch.float32,
        )
        grid = F.affine_grid(theta[None], [1, 1, self.patch, self.patch], align_corners=False)
        planes = np.concatenate([instance.image, instance.healed], axis=2).transpose(2, 0, 1)
        pixels = F.grid_sample(torch.from_numpy(planes)[None], grid, padding_mode="reflection", align_corners=False)[0]
        inside = torch.from_numpy(instance.mask.astype(np.float32))[None, None]
        mask = F.grid_sample(inside, grid, mode="nearest", padding_mode="reflection", align_corners=False)[0]
        channels = instance.image.shape[2]
        return pixels[:channels], pixels[channels:], mask


class BlankPatches:
    """Clean patches with a placed shape, drawn once from the good parts and varied by mirroring."""

    def __init__(
        self, bank: Bank, good: Sequence[Record], patch: int, count: int, seed: int, group: Group = ALONE
    ) -> None:
        """`count` patches, of which each process of the group draws its share for all."""
        self.seed = seed
        self.of_class: dict[int, list[tuple[Array, NDArray[np.bool_]]]] = {}  # clean and draft (P, P, 2C), mask
        present = sorted({instance.defect for instance in bank.instances})
        share = group.share(count)
        planes = torch.zeros(share.size, patch, patch, 2 * bank.channels)
        masks = torch.zeros(share.size, patch, patch, dtype=torch.uint8)  # empty: no part had room
        parts = CleanParts(good, bank.channels)
        mine = list(enumerate(range(count)[share.rows]))
        for row, index in sorted(mine, key=lambda one: parts.choose(rng(seed, "blank patch", one[1]))):
            found = blank_patch(bank, parts, present[index % len(present)], patch, rng(seed, "blank patch", index))
            if found is not None:
                planes[row], masks[row] = map(torch.from_numpy, found)
        for index, (both, mask) in enumerate(zip(share.whole(planes), share.whole(masks).bool(), strict=True)):
            if mask.any():
                self.of_class.setdefault(present[index % len(present)], []).append((both.numpy(), mask.numpy()))
        for defect in present:
            # No good part has room for this class: its own healed surroundings have to do.
            if defect not in self.of_class:
                self.of_class[defect] = [healed_patch(bank.instances[i], patch) for i in bank.members[defect]]

    def batch(self, step: int, defects: torch.Tensor, first: int = 0) -> Blank:
        """One patch for each wanted class (N,), of which the first one is number `first` of its batch."""
        planes, masks = [], []
        for index, defect in enumerate(defects.tolist(), first):
            random = rng(self.seed, "blank batch", step, index)
            pool = self.of_class[defect]
            both, mask = pool[int(random.integers(len(pool)))]
            if random.random() < 0.5:
                both, mask = both[:, ::-1], mask[:, ::-1]
            planes.append(torch.from_numpy(np.ascontiguousarray(both.transpose(2, 0, 1))))
            masks.append(torch.from_numpy(np.ascontiguousarray(mask[None].astype(np.float32))))
        clean, draft = torch.stack(planes).chunk(2, 1)
        return Blank(clean, torch.stack(masks), defects, draft)


class CleanParts:
    """Good parts to draw from; the one that was read last is kept: those of a camera's full size take long to read."""

    def __init__(self, good: Sequence[Record], channels: int) -> None:
        self.good, self.channels = good, channels
        self._last: tuple[int, Array] | None = None

    def choose(self, random: np.random.Generator) -> int:
        """The index of one."""
        return int(random.integers(len(self.good)))

    def image(self, index: int) -> Array:
        """Its pixels (H, W, C) float32 in [0, 1], to be read only."""
        if self._last is None or self._last[0] != index:
            pixels = to_float(read_image(self.good[index].image), self.channels).transpose(1, 2, 0)
            self._last = index, pixels
        return self._last[1]


def blank_patch(
    bank: Bank, parts: CleanParts, defect: int, patch: int, random: np.random.Generator, tries: int = 8
) -> tuple[Array, NDArray[np.bool_]] | None:
    """A place where a defect of this class could sit; None if no part has room.

    The patch clean, and with a real defect in the new shape (P, P, 2C); the mask (P, P).
    """
    for attempt in range(tries):
        clean = parts.image(parts.choose(random))
        shape = draw_shape(sample_shape(bank, defect, random), bank)
        place = sample_place(clean, shape, bank, None, random, strict=attempt + 1 < tries)
        if place is None:
            continue
        mask = place.mask(clean.shape)
        job = Job(clean, mask, defect, place.shape.params, place.top, place.left, ())
        draft, _ = transplant(job, bank, random)
        rows, columns = np.nonzero(mask)
        at = int(random.integers(len(rows)))
        (one, cut), (other, _) = (
            window(whole, mask, int(rows[at]), int(columns[at]), patch) for whole in (clean, draft)
        )
        return np.dstack([one, other]), cut
    return None


def healed_patch(instance: Instance, patch: int) -> tuple[Array, NDArray[np.bool_]]:
    """A real defect healed, and as it is (P, P, 2C); its mask (P, P)."""
    rows, columns = np.nonzero(instance.mask)
    middle = len(rows) // 2
    planes = np.dstack([instance.healed, instance.image])
    return window(planes, instance.mask, int(rows[middle]), int(columns[middle]), patch)


def window(clean: Array, mask: NDArray[np.bool_], row: int, column: int, patch: int) -> tuple[Array, NDArray[np.bool_]]:
    """The patch about (row, column), moved to lie within the image; a smaller image is continued by reflection."""
    height, width = mask.shape
    pad = ((0, max(patch - height, 0)), (0, max(patch - width, 0)))
    if max(pad)[1]:
        clean, mask = np.pad(clean, (*pad, (0, 0)), mode="symmetric"), np.pad(mask, pad, mode="symmetric")
    top = int(np.clip(row - patch // 2, 0, clean.shape[0] - patch))
    left = int(np.clip(column - patch // 2, 0, clean.shape[1] - patch))
    return clean[top : top + patch, left : left + patch], mask[top : top + patch, left : left + patch]
