"""The painter `poisson`: a real defect's gradients, solved into the part exactly."""

from collections.abc import Sequence

import numpy as np

from flawsmith.gan.bank import Bank
from flawsmith.gan.blend import poisson
from flawsmith.gan.painter import Job, Paint
from flawsmith.gan.region import grow
from flawsmith.gan.transplant import transplant

MARGIN = 2.0  # px beyond the mask at which the painted pixels meet the part's


class Poisson:
    """Pérez et al. 2003, without the shortcuts that change pixels outside the mask."""

    name = "poisson"

    def __init__(self, bank: Bank) -> None:
        self.bank = bank

    def paint(self, jobs: Sequence[Job]) -> list[Paint]:
        """One Paint for each job."""
        return [self._paint(job) for job in jobs]

    def _paint(self, job: Job) -> Paint:
        pixels, known = transplant(job, self.bank)
        where = grow(job.mask, MARGIN) & known
        painted = poisson(pixels, job.clean, where)
        return Paint(np.clip(painted, 0, 1), where.astype(np.float32))
