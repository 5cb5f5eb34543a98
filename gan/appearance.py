"""What can simply be measured of a defect's look: how dark, how uneven, in the middle and at the rim."""

import torch
from torch import Tensor

from flawsmith.gan.blocks import dilate, mean_over

GAIN = 3.0  # brings the figures of usual defects to about the spread of a standard normal latent


def appearance_size(channels: int) -> int:
    """Length of the vector that `measure_appearance` gives."""
    return 2 * channels + 2


def measure_appearance(image: Tensor, clean: Tensor, mask: Tensor) -> Tensor:
    """(N, C, H, W) with the defect and without it, (N, 1, H, W) -> (N, 2C + 2), differentiable in the image.

    Mean change of core and rim per channel, and the change's deviation in both. All are relative to the part's own
    brightness there, so that a defect carried to a darker part is as dark in proportion: shading multiplies.
    """
    image, clean = image.float(), clean.float()
    level = mean_over(clean.mean(1, keepdim=True), dilate(mask, 4)).clamp_min(0.05)
    change = (image - clean) / level[:, :, None, None]
    core = 1 - dilate(1 - mask, 1)
    rim = mask - core
    core = torch.where(core.sum((2, 3), keepdim=True) > 0, core, mask)  # a hair-thin crack is all rim
    rim = torch.where(rim.sum((2, 3), keepdim=True) > 0, rim, mask)
    parts = []
    for region in (core, rim):
        mean = mean_over(change, region)
        spread = mean_over((change - mean[:, :, None, None]).square().mean(1, keepdim=True), region)
        parts += [mean, (spread + 1e-4).sqrt()]
    return GAIN * torch.cat(parts, 1)
