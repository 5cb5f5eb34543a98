"""The few layers that generator, discriminator and encoder share. All are local: no statistic crosses the image."""

import numpy as np
import torch
import torch.nn.functional as F
from kornia.morphology import dilation
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn

DARKEST = 0.03  # least brightness that a part is taken to have: below, ratios are noise


def distance_channel(mask: Tensor, reach: int = 8) -> Tensor:
    """How deep a pixel lies in the mask: (N, 1, H, W) 0/1 -> float in [0, 1], 1 from `reach` px inside on.

    Pixels beyond the window count as inside, so that a defect that runs out of it has no false rim there.
    """
    if mask.device.type == "cpu":
        return torch.stack([_depth(one[0], reach) for one in mask.detach().float().numpy() > 0]).to(mask.dtype) / reach
    # The same by repeated erosion, which a GPU does without a word to the CPU.
    depth, inside = torch.zeros_like(mask), mask
    for _ in range(reach):
        depth = depth + inside
        inside = 1 - F.max_pool2d(F.pad(1 - inside, (1, 1, 1, 1)), 3, stride=1)
    return depth / reach


def _depth(inside: NDArray[np.bool_], reach: int) -> Tensor:
    """The chessboard distance of a mask (H, W) to the nearest pixel outside, at most `reach`: (1, H, W)."""
    if inside.all():
        return torch.full((1, *inside.shape), float(reach))
    depth = ndimage.distance_transform_cdt(inside, "chessboard")
    return torch.from_numpy(np.minimum(depth, reach).astype(np.float32)[None])


def dilate(mask: Tensor, radius: int) -> Tensor:
    """Grow a (N, 1, H, W) mask by `radius` px in the chessboard distance."""
    if not radius:
        return mask
    side = mask.new_ones(2 * radius + 1, 1)  # rows, then columns: the same maximum of fewer values
    return dilation(dilation(mask, side), side.T)


def soften(mask: Tensor, radius: int) -> Tensor:
    """Box-blur a (N, 1, H, W) mask over 2 * radius + 1 px; the window's border counts as a continuation."""
    side = 2 * radius + 1
    return F.avg_pool2d(F.pad(mask, (radius,) * 4, mode="replicate"), side, stride=1)


def mean_over(values: Tensor, region: Tensor) -> Tensor:
    """Mean of (N, C, H, W) over (N, 1, H, W) -> (N, C)."""
    return (values * region).sum((2, 3)) / region.sum((2, 3)).clamp_min(1)


def light_around(clean: Tensor, mask: Tensor) -> Tensor:
    """The mean of `clean` (N, C, H, W) over the mask (N, 1, H, W) and 4 px about it, in each channel: (N, C, 1, 1)."""
    return mean_over(clean, dilate(mask, 4)).clamp_min(DARKEST)[:, :, None, None]


class PixelNorm(nn.Module):
    """Unit root mean square over the channels of each pixel (Karras et al. 2018): local, so any window size agrees."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same."""
        return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-6)


class ModulatedBlock(nn.Module):
    """A residual block of two 3x3 convolutions, scaled and shifted by a style vector (FiLM, Perez et al. 2018)."""

    def __init__(self, width: int, style: int) -> None:
        super().__init__()
        self.norm = PixelNorm()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.film = nn.Linear(style, 2 * width)
        nn.init.zeros_(self.second.weight)  # starts as the identity (Fixup, Zhang et al. 2019)
        nn.init.zeros_(self.film.bias)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(N, width, H, W) and (N, style) -> (N, width, H, W)."""
        scale, shift = self.film(style)[:, :, None, None].chunk(2, dim=1)
        hidden = self.first(F.leaky_relu(self.norm(x) * (1 + scale) + shift, 0.2))
        change: Tensor = self.second(F.leaky_relu(hidden, 0.2))
        return x + change


class PlainBlock(nn.Module):
    """A residual block without normalisation, as in R3GAN's discriminator (Huang et al. 2024)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, width, H, W) -> the same."""
        hidden = self.first(F.leaky_relu(x, 0.2))
        change: Tensor = self.second(F.leaky_relu(hidden, 0.2))
        return x + 0.5 * change
