"""The appearance encoder: what a defect looks like, as a latent, from the pixels of its mask."""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flawsmith.gan.blocks import PlainBlock
from flawsmith.gan.discriminator import masked_mean


@dataclass(frozen=True)
class EncoderConfig:
    """The encoder's shape."""

    channels: int
    latent: int = 16
    widths: tuple[int, ...] = (24, 48)


class Encoder(nn.Module):
    """Convolutions pooled over the mask: the latent sees how the defect looks, not where it is nor its outline."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        widths = config.widths
        self.stem = nn.Conv2d(4 * (2 * config.channels + 1), widths[0], 3, padding=1)
        self.blocks = nn.ModuleList(PlainBlock(w) for w in widths)
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.out = nn.Linear(2 * widths[-1], 2 * config.latent)

    def forward(self, image: Tensor, clean: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, H, W) with the defect, the same without it, (N, 1, H, W) -> mean (N, Z), log variance (N, Z)."""
        # The difference to the healed surface makes the latent independent of the surface's own brightness.
        x = torch.cat([2 * image - 1, 4 * (image - clean), 2 * mask - 1], 1)
        x = self.stem(F.pixel_unshuffle(x, 2))
        for level, block in enumerate(self.blocks):
            x = block(x)
            if level < len(self.downs):
                x = self.downs[level](x)
        x = F.leaky_relu(x, 0.2)
        mean = masked_mean(x, mask)
        spread = masked_mean((x - mean[:, :, None, None]).abs(), mask)
        mu, log_variance = self.out(torch.cat([mean, spread], 1)).float().chunk(2, 1)
        return mu, log_variance.clamp(-6, 2)
