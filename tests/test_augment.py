"""Augmentation: the identity is the identity, image and mask move together, everything is replayable."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional

from flawsmith.data.augment import AugmentConfig, AugmentParams, augment, relight, sample_params, warp, window_side


def _window(side: int, channels: int = 1, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(channels, side, side, generator=generator), torch.rand(2, side, side, generator=generator) > 0.8


def _params(seed: int) -> AugmentParams:
    return sample_params(AugmentConfig(), np.random.default_rng(seed))


def test_default_parameters_are_the_identity_bit_for_bit() -> None:
    image, masks = _window(33, 3)
    assert window_side(AugmentParams(), 33) == 33
    again, same = augment(AugmentParams(), image, masks, 33)
    assert torch.equal(again, image) and torch.equal(same, masks)


def test_a_config_of_zeros_draws_the_identity() -> None:
    zeros = AugmentConfig(False, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)  # and no turns
    params = sample_params(zeros, np.random.default_rng(1))
    assert dataclasses.replace(params, noise_seed=0) == AugmentParams()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([16, 33]), st.sampled_from([1, 3]))
def test_shapes_types_and_range(seed: int, patch: int, channels: int) -> None:
    params = _params(seed)
    image, masks = augment(params, *_window(window_side(params, patch), channels), patch)
    assert image.shape == (channels, patch, patch) and image.dtype == torch.float32
    assert masks.shape == (2, patch, patch) and masks.dtype == torch.bool
    assert image.min() >= 0 and image.max() <= 1


def test_image_and_mask_move_together() -> None:
    """A bright square is its own mask: wherever it goes, the mask still covers it."""
    for seed in range(20):
        params = _params(seed)
        side = window_side(params, 64)
        image = torch.zeros(1, side, side)
        image[:, side // 2 - 12 : side // 2 + 9, side // 2 - 20 : side // 2 + 6] = 1
        moved, masks = warp(params, image, image > 0, 64)
        assert ((moved[0] > 0.5) != masks[0]).float().mean() < 0.02
        assert masks.any()


def test_rotation_agrees_with_torchvision() -> None:
    params = AugmentParams(angle=12.0, zoom=1.1)
    side = window_side(params, 48)
    smooth = functional.gaussian_blur(_window(side)[0], 9, 2.0)
    ours, _ = warp(params, smooth, smooth > 2, 48)
    bilinear = functional.InterpolationMode.BILINEAR
    theirs = functional.affine(smooth, angle=-12.0, translate=[0, 0], scale=1.1, shear=[0.0], interpolation=bilinear)
    assert torch.allclose(ours, functional.center_crop(theirs, [48, 48]), atol=1e-3)


def test_parts_that_lie_any_way_are_turned_by_any_angle() -> None:
    """A square that is bright at one edge: that edge comes to point everywhere, and a quarter turn loses no pixel."""
    drawn = [sample_params(AugmentConfig(turn=True), np.random.default_rng(seed)) for seed in range(200)]
    assert {params.quarters for params in drawn} == {0, 1, 2, 3}
    assert max(abs(params.angle) for params in drawn) > 40
    assert all(_params(seed).quarters == 0 and abs(_params(seed).angle) <= 15 for seed in range(200))
    image, masks = _window(32)
    turned, moved = warp(AugmentParams(quarters=3), image, masks, 32)
    assert torch.equal(turned.rot90(1, (1, 2)), image) and torch.equal(moved.rot90(1, (1, 2)), masks)


def test_the_window_holds_the_whole_patch() -> None:
    """No border is mirrored into a warped patch: a window that is bright outside its middle would show."""
    for seed in range(30):
        params = dataclasses.replace(_params(seed), flip_x=False, flip_y=False)
        side = window_side(params, 40)
        rows = torch.arange(side, dtype=torch.float32).expand(1, side, side)
        warped, _ = warp(params, rows, rows > -1, 40)
        assert warped.min() >= 0 and warped.max() <= side - 1
        inner = warped[0, :, 1:] - warped[0, :, :-1]
        assert (inner > 0).all()  # a reflection would turn the slope round


def test_parameters_survive_json_and_replay() -> None:
    params = _params(5)
    record = json.loads(json.dumps(dataclasses.asdict(params)))
    again = AugmentParams(**{**record, "tint": tuple(record["tint"]), "shade": tuple(record["shade"])})
    assert again == params
    window = _window(window_side(params, 32))
    assert torch.equal(augment(params, *window, 32)[0], augment(again, *window, 32)[0])


def test_colour_is_left_alone_in_grey_images() -> None:
    image, _ = _window(16)
    assert torch.equal(relight(AugmentParams(tint=(2.0, 0.5, 1.0)), image), image)


@pytest.mark.parametrize("wrong", [{"scale": 0.5}, {"rotate": 90.0}])
def test_impossible_ranges_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        AugmentConfig(**wrong)  # type: ignore[arg-type]
