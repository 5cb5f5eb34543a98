"""The painter `paste`: a real defect's pixels under a feathered mask."""

from collections.abc import Sequence

from flawsmith.gan.bank import Bank
from flawsmith.gan.blend import feather
from flawsmith.gan.painter import Job, Paint
from flawsmith.gan.transplant import transplant

FEATHER = 2.0  # px over which the pasted pixels fade out beyond the mask


class Paste:
    """Copies and pastes (Ghiasi et al. 2021, there with whole objects)."""

    name = "paste"

    def __init__(self, bank: Bank) -> None:
        self.bank = bank

    def paint(self, jobs: Sequence[Job]) -> list[Paint]:
        """One Paint for each job."""
        return [self._paint(job) for job in jobs]

    def _paint(self, job: Job) -> Paint:
        pixels, known = transplant(job, self.bank)
        return Paint(pixels, feather(job.mask, FEATHER) * known)
