"""The adversarial game: three networks and one step of each. Knows no data set, no logging, no averaging."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from flawsmith.gan.diffaug import apply_jitter, sample_jitter
from flawsmith.gan.discriminator import Discriminator, DiscriminatorConfig
from flawsmith.gan.encoder import Encoder, EncoderConfig
from flawsmith.gan.generator import Generator, GeneratorConfig, compose
from flawsmith.gan.losses import (
    gaussian_kl,
    gradients,
    masked_l1,
    relativistic,
    smoothness,
    visibility,
)


@dataclass(frozen=True)
class GameConfig:
    """The weights of the terms; every one was kept because leaving it out was worse (docs/decisions.md)."""

    reconstruct: float = 8.0  # paired branch: L1 in the mask, of values and of gradients
    kl: float = 0.02  # keeps latents of few defects near each other, so that mixtures of them are defects too
    latent: float = 0.5  # the encoder must find the latent again in what was painted: else the latent is ignored
    unseen: float = 2.0  # a mask without a visible change
    smooth: float = 0.1  # slope penalty on real and painted patches (R1 + R2)
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
    """Clean patches to paint on: clean (N, C, H, W), mask (N, 1, H, W), defect (N,) long."""

    clean: Tensor
    mask: Tensor
    defect: Tensor

    def to(self, device: torch.device) -> "Blank":
        """The same on `device`."""
        return Blank(self.clean.to(device), self.mask.to(device), self.defect.to(device))


class Game(nn.Module):
    """Generator and encoder against discriminator."""

    def __init__(self, channels: int, classes: int, config: GameConfig) -> None:
        super().__init__()
        self.config = config
        self.generator = Generator(GeneratorConfig(channels, classes))
        self.discriminator = Discriminator(DiscriminatorConfig(channels, classes))
        self.encoder = Encoder(EncoderConfig(channels, self.generator.config.latent))

    def paint(self, real: Real, blank: Blank, rng: torch.Generator) -> "Painted":
        """Both branches in one pass: real defects repainted from their own latent, clean patches from a drawn one."""
        mean, log_variance = self.encoder(real.image, real.healed, real.mask)
        own = mean + (0.5 * log_variance).exp() * normal(mean.shape, rng, mean.device)
        drawn = self.draw_latents(own.detach(), real.defect, blank.defect, rng)
        clean = torch.cat([real.healed, blank.clean])
        mask = torch.cat([real.mask, blank.mask])
        defect = torch.cat([real.defect, blank.defect])
        latent = torch.cat([own, drawn])
        residual, alpha = self.generator(clean, mask, defect, latent, normal(mask.shape, rng, mask.device))
        return Painted(compose(clean, residual, alpha), clean, mask, defect, latent, mean, log_variance)

    def draw_latents(self, own: Tensor, classes: Tensor, wanted: Tensor, rng: torch.Generator) -> Tensor:
        """For each wanted class the latent of a real defect of that class in the batch, half of the time; else N(0, 1)."""
        fresh = normal((len(wanted), own.shape[1]), rng, own.device)
        same = (classes[None] == wanted[:, None]).float() + 1e-6
        pick = torch.multinomial(same.cpu(), 1, generator=rng)[:, 0].to(own.device)
        borrow = (torch.rand(len(wanted), generator=rng) < 0.5).to(own.device) & (classes[pick] == wanted)
        return torch.where(borrow[:, None], own[pick], fresh)

    def judge(self, image: Tensor, mask: Tensor, defect: Tensor, rng: torch.Generator) -> Tensor:
        """The discriminator's logits (N, 2) behind augmentation, for real and painted alike."""
        image, mask = apply_jitter(sample_jitter(len(image), rng), image, mask)
        result: Tensor = self.discriminator(image, mask, defect)
        return result

    def discriminator_loss(self, real: Real, painted: "Painted", rng: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Real beats painted, and beats real pixels under a wrong mask or nothing under a right one; gentle slopes."""
        wrong, wrong_mask = self.wrong_pairs(real, rng)
        count = len(real.image)
        # One augmentation for all of a group keeps the comparison fair: pair i differs in the defect alone.
        image = torch.cat([real.image, painted.image.detach(), wrong])
        mask = torch.cat([real.mask, painted.mask, wrong_mask])
        defect = torch.cat([real.defect, painted.defect, real.defect])
        image, mask = apply_jitter(sample_jitter(len(image), rng), image, mask)
        logits = self.discriminator(image, mask, defect)
        good, fake, off = logits[:count], logits[count:-count], logits[-count:]
        game = relativistic(good.repeat(2, 1), fake) + relativistic(good, off)
        noise = normal(image[:-count].shape, rng, image.device)
        slope = smoothness(
            lambda x: self.discriminator(x, mask[:-count], defect[:-count]),
            image[:-count],
            logits[:-count],
            self.config.sigma,
            noise,
        )
        margin = float((good.detach().mean() - fake.detach().mean()))
        return game + self.config.smooth * slope, {"d_game": game.item(), "d_slope": slope.item(), "d_margin": margin}

    def wrong_pairs(self, real: Real, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Negatives that are not painted: healed surface under the right mask; the real defect under a moved mask."""
        count = len(real.image)
        half = torch.rand(count, generator=rng) < 0.5
        moved = torch.roll(real.mask, tuple(int(v) for v in torch.randint(8, 40, (2,), generator=rng)), (2, 3))
        half = half.to(real.image.device)[:, None, None, None]
        return torch.where(half, real.healed, real.image), torch.where(half, real.mask, moved)

    def generator_loss(self, real: Real, painted: "Painted", rng: torch.Generator) -> tuple[Tensor, dict[str, float]]:
        """Painted beats real; the paired branch reconstructs; the latent can be read back; something is visible."""
        count, weights = len(real.image), self.config
        image = torch.cat([real.image, painted.image])
        mask = torch.cat([real.mask, painted.mask])
        logits = self.judge(image, mask, torch.cat([real.defect, painted.defect]), rng)
        game = relativistic(logits[count:], logits[:count].detach().repeat(2, 1))
        copy, original = painted.image[:count], real.image
        rebuilt = masked_l1(copy, original, real.mask) + masked_l1(gradients(copy), gradients(original), real.mask)
        kl = gaussian_kl(painted.mean, painted.log_variance)
        again, _ = self.encoder(painted.image[count:], painted.clean[count:], painted.mask[count:])
        read_back = (again - painted.latent[count:].detach()).abs().mean()
        change = ((real.image - real.healed).abs().mean(1, keepdim=True) * real.mask).sum((1, 2, 3))
        least = 0.5 * change / real.mask.sum((1, 2, 3)).clamp_min(1)
        unseen = visibility(painted.image[count:], painted.clean[count:], painted.mask[count:], least)
        loss = game + weights.reconstruct * rebuilt + weights.kl * kl + weights.latent * read_back + weights.unseen * unseen
        parts = {"g_game": game, "rebuilt": rebuilt, "kl": kl, "read_back": read_back, "unseen": unseen}
        return loss, {name: value.item() for name, value in parts.items()}


@dataclass(frozen=True)
class Painted:
    """What the generator made of both branches, the paired one first, and what it was made from."""

    image: Tensor
    clean: Tensor
    mask: Tensor
    defect: Tensor
    latent: Tensor
    mean: Tensor
    log_variance: Tensor


def normal(shape: tuple[int, ...] | torch.Size, rng: torch.Generator, device: torch.device) -> Tensor:
    """Standard normal numbers, drawn on the CPU so that a seed means the same on every device."""
    return torch.randn(shape, generator=rng).to(device)
