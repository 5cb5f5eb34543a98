"""The segmentation network: a small U-Net that a CPU trains from nothing in minutes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Block(nn.Module):
    """Two 3×3 convolutions, each normalised and rectified: (N, A, H, W) → (N, B, H, W)."""

    def __init__(self, inputs: int, outputs: int, norm: str = "batch") -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for width in (inputs, outputs):
            layers.append(nn.Conv2d(width, outputs, 3, padding=1, bias=False))
            layers.append(nn.BatchNorm2d(outputs) if norm == "batch" else nn.GroupNorm(8, outputs))
            layers.append(nn.ReLU(inplace=True))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class UNet(nn.Module):
    """(N, C, H, W) float32 in [0, 1] → (N, K, H, W) logits, any size; Ronneberger et al., MICCAI 2015.

    The first convolution sees 2×2 blocks of pixels as channels and the last one writes them: the top level costs a
    quarter, and nothing is lost at full resolution.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        widths: Sequence[int],
        dropout: float = 0.1,
        norm: str = "batch",
        local: bool = True,
    ) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.stride = max(8, 2 ** len(widths))  # px: pooling, and the blocks of local_contrast
        self.local = local
        inputs = 4 * channels * (2 if local else 1)
        self.down = nn.ModuleList(Block(a, b, norm) for a, b in zip((inputs, *widths), widths, strict=False))
        pairs = zip(widths[:0:-1], widths[-2::-1], strict=True)
        self.up = nn.ModuleList(Block(a + b, b, norm) for a, b in pairs)
        self.dropout = nn.Dropout2d(dropout)
        self.head = nn.Conv2d(widths[0], 4 * classes, 1)
        nn.init.constant_(self.head.bias, -4.0)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        x = pad_to(x, self.stride)
        if self.local:
            x = torch.cat([x, local_contrast(x)], 1)
        x = F.pixel_unshuffle(x, 2)
        skips: list[Tensor] = []
        for block in self.down:
            x = block(x if not skips else F.max_pool2d(skips[-1], 2))
            skips.append(x)
        x = self.dropout(skips.pop())
        for block in self.up:
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
            x = block(torch.cat([x, skips.pop()], 1))
        return F.pixel_shuffle(self.head(self.dropout(x)).float(), 2)[..., :height, :width]


def local_contrast(x: Tensor) -> Tensor:
    """How far each pixel is from its surroundings (about 40 px), in their standard deviations."""
    small = F.avg_pool2d(x, 8)
    square = F.avg_pool2d(x * x, 8)
    mean = F.avg_pool2d(small, 5, 1, 2, count_include_pad=False)
    square = F.avg_pool2d(square, 5, 1, 2, count_include_pad=False)
    std = (square - mean * mean).clamp_min(0).add(0.01**2).sqrt()
    mean, std = (F.interpolate(v, scale_factor=8.0, mode="bilinear", align_corners=False) for v in (mean, std))
    return ((x - mean) / std).clamp(-6, 6) * 0.5


def pad_to(x: Tensor, multiple: int) -> Tensor:
    """(N, C, H, W) mirrored at the bottom and the right to the next multiple, however small it is."""
    for axis in (-2, -1):
        size = x.shape[axis]
        extra = -size % multiple
        if extra:
            index = torch.arange(size + extra, device=x.device) % max(2 * size - 2, 1)
            x = x.index_select(axis, torch.minimum(index, 2 * size - 2 - index).clamp_min(0))
    return x
