"""The painter `poisson`: a real defect's gradients, solved into the part exactly."""

from types import MappingProxyType

import numpy as np

from flawsmith.gan.blend import poisson
from flawsmith.gan.painter import BankPainter, Job, Paint
from flawsmith.gan.region import grow
from flawsmith.gan.transplant import transplant

MARGIN = 2.0  # px beyond the mask at which the painted pixels meet the part's


class Poisson(BankPainter):
    """Pérez et al. 2003, without the shortcuts that change pixels outside the mask."""

    name = "poisson"
    blend = MappingProxyType({"margin": MARGIN, "gradients": "of the source"})

    def paint_one(self, job: Job) -> Paint:
        """The Paint of one job."""
        pixels, known = transplant(job, self.bank)
        where = grow(job.mask, MARGIN) & known
        painted = poisson(pixels, job.clean, where)
        return Paint(np.clip(painted, 0, 1), where.astype(np.float32))
