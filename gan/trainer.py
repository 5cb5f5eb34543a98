"""The trainer: the game's optimisers, weight averaging, and a state that a resumed run continues exactly."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from flawsmith.data.device import autocast, memory_format
from flawsmith.data.distributed import ALONE, Group
from flawsmith.data.errors import UsageError
from flawsmith.data.levels import Levels, groups, hold
from flawsmith.data.seeds import rng
from flawsmith.data.start import Start
from flawsmith.gan.bank import Bank
from flawsmith.gan.game import Blank, Game, GameConfig, Real
from flawsmith.gan.transfer import Origin, discriminator_levels, generator_levels

WARMUP = 30  # steps: Adam's first ones are large whatever the gradient
PATIENCE = 5  # skipped steps in a row before the run counts as diverged
FAINTEST = 0.01  # that error of a defect that is hardly one; 0.026 is the lowest of a step on ball screws
MEMORY = 0.9  # of the average that is watched: about ten steps
RUINED = 1.5  # times the error of painting nothing at all, that of rebuilding; 24 healthy runs stayed below 0.8


@dataclass(frozen=True)
class FitConfig:
    """How the painter is trained; the defaults fit 10 defects of 3 classes in under 5 minutes on two cores."""

    # None: 200 and 100 for each class, which share the patches of a step. More is not better: at 800, ten pits of the
    # ball screw were learned by heart and got coloured rims. 0: the bank of real defects alone.
    steps: int | None = None
    batch: int = 8  # real patches in a step; as many clean ones are painted
    patch: int = 96  # px, at native resolution
    rate: float = 4e-4  # Adam's, the generator's; falls to a tenth over the last third
    critic_rate: float = 4e-4
    average: float = 0.995  # weight averaging: about the last 200 steps
    blanks: int = 360  # clean places prepared before training
    sample_every: int = 300  # steps between sample sheets
    save_every: int = 150  # steps between checkpoints: at most that much is lost
    game: GameConfig = field(default_factory=GameConfig)
    start: Start | None = None  # another run to start from; none: random weights

    def __post_init__(self) -> None:
        if (self.steps or 0) < 0 or self.batch < 1:
            raise UsageError("--steps/--batch", "steps are 0 or more, the batch 1 or more", (self.steps, self.batch))
        if self.patch % 8 or self.patch < 32:
            raise UsageError("--patch", "a patch is a multiple of 8 px and at least 32", self.patch)

    def length(self, classes: int) -> int:
        """The steps of a run that learns that many classes."""
        return 200 + 100 * classes if self.steps is None else self.steps


class Diverged(Exception):
    """The losses left the numbers; the loop goes back to the last good state."""


class Trainer:
    """Game, optimisers and averaged generator, with all that a resumed run needs as one dictionary of tensors.

    Each process of a group has all of it, and works on its share of a batch: they differ in nothing else.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        config: FitConfig,
        seed: int,
        device: torch.device,
        group: Group = ALONE,
    ) -> None:
        torch.manual_seed(int(rng(seed, "weights").integers(2**31)))
        self.config, self.seed, self.device, self.steps = config, seed, device, config.length(classes)
        self.share = group.share(config.batch)
        layout = memory_format(device)
        self.game = Game(channels, classes, config.game).to(device, memory_format=layout)  # type: ignore[call-overload]
        self.average = Game(channels, classes, config.game).generator.to(device).requires_grad_(False)
        self.average.load_state_dict(self.game.generator.state_dict())
        self.painter = self._optimiser(self.game.generator, generator_levels(self.game.generator), config.rate)
        self.critic = self._optimiser(
            self.game.discriminator, discriminator_levels(self.game.discriminator), config.critic_rate
        )
        self.skipped = 0
        self.watched = math.nan  # rebuilding error, over that of painting nothing: its average

    def _optimiser(self, network: nn.Module, levels: Levels, rate: float) -> torch.optim.Adam:
        """Of what learns in a network; what is frozen is held."""
        hold(network, levels, self.config.start)
        return torch.optim.Adam(groups(network, levels, self.config.start), rate, betas=(0.0, 0.99))

    def begin(self, origin: Origin, bank: Bank) -> None:
        """Take over the networks of another run; raises UserError naming the first weight that does not fit."""
        origin.put_into(self.game, bank)
        self.average.load_state_dict(self.game.generator.state_dict())

    def step(self, step: int, real: Real, blank: Blank, attempt: int = 0) -> dict[str, float]:
        """One update of the critic and one of the painter; a step whose losses are not finite changes nothing.

        `real` and `blank` are this process's share of the batch; the losses are those of the whole.
        """
        random = torch.Generator().manual_seed(int(rng(self.seed, "step", step, attempt).integers(2**62)))
        self.set_rates(step)
        real, blank = real.to(self.device), blank.to(self.device)
        with autocast(self.device):
            painted = self.game.paint(real, blank, random, self.share)
            loss, parts = self.game.discriminator_loss(real, painted, step, random, self.share)
        healthy = self.update(self.critic, loss)
        with autocast(self.device):
            loss, more = self.game.generator_loss(real, painted, random, self.share)
        healthy = self.update(self.painter, loss) and healthy
        parts, more = self.share.means(parts), self.share.means(more)
        self.skipped = 0 if healthy else self.skipped + 1
        self.watch(more["rebuilt"] / max(more["unpainted"], FAINTEST))
        if self.skipped >= PATIENCE or self.watched > RUINED:
            raise Diverged
        self.track(step)
        return {**parts, **more, "skipped": float(not healthy)}

    def update(self, optimiser: torch.optim.Optimizer, loss: Tensor) -> bool:
        """Apply the gradient of `loss`, clipped; False, and nothing changed, if it is not finite in every process."""
        optimiser.zero_grad(set_to_none=True)
        if not math.isfinite(self.share.means({"loss": loss.item()})["loss"]):
            return False
        self.share.weighted(loss).backward()  # type: ignore[no-untyped-call]
        parameters = [p for g in optimiser.param_groups for p in g["params"]]
        self.share.group.sum_gradients(parameters)
        norm = nn.utils.clip_grad_norm_(parameters, 10.0)
        if not torch.isfinite(norm):
            return False
        optimiser.step()
        return True

    def watch(self, error: float) -> None:
        """Take in a step's rebuilding error: losses that stay finite can still run away."""
        if math.isfinite(error):
            self.watched = error if math.isnan(self.watched) else MEMORY * self.watched + (1 - MEMORY) * error

    def set_rates(self, step: int) -> None:
        """A short rise, then constant, then a straight fall to a tenth over the last third: the average settles."""
        left = (self.steps - step) / max(self.steps / 3, 1)
        factor = max(min(1.0, left), 0.1) * min(1.0, (step + 1) / WARMUP)
        for optimiser, rate in ((self.painter, self.config.rate), (self.critic, self.config.critic_rate)):
            for group in optimiser.param_groups:
                group["lr"] = rate * factor * group["share"]

    def track(self, step: int) -> None:
        """Move the averaged generator towards the current one; quickly at first."""
        keep = min(self.config.average, (1 + step) / (10 + step))
        with torch.no_grad():
            for mine, theirs in zip(self.average.parameters(), self.game.generator.parameters(), strict=True):
                mine.lerp_(theirs, 1 - keep)

    def align(self) -> None:
        """Give every process of the group the first one's networks."""
        self.share.group.align((*self.game.state_dict().values(), *self.average.state_dict().values()))

    def state(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, by name."""
        tensors = {f"game.{name}": value for name, value in self.game.state_dict().items()}
        tensors |= {f"average.{name}": value for name, value in self.average.state_dict().items()}
        for label, optimiser in (("painter", self.painter), ("critic", self.critic)):
            for index, entry in optimiser.state_dict()["state"].items():
                tensors |= {f"{label}.{index}.{name}": value for name, value in entry.items()}
        tensors["watched.error"] = torch.tensor(-1.0 if math.isnan(self.watched) else self.watched, dtype=torch.float64)
        return {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take up a state that `state` gave."""
        rooms = ("game", "average", "painter", "critic", "watched")
        part = {room: {} for room in rooms}  # type: dict[str, dict[str, Tensor]]
        for name, value in tensors.items():
            room, rest = name.split(".", 1)
            part[room][rest] = value
        seen = part["watched"]["error"].item()
        self.watched = seen if seen >= 0 else math.nan  # nothing yet
        self.game.load_state_dict(part["game"])
        self.average.load_state_dict(part["average"])
        for label, optimiser in (("painter", self.painter), ("critic", self.critic)):
            entries: dict[int, dict[str, Tensor]] = {}
            for name, value in part[label].items():
                index, key = name.split(".", 1)
                entries.setdefault(int(index), {})[key] = value
            optimiser.load_state_dict({"state": entries, "param_groups": optimiser.state_dict()["param_groups"]})
