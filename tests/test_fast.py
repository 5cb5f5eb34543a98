"""The network for cameras: it sees what the small one sees, learns, and is the same in every form."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from flawsmith.segment.fast import BLOCK, FastUNet, block_contrast
from flawsmith.segment.losses import segmentation_loss
from flawsmith.segment.unet import UNet, local_contrast

WIDTHS = (8, 8, 16)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (16, 16), (37, 50), (64, 31)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("widths", [(8,), (8, 8), (8, 8, 8, 8, 8)])
def test_any_size_goes_in_and_comes_out(widths: tuple[int, ...], channels: int, size: tuple[int, int]) -> None:
    logits = FastUNet(channels, 4, widths).eval()(torch.rand(2, channels, *size))
    assert logits.shape == (2, 4, *size) and logits.dtype == torch.float32 and logits.isfinite().all()


@pytest.mark.parametrize("channels", [1, 3])
def test_the_contrast_of_blocks_is_that_of_their_pixels(channels: int) -> None:
    """Where brightness changes slowly, all pixels of a block have nearly the same surroundings."""
    x = 0.4 + 0.2 * torch.rand(2, channels, 96, 64, generator=torch.Generator().manual_seed(0))
    x = x + torch.linspace(0, 0.2, 64)
    blocks = block_contrast(F.pixel_unshuffle(x, BLOCK))
    assert blocks.shape == (2, channels * BLOCK**2, 96 // BLOCK, 64 // BLOCK)
    assert torch.allclose(F.pixel_shuffle(blocks, BLOCK), local_contrast(x), atol=0.03)


def test_contrast_does_not_see_the_light() -> None:
    x = 0.4 + 0.2 * torch.rand(1, BLOCK**2, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(block_contrast(0.5 * x + 0.2), block_contrast(x), atol=0.06)
    assert block_contrast(torch.full((1, BLOCK**2, 32, 32), 0.7)).abs().max() < 1e-2


def test_images_of_a_batch_do_not_mix_in_inference() -> None:
    torch.manual_seed(0)
    network, x = FastUNet(1, 2, WIDTHS).eval(), torch.rand(3, 1, 40, 24)
    assert torch.allclose(network(x), torch.cat([network(image[None]) for image in x]), atol=1e-4)


def test_a_new_network_expects_no_defect() -> None:
    torch.manual_seed(0)
    assert FastUNet(1, 1, WIDTHS).eval()(torch.rand(2, 1, 48, 48)).sigmoid().mean() < 0.1


def test_it_overfits_four_images_in_seconds() -> None:
    torch.manual_seed(0)
    x, truth = torch.rand(4, 1, 32, 32) * 0.3, torch.zeros(4, 1, 32, 32)
    for i in range(4):
        truth[i, 0, 4 + 4 * i : 10 + 4 * i, 8:15] = 1
    network = FastUNet(1, 1, WIDTHS, dropout=0).train()
    optimiser = torch.optim.AdamW(network.parameters(), 1e-2)
    for _ in range(60):
        optimiser.zero_grad()
        loss = segmentation_loss(network(x + 0.3 * truth), truth)
        loss.backward()
        optimiser.step()
    assert loss < 0.2


def test_it_has_little_more_than_a_quarter_of_the_small_networks_work() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    from flawsmith.segment.network import WIDTHS as OWN

    work = []
    for network in (FastUNet(1, 1, OWN["fast"]), UNet(1, 1, OWN["small"])):
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            network.eval()(torch.zeros(1, 1, 128, 128))
        work.append(counter.get_total_flops())
    assert work[0] < 0.3 * work[1]


def test_its_onnx_says_the_same() -> None:
    pytest.importorskip("onnxscript")
    from flawsmith.segment.export import Original, to_onnx
    from flawsmith.segment.onnx_model import OnnxModel, open_session

    torch.manual_seed(0)
    original = Original(FastUNet(1, 1, (8, 8)).eval(), ("pit",), 1)
    copy = OnnxModel(open_session(to_onnx(original).SerializeToString()), original.classes, 1)
    for size in ((40, 24), (33, 50), (5, 3)):
        image = np.random.default_rng(0).integers(0, 256, (*size, 1), dtype=np.uint8)
        assert np.abs(copy.predict(image) - original.predict(image)).max() < 1e-5
