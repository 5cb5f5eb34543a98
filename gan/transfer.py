"""Starting the painter from another product's run: its networks, made to fit other classes and colours."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from flawsmith.data.adapt import Change
from flawsmith.data.checkpoint import fill, identity, load, save
from flawsmith.data.errors import UserError
from flawsmith.data.levels import Levels
from flawsmith.data.start import Start
from flawsmith.gan.appearance import appearance_size
from flawsmith.gan.bank import Bank
from flawsmith.gan.discriminator import Discriminator, DiscriminatorConfig
from flawsmith.gan.game import Game
from flawsmith.gan.generator import Generator, GeneratorConfig
from flawsmith.gan.run import Run

GENERATOR, DISCRIMINATOR = "generator.safetensors", "discriminator.safetensors"
LEVELS = len(GeneratorConfig(1, 1).widths)  # of either network
COLOURS = 2  # of a latent: those of core and rim come first

Adapt = Mapping[str, Callable[[Tensor], Tensor]]  # by the name of the weight


def generator_levels(generator: Generator) -> Levels:
    """The side that sees: a level at each resolution. Style, middle and the side that paints come behind."""
    return _trunk("down_blocks", len(generator.down_blocks))


def discriminator_levels(discriminator: Discriminator) -> Levels:
    """The trunk: a level at each resolution. The heads come behind."""
    return _trunk("blocks", len(discriminator.blocks))


def _trunk(blocks: str, count: int) -> Levels:
    return [("stem" if level == 0 else f"downs.{level - 1}", f"{blocks}.{level}") for level in range(count)]


def save_discriminator(game: Game, bank: Bank, output: Path) -> None:
    """Writes the discriminator as it is: nothing paints with it, but a later fit can start from it."""
    shape = asdict(DiscriminatorConfig(bank.channels, len(bank.classes)))
    about = {"discriminator": shape, "classes": list(bank.classes)}
    save(output / DISCRIMINATOR, game.discriminator.state_dict(), about)


@dataclass(frozen=True, eq=False)
class Origin:
    """The networks of a run that another one starts from; no `discriminator` where it kept none."""

    folder: Path
    start: Start  # whose `init` is the folder's name and the digest of the weights
    classes: tuple[str, ...]
    channels: int
    generator: dict[str, Tensor]
    discriminator: dict[str, Tensor] | None

    @classmethod
    def open(cls, start: Start) -> "Origin":
        """Reads a run's folder.

        Raises UserError where it is none, or was not trained to its end; UsageError where more levels are to be frozen
        than there are.
        """
        start.refuse_deep(LEVELS)
        folder = Path(start.init)
        _refuse_model(folder)
        _, file = Run.open(folder).files("gan")
        critic = folder / DISCRIMINATOR
        tensors, about = load(file)
        files = [file, *([critic] if critic.exists() else [])]
        digest = sha256(" ".join(identity(one) for one in files).encode()).hexdigest()
        try:
            classes, channels = tuple(about["classes"]), int(about["generator"]["channels"])
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(file, "a generator that fit has written", error, "run flawsmith fit again") from error
        prefix = "generator."
        return cls(
            folder=folder,
            start=replace(start, init=f"{folder.resolve().name} {digest[:16]}"),
            classes=classes,
            channels=channels,
            generator={name.removeprefix(prefix): one for name, one in tensors.items() if name.startswith(prefix)},
            discriminator=load(critic)[0] if critic.exists() else None,
        )

    def put_into(self, game: Game, bank: Bank) -> None:
        """Fills the networks of a game about `bank`; raises UserError naming the first weight that does not fit."""
        change = self._change(bank)
        _fill(game.generator, self.generator, _of_generator(change), self.folder / GENERATOR)
        if self.discriminator is not None:
            _fill(game.discriminator, self.discriminator, _of_discriminator(change), self.folder / DISCRIMINATOR)

    def note(self, bank: Bank) -> str:
        """What was taken over, and what was not."""
        what = "generator and discriminator" if self.discriminator is not None else "generator"
        lacking = "" if self.discriminator is not None else "; its discriminator was not kept, and starts anew"
        return f"starts from {what} of {self.folder}: {self._change(bank).note()}{lacking}"

    def _change(self, bank: Bank) -> Change:
        return Change(self.classes, bank.classes, (self.channels, bank.channels))


def _refuse_model(folder: Path) -> None:
    """Raises UserError where something else than a run was given, and it is known what."""
    if folder.suffix == ".onnx" or (folder / "model.safetensors").exists() or (folder / "model.json").exists():
        fix = "give a folder that fit wrote; a model goes to flawsmith train --init"
        raise UserError(folder, "fit starts from a run", "a model that finds defects", fix)


def _fill(module: nn.Module, tensors: Mapping[str, Tensor], adapt: Adapt, file: Path) -> None:
    fill(module, {name: adapt[name](one) if name in adapt else one for name, one in tensors.items()}, file)


def _of_generator(change: Change) -> Adapt:
    """Stem and head work on 2 × 2 px: part, draft, then mask, depth and noise; and shade, tint, alpha."""
    return {
        "embed.weight": change.classes,
        "stem.weight": lambda weight: change.inputs(weight, each=4, images=2, others=3),
        "style.0.weight": lambda weight: _latents(weight, change),
        "head.weight": lambda weight: change.outputs(weight, each=4, first=1, others=1),
        "head.bias": lambda weight: change.outputs(weight, each=4, first=1, others=1),
    }


def _of_discriminator(change: Change) -> Adapt:
    heads = ("region_class.weight", *(f"places.{place}.of_class.weight" for place in range(2)))
    return {
        "stem.weight": lambda weight: change.inputs(weight, each=4, others=1),
        **dict.fromkeys(heads, change.classes),
    }


def _latents(weight: Tensor, change: Change) -> Tensor:
    """(O, Z + S) of latents that begin with brightness and, in colour, tints of core and rim: grey has no tint."""
    before, after = change.channels
    if before == after or weight.shape[1] <= appearance_size(before):
        return weight
    colours = weight[:, : COLOURS * before].reshape(-1, COLOURS, before)
    kept = F.pad(colours[..., :after], (0, max(after - before, 0)))
    return torch.cat([kept.flatten(1), weight[:, COLOURS * before :]], 1)
