"""The painter's network: a clean patch, a mask, a draft, a class and a latent give a defect's pixels and alpha."""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flawsmith.gan.blocks import ModulatedBlock, PixelNorm, dilate, distance_channel, light_around, soften

STRIDE = 8  # windows are padded to a multiple of this, px
LEAST_ALPHA = 0.25  # inside the mask
BRIGHTEST = 1.5  # times the brightness around: the most that a pixel can gain; it can lose all it has
TINT = 0.25  # and each channel by itself: ten defects do not teach colour, and rims came out gold and blue


@dataclass(frozen=True)
class GeneratorConfig:
    """The generator's shape; stored in every checkpoint."""

    channels: int  # of the image: 1 or 3
    classes: int
    latent: int = 16
    style: int = 64
    widths: tuple[int, ...] = (32, 64, 96)  # per level; the first works at half resolution
    reach: int = 2  # px that paint may leave the mask by, at least 1: a soft rim, no more


class Generator(nn.Module):
    """A U-Net with style modulation and per-pixel noise; fully convolutional, any size that is a multiple of 8."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        widths, inputs = config.widths, 4 * (2 * config.channels + 3)
        self.embed = nn.Embedding(config.classes, config.style)
        self.style = nn.Sequential(
            nn.Linear(config.latent + config.style, config.style),
            nn.LeakyReLU(0.2),
            nn.Linear(config.style, config.style),
        )
        self.stem = nn.Conv2d(inputs, widths[0], 3, padding=1)
        self.down_blocks = nn.ModuleList(ModulatedBlock(w, config.style) for w in widths)
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.middle = ModulatedBlock(widths[-1], config.style)
        self.ups = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in reversed(list(pairwise(widths))))
        self.up_blocks = nn.ModuleList(ModulatedBlock(w, config.style) for w in reversed(widths[:-1]))
        self.norm = PixelNorm()  # bounds what reaches the head: its sigmoids saturated, and stayed so, without
        self.head = nn.Conv2d(widths[0], 4 * (config.channels + 2), 3, padding=1)  # shade, tint, alpha
        nn.init.normal_(self.head.weight, std=0.01)
        assert self.head.bias is not None
        nn.init.zeros_(self.head.bias)

    def forward(
        self, clean: Tensor, mask: Tensor, defect: Tensor, latent: Tensor, noise: Tensor, draft: Tensor
    ) -> tuple[Tensor, Tensor]:
        """A defect's own pixels and how far they cover the clean ones: compose() puts them on.

        clean (N, C, H, W) in [0, 1], mask (N, 1, H, W) 0/1, defect (N,) long, latent (N, Z), noise (N, 1, H, W) normal,
        draft (N, C, H, W): what it begins with on the part, see draft.py.
        Returns content (N, C, H, W) and alpha (N, 1, H, W) in [0, 1], 0 farther than `reach` px from the mask.
        """
        # In units of the light around, in each channel: on a darker part a defect is darker in proportion, and under
        # yellower light yellower, whatever was trained on (von Kries).
        around = light_around(clean, mask)
        style = self.style(torch.cat([latent, self.embed(defect)], 1))
        seen = [(pixels / around - 1).clamp(-1, 2) for pixels in (clean, draft)]
        x = torch.cat([*seen, 2 * mask - 1, distance_channel(mask), noise], 1)
        x = self.stem(F.pixel_unshuffle(x, 2))
        skips: list[Tensor] = []
        for level, block in enumerate(self.down_blocks):
            x = block(x, style)
            if level < len(self.downs):
                skips.append(x)
                x = self.downs[level](x)
        x = self.middle(x, style)
        for up, block in zip(self.ups, self.up_blocks, strict=True):
            x = F.interpolate(up(x), scale_factor=2.0, mode="nearest") + skips.pop()
            x = block(x, style)
        out = unchequer(F.pixel_shuffle(self.head(F.leaky_relu(self.norm(x), 0.2)), 2).float())
        # It begins with what a real defect looks like, and changes that. What is darker has less of every colour: taken
        # away in equal amounts, the last that is left of warm steel is red.
        shade, tint = torch.tanh(out[:, :1]), torch.tanh(out[:, 1:-1])
        content = draft * (1 - F.relu(-shade)) + around * (BRIGHTEST * F.relu(shade) + TINT * tint)
        rim = soften(mask, 1)
        # It begins by covering what is inside: begun at three quarters it stayed, and a quarter of the texture was
        # missing. Never quite transparent: a network that has once gone invisible gets no gradient to come back.
        alpha = torch.sigmoid(out[:, -1:] + 6 * rim - 2)
        alpha = LEAST_ALPHA * rim + (1 - LEAST_ALPHA * rim) * alpha
        return content, alpha * soften(dilate(mask, self.config.reach - 1), 1)


def unchequer(x: Tensor) -> Tensor:
    """(N, C, H, W) without what alternates from pixel to pixel, the mark of the 2 × 2 blocks it was written in.

    A binomial filter, about as soft as a lens: it is zero at that one frequency, in both directions.
    """
    x = F.pad(x, (1, 1, 1, 1), mode="replicate")
    x = (x[..., :-2] + 2 * x[..., 1:-1] + x[..., 2:]) / 4
    return (x[..., :-2, :] + 2 * x[..., 1:-1, :] + x[..., 2:, :]) / 4


def compose(clean: Tensor, content: Tensor, alpha: Tensor) -> Tensor:
    """clean + alpha * (content - clean), (N, C, H, W) in [0, 1]."""
    return (clean + alpha * (content - clean)).clamp(0, 1)
