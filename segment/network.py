"""Which network that gives every pixel a logit: by name, so that a checkpoint can say what it is."""

from __future__ import annotations

from collections.abc import Sequence

from flawsmith.segment.efficientnet import Encoder
from flawsmith.segment.fast import FastUNet
from flawsmith.segment.models.name import SMP, check_model
from flawsmith.segment.models.smp import EncoderUNet
from flawsmith.segment.models.weights import refuse_weights
from flawsmith.segment.pair import PairUNet
from flawsmith.segment.pretrained import STAGES, PretrainedUNet
from flawsmith.segment.unet import UNet

Own = UNet | PretrainedUNet | FastUNet | PairUNet
Network = Own | EncoderUNet
KINDS: dict[str, type[Own]] = {kind.name: kind for kind in (PairUNet, PretrainedUNet, UNet, FastUNet)}
WIDTHS = {  # channels of the levels of each own network
    "pretrained": (32, 48, 64),
    "small": (32, 48, 96, 128),
    "fast": (16, 32, 64, 96),
    "pair": (32, 48, 64, 16, 32, 64, 96),  # of the pretrained one, of the fast one
}
AVERAGE = 0.98  # decay of the moving average of the weights
AVERAGES = {"small": 0.9, "fast": 0.9}  # from nothing: a longer one still holds what they began with


def make_network(name: str, channels: int, classes: int, widths: Sequence[int] = (), dropout: float = 0.1) -> Network:
    """A network with random weights, of any name that gives maps; an own one's `widths` where none are given."""
    family, _, encoder = check_model(name).partition(":")
    if family == SMP:
        return EncoderUNet(encoder, classes)
    return KINDS[name](channels, classes, tuple(widths) or WIDTHS[name], dropout)


def start_network(
    name: str, channels: int, classes: int, widths: Sequence[int], dropout: float, weights: str | None = None
) -> Network:
    """A network as training starts with it; raises UserError where the weights that are wanted cannot be had."""
    network = make_network(name, channels, classes, widths, dropout)
    if isinstance(network, EncoderUNet):
        if weights is not None:
            network.start_from(weights)
        return network
    refuse_weights(name, weights)
    if isinstance(network, PretrainedUNet | PairUNet):
        network.hold(Encoder(STAGES).load_imagenet())
    return network
