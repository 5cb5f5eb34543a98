"""The latents of the real defects: measured and encoded; new defects are drawn between them."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flawsmith.gan.appearance import measure_appearance
from flawsmith.gan.bank import Bank
from flawsmith.gan.encoder import Encoder
from flawsmith.gan.patches import RealPatches, View

NOISE = 0.1  # of the measured entries; real defects of one class lie about 1 apart


@dataclass(frozen=True)
class Latents:
    """For every real defect its latent (I, Z), the noise of each entry (I, Z), and its class (I,)."""

    mean: Tensor
    deviation: Tensor
    defect: Tensor

    def draw(self, defect: int, random: np.random.Generator) -> NDArray[np.float32]:
        """A latent (Z,) between two real defects of the class, with a little noise.

        With a few defects N(0, 1) is mostly empty: what lies between real ones was trained, what lies beyond was not.
        """
        members = np.flatnonzero(self.defect.numpy() == defect)
        first, second = random.choice(members, 2)
        weight = np.float32(random.random())
        mean = (1 - weight) * self.mean[first].numpy() + weight * self.mean[second].numpy()
        return np.asarray(mean + self.deviation[first].numpy() * random.standard_normal(len(mean)), np.float32)

    def tensors(self) -> dict[str, Tensor]:
        """By name, for a checkpoint."""
        return {
            "latents.mean": self.mean,
            "latents.deviation": self.deviation,
            "latents.defect": self.defect,
        }


@torch.no_grad()
def measure(encoder: Encoder, bank: Bank, patch: int, device: torch.device) -> Latents:
    """Encode every real defect of the bank once, centred, upright and at its own size."""
    reals = RealPatches(bank, patch, seed=0)
    means, deviations = [], []
    for index, instance in enumerate(bank.instances):
        rows, columns = np.nonzero(instance.mask)
        view = View(index, float(np.median(rows)), float(np.median(columns)), 1.0, 0.0, False)
        image, healed, mask = (part[None].to(device) for part in reals.apply(view))
        mean, log_variance = encoder(image, healed, mask)
        measured = measure_appearance(image, healed, mask)
        means.append(torch.cat([measured, mean], 1)[0].cpu())
        deviations.append(torch.cat([torch.full_like(measured, NOISE), (0.5 * log_variance).exp()], 1)[0].cpu())
    defect = torch.tensor([instance.defect for instance in bank.instances])
    return Latents(torch.stack(means), torch.stack(deviations), defect)
