"""The sheet that a training run writes now and then: real defects, their repainting, and paint on clean parts."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flawsmith.data.image import to_uint, write_image
from flawsmith.gan.draft import varied
from flawsmith.gan.generator import compose
from flawsmith.gan.patches import BlankPatches, RealPatches
from flawsmith.gan.trainer import Trainer


@torch.no_grad()
def write_samples(path: Path, trainer: Trainer, reals: RealPatches, blanks: BlankPatches, count: int = 12) -> None:
    """Rows: real | healed | repainted | clean | painted | the same with another latent | mask; a column an item."""
    real = reals.batch(0, count)
    blank = blanks.batch(0, real.defect)
    real, blank = real.to(trainer.device), blank.to(trainer.device)
    random = torch.Generator().manual_seed(0)
    noise = torch.randn(real.mask.shape, generator=random).to(trainer.device)
    own = trainer.game.appearance(real.image, real.healed, real.mask, real.defect)
    other = own.roll(len(set(real.defect.tolist())), 0)

    def painted(clean: Tensor, mask: Tensor, latent: Tensor, draft: Tensor) -> Tensor:
        draft = varied(draft, clean, mask, noise[:, 0, 0, :2], noise.flip(0))
        return compose(clean, *trainer.average(clean, mask, real.defect, latent, noise, draft))

    rows = [
        real.image,
        real.healed,
        painted(real.healed, real.mask, own, real.image),
        blank.clean,
        painted(blank.clean, blank.mask, own, blank.draft),
        painted(blank.clean, blank.mask, other, blank.draft),
        blank.mask.expand_as(blank.clean),
    ]
    path.parent.mkdir(exist_ok=True)
    write_image(path, to_uint(grid(rows).cpu().numpy(), np.dtype(np.uint8)))


def grid(rows: list[Tensor]) -> Tensor:
    """Rows of (N, C, H, W) as one picture (C, R * (H + 2), N * (W + 2))."""
    padded = [torch.nn.functional.pad(row, (1, 1, 1, 1), value=1.0) for row in rows]
    return torch.cat([torch.cat(list(row), dim=2) for row in padded], dim=1)
