"""What the segmenter is trained to lower."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from flawsmith.data.distributed import ALONE, Group
from flawsmith.segment.shared import sum_of


def segmentation_loss(logits: Tensor, truth: Tensor, group: Group = ALONE) -> Tensor:
    """Binary cross-entropy plus log-Dice of logits and truth (N, K, H, W) float32; a scalar.

    Where each process of a group holds a part of the batch, the Dice is that of all, and the weighted mean of the
    processes' losses is the loss of the batch.
    """
    return F.binary_cross_entropy_with_logits(logits, truth) + log_dice_loss(logits.sigmoid(), truth, group)


def log_dice_loss(probability: Tensor, truth: Tensor, group: Group = ALONE) -> Tensor:
    """-log of the soft Dice per class over the whole batch, averaged over the classes that the batch shows.

    The logarithm (Wong et al., MICCAI 2018) makes the gradient as large for a class of 50 px as for one of 5000, while
    1 - Dice leaves the smaller one unlearned for hundreds of steps. A class without a pixel has a Dice of nearly 0
    whatever is predicted: noise, and it is left out.
    """
    over = (0, 2, 3)
    both, sizes, area = (probability * truth).sum(over), probability.sum(over) + truth.sum(over), truth.sum(over)
    both, sizes, area = sum_of(torch.stack([both, sizes, area]), group).unbind()
    shown = area > 0
    loss = -((2 * both + 1) / (sizes + 1)).log()
    return (loss * shown).sum() / shown.sum().clamp_min(1)
