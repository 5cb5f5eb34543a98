import numpy as np
import torch
from scipy import ndimage

from flawsmith.gan.blocks import PixelNorm, dilate, distance_channel


def blob() -> torch.Tensor:
    random = np.random.default_rng(0)
    return torch.from_numpy(ndimage.gaussian_filter(random.random((40, 44)), 3) > 0.5)[None, None].float()


def test_distance_agrees_with_scipy_away_from_the_window() -> None:
    mask = blob()
    mask[..., :1, :] = mask[..., -1:, :] = mask[..., :, :1] = mask[..., :, -1:] = 0
    expected = ndimage.distance_transform_cdt(mask[0, 0].numpy(), "chessboard").clip(0, 8) / 8
    assert np.allclose(distance_channel(mask)[0, 0].numpy(), expected)


def test_a_defect_that_leaves_the_window_has_no_rim_there() -> None:
    assert distance_channel(torch.ones(1, 1, 16, 16)).min() == 1


def test_dilate_agrees_with_scipy() -> None:
    grown = ndimage.binary_dilation(blob()[0, 0].numpy() > 0, np.ones((3, 3)), iterations=3)
    assert np.array_equal(dilate(blob(), 3)[0, 0].numpy() > 0, grown)


def test_pixel_norm_knows_nothing_of_other_pixels() -> None:
    x = torch.randn(1, 8, 6, 6)
    y = x.clone()
    y[..., 3, 3] *= 100
    a, b = PixelNorm()(x), PixelNorm()(y)
    a[..., 3, 3] = b[..., 3, 3] = 0
    assert torch.equal(a, b)
