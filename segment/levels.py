"""The levels of a model's network: what freezing and slower rates count."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from flawsmith.data.levels import Levels
from flawsmith.segment.fast import FastUNet
from flawsmith.segment.models.patch_net import PatchNet
from flawsmith.segment.models.smp import EncoderUNet
from flawsmith.segment.pair import PairUNet
from flawsmith.segment.pretrained import PretrainedUNet
from flawsmith.segment.unet import UNet

PROBE = 128  # px: an image that every encoder can halve five times


def levels_of(network: nn.Module) -> Levels:
    """The levels of a model's network from its input on; heads, and decoders but the pretrained one's, come behind."""
    if isinstance(network, UNet | FastUNet):
        return [(f"down.{level}",) for level in range(len(network.down))]
    if isinstance(network, PairUNet):  # the first of the one with the first of the other, and so on
        both = (_within(name, member) for name, member in network.members.items())
        return [(*a, *b) for a, b in zip(*both, strict=True)]
    if isinstance(network, PretrainedUNet):  # its encoder has never learned: its decoder's levels are what there is
        return [("encoder", "fine"), *((f"up.{level}",) for level in range(len(network.up)))]
    if isinstance(network, PatchNet):
        return [("encoder", "mix")]
    if isinstance(network, EncoderUNet):
        return [[f"unet.encoder.{name}" for name in level] for level in resolutions(network.unet.encoder)]
    body = "net.backbone.inner.body"
    return [(f"{body}.conv1", f"{body}.bn1"), *((f"{body}.layer{level}",) for level in range(1, 5))]


def _within(name: str, member: nn.Module) -> list[list[str]]:
    """The levels of a part of a network, as the whole calls them."""
    return [[f"{name}.{one}" for one in level] for level in levels_of(member)]


@torch.no_grad()
def resolutions(encoder: nn.Module) -> list[list[str]]:
    """The modules with weights of their own, by how far the image has been reduced where they work; finest first.

    Encoders differ in everything but this, so that it is seen in an image that goes through.
    """
    found: dict[str, int | None] = {}

    def watch(name: str) -> Callable[..., None]:
        def called(module: nn.Module, _: object, made: object) -> None:
            reduced = round(PROBE / made.shape[-1]) if isinstance(made, Tensor) else None
            found.setdefault(name, reduced if isinstance(module, nn.Conv2d) else None)

        return called

    hooks = [one.register_forward_hook(watch(name)) for name, one in encoder.named_modules() if name and _own(one)]
    training = encoder.training
    encoder.eval()(torch.zeros(1, 3, PROBE, PROBE))
    encoder.train(training)
    for hook in hooks:
        hook.remove()
    reduced = _settled(list(found.values()))
    return [[name for name, at in zip(found, reduced, strict=True) if at == one] for one in sorted(set(reduced))]


def _settled(seen: list[int | None]) -> list[int]:
    """In the order of the work: what is finer again further on was pooled for a moment, as attention and gates do."""
    settled, least = [0] * len(seen), PROBE
    for place in reversed(range(len(seen))):
        least = min(least, seen[place] or PROBE)
        settled[place] = least
    for place in range(1, len(seen)):  # what makes no map works on the one before
        settled[place] = settled[place - 1] if seen[place] is None else settled[place]
    return settled


def _own(module: nn.Module) -> bool:
    """Whether a module has weights that are none of its parts'."""
    return any(True for _ in (*module.parameters(recurse=False), *module.buffers(recurse=False)))
