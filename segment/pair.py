"""Two networks side by side: one starts from ImageNet, one from nothing; they fail on different parts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from flawsmith.segment.efficientnet import Encoder
from flawsmith.segment.fast import FastUNet
from flawsmith.segment.pretrained import PretrainedUNet
from flawsmith.segment.reduced import pad_to

SPLIT = 3  # of the widths those of the network that starts from ImageNet; the rest are the other's
TINY = 1e-6  # scores are counted in steps of 1.5e-5


class PairUNet(nn.Module):
    """(N, C, H, W) float32 in [0, 1] → (N, K, H, W) float32 logits, any size: of the mean of two probabilities.

    Each has learned by itself, from the same patches (Lakshminarayanan et al., NeurIPS 2017).
    """

    name = "pair"

    def __init__(self, channels: int, classes: int, widths: Sequence[int], dropout: float = 0.1) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.fast = FastUNet(channels, classes, widths[SPLIT:], dropout)
        self.pretrained = PretrainedUNet(channels, classes, widths[:SPLIT], dropout)

    @property
    def members(self) -> dict[str, FastUNet | PretrainedUNet]:
        """Both networks, by the names of their kinds, under which they lie here."""
        return {"fast": self.fast, "pretrained": self.pretrained}

    @property
    def shrink(self) -> int:
        """How many times smaller than they are both see the images."""
        return self.fast.shrink

    @property
    def stride(self) -> int:
        """Of what both sides are made multiples, in pixels."""
        return max(member.stride for member in self.members.values())

    def hold(self, encoder: Encoder) -> None:
        """Takes an encoder that will not learn any more."""
        self.pretrained.hold(encoder)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        x = pad_to(x, self.stride)  # here, so that both see the same, whatever their depths
        probability = torch.stack([member(x).sigmoid() for member in self.members.values()]).mean(0)
        return torch.logit(probability, TINY)[..., :height, :width]


def learners(network: nn.Module, kind: str) -> dict[str, nn.Module]:
    """The networks within one of a kind that learn by themselves, by their own kinds."""
    return dict(network.members) if isinstance(network, PairUNet) else {kind: network}
