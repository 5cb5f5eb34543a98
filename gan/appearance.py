"""What can simply be measured of a defect's look: how dark, how uneven, in the middle and at the rim."""

import torch
from torch import Tensor

from flawsmith.gan.blocks import DARKEST, dilate, mean_over

GAIN = 3.0  # brings the figures of usual defects to about the spread of a standard normal latent


def appearance_size(channels: int) -> int:
    """Length of the vector that `measure_appearance` gives."""
    return 2 * channels + 2


def measure_appearance(image: Tensor, clean: Tensor, mask: Tensor) -> Tensor:
    """(N, C, H, W) with the defect and without it, (N, 1, H, W) -> (N, 2C + 2), differentiable in the image.

    For core and rim: the mean colour, and the deviation of the change. All are relative to the brightness around, so
    that a defect carried to a darker part is as dark in proportion. The colour is the defect's own and not the change:
    what turns yellow steel grey would turn white steel blue.
    """
    image, clean = image.float(), clean.float()
    level = mean_over(clean.mean(1, keepdim=True), dilate(mask, 4)).clamp_min(DARKEST)[:, :, None, None]
    colour, change = image / level - 1, (image - clean) / level
    core = 1 - dilate(1 - mask, 1)
    rim = mask - core
    core = torch.where(core.sum((2, 3), keepdim=True) > 0, core, mask)  # a hair-thin crack is all rim
    rim = torch.where(rim.sum((2, 3), keepdim=True) > 0, rim, mask)
    parts = []
    for region in (core, rim):
        mean = mean_over(change, region)[:, :, None, None]
        spread = mean_over((change - mean).square().mean(1, keepdim=True), region)
        parts += [mean_over(colour, region), (spread + 1e-4).sqrt()]
    return GAIN * torch.cat(parts, 1)
