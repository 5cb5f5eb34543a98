"""The critic: does a painted defect look like one of its class, by what can be measured of the pool's real ones?

It is not the discriminator: what the painter makes after hundreds of steps against that one is what it lets through.
What is measured is that of gan/appearance.py: brightness, tint, roughness, depth and lean of core and rim.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from flawsmith.gan.appearance import BELIEF, USUAL, measure_appearance
from flawsmith.gan.bank import Bank
from flawsmith.gan.region import Mask, Pixels

# Times how strange the strangest real defect is to the others. Ten real ones do not show all that there is: painted
# defects of a good run are rarely over 1, and a wrong colour or a missing rim is far over 2.
LENIENCE = 1.5


@dataclass(frozen=True, eq=False)
class Look:
    """What real defects of a class look like: (Z,) each, and how strange one may be."""

    centre: NDArray[np.float64]
    scale: NDArray[np.float64]
    limit: float


class Critic:
    """The looks of a bank's classes."""

    def __init__(self, bank: Bank) -> None:
        measured = [_measure(one.healed, one.image, one.mask) for one in bank.instances]
        self.looks = tuple(_look(np.array([measured[i] for i in members])) for members in bank.members)

    def strangeness(self, clean: Pixels, painted: Pixels, mask: Mask, defect: int) -> float:
        """How unlike the real ones a defect in a window (h, w, C) is: over 1, stranger than any of them may be."""
        look = self.looks[defect]
        return _distance(_measure(clean, painted, mask), look) / look.limit


def _look(measured: NDArray[np.float64]) -> Look:
    """Centre and spread of (n, Z), and as limit how far each of them is from what the others alone would say."""
    own = _spread(measured)
    if len(measured) < 3:  # nothing to learn strangeness from: three standard deviations, as everywhere
        return Look(*own, 3.0)
    others = [Look(*_spread(np.delete(measured, i, 0)), 1.0) for i in range(len(measured))]
    strangest = max(_distance(one, look) for one, look in zip(measured, others, strict=True))
    return Look(*own, LENIENCE * max(strangest, 1.0))


def _spread(measured: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation over (n, Z); a few defects are taken to vary as defects usually do."""
    variance = (len(measured) * measured.var(0) + BELIEF * USUAL**2) / (len(measured) + BELIEF)
    return measured.mean(0), np.sqrt(variance)


def _distance(measured: NDArray[np.float64], look: Look) -> float:
    """Root mean square, in standard deviations."""
    return float(np.sqrt(np.mean(((measured - look.centre) / look.scale) ** 2)))


@torch.no_grad()
def _measure(clean: Pixels, image: Pixels, mask: Mask) -> NDArray[np.float64]:
    """The appearance (Z,) of a defect in a window (h, w, C)."""
    after, before = (torch.from_numpy(one.transpose(2, 0, 1)[None]) for one in (image, clean))
    inside = torch.from_numpy(mask.astype(np.float32)[None, None])
    return np.asarray(measure_appearance(after, before, inside)[0].numpy(), np.float64)
