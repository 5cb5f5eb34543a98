"""Works only on the halo of a healed defect: the same paint on clean places and where a real defect was taken away."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.image import read_image, to_float
from flawsmith.data.record import Record
from flawsmith.data.seeds import rng
from flawsmith.gan.bank import Bank
from flawsmith.gan.blend import composite
from flawsmith.gan.canvas import ShapeParams
from flawsmith.gan.foreground import foreground
from flawsmith.gan.instance import Instance
from flawsmith.gan.integrity.change import contrast
from flawsmith.gan.integrity.figure import Figure
from flawsmith.gan.painter import Job, Painter
from flawsmith.gan.region import Pixels, bounding_box

LEAST = 0.5
MOST = 40  # real defects that are painted again
TRIES = 12  # good parts looked at for one place


def halo(painter: Painter, bank: Bank, good: Sequence[Record], seed: int) -> Figure:
    """The typical contrast of paint on clean places over that on healed ones: same masks, same latents, same noise."""
    pairs = [pair for i in range(min(len(bank.instances), MOST)) if (pair := both(bank, i, good, seed)) is not None]
    healed, clean = (
        np.array([_contrast(job, painter) for job in jobs]) for jobs in ([a for a, _ in pairs], [b for _, b in pairs])
    )
    ratios = np.log(np.maximum(clean, 1e-4) / np.maximum(healed, 1e-4))
    return Figure(
        "clean over healed",
        float(np.exp(np.median(ratios))) if pairs else None,
        LEAST,
        "min",
        "Contrast painted on clean places over that where a real defect was healed; low: it seeks traces of healing.",
        {"pairs": len(pairs), "on clean": _median(clean), "on healed": _median(healed)},
    )


def both(bank: Bank, index: int, good: Sequence[Record], seed: int) -> tuple[Job, Job] | None:
    """A real defect's shape to be painted where it was, healed, and at the like place of a good part; None: no room."""
    one, random = bank.instances[index], rng(seed, "clean place", index)
    for pick in random.permutation(len(good))[:TRIES]:
        part = to_float(read_image(good[int(pick)].image), bank.channels).transpose(1, 2, 0)
        window = like_place(one, part, bank.whole)
        if window is not None:
            return _job(one, index, one.healed, seed), _job(one, index, window, seed)
    return None


def like_place(one: Instance, part: Pixels, whole: bool = False) -> Pixels | None:
    """The window (h, w, C) of a good part (H, W, C) where the defect's window lies on its own; None off the part.

    `whole`: all of the image is part.
    """
    height, width = one.mask.shape
    rows, columns = part.shape[0] - height, part.shape[1] - width
    if rows < 0 or columns < 0:
        return None
    top = round(one.top * rows / max(one.height - height, 1))
    left = round(one.left * columns / max(one.width - width, 1))
    if not whole and foreground(part).window(top, left, height, width)[one.mask].mean() <= 0.85:
        return None
    return part[top : top + height, left : left + width]


def _job(one: Instance, index: int, clean: Pixels, seed: int) -> Job:
    """The defect's own shape, unchanged, to be painted into `clean` (h, w, C)."""
    unchanged = ShapeParams(one.defect, index, index, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0, False, False)
    box = bounding_box(one.mask)
    return Job(clean, one.mask, one.defect, unchanged, box.top, box.left, (seed, index))


def _contrast(job: Job, painter: Painter) -> float:
    (paint,) = painter.paint([job])
    return contrast(job.clean, composite(job.clean, paint.painted, paint.alpha), job.mask)


def _median(values: NDArray[np.float64]) -> float | None:
    return float(np.median(values)) if values.size else None
