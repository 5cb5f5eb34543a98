"""Tiles and the whole: the same result wherever a model sees less than the margin."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from flawsmith.data.errors import UsageError
from flawsmith.segment.export import Original
from flawsmith.segment.tiles import Tiling, predict_tiled
from flawsmith.segment.unet import UNet

SMALL = Tiling(size=160, margin=24, ramp=16)


class Box:
    """A model that sees exactly `reach` px around a pixel, and notes the largest image that it is given."""

    classes = ("low", "high")
    channels = 1

    def __init__(self, reach: int) -> None:
        self.reach, self.calls, self.largest = reach, 0, 0

    def predict(self, image: np.ndarray) -> np.ndarray:
        self.calls += 1
        self.largest = max(self.largest, *image.shape[:2])
        value = image[..., 0].astype(np.float64) / 255
        mean = ndimage.uniform_filter(value, 2 * self.reach + 1, mode="mirror").astype(np.float32)
        return np.stack([1 - mean, mean])


def _image(height: int, width: int, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels)).astype(np.uint8)


@given(st.integers(1, 1200))
def test_weights_add_up_to_one_and_fall_to_nothing_within_the_margin(length: int) -> None:
    total, stretches = np.zeros(length, np.float32), SMALL.along(length)
    for one in stretches:
        total[one.seen] += one.weights
        assert len(one.weights) <= SMALL.size and one.start % 32 == 0
        assert one.start == 0 or not one.weights[: SMALL.margin].any()
        assert one.seen.stop == length or not one.weights[-SMALL.margin :].any()
        assert one.weights[one.kept].all()
    np.testing.assert_allclose(total, 1, atol=1e-6)


@pytest.mark.parametrize("size", [(161, 70), (333, 290), (160, 500)])
def test_a_model_that_sees_less_than_the_margin_gives_the_whole_images_maps(size: tuple[int, int]) -> None:
    model, image = Box(SMALL.margin), _image(*size)
    whole = model.predict(image)
    np.testing.assert_allclose(predict_tiled(model, image, SMALL), whole, atol=1e-6)


def test_one_that_sees_farther_differs_at_the_seams_alone() -> None:
    model, image = Box(3 * SMALL.margin), _image(400, 100)
    apart = abs(predict_tiled(model, image, SMALL) - model.predict(image)).max((0, 2))
    assert apart[: SMALL.size - 3 * SMALL.margin].max() < 1e-6 < apart.max()


def test_the_model_never_sees_more_than_a_tile_and_each_once() -> None:
    model = Box(3)
    predict_tiled(model, _image(333, 290), SMALL)
    assert model.largest <= SMALL.size
    assert model.calls == len(SMALL.along(333)) * len(SMALL.along(290)) == 9


def test_an_image_of_one_tile_is_not_touched() -> None:
    model, image = Box(3), _image(160, 31)
    assert np.array_equal(predict_tiled(model, image, SMALL), model.predict(image)) and model.calls == 2


@pytest.mark.parametrize("size", [(500, 180), (179, 653)])
def test_a_network_with_strides_sees_the_same_grid_in_every_tile(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network = UNet(1, 2, (8, 8)).eval()  # its local contrast sees farthest: 3 cells of 8 px
    network.head.weight.data *= 1000
    model, image = Original(network, ("a", "b"), 1), _image(*size)
    whole = model.predict(image)
    assert whole.std() > 0.01
    np.testing.assert_allclose(predict_tiled(model, image, Tiling(320, 64, 32)), whole, atol=1e-5)


def test_tiles_that_cannot_work_are_refused(tmp_path: Path) -> None:
    for size in (1000, 320, 0):
        with pytest.raises(UsageError, match="a tile is a multiple of 32 px"):
            Tiling(size=size)
