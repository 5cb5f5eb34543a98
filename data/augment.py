"""Standard augmentation of a patch and its masks: sample the parameters, then apply them.

The parameters are plain numbers, so that any patch can be replayed. Geometry is one resampling out of a larger window,
so that no border shows; image (bilinear) and masks (nearest) go through the same grid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


EIGHTH = 45.0  # degrees, both ways: with quarter turns every angle


@dataclass(frozen=True)
class AugmentConfig:
    """The ranges that parameters are drawn from; every default keeps a machined part plausible."""

    flip: bool = True  # left-right and top-bottom, each half of the time
    warp_share: float = 0.75  # the rest keeps its pixels, so that the sharpness of real images is seen
    rotate: float = 15.0  # degrees, both ways, where parts lie nearly straight
    scale: float = 1.25  # zoom in [1 / scale, scale]
    gain: float = 0.3  # log of the factor on brightness, both ways: exposure
    offset: float = 0.05  # of the full range: black level
    contrast: float = 0.3  # log of the factor about the patch's mean
    gamma: float = 0.3  # log of the exponent
    tint: float = 0.05  # log of the factor on each colour channel
    shade: float = 0.25  # change of brightness from edge to edge: light from one side
    blur_share: float = 0.2
    blur: float = 1.0  # px, sigma
    noise_share: float = 0.3
    noise: float = 0.02  # sigma, of the full range
    turn: bool | None = None  # by any angle; none: where the good parts lie any way round, see data/pose.py

    def __post_init__(self) -> None:
        if self.scale < 1 or not 0 <= self.rotate <= 45:
            raise ValueError(f"scale must be >= 1 and rotate in 0..45, not {self.scale} and {self.rotate}")


@dataclass(frozen=True)
class AugmentParams:
    """What happens to one patch; the defaults are the identity, bit for bit."""

    flip_x: bool = False
    flip_y: bool = False
    quarters: int = 0  # turns by a right angle, before anything else: no pixel is resampled
    angle: float = 0.0  # degrees
    zoom: float = 1.0
    gain: float = 1.0
    offset: float = 0.0
    contrast: float = 1.0
    gamma: float = 1.0
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    shade: tuple[float, float] = (0.0, 0.0)  # from the middle to the bottom and to the right edge
    blur: float = 0.0  # px, sigma
    noise: float = 0.0  # sigma
    noise_seed: int = 0


def sample_params(config: AugmentConfig, rng: np.random.Generator) -> AugmentParams:
    """Draws the parameters of one patch; the number of draws does not depend on their values."""
    flips, chance = rng.random(2) < 0.5, rng.random(3)
    angle, zoom, gain, offset, contrast, gamma = rng.uniform(-1, 1, 6)
    tint, turn, depth = rng.uniform(-1, 1, 3), rng.uniform(0, 2 * math.pi), rng.uniform(0, 0.5)
    blur, noise = rng.uniform(0.3, 1), rng.uniform(0.1, 1)
    noise_seed = int(rng.integers(2**31))
    quarters = int(rng.integers(4)) if config.turn else 0
    warp = bool(chance[0] < config.warp_share)
    red, green, blue = (float(math.exp(config.tint * value)) for value in tint)
    return AugmentParams(
        flip_x=bool(flips[0]) and config.flip,
        flip_y=bool(flips[1]) and config.flip,
        quarters=quarters,
        angle=float(angle) * (EIGHTH if config.turn else config.rotate) if warp else 0.0,
        zoom=float(config.scale**zoom) if warp else 1.0,
        gain=math.exp(config.gain * gain),
        offset=float(config.offset * offset),
        contrast=math.exp(config.contrast * contrast),
        gamma=math.exp(config.gamma * gamma),
        tint=(red, green, blue),
        shade=(config.shade * depth * math.sin(turn), config.shade * depth * math.cos(turn)),
        blur=float(config.blur * blur) if chance[1] < config.blur_share else 0.0,
        noise=float(config.noise * noise) if chance[2] < config.noise_share else 0.0,
        noise_seed=noise_seed,
    )


def window_side(params: AugmentParams, patch: int) -> int:
    """The side (px) of the square window of the source that a `patch` × `patch` result is cut from."""
    if params.angle == 0 and params.zoom == 1:
        return patch
    turn = math.radians(abs(params.angle))
    side = math.ceil(patch / params.zoom * (math.cos(turn) + math.sin(turn))) + 2
    return side + (side - patch) % 2  # same parity: the middles coincide, and nothing shifts by half a pixel


def augment(params: AugmentParams, image: Tensor, masks: Tensor, patch: int) -> tuple[Tensor, Tensor]:
    """A window (C, S, S) float32 in [0, 1] and masks (K, S, S) bool, S = `window_side`, → (C, P, P) and (K, P, P)."""
    image, masks = warp(params, image, masks, patch)
    return relight(params, image), masks


def warp(params: AugmentParams, image: Tensor, masks: Tensor, patch: int) -> tuple[Tensor, Tensor]:
    """Turns, flips, rotates and zooms about the window's middle; the image bilinear, the masks nearest."""
    import torch
    from torch.nn.functional import affine_grid, grid_sample

    image, masks = (torch.rot90(part, params.quarters, (-2, -1)) for part in (image, masks))
    side = image.shape[-1]
    if side != patch:
        turn, step = math.radians(params.angle), patch / side / params.zoom
        along, across = step * math.cos(turn), step * math.sin(turn)
        matrix = torch.tensor([[[along, -across, 0.0], [across, along, 0.0]]])
        grid = affine_grid(matrix, [1, 1, patch, patch], align_corners=False)
        image = grid_sample(image[None], grid, "bilinear", "reflection", align_corners=False)[0]
        masks = grid_sample(masks[None].float(), grid, "nearest", "reflection", align_corners=False)[0] > 0
    axes = [axis for axis, flipped in ((-1, params.flip_x), (-2, params.flip_y)) if flipped]
    return (image.flip(axes), masks.flip(axes)) if axes else (image, masks)


def relight(params: AugmentParams, image: Tensor) -> Tensor:
    """Changes light, colour and sharpness of (C, H, W) float32 in [0, 1]; the result is clipped to [0, 1]."""
    import torch
    from torchvision.transforms.v2 import functional

    if params.gain != 1 or params.offset:
        image = image * params.gain + params.offset
    if params.contrast != 1:
        image = (image - image.mean()) * params.contrast + image.mean()
    if any(params.shade):
        down, right = (torch.linspace(-1, 1, size) for size in image.shape[-2:])
        image = image * (1 + params.shade[0] * down[:, None] + params.shade[1] * right)
    if image.shape[0] == 3 and params.tint != (1.0, 1.0, 1.0):
        image = image * torch.tensor(params.tint)[:, None, None]
    if params.gamma != 1:
        image = image.clamp(0, 1) ** params.gamma
    if params.blur:
        image = functional.gaussian_blur(image, 2 * math.ceil(2 * params.blur) + 1, params.blur)
    if params.noise:
        generator = torch.Generator().manual_seed(params.noise_seed)
        image = image + params.noise * torch.randn(image.shape, generator=generator)
    return image.clamp(0, 1)
