"""Differentiable augmentation (Zhao et al. 2020) that leaves alone what defines a class: shape, sign and sharpness."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Jitter:
    """Sampled parameters of one batch: gain and offset (N, 1, 1, 1), flips (2,), shift in px (2,)."""

    gain: Tensor
    offset: Tensor
    flips: tuple[bool, bool]
    shift: tuple[int, int]


def sample_jitter(count: int, generator: torch.Generator, strength: float = 0.2, shift: int = 8) -> Jitter:
    """Draw the parameters for `count` patches; exposure varies by `strength`, place by `shift` px."""
    gain = torch.exp(strength * torch.randn(count, 1, 1, 1, generator=generator))
    offset = 0.25 * strength * torch.randn(count, 1, 1, 1, generator=generator)
    flips = torch.rand(2, generator=generator) < 0.5
    moves = torch.randint(-shift, shift + 1, (2,), generator=generator)
    return Jitter(gain, offset, (bool(flips[0]), bool(flips[1])), (int(moves[0]), int(moves[1])))


def apply_jitter(jitter: Jitter, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """The same change to image (N, C, H, W) and mask (N, 1, H, W); differentiable in the image."""
    gain, offset = jitter.gain.to(image.device), jitter.offset.to(image.device)
    image = (image - 0.5) * gain + 0.5 + offset
    axes = [axis for axis, flip in zip((2, 3), jitter.flips, strict=True) if flip]
    if axes:
        image, mask = image.flip(axes), mask.flip(axes)
    return shifted(image, jitter.shift), shifted(mask, jitter.shift)


def shifted(image: Tensor, shift: tuple[int, int]) -> Tensor:
    """Crop and reflect by (rows, columns) px, size kept: a rolled patch would show a seam."""
    rows, columns = shift
    height, width = image.shape[-2:]
    padded = torch.nn.functional.pad(image, (abs(columns),) * 2 + (abs(rows),) * 2, mode="reflect")
    top, left = abs(rows) + rows, abs(columns) + columns
    return padded[..., top : top + height, left : left + width]
