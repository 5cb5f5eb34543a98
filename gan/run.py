"""A run folder: what `fit` left there and what painting takes from it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from flawsmith.data.checkpoint import identity
from flawsmith.data.errors import UserError
from flawsmith.gan.bank import Bank
from flawsmith.gan.painter import Painter
from flawsmith.gan.paste import Paste
from flawsmith.gan.poisson import Poisson
from flawsmith.gan.procedural import Procedural

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

    def files(self, painter: str) -> list[Path]:
        """What the painter is made of; raises UserError where the learned one was not trained to its end."""
        bank, weights = self.folder / "bank.safetensors", self.folder / "generator.safetensors"
        if painter != "gan":
            return [bank]
        if not weights.exists():
            fix = "finish flawsmith fit, or choose --painter paste, poisson or procedural"
            raise UserError(self.folder, "this run has no trained generator", "no generator.safetensors", fix)
        return [bank, weights]

    def painter(self, name: str, device: torch.device) -> Painter:
        """The painter called `name`, one of PAINTERS."""
        from flawsmith.gan.learned import LearnedPainter

        makers: dict[str, Callable[[Bank], Painter]] = {"paste": Paste, "poisson": Poisson, "procedural": Procedural}
        return LearnedPainter.load(self.files(name)[1], self.bank, device) if name == "gan" else makers[name](self.bank)

    def fingerprint(self, painter: str) -> str:
        """The checksums of what the painter is made of."""
        return " ".join(identity(path) for path in self.files(painter))
