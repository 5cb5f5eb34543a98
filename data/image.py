"""Reading and writing images and masks: 8 and 16 bit, EXIF applied once, nothing lossy, nothing half-read."""

import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.files import write_bytes

Array = NDArray[Any]  # uint8 or uint16

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")  # lower case
_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")  # a JPEG of several pictures opens as "MPO"
_JPEG = ("JPEG", "MPO")
_ORIENTATION = 0x0112  # EXIF tag
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as in Pillow's own conversion
_CONVERT = {"1": "L", "LA": "L", "La": "L", "CMYK": "RGB", "YCbCr": "RGB", "LAB": "RGB", "RGBX": "RGB", "RGBa": "RGBA"}
_COMPRESS = 1  # zlib level: a part's noise does not compress better at 6, and level 1 writes three times faster


def read_image(path: Path) -> Array:
    """The image (H, W, C), uint8 or uint16, C of 1, 3 or 4 (grey, RGB, RGBA), EXIF orientation applied.

    Palettes, 1-bit and CMYK become RGB or grey; the alpha of a grey image is dropped. Raises UserError.
    """
    return _decode(path, raw=False)[0]


def read_mask(path: Path) -> Array:
    """The mask's raw values (H, W), uint8 or uint16: 1-bit gives 0 and 1, a palette its indices; alpha is dropped.

    Raises UserError, also for a JPEG (its edges are smeared) and for colours (their meaning is unknown).
    """
    values, kind = _decode(path, raw=True)
    if kind in _JPEG:
        raise UserError(path, "a mask must be lossless", "a JPEG, whose edges are smeared", "export it again as PNG")
    colour = values[..., :3]
    if (colour != colour[..., :1]).any():
        raise UserError(path, "a mask must be grey", "colours", "export class ids or black and white as PNG")
    return np.ascontiguousarray(colour[..., 0])


def suffix_for(image: Array) -> str:
    """The extension for a lossless copy of the image (H, W, C): .tiff for 16-bit colour, else .png."""
    return ".tiff" if image.dtype == np.uint16 and image.shape[2] > 1 else ".png"


def write_image(path: Path, image: Array) -> None:
    """Writes (H, W, C) uint8 or uint16, C of 1, 3 or 4, lossless: .png, or .tif/.tiff (needed for 16-bit colour).

    Raises UsageError for any other extension, UserError where the disk refuses.
    """
    kind = path.suffix.lower()
    if image.ndim != 3 or image.shape[2] not in (1, 3, 4) or image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"an image is (H, W, 1|3|4) of uint8 or uint16, not {image.shape} of {image.dtype}")
    buffer = BytesIO()
    if kind in (".tif", ".tiff"):
        import tifffile  # imported here: rarely needed

        photometric = "minisblack" if image.shape[2] == 1 else "rgb"
        extra = ["unassalpha"] if image.shape[2] == 4 else None
        pixels = image[..., 0] if image.shape[2] == 1 else image
        tifffile.imwrite(buffer, pixels, photometric=photometric, extrasamples=extra, metadata=None, compression="zlib")
    elif kind == ".png" and suffix_for(image) == ".png":
        pixels = image[..., 0] if image.shape[2] == 1 else image
        Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", compress_level=_COMPRESS)
    else:
        raise UsageError(path, f"an image of this kind is written as {suffix_for(image)}", kind, "change the extension")
    write_bytes(path, buffer.getvalue())


def write_mask(path: Path, mask: NDArray[np.bool_]) -> None:
    """Writes the mask (H, W) bool as a 1-bit PNG."""
    buffer = BytesIO()
    Image.fromarray(mask.astype(bool)).save(buffer, "PNG", bits=1)
    write_bytes(path, buffer.getvalue())


def to_float(image: Array, channels: int) -> NDArray[np.float32]:
    """(H, W, C) uint8 or uint16 → (channels, H, W) float32 in [0, 1]; alpha dropped, colour → grey by BT.601 luma."""
    values = image[..., :3].astype(np.float32) / np.float32(np.iinfo(image.dtype).max)
    if channels == 1 and values.shape[2] == 3:
        values = (values @ _LUMA)[..., None].clip(0, 1)
    if channels == 3 and values.shape[2] == 1:
        values = np.repeat(values, 3, axis=2)
    return np.ascontiguousarray(values.transpose(2, 0, 1))


def to_uint(values: NDArray[np.float32], dtype: Any) -> Array:
    """(C, H, W) float32 in [0, 1] → (H, W, C) of uint8 or uint16, clipped, rounded to nearest."""
    top = np.iinfo(dtype).max
    scaled = np.rint(values.clip(0, 1).astype(np.float64 if top > 255 else np.float32) * top)
    return np.ascontiguousarray(scaled.transpose(1, 2, 0).astype(dtype))


def _decode(path: Path, raw: bool) -> tuple[Array, str]:
    """The pixels (H, W, C) and Pillow's name of the format; `raw` keeps palette indices and 1-bit values."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a large image is no problem below Pillow's own bomb limit, an error above
            # An open file, not its name: from a name Pillow maps a TIFF into memory and scrambles orientations 5 to 8.
            with path.open("rb") as file, Image.open(file, formats=_FORMATS) as image:
                return _oriented(_pixels(path, image, raw), image), image.format or ""
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


def _pixels(path: Path, file: ImageFile.ImageFile, raw: bool) -> Array:
    """The decoded pixels (H, W, C) before orientation."""
    frames = getattr(file, "n_frames", 1)
    if frames > 1 and file.format != "MPO":  # the further frames of an MPO are a camera's previews
        raise UserError(path, "one picture a file", f"{frames} frames", "save them as single images")
    if file.mode in ("RGB", "RGBA", "LA") and ";16" in _rawmode(file):
        return _deep_colour(path, file)
    file.load()
    image: Image.Image = file
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


def _deep_colour(path: Path, image: ImageFile.ImageFile) -> Array:
    """16-bit RGB or RGBA (H, W, C) uint16, of which Pillow keeps one byte a sample: read once for each byte.

    Swapping the byte order in the raw mode makes it keep the other one.
    """
    mode = _rawmode(image)
    swapped = mode.replace("16N", "16L") if np.little_endian else mode.replace("16N", "16B")
    swapped = swapped[:-1] + ("B" if swapped.endswith("L") else "L")
    if image.mode == "LA" or swapped[:-1] not in ("RGB;16", "RGBA;16"):
        raise UserError(path, "16-bit images are grey, RGB or RGBA", mode, "export it without the alpha channel")
    with path.open("rb") as file, Image.open(file, formats=_FORMATS) as again:
        again.tile = [tile._replace(args=_with_mode(tile.args, swapped)) for tile in again.tile]
        image.load()
        again.load()
        values: Array = np.asarray(image).astype(np.uint16) << 8 | np.asarray(again)
        return values


def _with_mode(arguments: Any, mode: str) -> Any:
    return (mode, *arguments[1:]) if isinstance(arguments, tuple) else mode


def _oriented(values: Array, image: Image.Image) -> Array:
    """Pixels (H, W, C) turned as the EXIF orientation (1 to 8) says; TIFF is turned by Pillow, which drops the tag."""
    orientation = image.getexif().get(_ORIENTATION, 1)
    if orientation in (5, 6, 7, 8):
        values = values.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return np.array(values, order="C")  # a copy: Pillow's own buffer cannot be written to
