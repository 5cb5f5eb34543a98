import pytest
import torch

from flawsmith.gan.appearance import USUAL, Appearance, appearance_size, measure_appearance


def patch(level: float, change: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    clean = torch.full((1, 3, 32, 32), level)
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 10:20, 10:20] = 1
    return clean + change * mask, clean, mask


def test_an_even_change_is_measured_in_proportion_to_the_part() -> None:
    seen = measure_appearance(*patch(0.5, -0.2))
    assert seen.shape == (1, appearance_size(3))
    assert seen[0, :3].tolist() == pytest.approx([-0.4, 0, 0], abs=1e-4)
    assert torch.allclose(seen, measure_appearance(*patch(0.25, -0.1)), atol=1e-3)


def test_core_and_rim_are_told_apart() -> None:
    image, clean, mask = patch(0.5, 0.0)
    image[..., 12:18, 12:18] -= 0.2
    seen = measure_appearance(image, clean, mask)[0]
    assert seen[0] < 2 * seen[3] < 0.1


def test_what_lies_outside_the_mask_does_not_count() -> None:
    image, clean, mask = patch(0.5, -0.2)
    seen = measure_appearance(image, clean, mask)
    image[..., 25:, 25:] = 1.0
    assert torch.equal(measure_appearance(image, clean, mask), seen)


def test_a_hair_thin_crack_and_an_empty_mask_are_finite() -> None:
    image, clean, mask = patch(0.5, -0.2)
    mask[:] = 0
    assert torch.isfinite(measure_appearance(image, clean, mask)).all()
    mask[..., 10:20, 15] = 1
    thin = measure_appearance(clean - 0.1 * mask, clean, mask)[0]
    assert thin[:3].tolist() == pytest.approx([-0.2, 0, 0], abs=1e-4)


def test_depths_and_sides_are_told_apart() -> None:
    image, clean, mask = patch(0.5, 0.0)
    image[..., 10:20, 10:15] -= 0.1
    image[..., 10:20, 15:20] += 0.2
    dark, bright, down, across = measure_appearance(image, clean, mask)[0, -4:].tolist()
    assert 0.1 < dark < bright and across > 0.2 and abs(down) < 0.01


def test_roughness_is_grain_and_not_level() -> None:
    image, clean, mask = patch(0.5, -0.1)
    grainy = image + 0.05 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0)) * mask
    smooth, rough = (measure_appearance(picture, clean, mask)[0, -5] for picture in (image, grainy))
    assert rough > 1.5 * smooth


def test_a_chequerboard_is_no_texture() -> None:
    image, clean, mask = patch(0.5, -0.1)
    squares = 0.05 * (-1.0) ** (torch.arange(32)[:, None] + torch.arange(32)) * mask
    plain, squared = (measure_appearance(picture, clean, mask)[0] for picture in (image, image + squares))
    assert torch.allclose(plain[6:9], squared[6:9], atol=0.01)  # deviations and roughness


def test_a_tint_is_no_brightness() -> None:
    image, clean, mask = patch(0.5, -0.1)
    image[:, :1] += 0.05 * mask
    image[:, 2:] -= 0.05 * mask
    seen = measure_appearance(image, clean, mask)[0]
    assert seen[:3].tolist() == pytest.approx([-0.2, 0.1, -0.1], abs=1e-4)


def test_every_class_is_measured_in_its_own_units() -> None:
    appearance = Appearance(3, 2)
    measured = torch.cat([torch.randn(200, appearance_size(3)), 5 + 3 * torch.randn(200, appearance_size(3))])
    classes = torch.arange(2).repeat_interleave(200)
    appearance.standardise(measured, classes)
    for number in range(2):
        standard = (measured[classes == number] - appearance.centre[number]) / appearance.scale[number]
        assert torch.allclose(standard.mean(0), torch.zeros(13), atol=1e-4)
        assert torch.allclose(standard.std(0), torch.ones(13), atol=0.02)


def test_a_single_defect_is_given_the_usual_spread() -> None:
    appearance = Appearance(1, 1)
    appearance.standardise(torch.full((1, appearance_size(1)), 0.3), torch.tensor([0]))
    assert appearance.centre[0, 0] == pytest.approx(0.3)
    assert 0.5 * USUAL < float(appearance.scale[0, 0]) <= USUAL
