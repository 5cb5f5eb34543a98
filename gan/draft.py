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
STIR, LEAST_STIR, MOST_STIR = 0.64, 0.7, 4.0  # of its mean depth: px that a pixel is moved by, in each direction
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


def stirred(size: tuple[int, int], depth: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Moves in px, by rows and columns, that vary smoothly over a window of `size` (H, W): (2, H, W).

    Texture moved about is as sharp as before, and no copy. `depth` is the mean distance of a defect's pixels to its
    rim, px: by its area, a long scratch would be moved by more than its width, and be torn to pieces.
    """
    amount = float(np.clip(STIR * depth, LEAST_STIR, MOST_STIR))
    apart = max(APART * amount, LEAST_APART)
    knots = rng.standard_normal((2, *(2 + int(side / apart) for side in size)), np.float32)
    grid = np.mgrid[: size[0], : size[1]].astype(np.float32) / np.float32(apart)
    moves = [ndimage.map_coordinates(one, grid, order=3, mode="nearest") for one in knots]
    return np.asarray(amount * np.stack(moves), np.float32)
