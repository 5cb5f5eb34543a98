"""The segmentation network for cameras: a quarter of the small one's work, and next to nothing at full resolution."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flawsmith.segment.reduced import Reduced, pad_to
from flawsmith.segment.unet import CELL, PRIOR, Block

BLOCK = 2  # px: with 4 it is no faster, and learned its few defects by heart


class FastUNet(Reduced):
    """(N, C, H, W) float32 in [0, 1] → (N, K, H, W) float32 logits, any size: the small U-Net with less to do.

    Its levels are narrower. What comes from below is narrowed before it is enlarged, and added instead of joined: half
    of the small U-Net's work is in the first convolutions after joining.
    """

    name = "fast"

    def __init__(self, channels: int, classes: int, widths: Sequence[int], dropout: float = 0.1) -> None:
        super().__init__()
        self.widths = tuple(widths)
        inputs = BLOCK**2 * 2 * channels  # the image and its local contrast
        self.down = nn.ModuleList(Block(a, b) for a, b in zip((inputs, *widths), widths, strict=False))
        self.narrow = nn.ModuleList(_narrowing(a, b) for a, b in zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.up = nn.ModuleList(Block(width, width) for width in widths[-2::-1])
        self.dropout = nn.Dropout2d(dropout)
        self.head = nn.Conv2d(widths[0], BLOCK**2 * classes, 1)
        self.head.bias = nn.Parameter(torch.full((BLOCK**2 * classes,), PRIOR))

    @property
    def grid(self) -> int:
        """Of what both sides are made multiples, in pixels as the network sees them."""
        return int(max(CELL, BLOCK * 2 ** (len(self.widths) - 1)))

    def look(self, x: Tensor) -> Tensor:
        """The logits (N, K, h, w) of what is small enough (N, C, h, w), any size."""
        height, width = x.shape[-2:]
        x = F.pixel_unshuffle(pad_to(x, self.grid), BLOCK)
        x = torch.cat([x, block_contrast(x)], 1)
        skips: list[Tensor] = []
        for block in self.down:
            x = block(F.max_pool2d(skips[-1], 2) if skips else x)
            skips.append(x)
        x = self.dropout(skips.pop())
        for narrow, block in zip(self.narrow, self.up, strict=True):
            x = block(F.interpolate(narrow(x), scale_factor=2.0, mode="nearest") + skips.pop())
        logits = F.pixel_shuffle(self.head(self.dropout(x)).float(), BLOCK)
        return logits[..., :height, :width]


def _narrowing(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))


def block_contrast(x: Tensor) -> Tensor:
    """`unet.local_contrast` of blocks (N, C · BLOCK², H, W) float32 as pixel_unshuffle gives them → the same shape.

    H and W are multiples of CELL / BLOCK. All pixels of a block share their surroundings: nothing is computed for each
    pixel but the comparison itself.
    """
    count, channels, height, width = x.shape
    blocks = x.reshape(count, channels // BLOCK**2, BLOCK**2, height, width)
    moments = F.avg_pool2d(torch.cat([blocks.mean(2), (blocks * blocks).mean(2)], 1), CELL // BLOCK)
    mean, square = F.avg_pool2d(moments, 5, 1, 2, count_include_pad=False).chunk(2, 1)
    factor = 0.5 * ((square - mean * mean).clamp_min(0) + 0.01**2).rsqrt()  # 0.01: below it is noise
    around = F.interpolate(torch.cat([mean, factor], 1), scale_factor=float(CELL // BLOCK), mode="bilinear")
    mean, factor = around.unsqueeze(2).chunk(2, 1)
    return ((blocks - mean) * factor).clamp(-3, 3).reshape(count, channels, height, width)
