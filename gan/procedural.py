"""The painter `procedural`: fractal noise and shading within the mask, as strong as real defects are, no real look."""

from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from flawsmith.gan.bank import Bank
from flawsmith.gan.blend import feather
from flawsmith.gan.painter import BankPainter, Job, Paint
from flawsmith.gan.region import Mask, bounding_box

OCTAVES = 4  # the finest is one pixel wide
BEVEL = 2.5  # px over which the rim of a pit falls off; less in a narrow crack
ROUGH = 0.6  # of the real spread: the rest of it comes from the bevel
SHINE = 0.35  # of the contrast: how much a slope towards the light is brighter
FEATHER = 1.5  # px


class Procedural(BankPainter):
    """Noise in the shape of a defect: the control that needs no real appearance (after Zavrtanik et al. 2021)."""

    name = "procedural"
    blend = MappingProxyType({"feather": FEATHER})

    def __init__(self, bank: Bank) -> None:
        super().__init__(bank)
        self.strengths = [_strength(bank, i) for i in range(len(bank.instances))]

    def paint_one(self, job: Job) -> Paint:
        """The Paint of one job."""
        random = np.random.default_rng(job.seed)
        level, spread = (value * random.uniform(0.8, 1.2) for value in self.strengths[job.shape.first])
        box = bounding_box(job.mask, 8).slices
        relief = _relief(job.mask[box], float(random.uniform(0, 2 * np.pi)))
        noise = _fractal(relief.shape[:2], random)
        change = relief[..., :1] * level + ROUGH * noise[..., None] * spread + relief[..., 1:] * SHINE * np.abs(level)
        painted = job.clean.copy()
        light = job.clean[box].mean((0, 1))  # contrasts are relative to the brightness that they were seen at
        painted[box] += (change * light).astype(np.float32)
        return Paint(np.clip(painted, 0, 1), feather(job.mask, FEATHER))


def _strength(bank: Bank, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean (C,) and spread (C,) of a real defect's change, as shares of the brightness around it.

    Of the stronger half of its pixels: the others are the margin that the annotator left.
    """
    one = bank.instances[index]
    light = one.healed.mean((0, 1)) + np.float32(0.02)
    change = (one.image - one.healed)[one.mask] / light
    strength = np.abs(change).mean(1)
    change = change[strength >= np.median(strength)]
    return change.mean(0), change.std(0)


def _relief(mask: Mask, angle: float) -> NDArray[np.float32]:
    """(h, w, 2): depth, 0 at the rim of `mask` (h, w) to 1 within, and its slope towards the light, about -1..1."""
    way = ndimage.distance_transform_edt(np.pad(mask, 1, mode="edge"))[1:-1, 1:-1]
    bevel = min(BEVEL, max(0.7 * float(way.max()), 1.0))
    depth = ndimage.gaussian_filter(np.clip(way / bevel, 0, 1), 0.5)
    down, across = np.gradient(np.pad(depth, 1, mode="edge"))
    slope = (np.sin(angle) * down + np.cos(angle) * across)[1:-1, 1:-1] * bevel
    return np.stack([depth, slope], axis=2).astype(np.float32)


def _fractal(size: tuple[int, int], random: np.random.Generator) -> NDArray[np.float32]:
    """Fractal noise (h, w), zero mean, unit deviation: octaves of smooth noise, each half as wide and weaker."""
    total = np.zeros(size, np.float32)
    for octave in range(OCTAVES):
        grid = random.standard_normal(size).astype(np.float32)
        width = 2.0 ** (OCTAVES - 1 - octave)
        smooth = ndimage.gaussian_filter(grid, 0.6 * width, mode="reflect")
        total += smooth / (smooth.std() + 1e-6) * (0.6**octave)
    return np.asarray((total - total.mean()) / (total.std() + 1e-6), np.float32)
