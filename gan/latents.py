"""The latents of the real defects; new defects are drawn between them."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flawsmith.gan.appearance import NOISE, measure_appearance
from flawsmith.gan.bank import Bank
from flawsmith.gan.patches import RealPatches, View


@dataclass(frozen=True)
class Latents:
    """For every real defect its latent (I, Z), in standard units of its class, and its class (I,)."""

    mean: Tensor
    defect: Tensor

    def draw(self, defect: int, random: np.random.Generator, near: int | None = None) -> NDArray[np.float32]:
        """A latent (Z,) between two real defects of the class, with a little noise; nearer to `near`, one of the bank.

        With a few defects N(0, 1) is mostly empty: what lies between real ones was trained, what lies beyond was not.
        Look and shape go together: a facet half as large as the part is no enlarged dark chip.
        """
        members = np.flatnonzero(self.defect.numpy() == defect)
        first, second = random.choice(members, 2)
        weight = np.float32(random.random())
        if near is not None:
            first, weight = near, weight / 2
        mean = (1 - weight) * self.mean[first].numpy() + weight * self.mean[second].numpy()
        return np.asarray(mean + NOISE * random.standard_normal(len(mean)), np.float32)

    def tensors(self) -> dict[str, Tensor]:
        """By name, for a checkpoint."""
        return {"latents.mean": self.mean, "latents.defect": self.defect}


@torch.no_grad()
def measure(bank: Bank, patch: int) -> tuple[Tensor, Tensor]:
    """What each real defect of the bank looks like (I, Z), centred, upright, at its own size; and its class (I,)."""
    reals = RealPatches(bank, patch, seed=0)
    found = []
    for index, instance in enumerate(bank.instances):
        rows, columns = np.nonzero(instance.mask)
        view = View(index, float(np.median(rows)), float(np.median(columns)), 1.0, 0.0, False)
        image, healed, mask = (part[None] for part in reals.apply(view))
        found.append(measure_appearance(image, healed, mask)[0])
    return torch.stack(found), torch.tensor([instance.defect for instance in bank.instances])
