"""Near-duplicates: is this image a copy of that one, flipped, turned, re-saved or resized?

An image's fingerprint is a 20×20 thumbnail of its luma, offset and contrast removed, and its *noise*: how far a JPEG of
quality 70 moves that thumbnail. Two images are copies where, in one of the eight orientations, their thumbnails differ
by no more than `LIMIT` times that noise. Two parts that look alike differ by more than a re-save does, where a plain
correlation cannot tell them apart (neighbours on a ball screw correlate to 0.9997).

Measured on two real products, in units of the noise: every image against every image of another part, and every second
image against copies of it in a random orientation (the farthest of them stands here).

    product (images, parts)      JPEG 75   JPEG 70   JPEG 50   WebP 75   ×0.5   ×0.8 and JPEG 75   nearest other part
    magnetic tile (918, 140)       0.9       1.2       1.8       2.0     1.0          1.3                21.8
    ball screw (1006, 15)          0.9       1.1       1.7       2.2     0.3          1.0                 8.1

Photographs of the *same* part taken one after the other begin at 2.5; seven pairs of those count as copies, and may.
Crops, and copies with something painted on them, are not found. Parts in the very same place under the very same light
pass for copies where their own texture is weaker than about 2 grey levels (simulated; 3 levels give a distance of 4.7).
"""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flawsmith.data.image import Array, to_float

LIMIT = 3.0  # noises; above every copy (2.2), far below the nearest other part (8.1), so that few are wronged
SIDE = 20  # thumbnail pixels; 16 to 32 separate about equally well, this keeps split.json near 1 kB an image
_QUALITY = 70  # the worst JPEG that must still be recognised
_SHIFT = 4  # px; moves the image off the block grid of the JPEG that it may be itself, where re-saving costs nothing
_LEAST_NOISE = 0.03  # grey levels of 255; a large image's thumbnail hardly moves at all
_MOST_NOISE = 0.05  # of the thumbnail's own deviation: in a flatter image chance alone could look like a copy
_STEP = 1 / 4096  # standard deviations, of a stored value; 16 bits reach to ±8
_CHUNK = 256  # images compared at a time, to keep memory flat


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """`values` (20, 20) float32 of mean 0 and deviation 1 (all 0 in a flat image); `noise` in the same unit, > 0."""

    values: NDArray[np.float32]
    noise: float

    def encode(self) -> str:
        """About 1.1 kB of ASCII: base64 of one little-endian float32 and 400 int16."""
        steps = np.rint(self.values / _STEP).clip(-32767, 32767)
        return base64.b64encode(np.float32(self.noise).astype("<f4").tobytes() + steps.astype("<i2").tobytes()).decode()

    @staticmethod
    def decode(text: str) -> "Fingerprint":
        """The inverse of `encode`; raises ValueError on anything else."""
        try:
            content = base64.b64decode(text, validate=True)
        except ValueError as error:  # that of binascii, too
            raise ValueError(f"no fingerprint: {error}") from error
        if len(content) != 4 + 2 * SIDE * SIDE:
            raise ValueError(f"a fingerprint has {4 + 2 * SIDE * SIDE} bytes, not {len(content)}")
        noise = float(np.frombuffer(content, "<f4", 1)[0])
        if not 0 < noise < np.inf:
            raise ValueError(f"a fingerprint's noise is above 0, not {noise}")
        values = np.frombuffer(content, "<i2", offset=4).astype(np.float32) * np.float32(_STEP)
        return Fingerprint(values.reshape(SIDE, SIDE), noise)


def fingerprint(image: Array) -> Fingerprint:
    """The fingerprint of an image (H, W, C) uint8 or uint16; about 2 ms for 320×256."""
    grey = to_float(image, 1)[0] * np.float32(255)
    if image.dtype == np.uint16:  # few cameras use all 16 bits: judge the noise within the range that is used
        low, high = grey.min(), grey.max()
        grey = (grey - low) * np.float32(255 / max(high - low, 1e-6))
    small = _thumbnail(grey)
    deviation = float(small.std())
    if deviation < _LEAST_NOISE:
        return Fingerprint(np.zeros_like(small), 1.0)
    moved = _thumbnail(_resaved(grey)) - small
    noise = max(float(moved.std()), _LEAST_NOISE)
    return Fingerprint(((small - small.mean()) / deviation).astype(np.float32), noise / deviation)


def distances(one: Sequence[Fingerprint], other: Sequence[Fingerprint]) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Yields (i, (n, len(other))) for n of `one` from its i-th on: distances in noises; a copy is at most at `LIMIT`.

    The smallest over the eight orientations, after the best fit of contrast and offset.
    """
    known = _normal(np.stack([item.values for item in other])) if other else np.zeros((0, SIDE * SIDE))
    noise = np.array([item.noise for item in other])
    for start in range(0, len(one), _CHUNK):
        part = one[start : start + _CHUNK]
        values = np.stack([item.values for item in part])
        likeness = np.full((len(part), len(other)), -1.0)
        for turned in _orientations(values):
            np.maximum(likeness, _normal(turned) @ known.T, out=likeness)
        residual = np.sqrt(1 - likeness.clip(0, 1) ** 2)
        allowed = np.maximum.outer(np.array([item.noise for item in part]), noise).clip(None, _MOST_NOISE)
        yield start, residual / allowed


def pairs(items: Sequence[Fingerprint]) -> Iterator[tuple[int, int]]:
    """Yields i < j for every two that are copies of each other."""
    for start, block in distances(items, items):
        for row, column in np.argwhere(block <= LIMIT):
            if start + row < column:
                yield int(start + row), int(column)


def copies(items: Sequence[Fingerprint], known: Sequence[Fingerprint]) -> Iterator[tuple[int, int]]:
    """Yields (i, j) for each of `items` that is a copy of one of `known`, j the nearest."""
    if not known:
        return
    for start, block in distances(items, known):
        nearest = block.argmin(axis=1)
        for row in np.flatnonzero(block.min(axis=1) <= LIMIT):
            yield int(start + row), int(nearest[row])


def _thumbnail(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W) → (20, 20). Triangle windows: Pillow's box windows have whole-pixel edges, so a flip would move them."""
    small = Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return np.asarray(small, dtype=np.float32)


def _resaved(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """The image (H, W), levels 0 to 255, as it comes back from a JPEG of the worst quality."""
    shift = (_SHIFT % grey.shape[0], _SHIFT % grey.shape[1])
    buffer = BytesIO()
    Image.fromarray(np.roll(np.rint(grey).astype(np.uint8), shift, (0, 1))).save(buffer, "JPEG", quality=_QUALITY)
    with Image.open(buffer) as image:
        back = np.asarray(image, dtype=np.float32)
    return np.roll(back, (-shift[0], -shift[1]), (0, 1))


def _orientations(values: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """The eight flips and quarter turns of (N, S, S)."""
    for mirrored in (values, values[:, :, ::-1]):
        for turns in range(4):
            yield np.rot90(mirrored, turns, (1, 2))


def _normal(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """(N, S, S) → (N, S²) of mean 0 and length 1; flat ones stay 0 and so resemble nothing."""
    flat = values.reshape(len(values), -1).astype(np.float64)
    flat -= flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    unit: NDArray[np.float64] = np.divide(flat, length, out=np.zeros_like(flat), where=length > 1e-3)
    return unit
