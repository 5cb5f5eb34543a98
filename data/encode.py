"""Encoding an image without loss, straight into a file: which formats hold it, and how."""

import zlib
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flawsmith.data.png import MOST, write_png
from flawsmith.data.tiff import write_tiff

Array = NDArray[Any]  # uint8 or uint16

LOSSLESS = {".png": "PNG", ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP", ".bmp": "BMP"}
_WEBP = 16383  # px: the longest side that the format holds


def encode(file: BinaryIO, image: Array, suffix: str, level: int) -> None:
    """Writes (H, W, C), which the format of `suffix` must be able to hold, compressed at `level` 0 to 9."""
    if LOSSLESS[suffix] == "TIFF":
        write_tiff(file, image, level)
    elif suffix == ".png" and level <= MOST:
        write_png(file, image, level)
    else:
        _write_by_pillow(file, image, LOSSLESS[suffix], level)


def refusal(suffix: str, image: Array) -> str | None:
    """The rule by which a format cannot hold the image (H, W, C) without loss; None where it can."""
    deep, channels = image.dtype == np.uint16, image.shape[2]
    if suffix not in LOSSLESS:
        return f"an image is written without loss, as {', '.join(sorted(LOSSLESS))}"
    if deep and (suffix in (".webp", ".bmp") or (suffix == ".png" and channels > 1)):
        return f"an image of 16 bits{' and colours' * (channels > 1)} is no {suffix[1:]}"
    if suffix == ".webp" and (channels == 1 or max(image.shape[:2]) > _WEBP):
        return f"a webp has colours and at most {_WEBP} px a side"
    if suffix == ".bmp" and channels == 4:
        return "a bmp has no alpha channel"
    return None


def holding(image: Array) -> str:
    """The formats that hold the image without loss, to be named in an error."""
    return " or ".join(suffix for suffix in LOSSLESS if suffix != ".tif" and not refusal(suffix, image))


def _write_by_pillow(file: BinaryIO, image: Array, form: str, level: int) -> None:
    options: dict[str, Any] = {}
    if form == "PNG":  # below 4 runs alone: zlib's quick searches make a part's noise larger than no search does
        options = {"compress_level": level, "compress_type": zlib.Z_RLE if level < 4 else zlib.Z_FILTERED}
    elif form == "WEBP":
        options = {"lossless": True, "exact": True, "method": level * 6 // 9, "quality": min(9 + 11 * level, 100)}
    pixels = image[..., 0] if image.shape[2] == 1 else image
    Image.fromarray(np.ascontiguousarray(pixels)).save(cast(BinaryIO, _Sink(file)), form, **options)


class _Sink:
    """An open file without its number, into which Pillow would write itself and then hide why that failed."""

    def __init__(self, file: BinaryIO) -> None:
        self.write, self.seek, self.tell = file.write, file.seek, file.tell
