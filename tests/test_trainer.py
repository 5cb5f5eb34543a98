import math
from dataclasses import replace

import pytest
import torch

from flawsmith.data.errors import UsageError
from flawsmith.gan.appearance import appearance_size, measure_appearance
from flawsmith.gan.blocks import mean_over
from flawsmith.gan.game import Blank, GameConfig, Real
from flawsmith.gan.generator import compose
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
    real = Real(clean + shade * mask, clean, mask, defect)
    mirrored = (one.flip(0, 2) for one in (clean, mask))
    return real, Blank(*mirrored, defect.flip(0), real.image.flip(0, 2))


def trainer(seed: int = 0, config: FitConfig = CONFIG) -> Trainer:
    return Trainer(1, 2, config, seed, torch.device("cpu"))


def weights(made: Trainer) -> torch.Tensor:
    return torch.cat([value.flatten().float() for value in made.state().values()])


def test_it_learns_which_class_is_dark_and_which_is_bright() -> None:
    made, (real, _) = trainer(), patches(0)
    made.game.appearance.standardise(measure_appearance(real.image, real.healed, real.mask), real.defect)
    for step in range(50):
        losses = made.step(step, *patches(step))
    assert losses["rebuilt"] < 0.08
    _, blank = patches(99)
    painted = paint(made, blank, torch.zeros(4, appearance_size(1)))
    change = mean_over(painted - blank.clean, blank.mask)[:, 0]
    assert (change[blank.defect == 0] < -0.1).all() and (change[blank.defect == 1] > 0.1).all()


def levels(seed: int) -> tuple[Real, Blank]:
    """Squares from dark to less dark, all of one class."""
    real, blank = patches(seed)
    shade = torch.tensor([-0.4, -0.3, -0.2, -0.1])[:, None, None, None]
    nothing = torch.zeros_like(real.defect)
    real = replace(real, image=real.healed + shade * real.mask, defect=nothing)
    return real, replace(blank, defect=nothing, draft=real.image.flip(0, 2))


def paint(made: Trainer, blank: Blank, latent: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        noise = torch.zeros_like(blank.mask)
        asked = blank.clean, blank.mask, blank.defect, latent, noise, blank.draft
        return compose(blank.clean, *made.game.generator(*asked))


def obedience(made: Trainer) -> float:
    """How much of the difference between the lightest and the darkest defect that is asked for is painted."""
    real, blank = levels(0)
    asked = made.game.appearance(real.image, real.healed, real.mask, real.defect)
    dark, light = (
        mean_over(paint(made, blank, asked[k].expand(4, -1)) - blank.clean, blank.mask).mean() for k in (0, 3)
    )
    return float(light - dark) / 0.3


def test_the_paint_follows_its_latent_because_it_is_held_to_it() -> None:
    found = []
    for weights in (GameConfig(), GameConfig(appearance=0.0, reconstruct=0.0)):
        made = trainer(config=replace(CONFIG, game=weights))
        real, _ = levels(0)
        measured = measure_appearance(real.image, real.healed, real.mask)
        made.game.appearance.standardise(measured, real.defect)
        for step in range(60):
            made.step(step, *levels(step))
        found.append(obedience(made))
    assert found[0] > 0.35 and found[1] < 0.1


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


def test_a_run_that_runs_away_with_finite_losses_is_noticed() -> None:
    made = trainer()
    for step in range(30):
        made.step(step, *patches(step))
    with torch.no_grad():
        made.game.generator.head.weight.zero_()
        made.game.generator.head.bias.fill_(30.0)  # saturated: white, opaque, and without a gradient
    with pytest.raises(Diverged):
        for step in range(30, 60):
            losses = made.step(step, *patches(step))
            assert losses["skipped"] == 0


def test_what_was_watched_is_part_of_the_state() -> None:
    made, other = trainer(), trainer()
    other.restore(made.state())
    assert math.isnan(other.watched)
    made.step(0, *patches(0))
    other.restore(made.state())
    assert made.watched == other.watched > 0


@pytest.mark.parametrize("wrong", [{"patch": 50}, {"patch": 24}, {"steps": -1}, {"batch": 0}])
def test_impossible_settings_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="found"):
        FitConfig(**wrong)
