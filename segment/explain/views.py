"""How sure a prediction is: the same part turned, mirrored, darker and brighter should give the same answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flawsmith.segment.explain.view import Image, View, predictions, probability
from flawsmith.segment.model import Model


@dataclass(frozen=True)
class Turn:
    """One way to show the same part: mirrored or not, turned by quarters, times a brightness."""

    quarters: int = 0
    mirrored: bool = False
    gain: float = 1.0

    def show(self, image: Image) -> Image:
        """An image (H, W, C) so seen."""
        shown = np.rot90(image[:, ::-1] if self.mirrored else image, self.quarters)
        if self.gain == 1:
            return np.ascontiguousarray(shown)
        top = np.iinfo(image.dtype).max
        return np.asarray(np.rint((shown * np.float32(self.gain)).clip(0, top)), image.dtype)

    def undo(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """What was found (K, H, W) in the image so seen, as it lies in the image itself."""
        back = np.rot90(values, -self.quarters, (1, 2))
        return back[..., ::-1] if self.mirrored else back


FLIPS = tuple(Turn(quarters, mirrored) for mirrored in (False, True) for quarters in range(4))
GAINS = (0.8, 0.9, 1.1, 1.25)  # as far as the light of a line changes; further is another product
TURNS = (*FLIPS, *(Turn(gain=gain) for gain in GAINS))


@dataclass(frozen=True, eq=False)
class Doubt:
    """Mean and standard deviation (h, w) float32 of a class's probability over the views, and what follows."""

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]
    spread: float  # mean deviation over the object's pixels
    agree: int  # views in which the object's probability reaches the threshold
    views: int

    @property
    def agreement(self) -> float:
        """The share of them."""
        return self.agree / self.views


def doubt(model: Model, seen: View, threshold: float, turns: Sequence[Turn] = TURNS) -> Doubt:
    """Predicts on each view of what is seen of an object, and undoes the view; one prediction each."""
    shown = predictions(model, (one.show(seen.image) for one in turns))
    maps = [turn.undo(one) for turn, one in zip(turns, shown, strict=True)]
    found = np.stack([one[seen.defect] for one in maps])
    mean = found.mean(0, dtype=np.float64).astype(np.float32)
    deviation = found.std(0, dtype=np.float64).astype(np.float32)
    sure = [probability(model, one, seen) >= threshold for one in maps]
    return Doubt(mean, deviation, float(deviation[seen.mask].mean()), sum(sure), len(sure))
