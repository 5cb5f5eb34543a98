"""Grad-CAM: equal to the formula, a function of the weights, at any layer that gives maps."""

from typing import Any

import numpy as np
import pytest
import torch
from explained import CPU, Rule, network, part, square, whole
from torch import Tensor, nn

from flawsmith.data.errors import UsageError
from flawsmith.data.geometry.patch import Patch
from flawsmith.segment.explain.gradcam import grad_cam
from flawsmith.segment.explain.tap import BACKBONE, layer_of, network_of, tapped
from flawsmith.segment.models.classifier import Classifier
from flawsmith.segment.models.patch_net import PatchNet
from flawsmith.segment.segmenter import Segmenter


class Linear(nn.Module):
    """Channels of the image times weights, at half of the resolution: its Grad-CAM can be written down."""

    name, widths = "small", ()

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 3, 2, 2, bias=False)
        self.head = nn.Conv2d(3, 1, 1)
        nn.init.uniform_(self.first.weight, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            self.head.weight.copy_(torch.tensor([0.5, -1.0, 2.0]).view(1, 3, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.interpolate(self.head(self.first(x)), scale_factor=2.0, mode="nearest")


def test_it_is_the_formula_of_the_paper() -> None:
    made: Any = Linear()
    model = Segmenter.of(made, ("pit",), 1, CPU)
    image, patch = part(64, 96), square(20, 30, 12)
    cam = grad_cam(model, "first", whole(image, patch))
    assert cam is not None and cam.cell == 2
    with torch.no_grad():  # the mean logit's gradient is w_k / n at each of n cells below the object, so is its mean
        maps = made.first(torch.from_numpy(image[None, None, ..., 0].astype(np.float32) / 255))
    weights = torch.tensor([0.5, -1.0, 2.0]) * (6 * 6 / 36) / (32 * 48)
    heat = (weights.view(3, 1, 1) * maps[0]).sum(0)
    wanted = nn.functional.interpolate(heat[None, None], size=(64, 96), mode="bilinear")[0, 0].relu()
    np.testing.assert_allclose(cam.heat, (wanted / wanted.max()).numpy(), atol=1e-5)


@pytest.mark.parametrize("layer", ["down.1", "down.0", "up.0"])
def test_randomised_weights_change_it(layer: str) -> None:
    """Adebayo et al. 2018: a picture that stays the same shows the image and not the model."""
    image, patch = part(), square(20, 30, 12)
    first, other = (grad_cam(network(seed=seed), layer, whole(image, patch)) for seed in (0, 1))
    again = grad_cam(network(seed=0), layer, whole(image, patch))
    assert first is not None and other is not None and again is not None
    assert np.array_equal(first.heat, again.heat)
    assert np.abs(first.heat - other.heat).mean() > 0.02


@pytest.mark.parametrize("size", [(64, 80), (33, 97), (7, 50)])
def test_it_has_the_size_of_what_is_seen_and_1_is_its_most(size: tuple[int, int]) -> None:
    image = part(*size)
    cam = grad_cam(network(), "down.0", whole(image, square(1, 1, 5)))
    assert cam is not None and cam.heat.shape == size and cam.heat.dtype == np.float32
    assert cam.heat.min() >= 0 and cam.heat.max() in (0, 1) and 0 <= (cam.share or 0) <= 1


def test_looking_leaves_the_model_as_it_was() -> None:
    model, image = network(), part()
    before = model.predict(image)
    grad_cam(model, "down.1", whole(image, square(20, 30, 12)))
    assert np.array_equal(model.predict(image), before)
    assert all(weight.grad is None for weight in model.network.parameters())


def test_what_is_tapped_is_what_the_network_computes() -> None:
    model = network()
    values = torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        plain = model.network(values)
        with tapped(model.network, "down.0") as seen:
            assert torch.equal(model.network(values), plain)
    assert len(seen) == 1 and seen[0].shape == (1, 8, 32, 32)


@pytest.mark.parametrize(
    ("name", "layer"),
    [("small", "down.1"), ("pretrained", "encoder._blocks.10"), ("pair", "pretrained.encoder._blocks.10")],
)
def test_the_layer_is_the_last_of_the_coarsest_maps(name: str, layer: str) -> None:
    assert layer_of(network(name), None) == layer


def test_the_encoder_of_another_package_has_one_too() -> None:
    pytest.importorskip("segmentation_models_pytorch")
    model = network("smp:resnet18")
    layer = layer_of(model, None)
    assert layer == "unet.encoder.layer4"
    cam = grad_cam(model, layer, whole(part(), square(20, 30, 12)))
    assert cam is not None and cam.cell == 32


def test_a_classifier_has_the_gradient_of_its_grade() -> None:
    torch.manual_seed(0)
    model = Classifier.of(PatchNet(2, 64), ("pit", "scratch"), 1, CPU)
    layer = layer_of(model, None)
    assert layer is not None
    image = part()
    cam = grad_cam(model, layer, whole(image, Patch(0, 0, np.ones((64, 80), bool))))
    assert cam is not None and cam.heat.shape == (64, 80)


def test_of_objects_it_is_that_of_the_box() -> None:
    from flawsmith.segment.models.detector import Detector
    from flawsmith.segment.models.maskrcnn import MaskRCNNNet

    torch.manual_seed(0)
    model = Detector.of(MaskRCNNNet("resnet18", 1), ("pit",), 1, CPU)
    assert layer_of(model, None) == BACKBONE
    image = part(96, 96)
    found = model.find(image)[0]
    patch = Patch(found.top, found.left, np.ones(found.values.shape, bool))
    cam = grad_cam(model, BACKBONE, whole(image, patch))
    assert cam is not None and cam.heat.shape == (96, 96) and cam.heat.max() in (0, 1)
    model.network.net.roi_heads.score_thresh = 1.0  # nothing is found any more
    assert grad_cam(model, BACKBONE, whole(image, patch)) is None


def test_a_layer_that_cannot_be_shown_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no such layer; found down\.9; near it: down\.[01]"):
        layer_of(network(), "down.9")
    torch.manual_seed(0)
    with pytest.raises(UsageError, match=r"gives maps \(N, C, H, W\); found head"):
        layer_of(Classifier.of(PatchNet(2, 64), ("pit", "scratch"), 1, CPU), "head")
    with pytest.raises(UsageError, match="only a network that torch runs has layers"):
        layer_of(Rule(np.ones_like), "down.1")
    assert layer_of(Rule(np.ones_like), None) is None and network_of(Rule(np.ones_like)) is None
