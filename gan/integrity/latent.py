"""The latent ignored: what varies when nothing but the latent does, beside what varies between real defects."""

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.gan.bank import Bank
from flawsmith.gan.blend import composite
from flawsmith.gan.integrity.change import light
from flawsmith.gan.integrity.figure import Figure
from flawsmith.gan.integrity.painted import Spot
from flawsmith.gan.learned import LearnedPainter
from flawsmith.gan.region import Mask, Pixels, brightness

LEAST = 0.3  # of the standard deviation: a tenth of the variance
LATENTS = 8  # looks at each place
ASPECTS = ("level", "texture")


class Redrawn:
    """Latents of a painter, drawn from another stream: what else the painter draws stays as it was."""

    def __init__(self, latents: Any, turn: int) -> None:
        self.latents, self.turn = latents, turn

    def draw(self, defect: int, random: np.random.Generator, near: int | None = None) -> NDArray[np.float32]:
        """A latent (Z,) near to no real defect, after using up as much of `random` as the painter would."""
        other = random.spawn(self.turn + 1)[self.turn]  # of the same place, and apart from its stream
        self.latents.draw(defect, random)
        drawn: NDArray[np.float32] = self.latents.draw(defect, other)
        return drawn

    def __getattr__(self, name: str) -> Any:
        return getattr(self.latents, name)


def looks(painter: LearnedPainter, spots: Sequence[Spot], count: int = LATENTS) -> NDArray[np.float64]:
    """What is measured of each place painted with `count` latents and the same noise: (spots, count, aspects)."""
    jobs = [spot.job(0, index) for index, spot in enumerate(spots)]
    found = np.zeros((len(jobs), count, len(ASPECTS)))
    for turn in range(count):
        hand = copy(painter)
        hand.latents = Redrawn(painter.latents, turn)  # type: ignore[assignment]
        for index, (job, paint) in enumerate(zip(jobs, hand.paint(jobs), strict=True)):
            after = composite(job.clean, paint.painted, paint.alpha)
            found[index, turn] = aspects(job.clean, after, job.mask)
    return found


def aspects(clean: Pixels, after: Pixels, mask: Mask) -> tuple[float, float]:
    """Level and texture of the change inside `mask` (h, w): mean and standard deviation, by the light around."""
    moved = brightness(after - clean) / light(clean, mask)
    return float(moved[mask].mean()), float(moved[mask].std())


def latent(painter: LearnedPainter, spots: Sequence[Spot], bank: Bank) -> Figure:
    """The spread over latents relative to that over real defects, in the class and aspect where it is least."""
    found, ratios, detail = looks(painter, spots), {}, {}
    for defect, members in enumerate(bank.members):
        real = np.array([aspects(one.healed, one.image, one.mask) for one in (bank.instances[i] for i in members)])
        chosen = [index for index, spot in enumerate(spots) if spot.defect == defect]
        if len(members) < 3 or not chosen:  # of two defects no spread can be told
            continue
        spread = np.sqrt(found[chosen].var(1, ddof=1).mean(0)) / np.maximum(real.std(0, ddof=1), 1e-6)
        ratios[bank.classes[defect]] = float(spread.min())
        detail[bank.classes[defect]] = dict(zip(ASPECTS, spread.tolist(), strict=True))
    return Figure(
        "latent heard",
        min(ratios.values(), default=None),
        LEAST,
        "min",
        "Spread of level or texture when nothing but the latent changes, over that between real defects; the lowest.",
        detail,
    )
