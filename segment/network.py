"""Which network: by name, so that a checkpoint can say what it is."""

from __future__ import annotations

from collections.abc import Sequence

from flawsmith.data.errors import UsageError
from flawsmith.segment.efficientnet import Encoder
from flawsmith.segment.pretrained import STAGES, PretrainedUNet
from flawsmith.segment.unet import UNet

Network = UNet | PretrainedUNet
WIDTHS = {"pretrained": (32, 48, 64), "small": (32, 48, 96, 128)}  # channels of the levels of each network
NETWORKS = tuple(WIDTHS)


def make_network(name: str, channels: int, classes: int, widths: Sequence[int] = (), dropout: float = 0.1) -> Network:
    """A network with random weights: `name` one of NETWORKS, its own `widths` where none are given."""
    if name not in NETWORKS:
        raise UsageError("--network", f"a network is one of {', '.join(NETWORKS)}", name)
    kind = PretrainedUNet if name == "pretrained" else UNet
    return kind(channels, classes, tuple(widths) or WIDTHS[name], dropout)


def start_network(name: str, channels: int, classes: int, widths: Sequence[int], dropout: float) -> Network:
    """A network as training starts with it; raises UserError where ImageNet's weights are wanted and not installed."""
    network = make_network(name, channels, classes, widths, dropout)
    if isinstance(network, PretrainedUNet):
        network.hold(Encoder(STAGES).load_imagenet())
    return network
