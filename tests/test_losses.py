import math

import pytest
import torch
from flawsmith.gan.losses import gaussian_kl, gradients, masked_l1, relativistic, smoothness, visibility


def test_relativistic_depends_on_the_difference_alone() -> None:
    a, b = torch.randn(6, 2), torch.randn(6, 2)
    assert relativistic(a + 5, b + 5).item() == pytest.approx(relativistic(a, b).item(), abs=1e-6)
    assert relativistic(a, a).item() == pytest.approx(math.log(2))
    assert relativistic(a + 100, a).item() == pytest.approx(0, abs=1e-6)


def test_smoothness_of_a_linear_critic_is_its_squared_slope() -> None:
    torch.manual_seed(0)
    slope, image = torch.randn(50), torch.rand(4000, 50)

    def critic(x: torch.Tensor) -> torch.Tensor:
        return x @ slope

    penalty = smoothness(critic, image, critic(image), 0.01, torch.randn(4000, 50))
    assert penalty.item() == pytest.approx(slope.square().sum().item(), rel=0.1)


def test_masked_l1_counts_every_defect_alike_whatever_its_size() -> None:
    mask = torch.zeros(2, 1, 32, 32)
    mask[0, :, 10:12, 10:12] = 1
    mask[1, :, 4:28, 4:28] = 1
    real = torch.zeros(2, 3, 32, 32)
    assert masked_l1(real + 0.5, real, mask).item() == pytest.approx(0.5)


def test_masked_l1_is_blind_far_from_the_mask() -> None:
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 10:14, 10:14] = 1
    painted = torch.zeros(1, 1, 32, 32)
    painted[..., 25:, 25:] = 1
    assert masked_l1(painted, torch.zeros_like(painted), mask).item() == 0


def test_gradients_of_a_ramp_are_its_slopes() -> None:
    ramp = torch.arange(5.0)[None, None, None].repeat(1, 1, 4, 1)
    across, down = gradients(ramp)[0]
    assert torch.equal(across[:, :-1], torch.ones(4, 4)) and not across[:, -1].any() and not down.any()


def test_kl_agrees_with_torch_distributions() -> None:
    mean, log_variance = torch.randn(5, 7), torch.randn(5, 7)
    posterior = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    expected = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0.0, 1.0)).mean()
    assert gaussian_kl(mean, log_variance).item() == pytest.approx(expected.item(), rel=1e-5)


def test_painting_nothing_costs_one_and_enough_costs_nothing() -> None:
    clean, mask, least = torch.full((2, 1, 16, 16), 0.5), torch.ones(2, 1, 16, 16), torch.tensor([0.1, 0.1])
    assert visibility(clean, clean, mask, least).item() == pytest.approx(1)
    assert visibility(clean + 0.2, clean, mask, least).item() == 0
