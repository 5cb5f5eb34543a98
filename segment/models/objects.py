"""What some models can do beside predicting maps: tell objects apart, or only grade a whole image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from flawsmith.segment.tiles import Tiling

Maps = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Object:
    """One object found: the index of its class, how sure that is, and how probably each pixel of a window is it."""

    defect: int
    score: float  # 0 … 1
    top: int
    left: int
    values: Maps  # (h, w) in [0, 1]; the object is where they reach 0.5


@runtime_checkable
class Finder(Protocol):
    """A model that tells objects apart; its maps are drawn from them."""

    def find(self, image: NDArray[Any], tiling: Tiling | None = None) -> tuple[Object, ...]:
        """The objects of an image (H, W, C) uint8 or uint16, best first; none is no error. Large ones by tiles."""


@runtime_checkable
class Grader(Protocol):
    """A model that only says what an image shows: its maps are the same everywhere, and no pixel score is theirs."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The K classes that it knows."""

    def grade(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """How probable each class is (K,) float32 in [0, 1] for an image (H, W, C) uint8 or uint16."""


def drawn(found: Sequence[Object], classes: int, height: int, width: int) -> Maps:
    """Maps (K, H, W) of objects: at each pixel the highest score times probability."""
    maps = np.zeros((classes, height, width), np.float32)
    for one in found:
        rows, columns = one.values.shape
        window = maps[one.defect, one.top : one.top + rows, one.left : one.left + columns]
        np.maximum(window, np.float32(one.score) * one.values, out=window)
    return maps
