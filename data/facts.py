"""What opening a file once shows: an image's size, depth and digest, a mask's values and instances."""

import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from flawsmith.data.errors import UserError
from flawsmith.data.image import read_image, read_mask

Facts = TypeVar("Facts")
_EIGHT = np.ones((3, 3), int)  # neighbours: cracks are often joined by corners alone
_ROWS = 512  # of a mask counted at a time
_MOST = 64  # values whose instances are counted; a mask with more of them is an error anyway
WORKERS = 2  # decoding leaves the interpreter's lock; more threads hold more large images in memory


@dataclass(frozen=True)
class ImageFacts:
    """Size in pixels after EXIF rotation, channels (1, 3, 4), bits a channel (8, 16), digest of the decoded pixels."""

    height: int
    width: int
    channels: int
    bits: int
    digest: str


@dataclass(frozen=True)
class MaskFacts:
    """Size in pixels, and by nonzero value the pixels that have it and the instances (8-connected pieces) they form."""

    height: int
    width: int
    areas: dict[int, int]
    instances: dict[int, int]

    @property
    def covered(self) -> int:
        """The pixels that are not zero."""
        return sum(self.areas.values())


def image_facts(path: Path) -> ImageFacts:
    """Decodes an image whole; raises UserError where that fails."""
    _refuse_empty(path)
    image = read_image(path)
    height, width, channels = image.shape
    # Of the pixels, not the file: the same picture saved again without loss is the same picture.
    digest = sha256(f"{image.shape} {image.dtype}".encode())
    digest.update(np.ascontiguousarray(image).data)
    return ImageFacts(height, width, channels, 8 * image.dtype.itemsize, digest.hexdigest())


def mask_facts(path: Path) -> MaskFacts:
    """Decodes a mask whole; raises UserError where that fails, and on a lossy or coloured one."""
    _refuse_empty(path)
    mask = read_mask(path)
    counts = np.zeros(int(np.iinfo(mask.dtype).max) + 1, np.int64)
    for start in range(0, len(mask), _ROWS):  # in bands: bincount copies to eight bytes a pixel
        counts += np.bincount(mask[start : start + _ROWS].ravel(), minlength=len(counts))
    areas = {int(value): int(counts[value]) for value in np.flatnonzero(counts) if value}
    return MaskFacts(
        mask.shape[0], mask.shape[1], areas, {value: _pieces(mask == value) for value in list(areas)[:_MOST]}
    )


def _pieces(mask: NDArray[np.bool_]) -> int:
    """The connected pieces of a mask (H, W) that is not empty; only its bounding box is looked at."""
    (rows, columns) = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return int(ndimage.label(mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], _EIGHT)[1])


def look(paths: Iterable[Path], facts: Callable[[Path], Facts]) -> tuple[dict[Path, Facts], dict[Path, UserError]]:
    """Opens each path once, two at a time: the facts of those that can be read, the reasons of those that cannot."""

    def one(path: Path) -> Facts | UserError:
        try:
            return facts(path)
        except UserError as reason:
            reason.__traceback__ = reason.__cause__ = reason.__context__ = None  # their frames hold what was decoded
            return reason

    unique = sorted(set(paths))
    with warnings.catch_warnings(), ThreadPoolExecutor(WORKERS) as pool:  # readers hide warnings; threads mix that up
        seen = dict(zip(unique, pool.map(one, unique), strict=True))
    bad = {path: found for path, found in seen.items() if isinstance(found, UserError)}
    return {path: found for path, found in seen.items() if not isinstance(found, UserError)}, bad


def _refuse_empty(path: Path) -> None:
    """Zero bytes: usually a copy that was cut off, and worth saying so."""
    try:
        empty = path.stat().st_size == 0
    except OSError as reason:
        raise UserError(path, "cannot be read", reason.strerror, "copy the file again") from reason
    if empty:
        raise UserError(path, "the file is empty", "0 bytes", "copy or export it again")
