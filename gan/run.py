"""A run folder: what `fit` left there and what painting takes from it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch

from flawsmith.data.errors import UsageError, UserError
from flawsmith.gan.bank import Bank
from flawsmith.gan.painter import Painter
from flawsmith.gan.paste import PastePainter
from flawsmith.gan.poisson import PoissonPainter
from flawsmith.gan.procedural import ProceduralPainter

PAINTERS = ("gan", "paste", "poisson", "procedural")


@dataclass(frozen=True)
class Run:
    """A fitted run: its folder and its bank of real defects."""

    folder: Path
    bank: Bank

    @classmethod
    def open(cls, folder: Path) -> "Run":
        """Read the bank; raises UserError where `folder` is no finished run."""
        if not (folder / "bank.safetensors").exists():
            raise UserError(folder, "this is no run folder", "no bank.safetensors", "make one with flawsmith fit")
        return cls(folder, Bank.load(folder / "bank.safetensors"))

    def painter(self, name: str, device: torch.device) -> Painter:
        """The painter called `name`; the learned one needs a finished training."""
        from flawsmith.gan.learned import LearnedPainter

        if name == "gan":
            weights = self.folder / "generator.safetensors"
            if not weights.exists():
                raise UserError(
                    self.folder, "this run has no trained generator", "no generator.safetensors",
                    "finish flawsmith fit, or choose --painter paste, poisson or procedural",
                )  # fmt: skip
            return LearnedPainter.load(weights, device)
        makers = {"paste": PastePainter, "poisson": PoissonPainter, "procedural": ProceduralPainter}
        if name not in makers:
            raise UsageError("--painter", f"a painter is one of {', '.join(PAINTERS)}", name)
        return makers[name](self.bank)

    def fingerprint(self, painter: str) -> str:
        """SHA-256 of the files that the painter is made of."""
        names = ["bank.safetensors", *(["generator.safetensors"] if painter == "gan" else [])]
        digest = hashlib.sha256()
        for name in names:
            digest.update((self.folder / name).read_bytes())
        return digest.hexdigest()
