"""A mask that is a picture: a file beside the labels, or bytes within them."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from flawsmith.data.errors import UserError
from flawsmith.data.geometry.patch import Mask, Patch
from flawsmith.data.geometry.shape import BadShape, Reach
from flawsmith.data.image import read_image, read_mask

LARGEST = 89_000_000  # px of a mask within the labels: in colours they take half a gigabyte

Colour = tuple[int, ...]  # of R, G, B


@dataclass(frozen=True, eq=False)
class Stencil:
    """A file whose pixels of one colour are the object, or all that are not black where the colour is None."""

    path: Path
    colour: Colour | None = None
    size: tuple[int, int] | None = None  # (H, W) that the labels promise

    @property
    def reach(self) -> Reach:
        """The whole picture, as far as its size is known."""
        height, width = self.size or (0, 0)
        return 0.0, 0.0, float(width), float(height)

    def patch(self, height: int, width: int) -> Patch:
        """The pixels of that colour; raises UserError where the file cannot be read or has another size."""
        mask = self._read()
        if mask.shape != (height, width):
            found = f"{mask.shape[1]}×{mask.shape[0]} px"
            raise UserError(self.path, f"a mask has the size of its image ({width}×{height} px)", found)
        return Patch.of(mask)

    def _read(self) -> Mask:
        if self.colour is None:
            return read_mask(self.path) > 0
        pixels = read_image(self.path)
        colour = self.colour if pixels.shape[2] > 1 else self.colour[:1]
        found: Mask = (pixels[..., : len(colour)] == np.array(colour, pixels.dtype)).all(2)
        return found


@dataclass(frozen=True, eq=False)
class Embedded:
    """A PNG within the labels, nonzero where the object is, its first pixel at (left, top) of the image."""

    png: bytes
    left: int
    top: int

    def __post_init__(self) -> None:
        width, height = self._size()
        if width * height > LARGEST:
            raise BadShape(f"has an impossible size of {width}×{height} px")

    def _size(self) -> tuple[int, int]:
        try:
            with Image.open(BytesIO(self.png), formats=("PNG",)) as image:
                return image.size
        except Exception as reason:  # on damaged data Pillow raises nearly anything
            raise BadShape("has a mask that is no PNG") from reason

    @property
    def reach(self) -> Reach:
        """The box of the picture."""
        width, height = self._size()
        return float(self.left), float(self.top), float(self.left + width), float(self.top + height)

    def patch(self, height: int, width: int) -> Patch:
        """Its nonzero pixels within an image of that size; raises BadShape where the picture is damaged."""
        try:
            with Image.open(BytesIO(self.png), formats=("PNG",)) as image:
                values = np.asarray(image.convert("L") if image.mode not in ("1", "L", "I;16", "P") else image)
        except Exception as reason:
            raise BadShape("has a mask that is a damaged PNG") from reason
        top, left = max(-self.top, 0), max(-self.left, 0)
        mask = (values != 0)[top : max(height - self.top, 0), left : max(width - self.left, 0)]
        return Patch.of(mask, self.top + top, self.left + left)
