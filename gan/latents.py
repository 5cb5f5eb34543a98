"""The latents of the real defects, and the distribution around them that new defects are drawn from."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flawsmith.gan.bank import Bank
from flawsmith.gan.encoder import Encoder
from flawsmith.gan.patches import RealPatches, View


@dataclass(frozen=True)
class Latents:
    """Posterior of every real defect: mean and log variance (I, Z), class (I,)."""

    mean: Tensor
    log_variance: Tensor
    defect: Tensor

    def draw(self, defect: int, random: np.random.Generator) -> NDArray[np.float32]:
        """A latent (Z,) between two real defects of the class, with the encoder's own noise.

        With a few defects N(0, 1) is mostly empty: what lies between real ones was trained, what lies beyond was not.
        """
        members = np.flatnonzero(self.defect.numpy() == defect)
        first, second = random.choice(members, 2)
        weight = random.beta(0.6, 0.6)
        mean = (1 - weight) * self.mean[first].numpy() + weight * self.mean[second].numpy()
        deviation = np.exp(0.5 * self.log_variance[first].numpy())
        return np.asarray(mean + deviation * random.standard_normal(len(mean)), np.float32)

    def tensors(self) -> dict[str, Tensor]:
        """By name, for a checkpoint."""
        return {
            "latents.mean": self.mean,
            "latents.log_variance": self.log_variance,
            "latents.defect": self.defect,
        }


@torch.no_grad()
def measure(encoder: Encoder, bank: Bank, patch: int, device: torch.device) -> Latents:
    """Encode every real defect of the bank once, centred, upright and at its own size."""
    reals = RealPatches(bank, patch, seed=0)
    means, log_variances = [], []
    for index, instance in enumerate(bank.instances):
        rows, columns = np.nonzero(instance.mask)
        view = View(index, float(np.median(rows)), float(np.median(columns)), 1.0, 0.0, False)
        image, healed, mask = (part[None].to(device) for part in reals.apply(view))
        mean, log_variance = encoder(image, healed, mask)
        means.append(mean[0].cpu())
        log_variances.append(log_variance[0].cpu())
    defect = torch.tensor([instance.defect for instance in bank.instances])
    return Latents(torch.stack(means), torch.stack(log_variances), defect)
