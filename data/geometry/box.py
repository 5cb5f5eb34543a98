"""A rectangle of pixels."""

from typing import NamedTuple


class Box(NamedTuple):
    """Rows top..bottom and columns left..right of an image, the ends excluded."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def slices(self) -> tuple[slice, slice]:
        """What to index an (H, W, ...) array with."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.bottom - self.top, self.right - self.left
