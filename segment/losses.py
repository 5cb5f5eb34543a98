"""What the segmenter is trained to lower."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def segmentation_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Binary cross-entropy plus soft Dice of logits and truth (N, K, H, W) float32; a scalar."""
    return F.binary_cross_entropy_with_logits(logits, truth) + soft_dice_loss(logits.sigmoid(), truth)


def soft_dice_loss(probability: Tensor, truth: Tensor) -> Tensor:
    """1 - Dice per class over the whole batch, averaged over the classes that the batch shows (Milletari et al., 2016).

    A class without a pixel would have a Dice of nearly 0 whatever is predicted: noise, and it is left out.
    """
    over = (0, 2, 3)
    both, sizes = (probability * truth).sum(over), probability.sum(over) + truth.sum(over)
    shown = truth.sum(over) > 0
    loss = 1 - (2 * both + 1) / (sizes + 1)
    return (loss * shown).sum() / shown.sum().clamp_min(1)
