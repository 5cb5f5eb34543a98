"""Decoding an image file into one array, whole or not at all, in little more memory than that array."""

import warnings
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from flawsmith.data.errors import UserError
from flawsmith.data.strips import read_strips, shell
from flawsmith.data.tiff import read_plain_tiff

Array = NDArray[Any]  # uint8 or uint16

_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")  # a JPEG of several pictures opens as "MPO"
_ORIENTATION = 0x0112  # EXIF tag
_CONVERT = {"1": "L", "LA": "L", "La": "L", "CMYK": "RGB", "YCbCr": "RGB", "LAB": "RGB", "RGBX": "RGB", "RGBa": "RGBA"}
_STRIP = 1 << 20  # pixels turned into an array at a time: a copy of all would double the memory
_LARGE = 1 << 22  # pixels from which Pillow is spared: it holds four bytes for every pixel of colour
_STRIPPED = {"L": 1, "I;16B": 1, "RGB": 3, "RGB;16B": 3, "RGBA": 4, "RGBA;16B": 4}  # raw modes of such PNG: channels


def decode(path: Path, raw: bool) -> tuple[Array, str]:
    """The pixels (H, W, C) and Pillow's name of the format; `raw` keeps palette indices and 1-bit values.

    Raises UserError where there is no such file, or it is no whole picture of a kind that is read.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a large image is no problem below Pillow's own bomb limit, an error above
            # An open file, not its name: from a name Pillow maps a TIFF into memory and scrambles orientations 5 to 8.
            with path.open("rb") as file, Image.open(file, formats=_FORMATS) as image:
                (values, orientation), kind = _pixels(path, image, raw), image.format or ""
        del image  # Pillow's own copy of the pixels goes before they are turned
        return _oriented(values, orientation), kind
    except UserError:
        raise
    except FileNotFoundError as error:
        raise UserError(path, "the image does not exist") from error
    except Image.DecompressionBombError as error:
        raise UserError(path, "the image is too large", error, "cut it into tiles first") from error
    except MemoryError as error:
        raise UserError(path, "the image is too large for the memory", None, "cut it into tiles first") from error
    except UnidentifiedImageError as error:
        raise UserError(path, "not an image that can be read", None, "export it again as PNG") from error
    except Exception as error:  # on damaged files Pillow raises nearly anything: OSError, SyntaxError, struct.error, …
        raise UserError(path, "the image is damaged", error, "copy or export it again") from error


def _pixels(path: Path, file: ImageFile.ImageFile, raw: bool) -> tuple[Array, int]:
    """The decoded pixels (H, W, C) before orientation, and the orientation."""
    frames = getattr(file, "n_frames", 1)
    if frames > 1 and file.format != "MPO":  # the further frames of an MPO are a camera's previews
        raise UserError(path, "one picture a file", f"{frames} frames", "save them as single images")
    if file.width * file.height >= _LARGE:
        if _stripped(file):
            return _large_png(path, file)
        if file.format == "TIFF" and (values := _large_tiff(path)) is not None:
            return values, 1
    if file.mode in ("RGB", "RGBA", "LA") and ";16" in _rawmode(file):
        return _deep_colour(path, file, lambda: path.open("rb"))
    file.load()
    return _gathered(file, lambda strip: _samples(path, strip, raw)), _orientation(file)


def _stripped(image: ImageFile.ImageFile) -> bool:
    """A PNG that can be decoded strip by strip."""
    return image.format == "PNG" and _rawmode(image) in _STRIPPED and not image.info.get("interlace")


def _large_png(path: Path, image: ImageFile.ImageFile) -> tuple[Array, int]:
    """The pixels (H, W, C) of an open PNG and its orientation, in little more memory than the pixels take."""
    mode = _rawmode(image)
    bits = 16 if mode.endswith("16B") else 8
    values = np.empty((image.height, image.width, _STRIPPED[mode]), np.uint8 if bits == 8 else np.uint16)
    with path.open("rb") as file:
        top = 0
        for strip in read_strips(file, values.shape, bits, lambda small: _small_png(path, small)):
            values[top : top + len(strip)] = strip
            top += len(strip)
        with Image.open(shell(file), formats=("PNG",)) as told:
            told.load()
            return values, _orientation(told)


def _large_tiff(path: Path) -> Array | None:
    """The pixels (H, W, C) of a TIFF, in little more memory than they take; None where that cannot be had."""
    with path.open("rb") as file:
        return read_plain_tiff(file)


def _small_png(path: Path, content: bytes) -> Array:
    """The pixels (h, W, C) of a strip."""
    with Image.open(BytesIO(content), formats=("PNG",)) as image:
        if _rawmode(image) in ("RGB;16B", "RGBA;16B"):
            return _deep_colour(path, image, lambda: BytesIO(content))[0]
        image.load()
        return _samples(path, image, raw=False)


def _gathered(image: Image.Image, samples: Callable[[Image.Image], Array]) -> Array:
    """The `samples` (h, W, C) of all strips of the image in one array (H, W, C)."""
    height, width = image.height, image.width
    first, *others = bands(height, width)
    if not others:
        return np.array(samples(image), order="C")  # a copy: Pillow's own buffer cannot be written to
    strip = samples(image.crop((0, 0, width, first.stop)))
    values = np.empty((height, width, strip.shape[2]), strip.dtype)
    values[first] = strip
    for rows in others:
        values[rows] = samples(image.crop((0, rows.start, width, rows.stop)))
    return values


def _samples(path: Path, image: Image.Image, raw: bool) -> Array:
    """The pixels (h, W, C) of a strip in one of the modes that are kept."""
    if image.mode in ("I", "I;16", "I;16B", "I;16L", "I;16N"):
        return _deep_grey(path, np.asarray(image))
    if raw and image.mode == "P":
        return np.asarray(image)[..., None]
    if raw and image.mode == "1":
        return np.asarray(image).astype(np.uint8)[..., None]
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if image.mode == "PA" or "transparency" in image.info else "RGB")
    elif image.mode in _CONVERT:
        image = image.convert(_CONVERT[image.mode])
    if image.mode not in ("L", "RGB", "RGBA"):
        raise UserError(path, "an image has 8 or 16 bits a channel", f"mode {image.mode}", "export it as 16-bit")
    values = np.asarray(image)
    return values if values.ndim == 3 else values[..., None]


def _rawmode(image: ImageFile.ImageFile) -> str:
    """How the samples lie in the file, such as "RGB;16B"; empty where Pillow does not say."""
    if not image.tile:
        return ""
    arguments = image.tile[0].args
    return str(arguments[0] if isinstance(arguments, tuple) and arguments else arguments)


def _deep_grey(path: Path, values: Array) -> Array:
    """16-bit grey (H, W) as (H, W, 1) uint16, native byte order."""
    if values.dtype.itemsize > 2 and (values.min() < 0 or values.max() > 65535):
        raise UserError(path, "an image has 8 or 16 bits a channel", "32 bits", "export it as 16-bit")
    return values.astype(np.uint16)[..., None]


def _deep_colour(path: Path, image: ImageFile.ImageFile, reopened: Callable[[], BinaryIO]) -> tuple[Array, int]:
    """16-bit RGB or RGBA (H, W, C) uint16 and orientation; Pillow keeps one byte a sample: read once for each byte.

    Swapping the byte order in the raw mode makes it keep the other one.
    """
    mode = _rawmode(image)
    swapped = mode.replace("16N", "16L") if np.little_endian else mode.replace("16N", "16B")
    swapped = swapped[:-1] + ("B" if swapped.endswith("L") else "L")
    if image.mode == "LA" or swapped[:-1] not in ("RGB;16", "RGBA;16"):
        raise UserError(path, "16-bit images are grey, RGB or RGBA", mode, "export it without the alpha channel")
    image.load()
    values = _gathered(image, lambda strip: np.asarray(strip).astype(np.uint16) << 8)
    orientation = _orientation(image)
    image.close()  # frees the high bytes before the low ones are decoded
    with reopened() as file, Image.open(file, formats=_FORMATS) as again:
        again.tile = [tile._replace(args=_with_mode(tile.args, swapped)) for tile in again.tile]
        again.load()
        for rows in bands(*values.shape[:2]):
            values[rows] |= np.asarray(again.crop((0, rows.start, again.width, rows.stop)))
    return values, orientation


def _with_mode(arguments: Any, mode: str) -> Any:
    return (mode, *arguments[1:]) if isinstance(arguments, tuple) else mode


def _orientation(image: Image.Image) -> int:
    """1 to 8, of a loaded image; TIFF is turned by Pillow, which drops the tag."""
    return int(image.getexif().get(_ORIENTATION, 1))


def _oriented(values: Array, orientation: int) -> Array:
    """Pixels (H, W, C) turned as the EXIF orientation (1 to 8) says."""
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return np.ascontiguousarray(values)


def bands(height: int, width: int) -> Iterator[slice]:
    """The rows of an image in bands of about _STRIP pixels."""
    rows = max(1, _STRIP // width)
    return (slice(top, min(top + rows, height)) for top in range(0, height, rows))
