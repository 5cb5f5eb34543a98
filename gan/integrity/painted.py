"""A painted set, taken apart again: every image beside the clean part it was made from, every defect by itself."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.errors import UserError
from flawsmith.data.files import file_digest, read_text
from flawsmith.data.geometry.box import Box
from flawsmith.data.image import read_image, to_float
from flawsmith.data.record import Record
from flawsmith.gan.bank import Bank
from flawsmith.gan.canvas import ShapeParams
from flawsmith.gan.painter import Job
from flawsmith.gan.region import Mask, Pixels, bounding_box
from flawsmith.gan.shapes import draw_shape

CONTEXT = 32  # px of the part kept around a defect, as painters see it
AGAIN = "generate the set again"


@dataclass(frozen=True, eq=False)
class Spot:
    """One painted defect in a window (h, w) of its image."""

    image: str  # path below the set
    box: Box  # of the shape, in the image
    defect: int  # index of the class
    shape: ShapeParams
    clean: Pixels  # (h, w, C)
    after: Pixels  # (h, w, C)
    mask: Mask  # (h, w): the shape as it was drawn
    top: int  # row of the shape's first pixel in the window
    left: int  # column of it

    def job(self, *seed: int) -> Job:
        """The same place and shape, to be painted again."""
        return Job(self.clean, self.mask, self.defect, self.shape, self.top, self.left, seed)


@dataclass(frozen=True, eq=False)
class Picture:
    """One image of a set: as it was (H, W, C), as it is, and the shapes (H, W) that were to be painted."""

    name: str
    clean: NDArray[Any]
    after: NDArray[Any]
    defect: int
    shapes: tuple[ShapeParams, ...]
    masks: tuple[Mask, ...]

    def spots(self, channels: int) -> tuple[Spot, ...]:
        """Its defects, each in a window of `channels` colours."""
        clean, after = (to_float(image, channels).transpose(1, 2, 0) for image in (self.clean, self.after))
        found = []
        for shape, mask in zip(self.shapes, self.masks, strict=True):
            box, window = bounding_box(mask), bounding_box(mask, CONTEXT)
            cut = window.slices
            top, left = box.top - window.top, box.left - window.left
            # Copies: views would keep the whole image.
            pixels = (clean[cut].copy(), after[cut].copy(), mask[cut].copy())
            found.append(Spot(self.name, box, self.defect, shape, *pixels, top, left))
        return tuple(found)


def entries(folder: Path) -> list[dict[str, Any]]:
    """The provenance of a set's painted images; raises UserError where it is missing or damaged."""
    path = folder / "provenance.jsonl"
    try:
        return [entry for entry in map(json.loads, read_text(path).splitlines()) if entry["defects"]]
    except ValueError as error:
        raise UserError(path, "one JSON object a line", error, AGAIN) from error


def rejected(folder: Path) -> list[dict[str, Any]]:
    """The images that were given up, an entry each."""
    path = folder / "rejected.jsonl"
    return [json.loads(line) for line in read_text(path).splitlines()] if path.exists() else []


def pictures(folder: Path, bank: Bank, good: Sequence[Record], most: int | None = None) -> Iterator[Picture]:
    """The set's images, all or `most` of them spread evenly; raises UserError where a clean part is not what it was."""
    rows, parts = entries(folder), {record.name: record for record in good}
    if most is not None and most < len(rows):
        rows = [rows[index * len(rows) // most] for index in range(most)]
    for row in rows:
        part = parts.get(row["clean"])
        if part is None or file_digest(part.image) != row["clean_sha256"]:
            rule = f"the clean part of {row['image']} must be there, unchanged"
            raise UserError(folder, rule, row["clean"], "give the data set and split it was painted with")
        yield _picture(folder, row, bank, read_image(part.image))


def _picture(folder: Path, row: dict[str, Any], bank: Bank, clean: NDArray[Any]) -> Picture:
    shapes, masks = [], []
    for defect in row["defects"]:
        shape = draw_shape(ShapeParams.from_json(defect["shape"]), bank)
        height, width = shape.mask.shape
        mask = np.zeros(clean.shape[:2], bool)
        mask[defect["top"] : defect["top"] + height, defect["left"] : defect["left"] + width] = shape.mask
        shapes.append(shape.params)
        masks.append(mask)
    after = read_image(folder / row["image"])
    return Picture(row["image"], clean, after, bank.classes.index(row["class"]), tuple(shapes), tuple(masks))
