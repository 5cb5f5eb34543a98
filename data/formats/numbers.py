"""The objects in a class mask: pixels of one number, told apart by an object mask where there is one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from flawsmith.data.errors import UserError
from flawsmith.data.formats.labelmap import BACKGROUND, BORDER, VOID, VOID_COLOUR, LabelMap
from flawsmith.data.formats.palette import Numbered, read_numbered
from flawsmith.data.geometry.patch import Patch
from flawsmith.data.geometry.shape import Reach
from flawsmith.data.listing import Drawn

_MOST_OBJECTS = 10_000  # of one image
_MOST_PAIRS = 2**22  # of a class and an object
_BAND = 512  # rows looked at together


@dataclass(frozen=True, eq=False)
class Numbers:
    """The pixels of one number in a class mask and, where there is an object mask, of one number in that."""

    path: Path
    number: int
    objects: Path | None
    instances: tuple[int, ...]  # numbers of the object mask
    box: tuple[slice, slice]  # rows and columns around them when the folder was scanned

    @property
    def reach(self) -> Reach:
        """The box around the pixels."""
        rows, columns = self.box
        return float(columns.start), float(rows.start), float(columns.stop), float(rows.stop)

    def patch(self, height: int, width: int) -> Patch:
        """The pixels; raises UserError where a file cannot be read any more, or has another size than the image."""
        mask = self._pixels(self.path, height, width) == self.number
        if self.objects is not None:
            mask &= np.isin(self._pixels(self.objects, height, width), self.instances)
        return Patch.of(mask, self.box[0].start, self.box[1].start)

    def _pixels(self, path: Path, height: int, width: int) -> NDArray[Any]:
        pixels = read_numbered(path).pixels
        if pixels.shape != (height, width):
            rule = f"a mask has the size of its image ({width}×{height} px)"
            raise UserError(path, rule, f"{pixels.shape[1]}×{pixels.shape[0]} px", "export it at the image's size")
        return pixels[self.box]


@dataclass(frozen=True)
class Scanned:
    """What the masks of one image hold."""

    size: tuple[int, int]  # H, W
    drawn: tuple[Drawn, ...]
    unknown: tuple[str, ...]  # values that nobody names, as they can be shown
    border: bool  # there are pixels of which nobody says what they show
    unclassed: int  # objects none of whose pixels has a class


def scan_mask(path: Path, beside: Path | None, labels: LabelMap) -> Scanned:
    """The objects that a class mask shows, told apart by the object mask beside it; raises UserError."""
    mask = read_numbered(path)
    size = mask.pixels.shape[0], mask.pixels.shape[1]
    names = labels.of(mask)
    classes = [value for value in mask.values if names.get(value, BACKGROUND) not in (BACKGROUND, BORDER)]
    unknown = tuple(_shown(mask, value) for value in mask.values if value not in names)
    border = BORDER in names.values()
    if beside is None:
        drawn = [
            Drawn(names[classes[rank - 1]], Numbers(path, classes[rank - 1], None, (), box), f"value {shown}")
            for rank, box in _boxes(_pairs(mask, classes))
            for shown in [_shown(mask, classes[rank - 1])]
        ]
        return Scanned(size, tuple(drawn), unknown, border, 0)
    objects = read_numbered(beside)
    if objects.pixels.shape != size:
        found = f"{objects.pixels.shape[1]}×{objects.pixels.shape[0]} px"
        raise UserError(beside, f"has another size than its class mask ({size[1]}×{size[0]} px)", found, "export again")
    drawn, unclassed = _told_apart(path, mask, {value: names[value] for value in classes}, beside, objects)
    return Scanned(size, tuple(drawn), unknown, border, unclassed)


def _told_apart(
    path: Path, mask: Numbered, names: dict[int, str], beside: Path, objects: Numbered
) -> tuple[list[Drawn], int]:
    """Each object of each class, and the number of objects that have no class."""
    nothing = tuple(value for value in objects.values if _is_nothing(objects, value))
    numbers = [value for value in objects.values if value not in nothing]
    classes = list(names)
    if len(numbers) * len(classes) > _MOST_PAIRS:
        found = f"{len(numbers)} of {len(classes)} classes"
        raise UserError(beside, f"an image has at most {_MOST_OBJECTS} objects", found, "cut it into tiles")
    pairs = _pairs(mask, classes, objects, numbers)
    drawn, classed = [], set()
    for pair, box in _boxes(pairs):
        instance, rank = divmod(pair - 1, max(len(classes), 1))
        value = classes[rank]
        chosen = (numbers[instance - 1],) if instance else nothing
        where = f"object {_shown(objects, chosen[0])}" if instance else "pixels of no object"
        drawn.append(Drawn(names[value], Numbers(path, value, beside, chosen, box), where))
        classed.add(instance)
    if len(drawn) > _MOST_OBJECTS:
        raise UserError(beside, f"an image has at most {_MOST_OBJECTS} objects", len(drawn), "cut it into tiles")
    return drawn, len(numbers) - len(classed - {0})


def _is_nothing(objects: Numbered, value: int) -> bool:
    """True for the value of no object and of the border between objects."""
    if objects.own:
        return value == 0 or (value == VOID and not objects.deep)
    return objects.colours[value] in ((0, 0, 0), VOID_COLOUR)


def _pairs(
    mask: Numbered, classes: Sequence[int], objects: Numbered | None = None, numbers: Sequence[int] = ()
) -> NDArray[Any]:
    """Each pixel's pair (H, W), from 1: first all classes of no object, then those of the first, …; 0: no class."""
    ranks, steps = _ranks(mask, classes), _ranks(objects, numbers) * len(classes) if objects else np.zeros(1, np.int32)
    most = len(classes) * (len(numbers) + 1)
    pairs = np.empty(mask.pixels.shape, np.uint8 if most < 256 else np.uint16 if most < 65536 else np.int32)
    for start in range(0, len(pairs), _BAND):
        band = np.s_[start : start + _BAND]
        rank, step = ranks[mask.pixels[band]], steps[objects.pixels[band]] if objects else steps
        pairs[band] = (rank + step) * (rank > 0)
    return pairs


def _ranks(mask: Numbered, values: Sequence[int]) -> NDArray[np.int32]:
    """A table of the place of each number among the values, from 1; 0: it is none of them."""
    table = np.zeros(int(np.iinfo(mask.pixels.dtype).max) + 1, np.int32)
    table[list(values)] = np.arange(1, len(values) + 1)
    return table


def _boxes(numbers: NDArray[Any]) -> Iterator[tuple[int, tuple[slice, slice]]]:
    """Each number from 1 that occurs, with its bounding box."""
    yield from ((number, box) for number, box in enumerate(ndimage.find_objects(numbers), 1) if box is not None)


def _shown(mask: Numbered, value: int) -> str:
    """A value as its file has it: a number, or a colour."""
    return str(value) if mask.own else ",".join(map(str, mask.colours[value]))
