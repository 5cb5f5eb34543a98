"""The network of the classifier: which defects a patch shows, from what EfficientNet-Lite0 sees in it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flawsmith.segment.efficientnet import Encoder, fold
from flawsmith.segment.pretrained import CONTRAST, MIDDLE, STAGES
from flawsmith.segment.reduced import pad_to
from flawsmith.segment.unet import Block, local_contrast

HIDDEN = 48  # channels that are pooled
CELL = 8  # px: the finer of the two maps that are looked at
MULTIPLE = 32  # px
UNLIKELY = -2.0  # logit of a new network: most patches are good


class PatchNet(nn.Module):
    """(N, C, H, W) float32 in [0, 1] → (N, K) float32 logits, any size: those of the most suspect of its windows.

    A window is as large as the patches of the training and overlaps the next by half: a defect counts as much in a
    large image as in a small one. The encoder learns nothing: ten defects teach it nothing but themselves.
    """

    name = "classifier"

    def __init__(self, classes: int, window: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.window = window  # px
        self.encoder = Encoder(STAGES)
        self.hold(self.encoder)
        fine, deep = (2 * width for width in self.encoder.widths[-2:])  # two views
        self.mix = Block(fine + deep, HIDDEN)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * HIDDEN, classes)
        nn.init.constant_(self.head.bias, UNLIKELY)

    def hold(self, encoder: Encoder) -> None:
        """Takes an encoder that will not learn any more."""
        fold(encoder)
        self.encoder = encoder.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> PatchNet:
        """The encoder never trains: its normalisation keeps the statistics of ImageNet."""
        super().train(mode)
        self.encoder.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        y = self.look(pad_to(x, MULTIPLE))
        size = [min(self.window // CELL, side) for side in y.shape[-2:]]
        step = [max(side // 2, 1) for side in size]
        return self.judge(F.avg_pool2d(y, size, step), F.max_pool2d(y, size, step))

    def look(self, x: Tensor) -> Tensor:
        """A map (N, A, H / CELL, W / CELL) of images whose sides are multiples of MULTIPLE."""
        views = (self.encoder(x), self.encoder(MIDDLE + CONTRAST * local_contrast(x)))
        fine, deep = (torch.cat([view[level] for view in views], 1) for level in (-2, -1))
        y: Tensor = self.mix(torch.cat([fine, F.interpolate(deep, scale_factor=2.0, mode="nearest")], 1))
        return y.float()

    def judge(self, means: Tensor, peaks: Tensor) -> Tensor:
        """The logits (N, K) of the most suspect window, of each one's mean and highest values (N, A, rows, columns)."""
        pooled = torch.cat([means, peaks], 1)
        logits: Tensor = self.head(self.dropout(pooled.flatten(2).transpose(1, 2)))
        return logits.amax(1)
