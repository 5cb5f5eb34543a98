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
    """Three heads on one trunk: the region head pools over the mask; two more judge every place there (PatchGAN).

    The class enters each by projection (Miyato & Koyama 2018), the mask as an input channel. Places far from the
    mask do not count: there real and painted are alike, and would only dilute what the critic says about texture.
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
        self.places = nn.ModuleList(PlaceHead(w, config.classes) for w in widths[-2:])

    def forward(self, image: Tensor, mask: Tensor, defect: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1], (N, 1, H, W), (N,) long -> (N, 3) logits: region, fine places, coarse places."""
        x = self.stem(F.pixel_unshuffle(torch.cat([2 * image - 1, 2 * mask - 1], 1), 2))
        levels: list[Tensor] = []
        for level, block in enumerate(self.blocks):
            x = block(x)
            levels.append(F.leaky_relu(x, 0.2))
            if level < len(self.downs):
                x = self.downs[level](x)
        fine, coarse = levels[-2:]
        pooled = torch.cat([masked_mean(fine, mask), masked_mean(coarse, mask)], 1)
        hidden = F.leaky_relu(self.region(pooled), 0.2)
        region = self.region_out(hidden)[:, 0] + (hidden * self.region_class(defect)).mean(1)
        places = [head(features, mask, defect) for head, features in zip(self.places, (fine, coarse), strict=True)]
        return torch.stack([region, *places], 1).float()


class PlaceHead(nn.Module):
    """A logit at every place of a feature map, averaged over the mask."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.out = nn.Conv2d(width, 1, 1)
        self.of_class = nn.Embedding(classes, width)

    def forward(self, features: Tensor, mask: Tensor, defect: Tensor) -> Tensor:
        """(N, C, h, w), (N, 1, H, W), (N,) long -> (N,)."""
        logits = self.out(features) + (features * self.of_class(defect)[:, :, None, None]).mean(1, keepdim=True)
        return masked_mean(logits, mask)[:, 0]


def masked_mean(features: Tensor, mask: Tensor) -> Tensor:
    """Mean of (N, C, h, w) features over the mask (N, 1, H, W) grown by 4 px and reduced to h, w -> (N, C)."""
    weight = F.adaptive_avg_pool2d(dilate(mask, 4), (features.shape[2], features.shape[3]))
    return (features * weight).sum((2, 3)) / weight.sum((2, 3)).clamp_min(1e-3)
