"""The adversarial game: three networks and one step of each. Knows no data set, no logging, no averaging.

A process may hold only a share of a batch. What is random is drawn for the whole batch, and its rows are taken; every
loss is a mean over items, so that the losses of the shares, weighted by their sizes, are the loss of the batch.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor, nn

from flawsmith.data.distributed import Share
from flawsmith.gan.appearance import NOISE, Appearance, appearance_size
from flawsmith.gan.diffaug import apply_jitter, sample_jitter
from flawsmith.gan.discriminator import Discriminator, DiscriminatorConfig
from flawsmith.gan.draft import varied
from flawsmith.gan.generator import Generator, GeneratorConfig, compose
from flawsmith.gan.losses import difference, relativistic, smoothness

Terms = tuple[Tensor, dict[str, float]]  # a loss, and what it is made of


@dataclass(frozen=True)
class GameConfig:
    """The weights of the terms; chosen by eye, and none left out by itself yet to see what it does."""

    reconstruct: float = 8.0  # paired branch: L1 in the mask, of values and of gradients
    appearance: float = 1.0  # what was asked for must be measured in what was painted: else the latent is ignored
    smooth: float = 0.1  # slope penalty on real and painted patches (R1 + R2)
    smooth_every: int = 4  # steps from one to the next, which counts that much more (Karras et al. 2020)
    sigma: float = 0.03  # step of that penalty, in image units: about the noise of a camera


@dataclass(frozen=True)
class Real:
    """Real defects: image and healed (N, C, H, W) in [0, 1], mask (N, 1, H, W), defect (N,) long."""

    image: Tensor
    healed: Tensor
    mask: Tensor
    defect: Tensor

    def to(self, device: torch.device) -> "Real":
        """The same on `device`."""
        return Real(self.image.to(device), self.healed.to(device), self.mask.to(device), self.defect.to(device))


@dataclass(frozen=True)
class Blank:
    """Clean patches to paint on: clean (N, C, H, W), mask (N, 1, H, W), defect (N,) long.

    The draft (N, C, H, W) shows a real defect in that shape there.
    """

    clean: Tensor
    mask: Tensor
    defect: Tensor
    draft: Tensor

    def to(self, device: torch.device) -> "Blank":
        """The same on `device`."""
        return Blank(*(getattr(self, field.name).to(device) for field in fields(self)))


class Game(nn.Module):
    """Generator against discriminator; a latent is what can be measured of a defect, so that it can be held to it."""

    def __init__(self, channels: int, classes: int, config: GameConfig) -> None:
        super().__init__()
        self.config = config
        self.generator = Generator(GeneratorConfig(channels, classes, latent=appearance_size(channels)))
        self.discriminator = Discriminator(DiscriminatorConfig(channels, classes))
        self.appearance = Appearance(channels, classes)

    def paint(self, real: Real, blank: Blank, rng: torch.Generator, share: Share) -> "Painted":
        """Both branches in one pass: real defects repainted from their own latent, clean patches from mixtures."""
        own = self.appearance(real.image, real.healed, real.mask, real.defect)
        mixed = self.mix(own, real.defect, rng, share)
        clean = torch.cat([real.healed, blank.clean])
        mask = torch.cat([real.mask, blank.mask])
        defect = torch.cat([real.defect, blank.defect])
        latent = torch.cat([own, mixed])
        latent = latent + NOISE * normal_like(latent, rng, share)
        doubt = normal_like(latent[:, :2], rng, share)
        draft = varied(torch.cat([real.image, blank.draft]), clean, mask, doubt, normal_like(mask, rng, share))
        content, alpha = self.generator(clean, mask, defect, latent, normal_like(mask, rng, share), draft)
        return Painted(compose(clean, content, alpha), clean, mask, defect, latent)

    def mix(self, own: Tensor, classes: Tensor, rng: torch.Generator, share: Share) -> Tensor:
        """For each defect of the batch a latent between two of its class, as new ones will have: (N, Z) -> (N, Z)."""
        own, classes = share.whole(own), share.whole(classes)  # nothing here is learned: no gradient is lost
        same = (classes[None] == classes[:, None]).float().cpu()
        first, second = torch.multinomial(same, 2, replacement=True, generator=rng).to(own.device).unbind(1)
        weight = torch.rand(len(own), 1, generator=rng).to(own.device)
        return share.part(own[first].lerp(own[second], weight))

    @contextmanager
    def fixed_critic(self) -> Iterator[None]:
        """Within it the discriminator only passes gradients on: its own would be thrown away."""
        learned = [parameter for parameter in self.discriminator.parameters() if parameter.requires_grad]
        for parameter in learned:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in learned:
                parameter.requires_grad_(True)

    def judge(self, image: Tensor, mask: Tensor, defect: Tensor, rng: torch.Generator, share: Share) -> Tensor:
        """The discriminator's logits (N, 3) behind augmentation, for real and painted alike."""
        image, mask = jittered(image, mask, rng, share)
        result: Tensor = self.discriminator(image, mask, defect)
        return result

    def discriminator_loss(
        self, real: Real, painted: "Painted", step: int, rng: torch.Generator, share: Share
    ) -> Terms:
        """Real beats painted, and beats real pixels under a wrong mask or nothing under a right one; gentle slopes."""
        wrong, wrong_mask = self.wrong_pairs(real, rng, share)
        count = len(real.image)
        image = torch.cat([real.image, painted.image.detach(), wrong])
        mask = torch.cat([real.mask, painted.mask, wrong_mask])
        defect = torch.cat([real.defect, painted.defect, real.defect])
        image, mask = jittered(image, mask, rng, share)
        logits = self.discriminator(image, mask, defect)
        good, fake, off = logits[:count], logits[count:-count], logits[-count:]
        game = relativistic(good.repeat(2, 1), fake) + relativistic(good, off)
        parts = {"d_game": game.item(), "d_margin": float(good.detach().mean() - fake.detach().mean())}
        if step % self.config.smooth_every:
            return game, parts
        kept = slice(0, -count)  # real and painted: R1 and R2
        slope = smoothness(
            lambda x: self.discriminator(x, mask[kept], defect[kept]),
            image[kept],
            logits[kept],
            self.config.sigma,
            normal_like(image[kept], rng, share),
        )
        return game + self.config.smooth * self.config.smooth_every * slope, {**parts, "d_slope": slope.item()}

    def wrong_pairs(self, real: Real, rng: torch.Generator, share: Share) -> tuple[Tensor, Tensor]:
        """Negatives that are not painted: healed surface under the right mask; the real defect under a moved mask."""
        half = share.part(torch.rand(share.total, generator=rng) < 0.5)
        moved = torch.roll(real.mask, tuple(int(v) for v in torch.randint(8, 40, (2,), generator=rng)), (2, 3))
        half = half.to(real.image.device)[:, None, None, None]
        return torch.where(half, real.healed, real.image), torch.where(half, real.mask, moved)

    def generator_loss(self, real: Real, painted: "Painted", rng: torch.Generator, share: Share) -> Terms:
        """Painted beats real; the paired branch reconstructs; the other shows what its latent says."""
        count, weights = len(real.image), self.config
        with self.fixed_critic():
            with torch.no_grad():
                good = self.judge(real.image, real.mask, real.defect, rng, share)
            fake = self.judge(painted.image, painted.mask, painted.defect, rng, share)
        game = relativistic(fake, good.repeat(2, 1))
        copy, original = painted.image[:count], real.image
        rebuilt, unpainted = (difference(one, original, real.mask) for one in (copy, real.healed))
        fresh, clean, mask = painted.image[count:], painted.clean[count:], painted.mask[count:]
        seen = self.appearance(fresh, clean, mask, painted.defect[count:])
        shown = (seen - painted.latent[count:]).abs().mean()
        loss = game + weights.reconstruct * rebuilt + weights.appearance * shown
        parts = {"g_game": game, "rebuilt": rebuilt, "unpainted": unpainted, "shown": shown}
        return loss, {name: value.item() for name, value in parts.items()}


@dataclass(frozen=True)
class Painted:
    """What the generator made of both branches, the paired one first, and what it was made from."""

    image: Tensor
    clean: Tensor
    mask: Tensor
    defect: Tensor
    latent: Tensor


def normal_like(part: Tensor, rng: torch.Generator, share: Share) -> Tensor:
    """Standard normal numbers for items (N, ...), drawn on the CPU so that a seed means the same on every device."""
    whole = (len(part) * share.total // share.size, *part.shape[1:])
    return share.part(torch.randn(whole, generator=rng)).to(part.device)


def jittered(image: Tensor, mask: Tensor, rng: torch.Generator, share: Share) -> tuple[Tensor, Tensor]:
    """Image (N, C, H, W) and mask (N, 1, H, W), augmented."""
    drawn = sample_jitter(len(image) * share.total // share.size, rng)
    return apply_jitter(replace(drawn, gain=share.part(drawn.gain), offset=share.part(drawn.offset)), image, mask)
