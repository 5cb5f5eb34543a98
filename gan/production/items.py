"""Which image shows what: the counts of the plan, spread evenly, so that any first part of a set is balanced too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.record import GOOD
from flawsmith.data.seeds import rng


@dataclass(frozen=True, eq=False)
class Items:
    """The images of a set: item i shows defects of class names[kinds[i]], or is an untouched good part."""

    names: tuple[str, ...]  # the classes, then "good"
    kinds: NDArray[np.uint16]  # (n,)

    @classmethod
    def of(cls, counts: Mapping[str, int], good: int) -> Items:
        """`counts` images of each class and `good` untouched ones."""
        wanted = {**counts, GOOD: good}
        kinds = np.concatenate([np.full(count, kind, np.uint16) for kind, count in enumerate(wanted.values())])
        at = np.concatenate([(np.arange(count) + 0.5) / count for count in wanted.values() if count])
        return cls(tuple(wanted), kinds[np.argsort(at, kind="stable")])

    def __len__(self) -> int:
        """How many images."""
        return len(self.kinds)

    def name(self, index: int) -> str:
        """The class of an image, or "good"."""
        return self.names[int(self.kinds[index])]


def even(names: Sequence[str], count: int) -> dict[str, int]:
    """`count` images in equal shares; the first classes take what is left over."""
    share, rest = divmod(count, len(names))
    return {name: share + (place < rest) for place, name in enumerate(names)}


def balanced(real: Mapping[str, int], count: int) -> dict[str, int]:
    """`count` images so that real and painted ones together are as equal as they can be: each goes where fewest are."""
    level, order = 0, sorted(real, key=lambda name: real[name])
    for place, name in enumerate(order, 1):
        level = real[name]
        below = sum(level - real[one] for one in order[:place])
        following = real[order[place]] if place < len(order) else None
        if following is None or below + place * (following - level) >= count:
            share, rest = divmod(count - below, place)
            filled = {one: level + share + (k < rest) - real[one] for k, one in enumerate(order[:place])}
            return {one: filled.get(one, 0) for one in real}
    return {}


def part_of(seed: int, index: int, again: int, parts: int) -> int:
    """Which clean part an image is painted on: all in shuffled rounds; any one, where it is painted anew."""
    if again:
        return int(rng(seed, "part", index, again).integers(parts))
    turn, place = divmod(index, parts)
    return int(_round(seed, turn, parts)[place])


@lru_cache(4)
def _round(seed: int, turn: int, parts: int) -> NDArray[np.int64]:
    return rng(seed, "clean", turn).permutation(parts)
