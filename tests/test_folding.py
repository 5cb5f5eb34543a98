"""A folded network gives the maps of the original, and leaves it as it was."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from flawsmith.segment.folding import folded
from flawsmith.segment.network import make_network


def _used(name: str) -> nn.Module:
    """A network whose normalisation has seen something."""
    torch.manual_seed(0)
    network = make_network(name, 1, 2)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight.data, module.running_var):
                tensor.uniform_(0.5, 1.5)
            for tensor in (module.bias.data, module.running_mean):
                tensor.uniform_(-0.5, 0.5)
    return network.eval()


@pytest.mark.parametrize("name", ["fast", "small", "pretrained", "pair", "smp:resnet18"])
def test_the_maps_are_the_same(name: str) -> None:
    if name.startswith("smp"):
        pytest.importorskip("segmentation_models_pytorch")
    network, x = _used(name), torch.rand(2, 1, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        one, other = network(x), folded(network)(x)
    assert (one.sigmoid() - other.sigmoid()).abs().max() < 1e-4
    assert one.sigmoid().std() > 1e-3  # there was something to be wrong about


@pytest.mark.parametrize("name", ["fast", "small", "pretrained", "pair"])
def test_nothing_is_left_to_normalise(name: str) -> None:
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded(_used(name)).modules())


def test_the_original_is_not_touched() -> None:
    network = _used("fast").train()
    before = deepcopy(network.state_dict())
    folded(network)
    assert network.training and all(one.requires_grad for one in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_normalisation_without_a_convolution_stays() -> None:
    layers = nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1), nn.ReLU(), nn.BatchNorm2d(2)).eval()
    x = torch.rand(1, 2, 4, 4)
    copy = folded(layers)
    assert torch.equal(copy(x), layers(x)) and sum(isinstance(one, nn.BatchNorm2d) for one in copy) == 2
