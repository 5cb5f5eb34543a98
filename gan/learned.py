"""The painter that was learned: windows in, painted windows out, the same bits whatever else is in the batch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from flawsmith.data.checkpoint import fill, load
from flawsmith.data.device import autocast, memory_format
from flawsmith.data.errors import UserError
from flawsmith.data.seeds import rng
from flawsmith.gan.bank import Bank
from flawsmith.gan.draft import varied
from flawsmith.gan.generator import STRIDE, Generator, GeneratorConfig
from flawsmith.gan.latents import Latents
from flawsmith.gan.painter import Job, Paint
from flawsmith.gan.transplant import transplant


class LearnedPainter:
    """The averaged generator of a run with the latents of its real defects."""

    name = "gan"

    def __init__(self, generator: Generator, latents: Latents, bank: Bank, device: torch.device) -> None:
        self.generator = generator.to(device, memory_format=memory_format(device)).eval()  # type: ignore[call-overload]
        self.latents, self.bank, self.device = latents, bank, device
        self.blend = {"reach": generator.config.reach, "alpha": "painted"}
        # A batch is always this long, filled up with zeros, so that a kernel chosen by size cannot change a pixel.
        self.together = 16 if device.type == "cuda" else 1

    @classmethod
    def load(cls, path: Path, bank: Bank, device: torch.device) -> "LearnedPainter":
        """From a run's generator.safetensors; raises UserError where it is missing, altered or of another shape."""
        tensors, about = load(path, ("latents.mean", "latents.defect"))
        try:
            shape = about["generator"]
            generator = Generator(GeneratorConfig(**{**shape, "widths": tuple(shape["widths"])}))
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise UserError(path, "a generator that fit has written", error, "run flawsmith fit again") from error
        prefix = "generator."
        fill(generator, {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}, path)
        parts = (tensors[f"latents.{name}"] for name in ("mean", "defect"))
        return cls(generator, Latents(*parts), bank, device)

    def paint(self, jobs: Sequence[Job]) -> list[Paint]:
        """Paint every window; jobs of one size go together."""
        done: dict[int, Paint] = {}
        sizes: dict[tuple[int, ...], list[int]] = {}
        for index, job in enumerate(jobs):
            sizes.setdefault(job.mask.shape, []).append(index)
        for members in sizes.values():
            for start in range(0, len(members), self.together):
                chunk = members[start : start + self.together]
                done |= dict(zip(chunk, self.paint_batch([jobs[index] for index in chunk]), strict=True))
        return [done[index] for index in range(len(jobs))]

    @torch.no_grad()
    def paint_batch(self, jobs: Sequence[Job]) -> list[Paint]:
        """Paint up to `together` windows of one size."""
        height, width = jobs[0].mask.shape
        clean = self.stack([torch.from_numpy(job.clean.transpose(2, 0, 1)) for job in jobs])
        mask = self.stack([torch.from_numpy(job.mask[None].astype(np.float32)) for job in jobs])
        defect = torch.zeros(self.together, dtype=torch.long)
        latent = torch.zeros(self.together, self.latents.mean.shape[1])
        draft = self.stack([self.draft(job) for job in jobs])
        noise, grain, doubt = torch.zeros_like(mask), torch.zeros_like(mask), torch.zeros(self.together, 2)
        for index, job in enumerate(jobs):
            random = rng(job.seed[0], "look", *job.seed[1:])
            defect[index] = job.defect
            latent[index] = torch.from_numpy(self.latents.draw(job.defect, random, job.shape.first))
            for plane in (noise, grain, doubt):
                plane[index] = torch.from_numpy(random.standard_normal(plane.shape[1:], np.float32))
        with autocast(self.device):
            draft = varied(draft, clean, mask, doubt, grain)
            moved = (tensor.to(self.device) for tensor in (clean, mask, defect, latent, noise, draft))
            content, alpha = self.generator(*moved)
        pixels = content.float().cpu().numpy().transpose(0, 2, 3, 1)[:, :height, :width]
        opacity = alpha.float().cpu().numpy()[:, 0, :height, :width]
        return [Paint(pixels[index], opacity[index]) for index in range(len(jobs))]

    def draft(self, job: Job) -> Tensor:
        """What the network begins with: a real defect in the job's shape, its pixels moved about; (C, h, w)."""
        pixels, _ = transplant(job, self.bank, rng(job.seed[0], "stir", *job.seed[1:]))
        return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))

    def stack(self, images: list[Tensor]) -> Tensor:
        """Images (C, H, W) as a full micro-batch whose sides the network can halve, continued at the border."""
        height, width = images[0].shape[-2:]
        batch = F.pad(torch.stack(images), (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")
        return F.pad(batch, (0, 0) * 3 + (0, self.together - len(images)))
