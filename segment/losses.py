"""What the segmenter is trained to lower."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def segmentation_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Binary cross-entropy plus log-Dice of logits and truth (N, K, H, W) float32; a scalar."""
    return F.binary_cross_entropy_with_logits(logits, truth) + log_dice_loss(logits.sigmoid(), truth)


def log_dice_loss(probability: Tensor, truth: Tensor) -> Tensor:
    """-log of the soft Dice per class over the whole batch, averaged over the classes that the batch shows.

    The logarithm (Wong et al., MICCAI 2018) makes the gradient as large for a class of 50 px as for one of 5000, while
    1 - Dice leaves the smaller one unlearned for hundreds of steps. A class without a pixel has a Dice of nearly 0
    whatever is predicted: noise, and it is left out.
    """
    over = (0, 2, 3)
    both, sizes = (probability * truth).sum(over), probability.sum(over) + truth.sum(over)
    shown = truth.sum(over) > 0
    loss = -((2 * both + 1) / (sizes + 1)).log()
    return (loss * shown).sum() / shown.sum().clamp_min(1)
