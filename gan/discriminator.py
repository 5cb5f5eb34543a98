"""The critic: is this patch a part with this class of defect in exactly this mask?"""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flawsmith.gan.blocks import PlainBlock, dilate


@dataclass(frozen=True)
class DiscriminatorConfig:
    """The discriminator's shape."""

    channels: int
    classes: int
    widths: tuple[int, ...] = (32, 64, 96)  # per level; the first works at half resolution


class Discriminator(nn.Module):
    """Two heads on one trunk: the region head pools over the mask, the patch head judges every place (PatchGAN).

    The class enters by projection (Miyato & Koyama 2018) in both, the mask as an input channel.
    """

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        widths = config.widths
        self.stem = nn.Conv2d(4 * (config.channels + 1), widths[0], 3, padding=1)
        self.blocks = nn.ModuleList(PlainBlock(w) for w in widths)
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths))
        # The region is judged on fine and coarse features: small pits live in three cells of the coarse map.
        self.region = nn.Linear(widths[-2] + widths[-1], widths[-1])
        self.region_out = nn.Linear(widths[-1], 1)
        self.region_class = nn.Embedding(config.classes, widths[-1])
        self.patch_out = nn.Conv2d(widths[-1], 1, 1)
        self.patch_class = nn.Embedding(config.classes, widths[-1])

    def forward(self, image: Tensor, mask: Tensor, defect: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1], (N, 1, H, W), (N,) long -> (N, 2) logits: region, patch (mean over places)."""
        x = self.stem(F.pixel_unshuffle(torch.cat([2 * image - 1, 2 * mask - 1], 1), 2))
        fine = x
        for level, block in enumerate(self.blocks):
            x = block(x)
            if level < len(self.downs):
                fine = x
                x = self.downs[level](x)
        x = F.leaky_relu(x, 0.2)
        pooled = torch.cat([masked_mean(F.leaky_relu(fine, 0.2), mask), masked_mean(x, mask)], 1)
        hidden = F.leaky_relu(self.region(pooled), 0.2)
        region = self.region_out(hidden)[:, 0] + (hidden * self.region_class(defect)).mean(1)
        places = self.patch_out(x)[:, 0] + (x * self.patch_class(defect)[:, :, None, None]).mean(1)
        return torch.stack([region, places.mean((1, 2))], 1).float()


def masked_mean(features: Tensor, mask: Tensor) -> Tensor:
    """Mean of (N, C, h, w) features over the mask (N, 1, H, W) grown by 4 px and reduced to h, w -> (N, C)."""
    weight = F.adaptive_avg_pool2d(dilate(mask, 4), (features.shape[2], features.shape[3]))
    return (features * weight).sum((2, 3)) / weight.sum((2, 3)).clamp_min(1e-3)
