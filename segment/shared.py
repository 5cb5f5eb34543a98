"""Layers that see the whole batch where each of several processes holds a part of it: the same numbers as in one.

torch's own SyncBatchNorm runs on GPUs alone, and no layer of torch's draws its dropout for a whole batch.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flawsmith.data.distributed import Group, Share


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation by the statistics of the whole batch; names and values of its state are BatchNorm2d's."""

    def __init__(self, norm: nn.BatchNorm2d, group: Group) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum)
        self.load_state_dict(norm.state_dict())
        self.group = group

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> the same; N may differ between the processes."""
        if not self.training:
            return super().forward(input)
        x = input.float()
        mean, variance, count = self._statistics(x)
        self._remember(mean.detach(), variance.detach(), count)
        factor = self.weight * (variance + self.eps).rsqrt()
        y = (x - mean[:, None, None]) * factor[:, None, None] + self.bias[:, None, None]
        return y.to(input.dtype)

    def _statistics(self, x: Tensor) -> tuple[Tensor, Tensor, float]:
        """Mean and variance of each channel over all processes, and of how many values; one message."""
        variance, mean = torch.var_mean(x, (0, 2, 3), correction=0)
        mean, variance = mean.double(), variance.double()  # so that the difference of two squares keeps its digits
        own = x.numel() / x.shape[1]
        sums = torch.cat([own * mean, own * (variance + mean.square()), mean.new_tensor([own])])
        total, squares, counts = torch.split(sum_of(sums, self.group), [len(mean), len(mean), 1])
        count = counts.item()
        mean = total / count
        return mean.float(), (squares / count - mean.square()).float(), count

    def _remember(self, mean: Tensor, variance: Tensor, count: float) -> None:
        """Moves the running statistics as BatchNorm2d does."""
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (count / max(count - 1, 1)), self.momentum)


class SharedDropout(nn.Dropout2d):
    """Dropout of whole channels, drawn for the whole batch: every process takes its rows."""

    def __init__(self, dropout: nn.Dropout2d, share: Share) -> None:
        super().__init__(dropout.p)
        self.share = share

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> the same."""
        if not self.training:
            return input
        drawn = F.dropout2d(input.new_ones(self.share.total, input.shape[1], 1, 1), self.p)
        return input * self.share.part(drawn)


def share_layers(module: nn.Module, share: Share) -> None:
    """Replaces, in place, the layers of a network that mix or number the items of a batch; nothing where one is all."""
    if share.group.world == 1:
        return
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, SharedBatchNorm(child, share.group))
        elif isinstance(child, nn.Dropout2d):
            setattr(module, name, SharedDropout(child, share))
        else:
            share_layers(child, share)


def sum_of(tensor: Tensor, group: Group) -> Tensor:
    """The sum over the processes, differentiable where the loss is the sum of theirs; itself where one is all."""
    return tensor if group.world == 1 else _Sum.apply(tensor, group)


class _Sum(torch.autograd.Function):
    """Every process's part goes into every process's sum, so its gradient is the sum of theirs."""

    @staticmethod
    def forward(context: Any, tensor: Tensor, group: Group) -> Tensor:
        context.group = group
        return group.sum(tensor.clone())

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return context.group.sum(gradient.clone()), None
