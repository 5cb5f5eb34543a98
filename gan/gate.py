"""The gate: what a painted defect must be before it counts. What fails is painted again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from flawsmith.gan.critic import Critic
from flawsmith.gan.region import Mask, Pixels

if TYPE_CHECKING:
    from flawsmith.gan.bank import Bank
    from flawsmith.gan.canvas import ShapeParams

COPYISTS = ("paste", "poisson")  # painters that repeat training defects: it is what they are for
NEAR_COPY = "near-copy of a training defect"
STRANGE = "unlike the real ones"


@dataclass(frozen=True)
class GateConfig:
    """Which of the checks are made."""

    copies: bool = True
    critic: bool = True


@dataclass(frozen=True)
class Verdict:
    """Why a defect was refused, None where it was not; and the scores, as far as they were needed."""

    reason: str | None
    likeness: float | None  # correlation with the nearest training defect
    strangeness: float | None  # to the critic; over 1 is refused


class Gate:
    """The checks of a run's defects; what they need is prepared once."""

    def __init__(self, bank: Bank, painter: str, config: GateConfig) -> None:
        self.bank = bank
        self.copies = config.copies and painter not in COPYISTS
        self.critic = Critic(bank) if config.critic and painter not in COPYISTS else None

    def judge(self, clean: Pixels, painted: Pixels, mask: Mask, shape: ShapeParams) -> Verdict:
        """A defect of shape `mask` (h, w) in a window (h, w, C), before and after; at the painter's own contrast."""
        strangeness = None if self.critic is None else self.critic.strangeness(clean, painted, mask, shape.defect)
        if strangeness is not None and strangeness > 1:
            return Verdict(STRANGE, None, strangeness)
        likeness = self.nearness.of(clean, painted, mask, shape) if self.copies else None
        reason = NEAR_COPY if likeness is not None and likeness > self.nearness.limit else None
        return Verdict(reason, likeness, strangeness)

    @cached_property
    def nearness(self) -> Nearness:
        """The training defects, ready to be compared with."""
        from flawsmith.gan.nearness import Nearness

        return Nearness(self.bank)


if TYPE_CHECKING:
    from flawsmith.gan.nearness import Nearness
