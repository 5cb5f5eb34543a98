"""Weights of one product's network for another's: classes by name, grey for RGB and back.

A grey image gets the same response before and after. What has another shape than expected is returned as it is: who
loads the weights then names the one that does not fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Change:
    """The classes and the colour channels (1 or 3) that a network knew, and those that it is to know."""

    known: tuple[str, ...]
    wanted: tuple[str, ...]
    channels: tuple[int, int]  # before, after

    def classes(self, weight: Tensor, each: int = 1, first: int = 0) -> Tensor:
        """(first + K · each, …), rows of classes behind `first` others: by name; a new class gets the mean of all."""
        import torch

        if len(weight) != first + each * len(self.known):
            return weight
        own = weight[first:].reshape(len(self.known), each, *weight.shape[1:])
        rows = [own[self.known.index(name)] if name in self.known else own.mean(0) for name in self.wanted]
        return torch.cat([weight[:first], *rows])

    def inputs(self, weight: Tensor, each: int, images: int = 1, others: int = 0) -> Tensor:
        """(O, I, …) where I are `images` of the colour channels, then `others`, each channel `each` times over.

        Three channels share what the one had; one gets the sum of three.
        """
        import torch

        before, after = self.channels
        colours = images * before * each
        if before == after or weight.shape[1] != colours + others * each:
            return weight
        seen = weight[:, :colours].reshape(len(weight), images, before, each, *weight.shape[2:])
        seen = seen.sum(2, keepdim=True) if after == 1 else seen.expand(-1, -1, after, *seen.shape[3:]) / after
        return torch.cat([seen.flatten(1, 3), weight[:, colours:]], 1)

    def outputs(self, weight: Tensor, each: int, first: int = 0, others: int = 0) -> Tensor:
        """(O, …) where O are `first` others, the colour channels and `others`, each `each` times over.

        Three channels are alike, one is the mean of three.
        """
        import torch

        before, after = self.channels
        if before == after or len(weight) != (first + before + others) * each:
            return weight
        start, stop = first * each, (first + before) * each
        made = (
            weight[start:stop].reshape(before, each, *weight.shape[1:]).mean(0).repeat(after, *[1] * (weight.dim() - 1))
        )
        return torch.cat([weight[:start], made, weight[stop:]])

    def note(self) -> str:
        """What becomes of the classes, in words."""
        new = [name for name in self.wanted if name not in self.known]
        gone = [name for name in self.known if name not in self.wanted]
        mean = f"new: {', '.join(new)} (from the mean of {', '.join(self.known)})" if new else ""
        dropped = f"dropped: {', '.join(gone)}" if gone else ""
        return "; ".join(part for part in (mean, dropped) if part) or f"knows {', '.join(self.wanted)} already"
