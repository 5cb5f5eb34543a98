"""The terms of the game, each a pure function of tensors; weights live in FitConfig."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from flawsmith.gan.blocks import dilate


def relativistic(better: Tensor, worse: Tensor) -> Tensor:
    """Softplus of the margin by which `worse` beats `better`: RpGAN, Huang et al. 2024, eq. 2. (N, ...) -> scalar."""
    return F.softplus(worse - better).mean()


def smoothness(
    critic: Callable[[Tensor], Tensor], image: Tensor, logits: Tensor, sigma: float, noise: Tensor
) -> Tensor:
    """Penalty on the critic's slope at `image`, by a finite difference (Lin et al. 2025, approximated R1, eq. 2).

    The exact R1 needs a second backward pass in float32; this costs one more forward pass and runs in bf16.
    """
    return (critic(image + sigma * noise) - logits).square().mean() / sigma**2


def masked_l1(painted: Tensor, real: Tensor, mask: Tensor, reach: int = 3) -> Tensor:
    """Mean absolute difference over each mask grown by `reach` px; all count alike: (N, C, H, W) -> scalar."""
    weight = dilate(mask, reach)
    area = weight.sum((1, 2, 3)).clamp_min(1) * painted.shape[1]
    return ((painted - real).abs() * weight).sum((1, 2, 3)).div(area).mean()


def difference(painted: Tensor, real: Tensor, mask: Tensor) -> Tensor:
    """masked_l1 of the values and of their gradients: (N, C, H, W) -> scalar."""
    return masked_l1(painted, real, mask) + masked_l1(gradients(painted), gradients(real), mask)


def gradients(image: Tensor) -> Tensor:
    """Horizontal and vertical differences, stacked as channels, same size: (N, C, H, W) -> (N, 2C, H, W)."""
    padded = F.pad(image, (0, 1, 0, 1), mode="replicate")
    return torch.cat([padded[..., :-1, 1:] - image, padded[..., 1:, :-1] - image], 1)
