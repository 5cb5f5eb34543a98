"""Looking into a network: what a named layer of it says while an image goes through."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn

from flawsmith.data.errors import UsageError
from flawsmith.segment.model import Model
from flawsmith.segment.models.classifier import Classifier
from flawsmith.segment.segmenter import Segmenter

BACKBONE = "net.backbone"  # of Mask R-CNN: the pyramid from which boxes and masks are cut
_TRIED = 128  # px a side of the image with which layers are tried
_SAME = (nn.Identity, nn.Dropout, nn.Dropout2d)  # say what the layer before them said


@contextmanager
def tapped(network: nn.Module, layer: str) -> Iterator[list[Tensor]]:
    """While it lasts, collects what the layer gives as leaves of the graph: what comes later is a function of them.

    A layer that runs twice, or gives maps of several sizes, gives several. Nothing is computed otherwise than without.
    """
    seen: list[Tensor] = []

    def leaf(output: Any) -> Any:
        if isinstance(output, dict):
            return {name: leaf(one) for name, one in output.items()}
        if not isinstance(output, Tensor):
            return output
        seen.append(output.detach().requires_grad_())
        return seen[-1].clone()  # what follows may work in place

    handle = network.get_submodule(layer).register_forward_hook(lambda module, inputs, output: leaf(output))
    try:
        yield seen
    finally:
        handle.remove()


def network_of(model: Model) -> nn.Module | None:
    """The model's network, to look into; None where there is none."""
    if isinstance(model, Segmenter | Classifier):
        return model.network
    network = getattr(model, "network", None)
    return network if isinstance(network, nn.Module) else None


def layer_of(model: Model, wanted: str | None) -> str | None:
    """The layer to look at: the one asked for, or the last of the coarsest maps; None for a model without a network.

    Raises UsageError where there is no such layer, or where it gives no maps.
    """
    network = network_of(model)
    if network is None:
        if wanted is not None:
            raise UsageError("--layer", "only a network that torch runs has layers to look into", wanted)
        return None
    names = [name for name, _ in network.named_modules() if name]
    if wanted is None:
        return BACKBONE if BACKBONE in names else _coarsest(network, model.channels)
    if wanted not in names:
        near = ", ".join(get_close_matches(wanted, names, 5, 0.3)) or ", ".join(names[:5])
        raise UsageError("--layer", "the network has no such layer", wanted, f"near it: {near}")
    with torch.no_grad(), tapped(network, wanted) as seen:
        run(network, _blank(network, model.channels))
    if not seen or any(one.dim() != 4 for one in seen):
        raise UsageError("--layer", "a layer gives maps (N, C, H, W)", wanted, "take a convolution or a block of them")
    return wanted


def run(network: nn.Module, values: Tensor) -> Any:
    """The network's own output for (N, C, H, W) float32; of Mask R-CNN torchvision's, whose scores have a gradient."""
    detector = getattr(network, "net", None)
    return detector(list(values.expand(-1, 3, -1, -1))) if detector is not None else network(values)


def _coarsest(network: nn.Module, channels: int) -> str:
    """The layer that was last to give maps of the least size; pooled ones of a single pixel know no place."""
    sizes: dict[str, int] = {}

    def note(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.dim() == 4 and min(output.shape[-2:]) > 1:
                sizes.pop(name, None)  # so that the order is that of the last runs
                sizes[name] = output.shape[-2] * output.shape[-1]

        return hook

    handles = [
        module.register_forward_hook(note(name))
        for name, module in network.named_modules()
        if name and not isinstance(module, _SAME)
    ]
    try:
        with torch.no_grad():
            run(network, _blank(network, channels))
    finally:
        for handle in handles:
            handle.remove()
    least = min(sizes.values())
    return [name for name, size in sizes.items() if size == least][-1]


def _blank(network: nn.Module, channels: int) -> Tensor:
    return torch.full((1, channels, _TRIED, _TRIED), 0.5, device=next(network.parameters()).device)
