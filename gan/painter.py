"""What every painter does: jobs in, painted windows out. Painters know nothing of data sets, placement or files."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from flawsmith.gan.bank import Bank
from flawsmith.gan.canvas import ShapeParams
from flawsmith.gan.region import Mask, Pixels


@dataclass(frozen=True, eq=False)
class Job:
    """One defect to paint into a window (h, w) of a clean part."""

    clean: Pixels  # (h, w, C)
    mask: Mask  # (h, w): the shape where it was placed
    defect: int  # index of the class
    shape: ShapeParams  # what drew the mask
    top: int  # row of the shape's first pixel in the window
    left: int  # column of it
    seed: tuple[int, ...]  # all randomness of the painter comes from here


@dataclass(frozen=True, eq=False)
class Paint:
    """A painted window: the part becomes clean + alpha * (painted - clean)."""

    painted: Pixels  # (h, w, C)
    alpha: NDArray[np.float32]  # (h, w) in [0, 1]; 0 farther than a few px from the mask


class Painter(Protocol):
    """Paints jobs; the result of a job does not depend on the others it is painted with."""

    name: str
    together: int  # jobs that it paints at once: giving it more gains nothing

    @property
    def blend(self) -> Mapping[str, Any]:
        """How its paint is joined with the part, for provenance; lengths in px."""
        ...

    def paint(self, jobs: Sequence[Job]) -> list[Paint]:
        """One Paint for each job, in order."""
        ...


class BankPainter(ABC):
    """A painter that needs nothing but the bank, and takes one job at a time."""

    name: str
    together = 1
    blend: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, bank: Bank) -> None:
        self.bank = bank

    def paint(self, jobs: Sequence[Job]) -> list[Paint]:
        """One Paint for each job, in order."""
        return [self.paint_one(job) for job in jobs]

    @abstractmethod
    def paint_one(self, job: Job) -> Paint:
        """The Paint of one job."""
