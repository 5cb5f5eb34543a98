from dataclasses import replace

import pytest
import torch

from flawsmith.data.errors import UsageError
from flawsmith.gan.game import Blank, Real
from flawsmith.gan.trainer import PATIENCE, Diverged, FitConfig, Trainer

CONFIG = FitConfig(steps=60, batch=4, patch=32, rate=1e-3, critic_rate=5e-4)


def patches(seed: int) -> tuple[Real, Blank]:
    """Dark squares (class 0) and bright ones (class 1) on grey."""
    random = torch.Generator().manual_seed(seed)
    clean = 0.5 + 0.02 * torch.randn(4, 1, 32, 32, generator=random)
    mask = torch.zeros(4, 1, 32, 32)
    for index in range(4):
        row, column = torch.randint(4, 18, (2,), generator=random).tolist()
        mask[index, :, row : row + 10, column : column + 10] = 1
    defect = torch.tensor([0, 1, 0, 1])
    shade = torch.where(defect == 0, -0.3, 0.3)[:, None, None, None]
    return Real(clean + shade * mask, clean, mask, defect), Blank(clean.flip(0, 2), mask.flip(0, 2), defect.flip(0))


def trainer(seed: int = 0) -> Trainer:
    return Trainer(1, 2, CONFIG, seed, torch.device("cpu"))


def weights(made: Trainer) -> torch.Tensor:
    return torch.cat([value.flatten().float() for value in made.state().values()])


def test_it_learns_which_class_is_dark_and_which_is_bright() -> None:
    made = trainer()
    for step in range(60):
        losses = made.step(step, *patches(step))
    assert losses["rebuilt"] < 0.08 and losses["shown"] < 0.4


def test_a_resumed_run_continues_to_the_bit() -> None:
    straight, first = trainer(), trainer()
    for step in range(6):
        straight.step(step, *patches(step))
        if step < 3:
            first.step(step, *patches(step))
    second = trainer(seed=0)
    second.restore(first.state())
    for step in range(3, 6):
        second.step(step, *patches(step))
    assert torch.equal(weights(straight), weights(second))


def test_the_seed_decides_everything() -> None:
    assert torch.equal(weights(trainer(3)), weights(trainer(3)))
    assert not torch.equal(weights(trainer(3)), weights(trainer(4)))


def test_a_step_that_is_not_a_number_changes_no_network() -> None:
    made, (real, blank) = trainer(), patches(0)
    made.step(0, real, blank)
    before = {name: value for name, value in made.state().items() if name.startswith("game")}
    losses = made.step(1, replace(real, image=real.image * torch.nan), blank)
    assert losses["skipped"] == 1
    assert all(torch.equal(made.state()[name], value) for name, value in before.items())
    assert made.step(2, real, blank)["skipped"] == 0


def test_it_gives_up_after_steps_in_a_row() -> None:
    made, (real, blank) = trainer(), patches(0)
    with pytest.raises(Diverged):
        for step in range(PATIENCE):
            made.step(step, replace(real, image=real.image * torch.nan), blank)


@pytest.mark.parametrize("wrong", [{"patch": 50}, {"patch": 24}, {"steps": -1}, {"batch": 0}])
def test_impossible_settings_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="found"):
        FitConfig(**wrong)
