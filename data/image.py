"""Reading and writing images and masks: 8 and 16 bit, EXIF applied once, nothing lossy, nothing half-read."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.decode import bands, decode
from flawsmith.data.encode import encode, holding, refusal
from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.files import atomic
from flawsmith.data.png import write_png

Array = NDArray[Any]  # uint8 or uint16

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")  # lower case
_JPEG = ("JPEG", "MPO")
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as in Pillow's own conversion


def read_image(path: Path) -> Array:
    """The image (H, W, C), uint8 or uint16, C of 1, 3 or 4 (grey, RGB, RGBA), EXIF orientation applied.

    Palettes, 1-bit and CMYK become RGB or grey; the alpha of a grey image is dropped. Raises UserError.
    """
    return decode(path, raw=False)[0]


def read_mask(path: Path) -> Array:
    """The mask's raw values (H, W), uint8 or uint16: 1-bit gives 0 and 1, a palette its indices; alpha is dropped.

    Raises UserError, also for a JPEG (its edges are smeared) and for colours (their meaning is unknown).
    """
    values, kind = decode(path, raw=True)
    if kind in _JPEG:
        raise UserError(path, "a mask must be lossless", "a JPEG, whose edges are smeared", "export it again as PNG")
    for rows in bands(*values.shape[:2]):
        if values.shape[2] > 1 and (values[rows, :, 1:3] != values[rows, :, :1]).any():
            raise UserError(path, "a mask must be grey", "colours", "export class ids or black and white as PNG")
    return np.ascontiguousarray(values[..., 0])


def suffix_for(image: Array, wanted: str = "png") -> str:
    """The extension for a lossless copy of the image (H, W, C) in the format `wanted`, such as ".png".

    A PNG of 16-bit colours becomes .tiff; any other format that cannot hold the image raises UsageError.
    """
    suffix = f".{wanted.lower().removeprefix('.')}"
    broken = refusal(suffix, image)
    if broken and suffix != ".png":
        raise UsageError("--format", broken, wanted, f"choose {holding(image)}")
    return ".tiff" if broken else suffix


def write_image(path: Path, image: Array, level: int = 1) -> None:
    """Writes (H, W, C) uint8 or uint16, C of 1, 3 or 4, without loss: .png, .tif, .tiff, .webp or .bmp.

    Compression `level` is 0 (none), 1 (fast) to 9 (small); a BMP has none. Raises UsageError for any other extension
    or level and for what the format cannot hold, UserError where the disk refuses.
    """
    kind = path.suffix.lower()
    if image.ndim != 3 or image.shape[2] not in (1, 3, 4) or image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"an image is (H, W, 1|3|4) of uint8 or uint16, not {image.shape} of {image.dtype}")
    if broken := refusal(kind, image):
        raise UsageError(path, broken, kind, f"change the extension to {holding(image)}")
    if not 0 <= level <= 9:
        raise UsageError(path, "a compression level is 0 to 9", level, "1 is fast, 9 is small")
    with atomic(path) as part, part.open("wb") as file:
        encode(file, image, kind, level)


def write_mask(path: Path, mask: NDArray[np.bool_]) -> None:
    """Writes the mask (H, W) bool as a 1-bit PNG."""
    with atomic(path) as part, part.open("wb") as file:
        write_png(file, mask.astype(bool, copy=False)[..., None])


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
