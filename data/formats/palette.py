"""PNG files whose pixels are numbers: palettes, grey, or one colour a number."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flawsmith.data.errors import UserError

Colour = tuple[int, int, int]  # R, G, B
_BAND = 512  # rows whose colours are looked at together
_MOST_COLOURED = 90_000_000  # px: decoded they take 0.8 GB
_FIX = "export it again as PNG of 8 bits a pixel"


def voc_colour(number: int) -> Colour:
    """The colour of a class number in PASCAL VOC: its bits, dealt to red, green and blue, highest bits first."""
    channels = [0, 0, 0]
    for bit in range(24):
        channels[bit % 3] |= (number >> bit & 1) << (7 - bit // 3)
    return channels[0], channels[1], channels[2]


@dataclass(frozen=True, eq=False)
class Numbered:
    """The pixels (H, W) of a PNG as numbers, and the colour of each number that occurs.

    Numbers are the file's own where it has a palette or is grey (then without colours). In a file of colours they are
    given here in the order of the colours, the same each time that the file is read.
    """

    pixels: NDArray[Any]  # uint8 or uint16
    values: tuple[int, ...]  # that occur, ascending
    colours: dict[int, Colour]
    own: bool  # the numbers are the file's own
    deep: bool  # of 16 bits


def read_numbered(path: Path) -> Numbered:
    """Decodes the file, or gives what was decoded of it a moment ago; raises UserError."""
    try:
        about = path.stat()
    except OSError as reason:
        raise UserError(path, "cannot be read", reason.strerror, "export it again") from reason
    return _read(path, about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=4)  # classes and objects of one image are asked for once an object, by two threads
def _read(path: Path, size: int, changed: int) -> Numbered:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large pictures; of too large ones Pillow makes an error
            with path.open("rb") as file, Image.open(file, formats=("PNG",)) as image:
                return _numbered(path, image)
    except UserError:
        raise
    except Image.DecompressionBombError as reason:
        raise UserError(path, "the mask is too large", reason, "cut it into tiles first") from reason
    except Exception as reason:  # on damaged files Pillow raises nearly anything
        raise UserError(path, "must be a PNG that is whole", reason, "export it again as PNG") from reason


def _numbered(path: Path, image: Image.Image) -> Numbered:
    if image.mode in ("1", "P", "L", "I;16", "I"):
        pixels = np.asarray(image)
        if pixels.dtype not in (np.uint8, np.uint16):
            pixels = pixels.astype(np.uint8 if image.mode == "1" else np.uint16)
        values = tuple(np.flatnonzero(_counts(pixels)).tolist())
        colours = _palette(image, values) if image.mode == "P" else {}
        return Numbered(pixels, values, colours, own=True, deep=pixels.dtype == np.uint16)
    if image.mode in ("RGB", "RGBA"):
        if image.width * image.height > _MOST_COLOURED:
            raise UserError(path, f"a mask of colours has at most {_MOST_COLOURED} px", image.size, "export numbers")
        return _ranked(path, np.asarray(image)[..., :3])
    raise UserError(path, "a mask has a palette, is grey, or has colours", f"mode {image.mode}", _FIX)


def _counts(pixels: NDArray[Any]) -> NDArray[np.int64]:
    """How often each number occurs; in bands, as bincount copies to eight bytes a pixel."""
    counts = np.zeros(int(np.iinfo(pixels.dtype).max) + 1, np.int64)
    for start in range(0, len(pixels), _BAND):
        counts += np.bincount(pixels[start : start + _BAND].ravel(), minlength=len(counts))
    return counts


def _palette(image: Image.Image, values: tuple[int, ...]) -> dict[int, Colour]:
    """The colours of the numbers that occur, as far as the palette goes."""
    flat = image.getpalette("RGB") or []
    return {
        value: (flat[3 * value], flat[3 * value + 1], flat[3 * value + 2]) for value in values if 3 * value < len(flat)
    }


def _ranked(path: Path, image: NDArray[np.uint8]) -> Numbered:
    """A picture (H, W, 3) as numbers in the order of its colours, by a table of all there are."""
    bands = [np.s_[start : start + _BAND] for start in range(0, len(image), _BAND)]
    seen = np.zeros(2**24, bool)
    for band in bands:
        seen[_codes(image[band])] = True
    codes = np.flatnonzero(seen)
    if len(codes) > 65536:
        raise UserError(path, "a mask has a colour a class", f"{len(codes)} colours", "export it without smoothing")
    ranks = np.zeros(2**24, np.uint8 if len(codes) <= 256 else np.uint16)
    ranks[codes] = np.arange(len(codes))
    pixels = np.empty(image.shape[:2], ranks.dtype)
    for band in bands:
        pixels[band] = ranks[_codes(image[band])]
    colours = {rank: (code >> 16, code >> 8 & 255, code & 255) for rank, code in enumerate(codes.tolist())}
    return Numbered(pixels, tuple(colours), colours, own=False, deep=False)


def _codes(image: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """The colours (…, 3) as one number each."""
    wide = image.astype(np.uint32)
    return np.asarray(wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2], np.uint32)


def palette_png(numbers: NDArray[Any]) -> bytes:
    """The numbers (H, W) as a PNG with the palette of PASCAL VOC; 16-bit grey where they are uint16."""
    image = Image.fromarray(np.ascontiguousarray(numbers))
    if numbers.dtype == np.uint8:
        image.putpalette([channel for number in range(256) for channel in voc_colour(number)])
    return _png(image)


def grey_png(numbers: NDArray[Any]) -> bytes:
    """The numbers (H, W) as a grey PNG of 8 or 16 bits."""
    return _png(Image.fromarray(np.ascontiguousarray(numbers)))


def _png(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "PNG", compress_level=6, bits=8)
    return buffer.getvalue()
