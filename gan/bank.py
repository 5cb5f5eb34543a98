"""The bank: every real defect that may be learned from, in one self-contained file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from flawsmith.data import checkpoint
from flawsmith.data.errors import UserError
from flawsmith.data.image import read_image
from flawsmith.data.pose import lie_any_way
from flawsmith.data.record import Record
from flawsmith.data.sample import load
from flawsmith.data.seeds import rng
from flawsmith.data.select import Selection
from flawsmith.gan.donors import Donors, as_pixels
from flawsmith.gan.heal import heal
from flawsmith.gan.instance import Healed, Instance
from flawsmith.gan.orientation import turn_freely
from flawsmith.gan.standout import standout
from flawsmith.gan.visible import shown

HALF = 0.5  # of a defect beside what looks like the part: it lies beside it
BESIDE = 0.2  # of all defects do: then it is no part, but tracks on a board, or print on a label


@dataclass(frozen=True, eq=False)
class Bank:
    """Real defects of `classes`; pixels have `channels` values that are multiples of 1/`depth` (255 or 65535)."""

    instances: tuple[Instance, ...]
    classes: tuple[str, ...]
    channels: int
    depth: int
    loose: bool = False  # the parts lie any way round under the camera
    whole: bool = False  # all of an image is part, since real defects lie beside what looks like one
    structured: bool = False  # new defects go where it looks as around the real ones: see structure.py

    @cached_property
    def members(self) -> tuple[tuple[int, ...], ...]:
        """The indices of the instances of each class."""
        numbers = range(len(self.classes))
        return tuple(tuple(i for i, one in enumerate(self.instances) if one.defect == n) for n in numbers)

    @cached_property
    def photographs(self) -> tuple[tuple[tuple[int, ...], ...], ...]:
        """The same by the real images that show them."""
        found: list[dict[str, list[int]]] = [{} for _ in self.classes]
        for i, one in enumerate(self.instances):
            found[one.defect].setdefault(one.source, []).append(i)
        return tuple(tuple(tuple(own) for own in images.values()) for images in found)

    @cached_property
    def standouts(self) -> tuple[tuple[float, ...], ...]:
        """For each class how far its defects stand out from their surroundings, sorted: see standout.py."""
        found = [[standout(self.instances[i].image, self.instances[i].mask) for i in some] for some in self.members]
        return tuple(tuple(sorted(one)) for one in found)

    @cached_property
    def shown(self) -> tuple[float, ...]:
        """For each class the median share of a real mask that visibly differs from the healed part; 1 without any.

        Where annotators draw a wide outline, or an ellipse, it is small, and no more can be asked of painted ones.
        """
        found = [[self._shown(self.instances[i]) for i in some] for some in self.members]
        return tuple(float(np.median(one)) if one else 1.0 for one in found)

    @staticmethod
    def _shown(one: Instance) -> float:
        return shown(one.healed, one.image, one.mask)

    @cached_property
    def aligned(self) -> tuple[tuple[bool, bool], ...]:
        """For each class, whether it looks wrong upside down, and left to right: it leans one way or has a heavy side.

        A lean counts where its mean over the class's larger half is over two standard errors from zero. On parts that
        lie any way round it is chance.
        """
        if self.loose:
            return tuple((False, False) for _ in self.members)
        return tuple(self._aligned([self.instances[i] for i in members]) for members in self.members)

    @staticmethod
    def _aligned(members: Sequence[Instance]) -> tuple[bool, bool]:
        if len(members) < 3:
            return False, False
        largest = sorted(members, key=lambda one: -one.area)[: max(3, len(members) // 2)]
        found = np.array([one.lean for one in largest])
        error = found.std(0, ddof=1) / len(found) ** 0.5
        leaning, rows, columns = (np.abs(found.mean(0)) > np.maximum(2 * error, 0.1)).tolist()
        return leaning or rows, leaning or columns

    @cached_property
    def free(self) -> tuple[bool, ...]:
        """For each class, whether its defects lie any way round: new ones are turned by any angle then."""
        found = zip(self.members, self.aligned, strict=True)
        return tuple(
            not any(leans) and turn_freely([self.instances[i] for i in own], self.loose) for own, leans in found
        )

    def sample(self, defect: int, rng: np.random.Generator) -> int:
        """The index of a defect of a class: of an image drawn evenly, as a network meets the real ones.

        Drawn from all alike, one photograph with four splinters would be a third of what is painted, and not a tenth.
        """
        photographs = self.photographs[defect]
        own = photographs[int(rng.integers(len(photographs)))]
        return own[int(rng.integers(len(own)))]

    def sample_count(self, defect: int, rng: np.random.Generator) -> int:
        """How many defects of a class an image has: as many as one of the real images, drawn evenly."""
        photographs = self.photographs[defect]
        return len(photographs[int(rng.integers(len(photographs)))])

    def save(self, path: Path) -> None:
        """Writes the bank as safetensors; no source image is needed to load it."""
        tensors: dict[str, torch.Tensor] = {}
        rows: list[dict[str, Any]] = []
        kind = torch.uint8 if self.depth == 255 else torch.int32
        for i, one in enumerate(self.instances):
            for name, pixels in (("image", one.image), ("healed", one.healed)):
                tensors[f"{i}.{name}"] = torch.from_numpy(np.rint(pixels * np.float64(self.depth))).to(kind)
            tensors[f"{i}.mask"] = torch.from_numpy(one.mask.astype(np.uint8))
            rows.append({name: getattr(one, name) for name in _FIELDS})
        names = ("classes", "channels", "depth", *_OPTIONAL)
        checkpoint.save(path, tensors, {**{name: getattr(self, name) for name in names}, "instances": rows})

    @classmethod
    def load(cls, path: Path) -> Bank:
        """Reads what `save` wrote; raises UserError where the file is damaged or is no bank."""
        tensors, config = checkpoint.load(path)
        wanted = {
            f"{i}.{name}" for i in range(len(config.get("instances", ()))) for name in ("image", "healed", "mask")
        }
        if "instances" not in config or wanted - set(tensors):
            raise UserError(path, "not a bank of defects", None, "run flawsmith fit again")
        try:
            return cls._of(tensors, config)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise UserError(path, "not a bank of defects", error, "run flawsmith fit again") from error

    @classmethod
    def _of(cls, tensors: dict[str, torch.Tensor], config: dict[str, Any]) -> Bank:
        """The bank that the content of a file makes."""
        found = []
        for i, row in enumerate(config["instances"]):
            image, healed = (
                (tensors[f"{i}.{name}"].numpy() / np.float64(config["depth"])).astype(np.float32)
                for name in ("image", "healed")
            )
            mask = tensors[f"{i}.mask"].numpy().astype(bool)
            found.append(
                Instance(
                    image=image,
                    healed=healed,
                    mask=mask,
                    **{**row, **{key: tuple(row[key]) for key in ("touches", "context")}},
                )
            )
        known = {name: bool(config.get(name)) for name in _OPTIONAL}
        return cls(tuple(found), tuple(config["classes"]), config["channels"], config["depth"], **known)


_OPTIONAL = ("loose", "whole", "structured")  # that files of earlier versions lack
_FIELDS = ("defect", "touches", "top", "left", "height", "width", "source", "group", "context")


def build(selection: Selection, seed: int) -> Bank:
    """Reads, heals and cuts out the defects of a selection. Raises UserError where a class has no pixels at all."""
    depth, channels = _kind(selection.defects)
    donors = Donors(selection.good, channels, seed)
    found = [
        one
        for i, record in enumerate(selection.defects)
        for one in _instances(record, selection.classes, donors, channels, depth, rng(seed, "heal", i))
    ]
    whole = sum(one.beside > HALF for one in found) > BESIDE * len(found)
    instances = tuple(one.whole if whole else one.part for one in found)
    for number, name in enumerate(selection.classes):
        if not any(one.defect == number for one in instances):
            rule = f"class {name} has a defect of at least 4 px"
            raise UserError(selection.dataset.root, rule, "none", "check its masks, or leave it out with --classes")
    return Bank(instances, selection.classes, channels, depth, lie_any_way(selection.good), whole)


@dataclass(frozen=True, eq=False)
class _Found:
    """A defect with what looks like the part taken for it, and with all of the image; how much lies beside the one."""

    part: Instance
    whole: Instance
    beside: float


def _instances(
    record: Record, classes: Sequence[str], donors: Donors, channels: int, depth: int, random: np.random.Generator
) -> Iterator[_Found]:
    """The defects of one image; defects of other classes are healed too."""
    names = (*classes, *(name for name in record.defects if name not in classes))
    sample = load(record, names)
    image = as_pixels(sample.image, channels)
    healed = heal(image, np.logical_or.reduce(sample.masks), donors.for_image(image), random)
    healed = (np.rint(healed * np.float64(depth)) / depth).astype(np.float32)
    part = Healed(image, healed, record.name, record.group)
    whole = replace(part, whole=True)
    for number, mask in enumerate(sample.masks[: len(classes)]):
        for one, other in zip(part.instances(mask, number), whole.instances(mask, number), strict=True):
            yield _Found(one, other, part.beside(one))


def _kind(records: Sequence[Record]) -> tuple[int, int]:
    """Depth (255 or 65535) and channels (1 where all images are grey, else 3) of the defect images."""
    depth, channels = 255, 1
    for record in records:
        image = read_image(record.image)
        depth = max(depth, int(np.iinfo(image.dtype).max))
        if channels == 1 and image.shape[2] > 1 and (image[..., :3] != image[..., :1]).any():
            channels = 3
    return depth, channels
