"""The segmentation network: a small U-Net that a CPU trains from nothing in minutes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flawsmith.segment.reduced import Reduced, pad_to

PRIOR = -4.0  # logit of the share of defect pixels: a new network expects good parts
CELL = 8  # px: local contrast is taken from means over cells of this size, so that it costs next to nothing


class UNet(Reduced):
    """(N, C, H, W) float32 in [0, 1] → (N, K, H, W) float32 logits, any size; Ronneberger et al., MICCAI 2015.

    The first convolution sees 2×2 blocks of pixels as channels and the head writes them: the top level costs a
    quarter, and nothing of the full resolution is lost.
    """

    name = "small"

    def __init__(self, channels: int, classes: int, widths: Sequence[int], dropout: float = 0.1) -> None:
        super().__init__()
        self.widths = tuple(widths)
        inputs = 4 * 2 * channels  # the image and its local contrast, four pixels each
        self.down = nn.ModuleList(Block(a, b) for a, b in zip((inputs, *widths), widths, strict=False))
        self.up = nn.ModuleList(Block(a + b, b) for a, b in zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.dropout = nn.Dropout2d(dropout)
        self.head = nn.Conv2d(widths[0], 4 * classes, 1)
        self.head.bias = nn.Parameter(torch.full((4 * classes,), PRIOR))

    @property
    def grid(self) -> int:
        """Of what both sides are made multiples, in pixels as the network sees them."""
        return int(max(CELL, 2 ** len(self.widths)))

    def look(self, x: Tensor) -> Tensor:
        """The logits (N, K, h, w) of what is small enough (N, C, h, w), any size."""
        height, width = x.shape[-2:]
        x = pad_to(x, self.grid)
        x = F.pixel_unshuffle(torch.cat([x, local_contrast(x)], 1), 2)
        skips: list[Tensor] = []
        for block in self.down:
            x = block(F.max_pool2d(skips[-1], 2) if skips else x)
            skips.append(x)
        x = self.dropout(skips.pop())
        for block in self.up:
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = block(torch.cat([x, skips.pop()], 1))
        logits = F.pixel_shuffle(self.head(self.dropout(x)).float(), 2)
        return logits[..., :height, :width]


class Block(nn.Module):
    """Two 3×3 convolutions, each normalised and rectified: (N, A, H, W) → (N, B, H, W).

    Batch normalisation: a quarter faster than group normalisation on a CPU.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in (inputs, outputs):
            layers.append(nn.Conv2d(width, outputs, 3, padding=1, bias=False))
            layers += [nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layers(x)
        return y


def local_contrast(x: Tensor) -> Tensor:
    """How far each pixel is from its surroundings (5 × 5 cells), in twice their standard deviations, within ±3.

    (N, C, H, W) float32, sides multiples of CELL, → the same shape. What the light does to the whole part cancels.
    """
    moments = F.avg_pool2d(torch.cat([x, x * x], 1), CELL)
    mean, square = F.avg_pool2d(moments, 5, 1, 2, count_include_pad=False).chunk(2, 1)
    deviation = ((square - mean * mean).clamp_min(0) + 0.01**2).sqrt()  # 0.01: below it is noise
    around = F.interpolate(torch.cat([mean, deviation], 1), scale_factor=float(CELL), mode="bilinear")
    mean, deviation = around.chunk(2, 1)
    return ((x - mean) / (2 * deviation)).clamp(-3, 3)
