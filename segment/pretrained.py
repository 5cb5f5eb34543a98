"""The segmentation network that starts from ImageNet: what is known of surfaces need not be learned again."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flawsmith.segment.efficientnet import Encoder, fold
from flawsmith.segment.reduced import Reduced, pad_to
from flawsmith.segment.unet import PRIOR, Block, local_contrast

STAGES = 5  # of the encoder: down to a sixteenth; what lies below sees whole scenes, and defects are local
MIDDLE, CONTRAST = 0.5, 0.2  # local contrast of -3 … 3 as an image that is never too dark for what ImageNet taught
FINE = 32  # channels of the branch that sees every pixel


class PretrainedUNet(Reduced):
    """(N, C, H, W) float32 in [0, 1] → (N, K, H, W) float32 logits, any size: a U-Net on EfficientNet-Lite0.

    The encoder stays as it is: ten defects teach it nothing but themselves, and its backward pass would be three
    quarters of the time. It sees the part twice: as it is, and as local contrast, in which a dim part looks like a
    bright one. A shallow branch at half resolution keeps what the encoder's first stride loses.
    """

    name = "pretrained"

    def __init__(self, channels: int, classes: int, widths: Sequence[int], dropout: float = 0.1) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.encoder = Encoder(STAGES)
        self.hold(self.encoder)
        *skips, deepest = (2 * width for width in self.encoder.widths)  # two views
        self.fine = nn.Sequential(
            nn.Conv2d(4 * 2 * channels, FINE, 3, padding=1, bias=False), nn.BatchNorm2d(FINE), nn.ReLU(inplace=True)
        )
        skips[0] += FINE
        inputs = (*self.widths[1:], deepest)
        self.up = nn.ModuleList(
            Block(below + skip, width)
            for below, skip, width in reversed(list(zip(inputs, skips, self.widths, strict=True)))
        )
        self.dropout = nn.Dropout2d(dropout)
        self.head = nn.Conv2d(self.widths[0], 4 * classes, 1)
        self.head.bias = nn.Parameter(torch.full((4 * classes,), PRIOR))

    @property
    def grid(self) -> int:
        """Of what both sides are made multiples, in pixels as the network sees them."""
        return int(2 ** (len(self.widths) + 1))

    def hold(self, encoder: Encoder) -> None:
        """Takes an encoder that will not learn any more."""
        fold(encoder)
        self.encoder = encoder.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> PretrainedUNet:
        """The encoder never trains: its normalisation keeps the statistics of ImageNet."""
        super().train(mode)
        self.encoder.eval()
        return self

    def look(self, x: Tensor) -> Tensor:
        """The logits (N, K, h, w) of what is small enough (N, C, h, w), any size."""
        height, width = x.shape[-2:]
        x = pad_to(x, self.grid)
        contrast = local_contrast(x)
        # One after the other: as one batch they are slower on a CPU, whose cache holds the maps of one.
        views = (self.encoder(MIDDLE + CONTRAST * contrast), self.encoder(x))
        *skips, deep = (torch.cat(levels, 1) for levels in zip(*views, strict=True))
        skips[0] = torch.cat([skips[0], self.fine(F.pixel_unshuffle(torch.cat([x, contrast], 1), 2))], 1)
        y = self.dropout(deep)
        for block, skip in zip(self.up, reversed(skips), strict=True):
            y = block(torch.cat([F.interpolate(y, scale_factor=2.0, mode="nearest"), skip], 1))
        logits = F.pixel_shuffle(self.head(self.dropout(y)).float(), 2)
        return logits[..., :height, :width]
