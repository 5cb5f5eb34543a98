"""The draft of a defect: a real one's pixels, warped into the new shape and stirred. The painter starts from it.

A network that has seen ten defects for three hundred steps and starts from nothing paints them flat: dark pits without
the bright specks inside, breaks without facets. What it can learn in that time is what to change of a real one, its
level, its contrast and its rim, so that it belongs to the part (Tsai et al. 2017 call it harmonising).
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from flawsmith.gan.blocks import mean_over, soften

GAIN = 0.25  # deviation of the log of a factor on its contrast: how strong a defect is to be, the latent alone says
LEVEL = 0.25  # deviation of what is added, in units of its contrast: nor does it say how dark
NOISE = 0.1  # the same for smooth noise
SIDE, LEFT = 5, 0.136  # px of the box that smooths that noise, twice; the deviation that this leaves
STIR, LEAST_STIR, MOST_STIR = 0.12, 0.7, 4.0  # of the root of its area: px that a pixel is moved by, in each direction
ACROSS = 0.64  # of its mean depth: px that a pixel of a long defect is moved by across it
NEARBY = 3.0  # px, sigma: rims so near tell which way a defect runs
APART, LEAST_APART = 5.0, 8  # times that: px from one independent move to the next, so that hardly anything folds over


def varied(draft: Tensor, clean: Tensor, mask: Tensor, doubt: Tensor, noise: Tensor) -> Tensor:
    """A real defect's pixels on a part, and the part clean (N, C, H, W) -> the same pixels, varied inside the mask.

    Mask and normal noise are (N, 1, H, W), other normal numbers (N, 2). Where the defect is darker and where brighter
    is kept, how much is not: that is asked for by the latent.
    """
    draft = draft.float()
    level = mean_over(clean.float(), mask)[:, :, None, None]
    strength = mean_over((draft - level).square(), mask).mean(1).sqrt()[:, None, None, None]
    for _ in range(2):
        noise = F.avg_pool2d(noise, SIDE, stride=1, padding=SIDE // 2)
    gain, shift = doubt[:, :1, None, None], doubt[:, 1:, None, None]
    other = level + (draft - level) * torch.exp(GAIN * gain) + strength * (LEVEL * shift + NOISE * noise / LEFT)
    mixed: Tensor = draft + soften(mask, 1) * (other - draft)
    return mixed.clamp(0, 1)


def stirred(slopes: NDArray[np.float32], area: int, depth: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Moves in px, by rows and columns, that vary smoothly over a window: (2, H, W).

    Texture moved about is as sharp as before, and no copy. `slopes` (2, H, W) is the gradient of the distance to the
    defect's rim, `depth` the mean of that distance inside, px. Along a long defect pixels move as far as its area says;
    moved as far across, by more than its width, a scratch would be torn to pieces.
    """
    amount = float(np.clip(STIR * area**0.5, LEAST_STIR, MOST_STIR))
    apart = max(APART * amount, LEAST_APART)
    size = slopes.shape[1:]
    knots = rng.standard_normal((2, *(2 + int(side / apart) for side in size)), np.float32)
    grid = np.mgrid[: size[0], : size[1]].astype(np.float32) / np.float32(apart)
    moves = amount * np.stack([ndimage.map_coordinates(one, grid, order=3, mode="nearest") for one in knots])
    across, agreement = _normals(slopes)
    less = 1 - min(max(ACROSS * depth, LEAST_STIR) / amount, 1)
    return np.asarray(moves - less * agreement * (moves * across).sum(0) * across, np.float32)


def _normals(slopes: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The direction (2, H, W) in which the rims nearby lie, and how much they agree (H, W).

    1 about a line, 0 in the middle of a disc. By the structure tensor (Bigün & Granlund 1987): on the middle line the
    slope itself is 0.
    """
    rows, mixed, columns = (
        ndimage.gaussian_filter(one, NEARBY) for one in (slopes[0] ** 2, slopes[0] * slopes[1], slopes[1] ** 2)
    )
    angle = np.arctan2(2 * mixed, rows - columns) / 2
    agreement = np.hypot(rows - columns, 2 * mixed) / (rows + columns + np.float32(1e-6))
    return np.stack([np.cos(angle), np.sin(angle)]), agreement
