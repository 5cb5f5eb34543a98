"""What is generated: part of the identity of a painted set."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from flawsmith.data.errors import UsageError
from flawsmith.gan.bank import Bank
from flawsmith.gan.control import Control
from flawsmith.gan.gate import GateConfig
from flawsmith.gan.production.items import Items, balanced, even
from flawsmith.gan.run import PAINTERS
from flawsmith.gan.scene import SceneConfig

FORMATS = ("png", "tiff", "webp", "bmp")


@dataclass(frozen=True)
class GenerateConfig:
    """How many images of what, by whom, and when they are good enough."""

    count: int = 1000  # painted images, where `counts` does not say it for each class
    painter: str = "gan"
    counts: tuple[tuple[str, int], ...] = ()  # painted images of each class
    classes: tuple[str, ...] = ()  # empty: all that the run knows
    balance: bool = False  # real and painted images together as many of each class, not painted ones alone
    good: float = 0.0  # share of the whole set that is untouched good parts, beside the painted ones
    again: int = 3  # times that an image is begun anew, on another clean part, before it is given up
    scene: SceneConfig = field(default_factory=SceneConfig)
    gate: GateConfig = field(default_factory=GateConfig)
    image_format: str = "png"  # of the images, lossless; what it cannot hold is written as TIFF
    level: int = 1  # of compression, 0 to 9: slower and smaller

    def __post_init__(self) -> None:
        if self.count < 1:
            raise UsageError("-n", "at least one image", self.count)
        if self.painter not in PAINTERS:
            raise UsageError("--painter", f"a painter is one of {', '.join(PAINTERS)}", self.painter)
        if self.counts and (self.classes or self.balance):
            raise UsageError("--count", "numbers for classes need no --classes and no --balance", "both")
        if any(number < 1 for _, number in self.counts):
            raise UsageError("--count", "at least one image of a class", 0, "leave the class out")
        if not 0 <= self.good < 1:
            raise UsageError("--good", "a share from 0 to below 1", self.good)
        if self.image_format not in FORMATS:
            raise UsageError("--image-format", f"a lossless format is one of {', '.join(FORMATS)}", self.image_format)
        if not 0 <= self.level <= 9:
            raise UsageError("--compression", "a level from 0 to 9", self.level)

    def wanted(self, bank: Bank) -> dict[str, int]:
        """How many images of each class are to be painted; raises UsageError for a class that is not in the bank."""
        names = tuple(name for name, _ in self.counts) or self.classes or bank.classes
        unknown = sorted(set(names) - set(bank.classes))
        if unknown:
            option = "--count" if self.counts else "--classes"
            raise UsageError(option, f"this run learned {', '.join(bank.classes)}", ", ".join(unknown))
        if self.counts:
            return dict(self.counts)
        return balanced(real_images(bank, names), self.count) if self.balance else even(names, self.count)

    def items(self, bank: Bank) -> Items:
        """The plan: what every image shows."""
        return items_of(self.wanted(bank), self.good)

    def plan(self, bank: Bank) -> dict[str, Any]:
        """The configuration as JSON, with the counts that it comes to."""
        wanted = self.wanted(bank)
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        counts = [[name, count] for name, count in wanted.items()]  # in an order, which objects have not
        return plain | {"counts": counts, "count": sum(wanted.values()), "classes": [], "balance": False}

    @classmethod
    def from_plan(cls, plan: Mapping[str, Any]) -> "GenerateConfig":
        """The inverse of `plan`, after a trip through JSON."""
        scene, control = dict(plan["scene"]), dict(plan["scene"]["control"])
        ranges = {key: tuple(value) for key, value in control.items() if isinstance(value, list)}
        scene["control"] = Control(**control | ranges)
        own: dict[str, Any] = {"counts": tuple((name, count) for name, count in plan["counts"]), "classes": ()}
        return cls(**{**plan, **own, "scene": SceneConfig(**scene), "gate": GateConfig(**plan["gate"])})


def items_of(counts: Mapping[str, int], good: float) -> Items:
    """The images of `counts` painted ones of each class, and the share of untouched good parts beside them."""
    return Items.of(counts, round(sum(counts.values()) * good / (1 - good)))


def real_images(bank: Bank, names: Sequence[str]) -> dict[str, int]:
    """How many real images of each class the bank was made from."""
    pairs = {(bank.classes[one.defect], one.source) for one in bank.instances}
    found = Counter(name for name, _ in pairs)
    return {name: found[name] for name in names}
