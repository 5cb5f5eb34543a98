"""How far an exported model is from its original, and how far is too far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from flawsmith.data.errors import UserError
from flawsmith.segment.look import maps_of
from flawsmith.segment.model import Model
from flawsmith.segment.probes import Probe
from flawsmith.segment.tiles import Tiling

APART = 1e-3  # of a probability: more than rounding can do
LOST = 0.005  # of the intersection over union: what numbers of 8 bits may cost
THRESHOLD = 0.5  # probability of a defect


class Images(Protocol):
    """A sequence of probes."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int, /) -> Probe: ...


@dataclass
class Overlap:
    """Pixels that two masks share and that either has, over all images and classes."""

    both: int = 0
    either: int = 0

    def add(self, one: Any, other: Any) -> None:
        """Counts two masks (K, H, W) bool."""
        self.both += int(np.count_nonzero(one & other))
        self.either += int(np.count_nonzero(one | other))

    @property
    def share(self) -> float:
        """Intersection over union; 1 where neither has a pixel."""
        return self.both / self.either if self.either else 1.0


@dataclass
class Agreement:
    """What a comparison of a copy with its original has found."""

    images: int = 0
    apart: float = 0.0  # the largest difference of two probabilities
    masks: Overlap = field(default_factory=Overlap)  # of the two
    original: Overlap = field(default_factory=Overlap)  # with the truth
    copy: Overlap = field(default_factory=Overlap)

    @property
    def lost(self) -> float:
        """The IoU that the copy loses against the truth; without one the most that it can lose, whatever is true.

        1 - IoU is a metric: by its triangle inequality the IoU with any third mask changes at most by that of the two.
        """
        return self.original.share - self.copy.share if self.original.either else 1 - self.masks.share

    def facts(self) -> dict[str, Any]:
        """As it is printed."""
        how = "lost" if self.original.either else "at most lost"
        return {"images": self.images, "probabilities apart": f"{self.apart:.2g}", f"IoU {how}": f"{self.lost:.4f}"}


def compare(original: Model, copy: Model, images: Images, tiling: Tiling | None = None) -> Agreement:
    """Both models on all images, larger ones by tiles; raises UserError where an image cannot be read."""
    found, tiling = Agreement(), tiling or Tiling()
    for number in range(len(images)):
        probe = images[number]
        one, other = (maps_of(model, probe.image, tiling) for model in (original, copy))
        found.images += 1
        found.apart = max(found.apart, float(np.nan_to_num(abs(one - other), nan=np.inf).max()))
        found.masks.add(one >= THRESHOLD, other >= THRESHOLD)
        if probe.truth is not None:
            found.original.add(one >= THRESHOLD, probe.truth)
            found.copy.add(other >= THRESHOLD, probe.truth)
    return found


def refuse(where: object, found: Agreement, int8: bool) -> None:
    """Raises UserError where the copy is too far from the original to be written."""
    if not int8 and not found.apart <= APART:
        rule = f"the export must give the probabilities of the model to within {APART:g}"
        raise UserError(where, rule, f"{found.apart:.2g}", "export it on another version of torch, and report this one")
    if int8 and found.lost > LOST:
        fix = "give more images with --check, with labels if there are any, or do without --int8"
        raise UserError(where, f"8 bits may cost {LOST:g} of the IoU", f"{found.lost:.4f}", fix)
