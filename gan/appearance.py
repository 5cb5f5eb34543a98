"""The latent of a defect: what can simply be measured of its look, in units of how much its class varies."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flawsmith.gan.blocks import dilate, light_around, mean_over
from flawsmith.gan.losses import gradients

USUAL = 0.08  # times the brightness around: how much defects of a class differ, before any were seen
NOISE = 0.25  # added to every latent, in those units: fills the gaps between few defects, and none names one of them
BELIEF = 2.0  # defects that this counts as much as; a class with a single one varies by it alone


def appearance_size(channels: int) -> int:
    """Length of the vector that `measure_appearance` gives."""
    return 2 * channels + 7


def measure_appearance(image: Tensor, clean: Tensor, mask: Tensor) -> Tensor:
    """(N, C, H, W) with the defect and without it, (N, 1, H, W) -> (N, 2C + 7), differentiable in the image.

    The mean brightness and tint of core and rim; the deviation of the change in each; its roughness; how far it
    reaches into the dark and into the bright; which side of the defect is the brighter one, by rows and by columns. All
    are relative to the light around, in each channel: a defect carried to a darker part is as dark in proportion, and
    one from yellow light is not yellow under white light. Colours are the defect's own and not the change.
    """
    image, clean = image.float(), clean.float()
    level = light_around(clean, mask)
    colour, change = image / level - 1, (image - clean) / level
    core = 1 - dilate(1 - mask, 1)
    rim = mask - core
    core = torch.where(core.sum((2, 3), keepdim=True) > 0, core, mask)  # a hair-thin crack is all rim
    rim = torch.where(rim.sum((2, 3), keepdim=True) > 0, rim, mask)
    shade = change.mean(1, keepdim=True)
    # Over 2 × 2 px: a chequerboard would be the cheapest texture there is, and no defect has it.
    texture = F.avg_pool2d(F.pad(shade, (0, 1, 0, 1), mode="replicate"), 2, stride=1)
    colours = [_tint(mean_over(colour, region)) for region in (core, rim)]
    spreads = [_root(mean_over((texture - _mean(texture, region)).square(), region)) for region in (core, rim)]
    rough = mean_over(gradients(texture).abs().mean(1, keepdim=True), mask)
    # Root mean squares of the dark and the bright part: closer to the extremes than means, smoother than extremes.
    depths = [_root(mean_over(F.relu(sign * shade).square(), mask)) for sign in (-1, 1)]
    return torch.cat([*colours, *spreads, rough, *depths, _sides(shade, mask)], 1)


class Appearance(nn.Module):
    """Measures latents in standard units of each class: without them, what varies by 0.05 would hardly be heard."""

    centre: Tensor
    scale: Tensor

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        size = appearance_size(channels)
        self.register_buffer("centre", torch.zeros(classes, size))
        self.register_buffer("scale", torch.full((classes, size), USUAL))

    def forward(self, image: Tensor, clean: Tensor, mask: Tensor, defect: Tensor) -> Tensor:
        """(N, C, H, W) with and without the defects, (N, 1, H, W), classes (N,) long -> latents (N, Z)."""
        latent: Tensor = (measure_appearance(image, clean, mask) - self.centre[defect]) / self.scale[defect]
        return latent

    def standardise(self, measured: Tensor, defect: Tensor) -> None:
        """Takes the units from the real defects (I, Z) of classes (I,): few of them are drawn towards USUAL."""
        for number in defect.unique().tolist():  # type: ignore[no-untyped-call]
            values = measured[defect == number]
            count = len(values)
            variance = (count * values.var(0, correction=0) + BELIEF * USUAL**2) / (count + BELIEF)
            self.centre[number], self.scale[number] = values.mean(0), variance.sqrt()


def _tint(colour: Tensor) -> Tensor:
    """Brightness, then red and blue beside it: what varies together is one number, (N, C) -> (N, C)."""
    grey = colour.mean(1, keepdim=True)
    return torch.cat([grey, colour[:, :1] - grey, colour[:, 2:] - grey], 1) if colour.shape[1] == 3 else colour


def _mean(values: Tensor, region: Tensor) -> Tensor:
    return mean_over(values, region)[:, :, None, None]


def _root(square: Tensor) -> Tensor:
    return (square + 1e-4).sqrt()  # the root of nothing has no slope


def _sides(shade: Tensor, mask: Tensor) -> Tensor:
    """The slope of the change across the defect, in brightness over its own extent: (N, 1, H, W) -> (N, 2)."""
    height, width = shade.shape[2:]
    rows = torch.arange(height, device=shade.device, dtype=shade.dtype)[:, None].expand(height, width)
    columns = torch.arange(width, device=shade.device, dtype=shade.dtype).expand(height, width)
    slopes = []
    for axis in (rows, columns):
        away = axis - _mean(axis.expand_as(shade), mask)
        extent = (mean_over(away.square(), mask) + 1).sqrt()
        slopes.append(mean_over(away * shade, mask) / extent)
    return torch.cat(slopes, 1)
