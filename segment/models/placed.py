"""A network on its device, with what it knows: the beginning of every model that is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Self, TypeVar

import torch
from torch import nn

from flawsmith.data.device import memory_format

Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True)
class Placed(Generic[Net]):
    """A network with the classes it knows and the number of colour channels that it sees."""

    network: Net
    classes: tuple[str, ...]
    channels: int
    device: torch.device

    @classmethod
    def of(cls, network: Net, classes: Sequence[str], channels: int, device: torch.device) -> Self:
        """Wraps a network, which is set to inference in place."""
        network.to(device, memory_format=memory_format(device))  # type: ignore[call-overload]
        return cls(network.eval(), tuple(classes), channels, device)
