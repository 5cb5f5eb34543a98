"""The levels of a network from its input on: which of them learn, and how fast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from flawsmith.data.start import Start

if TYPE_CHECKING:
    from torch import nn

Levels = Sequence[Sequence[str]]  # the names of each level's modules; all others of the network come behind the last


def hold(network: nn.Module, levels: Levels, start: Start | None) -> None:
    """Keeps the frozen levels as they are, in place: no gradient, and the statistics of normalisation stay.

    To be called again wherever the network was set to training.
    """
    for level in levels[: start.freeze] if start else ():
        for name in level:
            network.get_submodule(name).requires_grad_(False).eval()


def groups(network: nn.Module, levels: Levels, start: Start | None) -> list[dict[str, Any]]:
    """What an optimiser learns, by level: {"params", "share" of the rate}; one group where all learn alike."""
    learned = [(name, value) for name, value in network.named_parameters() if value.requires_grad]
    if start is None or start.layer_decay == 1:
        return [{"params": [value for _, value in learned], "share": 1.0}]
    members: list[list[nn.Parameter]] = [[] for _ in range(len(levels) + 1)]
    for name, value in learned:
        members[_level(name, levels)].append(value)
    shares = [start.layer_decay ** (len(levels) - level) for level in range(len(members))]
    return [{"params": own, "share": share} for own, share in zip(members, shares, strict=True) if own]


def _level(parameter: str, levels: Levels) -> int:
    """The first level with a module that holds the parameter; else the one behind them all."""
    found = (i for i, level in enumerate(levels) if any(parameter.startswith(f"{name}.") for name in level))
    return next(found, len(levels))
