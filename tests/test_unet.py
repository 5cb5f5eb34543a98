"""The segmentation network: any size, no dependence on the batch, and it can learn."""

import pytest
import torch
from skimage.util import view_as_windows

from flawsmith.segment.losses import segmentation_loss
from flawsmith.segment.reduced import pad_to
from flawsmith.segment.unet import UNet, local_contrast

WIDTHS = (8, 8, 16)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (16, 16), (37, 50), (64, 31)])
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size_goes_in_and_comes_out(size: tuple[int, int], channels: int) -> None:
    logits = UNet(channels, 4, WIDTHS).eval()(torch.rand(2, channels, *size))
    assert logits.shape == (2, 4, *size) and logits.dtype == torch.float32 and logits.isfinite().all()


def test_padding_is_numpys_reflection() -> None:
    x = torch.rand(1, 2, 5, 3)
    padded = pad_to(x, 8)
    assert padded.shape == (1, 2, 8, 8)
    assert torch.equal(padded[..., :5, :3], x)
    assert torch.equal(padded[..., 5, :3], x[..., 3, :]) and torch.equal(padded[..., :5, 3], x[..., 1])
    assert pad_to(padded, 8) is padded


def test_images_of_a_batch_do_not_mix_in_inference() -> None:
    torch.manual_seed(0)
    network, x = UNet(1, 2, WIDTHS).eval(), torch.rand(3, 1, 40, 24)
    alone = torch.cat([network(image[None]) for image in x])
    assert torch.allclose(network(x), alone, atol=1e-4)


def test_a_new_network_expects_no_defect() -> None:
    torch.manual_seed(0)
    assert UNet(1, 1, WIDTHS).eval()(torch.rand(2, 1, 48, 48)).sigmoid().mean() < 0.1


def test_local_contrast_does_not_see_the_light() -> None:
    """Brightness, offset and contrast of the whole picture change nothing where there is texture."""
    torch.manual_seed(0)
    x = 0.4 + 0.2 * torch.rand(1, 1, 64, 64)
    assert torch.allclose(local_contrast(0.5 * x + 0.2), local_contrast(x), atol=0.06)
    flat = local_contrast(torch.full((1, 1, 64, 64), 0.7))
    assert flat.abs().max() < 1e-2


def test_local_contrast_is_a_deviation_from_the_surroundings() -> None:
    torch.manual_seed(0)
    x = torch.rand(1, 1, 96, 96)
    block = view_as_windows(x[0, 0].numpy(), (40, 40))[28, 28]
    expected = (x[0, 0, 48, 48] - block.mean()) / block.std() / 2
    assert local_contrast(x)[0, 0, 48, 48].item() == pytest.approx(float(expected), abs=0.1)


def test_it_overfits_four_images_in_seconds() -> None:
    torch.manual_seed(0)
    x = torch.rand(4, 1, 32, 32) * 0.3
    truth = torch.zeros(4, 1, 32, 32)
    for i in range(4):
        truth[i, 0, 4 + 4 * i : 10 + 4 * i, 8:15] = 1
    network = UNet(1, 1, WIDTHS, dropout=0).train()
    optimiser = torch.optim.AdamW(network.parameters(), 1e-2)
    for _ in range(60):
        optimiser.zero_grad()
        loss = segmentation_loss(network(x + 0.3 * truth), truth)
        loss.backward()
        optimiser.step()
    assert loss < 0.2


def test_dropout_changes_training_only() -> None:
    torch.manual_seed(0)
    network, x = UNet(1, 1, WIDTHS, dropout=0.5), torch.rand(2, 1, 32, 32)
    network.train()
    assert not torch.equal(network(x), network(x))
    network.eval()
    assert torch.equal(network(x), network(x))
