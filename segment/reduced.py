"""Networks that look at a part from further away: an image is reduced before they see it, and their map enlarged."""

from __future__ import annotations

from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Reduced(nn.Module):
    """(N, C, H, W) float32 in [0, 1] → (N, K, H, W) float32 logits, any size, of the image `shrink` times smaller.

    Training shows it what is smaller already (see shrink.py), with a `shrink` of 1.
    """

    shrink = 1

    @property
    @abstractmethod
    def grid(self) -> int:
        """Of what both sides are made multiples, in pixels as the network sees them."""

    @property
    def stride(self) -> int:
        """Of what both sides are made multiples, in pixels of the image."""
        return self.shrink * self.grid

    @abstractmethod
    def look(self, x: Tensor) -> Tensor:
        """The logits (N, K, h, w) of what is small enough (N, C, h, w), any size."""

    def forward(self, x: Tensor) -> Tensor:
        if self.shrink == 1:
            return self.look(x)
        height, width = x.shape[-2:]
        small = F.avg_pool2d(pad_to(x, self.stride), self.shrink)
        logits = F.interpolate(self.look(small), scale_factor=float(self.shrink), mode="bilinear")
        return logits[..., :height, :width]


def reduce(network: nn.Module, shrink: int) -> None:
    """Makes a network, or both of a pair, see images `shrink` times smaller, in place."""
    for module in network.modules():
        if isinstance(module, Reduced):
            module.shrink = shrink


def pad_to(x: Tensor, multiple: int) -> Tensor:
    """(N, C, H, W) mirrored at the bottom and the right up to the next multiple, however small it is."""
    for axis in (-2, -1):
        size = x.shape[axis]
        padded = size + -size % multiple
        if padded > size:
            index = torch.arange(padded, device=x.device) % max(2 * size - 2, 1)
            x = x.index_select(axis, torch.minimum(index, (2 * size - 2 - index).clamp_min(0)))
    return x
