"""What of new defects is asked for, where it is not to be as in the real ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from flawsmith.data.errors import UsageError
from flawsmith.gan.canvas import ShapeParams
from flawsmith.gan.shapes import Shape, draw_shape, sample_shape

if TYPE_CHECKING:
    from flawsmith.gan.bank import Bank

Range = tuple[float, float]  # lowest and highest, both included
AT_BORDER = 0.3  # radians: defects that meet the part's border turn no more, or they would meet another one
INNER = 0.1  # of a range of sizes, kept free at both ends: what lies beyond a region of interest is not labelled


@dataclass(frozen=True)
class Control:
    """The wishes; None: as the real defects are."""

    defects: tuple[int, int] | None = None  # on an image
    size: Range | None = None  # px, the longer side of a defect's box
    severity: Range = (1.0, 1.0)  # times the contrast that the painter gives
    rotation: Range | None = None  # degrees, from how the real defect lies
    anywhere: bool = False  # on the part, not only in surroundings like those of the real ones
    distance: int = 6  # px between two defects of an image, at least

    def __post_init__(self) -> None:
        _check("--defects", self.defects, 1)
        _check("--size", self.size, 1)
        _check("--severity", self.severity, 0.01)
        _check("--rotation", self.rotation, -360)
        if self.distance < 0:
            raise UsageError("--distance", "at least 0 px", self.distance)

    def sample_count(self, bank: Bank, defect: int, rng: np.random.Generator) -> int:
        """How many defects of a class an image gets."""
        if self.defects is None:
            return bank.sample_count(defect, rng)
        return int(rng.integers(self.defects[0], self.defects[1] + 1))

    @property
    def fewest(self) -> int:
        """Defects with which an image that wanted more still counts."""
        return 1 if self.defects is None else self.defects[0]

    def sample_severity(self, rng: np.random.Generator) -> float:
        """How much harder than the painter paints."""
        low, high = self.severity
        return low if low == high else round(float(rng.uniform(low, high)), 4)

    def sample_shape(self, bank: Bank, defect: int, rng: np.random.Generator) -> Shape:
        """A new shape of the class, turned and sized as asked."""
        params = sample_shape(bank, defect, rng)
        if self.rotation is not None:
            params = replace(params, turn=self._turn(any(bank.instances[params.first].touches), rng))
        shape = draw_shape(params, bank)
        return shape if self.size is None else self._sized(shape, bank, rng)

    def _turn(self, touches: bool, rng: np.random.Generator) -> float:
        assert self.rotation is not None
        turn = float(np.deg2rad(rng.uniform(*self.rotation)))
        return float(np.clip(turn, -AT_BORDER, AT_BORDER)) if touches else turn

    def _sized(self, shape: Shape, bank: Bank, rng: np.random.Generator) -> Shape:
        """The shape at a size of the range, all as likely."""
        assert self.size is not None
        low, high = self.size
        margin = INNER * (high - low)
        wanted = rng.uniform(low + margin, high - margin)
        for _ in range(2):  # a bent shape does not grow quite in proportion
            params: ShapeParams = shape.params
            params = replace(params, scale=params.scale * float(wanted) / max(shape.mask.shape))
            shape = draw_shape(params, bank)
        return shape

    def fits(self, height: int, width: int) -> bool:
        """Whether a defect with a box of that many px is of a size that was asked for."""
        return self.size is None or self.size[0] <= max(height, width) <= self.size[1]


def _check(option: str, found: tuple[float, float] | None, least: float) -> None:
    """Raises UsageError where a range is none, or begins too low."""
    if found is not None and not (least <= found[0] <= found[1] < float("inf")):
        raise UsageError(option, f"a range LOW:HIGH from {least:g} on", f"{found[0]:g}:{found[1]:g}", "as in 1:3")
