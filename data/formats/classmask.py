"""The objects of one picture in one mask, where a pixel belongs to one of them alone; and names of files for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.errors import UserError
from flawsmith.data.formats.picture import Picture
from flawsmith.data.geometry.patch import Patch

Numbers = NDArray[Any]  # (H, W) uint8 or uint16


def object_mask(picture: Picture) -> Numbers:
    """Each pixel's object, from 1; 0: none. Of objects that overlap the later one wins. 16 bit from 255 objects on."""
    if len(picture.instances) > 65535:
        raise UserError(picture.source, "a mask numbers 65535 objects", len(picture.instances), "join some")
    bits = np.uint8 if len(picture.instances) < 255 else np.uint16  # 255 is the border of nothing in palettes
    mask = np.zeros((picture.height, picture.width), bits)
    for number, one in enumerate(picture.instances, 1):
        _window(mask, one.patch)[one.patch.mask] = number
    return mask


def class_mask(picture: Picture, objects: Numbers, classes: Sequence[str]) -> Numbers:
    """Each pixel's class from 1, uint8, or uint16 where there are more than 255 classes."""
    ids = [0, *(classes.index(one.defect) + 1 for one in picture.instances)]
    found: Numbers = np.array(ids, np.uint8 if len(classes) < 256 else np.uint16)[objects]
    return found


def kept(picture: Picture, objects: Numbers) -> list[float]:
    """Of each object the share of its pixels that later ones have left: the intersection over union with the rest."""
    return [
        float((_window(objects, one.patch)[one.patch.mask] == number).mean())
        for number, one in enumerate(picture.instances, 1)
    ]


def _window(mask: Numbers, patch: Patch) -> Numbers:
    """The part of a mask that a patch covers, not copied."""
    left, top, width, height = patch.box
    return mask[top : top + height, left : left + width]


class Stems:
    """Names without folders, dots and endings, each given once."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def flat(self, name: str) -> str:
        """One that says the path "line 2/a.b.png" as "line 2_a_b"; with a number behind where that is taken."""
        return self.once(PurePosixPath(name).with_suffix("").as_posix().replace("/", "_").replace(".", "_"))

    def once(self, stem: str) -> str:
        """The stem, with a number behind where it is taken, whatever the case of its letters."""
        found, number = stem, 2
        while found.casefold() in self._taken:
            found, number = f"{stem}_{number}", number + 1
        self._taken.add(found.casefold())
        return found
