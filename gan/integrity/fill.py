"""Nothing painted in the mask: how much of the drawn shapes visibly changed, and how strongly."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flawsmith.gan.bank import Bank
from flawsmith.gan.integrity.change import change, contrast
from flawsmith.gan.integrity.figure import Figure
from flawsmith.gan.integrity.painted import Spot
from flawsmith.gan.region import Mask, Pixels
from flawsmith.gan.visible import noise_of

VISIBLE = 2.5  # times the part's noise
LEAST_FILL, LEAST_CONTRAST = 0.5, 0.5
UNSEEN = "not visible"  # how provenance calls a try that did not show


def unseen_tries(entries: Sequence[Mapping[str, Any]], given_up: Sequence[Mapping[str, Any]]) -> int:
    """How often the painter was sent back because nothing showed, by the provenance of images made and given up."""
    tries = [entry["failed_tries"] for entry in entries] + [entry["rejected"] for entry in given_up]
    return sum(int(one.get(UNSEEN, 0)) for one in tries)


def fill(spots: Sequence[Spot], bank: Bank, unseen: float = 0) -> Figure:
    """How much of a drawn shape visibly changed, over the share of a real mask that differs from the healed part.

    `unseen` tries for each painted defect count as none.
    """
    shares = {
        name: [_share(s.clean, s.after, s.mask) for s in spots if s.defect == defect]
        for defect, name in enumerate(bank.classes)
    }
    real = {
        name: float(
            np.median([_share(one.healed, one.image, one.mask) for one in (bank.instances[i] for i in members)])
        )
        for name, members in zip(bank.classes, bank.members, strict=True)
        if members
    }
    relative = [min(share / max(real.get(name, 1), 1e-6), 1.0) for name, found in shares.items() for share in found]
    return Figure(
        "fill",
        float(np.mean(relative)) / (1 + unseen) if relative else None,
        LEAST_FILL,
        "min",
        "Share of the drawn shape that visibly changed, where that of real masks counts as 1 and tries that did not "
        "show at all as nothing.",
        {
            "defects": len(relative),
            "painted": {name: float(np.mean(found)) for name, found in shares.items() if found},
            "real": real,
            "unseen": unseen,
        },
    )


def _share(clean: Pixels, after: Pixels, mask: Mask) -> float:
    """The share of `mask` (h, w) where the change can be told from the part's noise."""
    return float((change(clean, after, mask) > VISIBLE * noise_of(clean))[mask].mean())


def strength(spots: Sequence[Spot], bank: Bank) -> Figure:
    """The median contrast of painted defects over that of real ones, in the class where it is least."""
    ratios = {}
    for defect, members in enumerate(bank.members):
        painted = [contrast(s.clean, s.after, s.mask) for s in spots if s.defect == defect]
        real = [contrast(one.healed, one.image, one.mask) for one in (bank.instances[i] for i in members)]
        if painted and real:
            ratios[bank.classes[defect]] = float(np.median(painted) / max(np.median(real), 1e-6))
    return Figure(
        "contrast",
        min(ratios.values(), default=None),
        LEAST_CONTRAST,
        "min",
        "Median contrast of painted defects over that of the real ones, in the class where it is least.",
        ratios,
    )
