"""The family of networks that give every pixel a logit: the own U-Nets and those of segmentation-models-pytorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from flawsmith.data.device import autocast
from flawsmith.data.distributed import Group
from flawsmith.segment.losses import segmentation_loss
from flawsmith.segment.network import Network, make_network, start_network
from flawsmith.segment.segmenter import Segmenter

if TYPE_CHECKING:
    from flawsmith.segment.train import TrainConfig


@dataclass(frozen=True)
class Dense:
    """How a network of logits is trained: by cross-entropy and Dice."""

    pace: float = 1.0
    mines: bool = True

    def start(self, config: TrainConfig, channels: int, classes: int) -> nn.Module:
        """An own U-Net, or smp's; where it starts from another model, its weights are still to come."""
        if config.start is not None:
            return make_network(config.model, channels, classes, config.widths, config.dropout)
        return start_network(config.model, channels, classes, config.widths, config.dropout, config.weights)

    def loss(self, network: nn.Module, images: Tensor, truth: Tensor, group: Group) -> Tensor:
        """Cross-entropy plus log-Dice."""
        with autocast(images.device):
            logits = network(images)
        return segmentation_loss(logits.float(), truth, group)

    def model(self, network: nn.Module, classes: Sequence[str], channels: int, device: torch.device) -> Segmenter:
        """A segmenter."""
        return Segmenter.of(cast(Network, network), classes, channels, device)
