import numpy as np
import pytest
import torch

from flawsmith.gan.latents import Latents

LATENTS = Latents(torch.tensor([[0.0, 0.0], [1.0, 2.0], [50.0, 50.0]]), torch.zeros(3, 2), torch.tensor([0, 0, 1]))


def test_a_draw_lies_between_two_real_defects_of_its_class() -> None:
    drawn = np.stack([LATENTS.draw(0, np.random.default_rng(seed)) for seed in range(60)])
    assert drawn.min() >= 0 and drawn[:, 1] == pytest.approx(2 * drawn[:, 0]) and drawn[:, 0].max() <= 1
    assert np.ptp(drawn[:, 0]) > 0.7


def test_one_real_defect_gives_its_own_latent_with_its_own_noise() -> None:
    assert LATENTS.draw(1, np.random.default_rng(0)).tolist() == [50.0, 50.0]
    noisy = Latents(LATENTS.mean, torch.ones(3, 2), LATENTS.defect)
    drawn = np.stack([noisy.draw(1, np.random.default_rng(seed)) for seed in range(200)])
    assert drawn.mean(0) == pytest.approx([50, 50], abs=0.3) and drawn.std(0) == pytest.approx([1, 1], abs=0.2)
