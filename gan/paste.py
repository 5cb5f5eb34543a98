"""The painter `paste`: a real defect's pixels under a feathered mask."""

from types import MappingProxyType

from flawsmith.gan.blend import feather
from flawsmith.gan.painter import BankPainter, Job, Paint
from flawsmith.gan.transplant import transplant

FEATHER = 2.0  # px over which the pasted pixels fade out beyond the mask


class Paste(BankPainter):
    """Copies and pastes (Ghiasi et al. 2021, there with whole objects)."""

    name = "paste"
    blend = MappingProxyType({"feather": FEATHER})

    def paint_one(self, job: Job) -> Paint:
        """The Paint of one job."""
        pixels, known = transplant(job, self.bank)
        return Paint(pixels, feather(job.mask, FEATHER) * known)
