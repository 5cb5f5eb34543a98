"""How a kind of network is made, what it is trained to lower, and the model that it becomes: all that training asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from flawsmith.data.distributed import Group
from flawsmith.segment.model import Model


class Trained(Model, Protocol):
    """A model that can be written."""

    def save(self, path: Path, recipe: Mapping[str, Any]) -> None:
        """Writes the model's file; `recipe` (JSON-able) tells how it was trained."""


class Family(Protocol):
    """One kind of network."""

    @property
    def pace(self) -> float:
        """Times the recipe's learning rate."""

    @property
    def mines(self) -> bool:
        """Are hard places of good parts looked for half-way?"""

    def start(self, config: Any, channels: int, classes: int) -> nn.Module:
        """The network as training starts with it, of a TrainConfig; UserError where its weights cannot be had."""

    def loss(self, network: nn.Module, images: Tensor, truth: Tensor, group: Group) -> Tensor:
        """A scalar, of images (N, C, P, P) float32 in [0, 1] and masks (N, K, P, P) float32 on the network's device."""

    def model(self, network: nn.Module, classes: Sequence[str], channels: int, device: torch.device) -> Trained:
        """The trained network as a model."""
