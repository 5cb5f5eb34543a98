import pytest
import torch

from flawsmith.gan.appearance import GAIN, appearance_size, measure_appearance


def patch(level: float, change: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    clean = torch.full((1, 3, 32, 32), level)
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 10:20, 10:20] = 1
    return clean + change * mask, clean, mask


def test_an_even_change_is_measured_in_proportion_to_the_part() -> None:
    seen = measure_appearance(*patch(0.5, -0.2))
    assert seen.shape == (1, appearance_size(3))
    assert seen[0, :3].tolist() == pytest.approx([GAIN * -0.4] * 3, rel=1e-4)
    assert torch.allclose(seen, measure_appearance(*patch(0.25, -0.1)), atol=1e-3)


def test_core_and_rim_are_told_apart() -> None:
    image, clean, mask = patch(0.5, 0.0)
    image[..., 12:18, 12:18] -= 0.2
    seen = measure_appearance(image, clean, mask)[0]
    assert seen[:3].max() < 2 * seen[4:7].min() < 0.1


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
    assert thin[:3].tolist() == pytest.approx([GAIN * -0.2] * 3, rel=1e-4)
