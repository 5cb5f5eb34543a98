import numpy as np
import pytest
import torch

from flawsmith.gan.appearance import NOISE
from flawsmith.gan.latents import Latents

LATENTS = Latents(torch.tensor([[0.0, 0.0], [10.0, 20.0], [50.0, 50.0]]), torch.tensor([0, 0, 1]))


def draws(defect: int, count: int) -> np.ndarray:
    return np.stack([LATENTS.draw(defect, np.random.default_rng(seed)) for seed in range(count)])


def test_a_draw_lies_between_two_real_defects_of_its_class() -> None:
    drawn = draws(0, 60)
    near = 4 * NOISE
    assert drawn[:, 0].min() >= -near and drawn[:, 0].max() <= 10 + near
    assert drawn[:, 1] == pytest.approx(2 * drawn[:, 0], abs=3 * near)
    assert np.ptp(drawn[:, 0]) > 7


def test_one_real_defect_gives_its_own_latent_with_noise() -> None:
    drawn = draws(1, 300)
    assert drawn.mean(0) == pytest.approx([50, 50], abs=0.1) and drawn.std(0) == pytest.approx(NOISE, abs=0.05)


def test_a_draw_near_a_defect_is_at_least_half_its_own() -> None:
    drawn = np.stack([LATENTS.draw(0, np.random.default_rng(seed), near=1)[0] for seed in range(60)])
    assert drawn.min() >= 5 - 4 * NOISE and drawn.min() < 7 and drawn.max() > 9
