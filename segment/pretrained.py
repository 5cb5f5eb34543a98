"""The segmentation network that starts from ImageNet: what it knows of surfaces need not be learned from ten defects."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flawsmith.segment.efficientnet import Encoder
from flawsmith.segment.unet import PRIOR, Block, local_contrast, pad_to

STAGES = 5  # of the encoder: down to a sixteenth; what lies below sees whole scenes, and defects are local
MIDDLE, CONTRAST = 0.5, 0.2  # local contrast of -3 … 3 as an image that is never too dark for what ImageNet taught
FINE = 32  # channels of the branch that sees every pixel


class PretrainedUNet(nn.Module):
    """(N, C, H, W) float32 in [0, 1] → (N, K, H, W) float32 logits, any size: a U-Net on EfficientNet-Lite0.

    The encoder sees local contrast, so that a dim part looks like a bright one; a shallow branch at half resolution
    sees the pixels themselves too, and keeps what the encoder's first stride loses.
    """

    name = "pretrained"

    def __init__(self, channels: int, classes: int, widths: Sequence[int], dropout: float = 0.1) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.encoder = Encoder(STAGES)
        *skips, deepest = self.encoder.widths
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

    def train(self, mode: bool = True) -> PretrainedUNet:
        """The encoder keeps the statistics of ImageNet: those of a few patches are worse."""
        super().train(mode)
        for module in self.encoder.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        x = pad_to(x, 2 ** (len(self.widths) + 1))
        contrast = local_contrast(x)
        *skips, x_deep = self.encoder(MIDDLE + CONTRAST * contrast)
        skips[0] = torch.cat([skips[0], self.fine(F.pixel_unshuffle(torch.cat([x, contrast], 1), 2))], 1)
        y = self.dropout(x_deep)
        for block, skip in zip(self.up, reversed(skips), strict=True):
            y = block(torch.cat([F.interpolate(y, scale_factor=2.0, mode="nearest"), skip], 1))
        logits = F.pixel_shuffle(self.head(self.dropout(y)).float(), 2)
        return logits[..., :height, :width]
