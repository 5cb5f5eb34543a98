"""A real defect's own pixels, warped as its shape was and brought to the light of the part it is put on."""

import numpy as np
from scipy import ndimage

from flawsmith.gan.bank import Bank
from flawsmith.gan.canvas import PAD
from flawsmith.gan.painter import Job
from flawsmith.gan.region import Mask, Pixels
from flawsmith.gan.shapes import source_coordinates

DIMMEST, BRIGHTEST = 0.4, 2.5  # how much the light may be changed


def transplant(job: Job, bank: Bank, stir: np.random.Generator | None = None) -> tuple[Pixels, Mask]:
    """The window (h, w, C) with the warped pixels of the real defect, and where they are known (h, w).

    They reach PAD px beyond the mask. Each channel is multiplied so that what surrounds the mask keeps its brightness.
    With `stir` its pixels are moved about, and no copy is left: see draft.py.
    """
    source = bank.instances[job.shape.first]
    coordinates = source_coordinates(job.shape, bank, stir)
    top, left = job.top - PAD, job.left - PAD
    height, width = job.mask.shape
    rows = slice(max(top, 0), min(top + coordinates.shape[1], height))
    columns = slice(max(left, 0), min(left + coordinates.shape[2], width))
    at = coordinates[:, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    pixels = job.clean.copy()
    known = np.zeros(job.mask.shape, bool)
    known[rows, columns] = True
    around = known & ~job.mask
    for channel in range(pixels.shape[2]):
        warped = ndimage.map_coordinates(source.image[..., channel], at, order=3, mode="mirror")
        healed = ndimage.map_coordinates(source.healed[..., channel], at, order=1, mode="mirror")
        before, here = healed[around[rows, columns]], job.clean[..., channel][around]
        light = (here.mean() + 0.02) / (before.mean() + 0.02) if here.size else 1.0
        pixels[rows, columns, channel] = warped * np.clip(light, DIMMEST, BRIGHTEST)
    return np.clip(pixels, 0, 1), known
