"""How strong a painted defect is: the same change of the part, weaker or stronger."""

import math
from dataclasses import replace

import numpy as np

from flawsmith.gan.painter import Paint
from flawsmith.gan.region import Pixels


def harder(paint: Paint, clean: Pixels, severity: float) -> Paint:
    """`paint` of `clean` (h, w, C) with its change times `severity`, within [0, 1]; 1 gives it back, 0 shows nothing.

    Alpha stays, so the same pixels are touched. Raises ValueError where `severity` is negative or not finite.
    """
    if not math.isfinite(severity) or severity < 0:
        raise ValueError(f"a severity is 0 or more, not {severity}")
    if severity == 1:
        return paint  # to the bit: a sum with a difference is rounded
    return replace(paint, painted=np.clip(clean + np.float32(severity) * (paint.painted - clean), 0, 1))
