"""How large an image is, from its header alone."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from flawsmith.data.errors import UserError
from flawsmith.data.image import SUFFIXES

_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")
_ORIENTATION = 0x0112  # EXIF tag
_PNG_HEADER = 8  # bytes before the first chunk
_TELLING = (b"eXIf", b"tEXt", b"zTXt", b"iTXt")  # chunks of a PNG that may hold an orientation


def size_of(path: Path) -> tuple[int, int]:
    """(H, W) in pixels as `read_image` will give it, that is after EXIF orientation; raises UserError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of Pillow about large images, and about damaged EXIF
            with path.open("rb") as file, Image.open(file, formats=_FORMATS) as image:
                turned = _orientation(image, file) in (5, 6, 7, 8)
                return (image.width, image.height) if turned else (image.height, image.width)
    except Exception as reason:  # on damaged files Pillow raises nearly anything
        fix = f"export it again as one of {' '.join(SUFFIXES)}"
        raise UserError(path, "the image's size cannot be read", str(reason) or type(reason).__name__, fix) from reason


def _orientation(image: Image.Image, file: BinaryIO) -> int:
    """The EXIF orientation, 1 to 8; of a TIFF Pillow turns the size itself."""
    if image.format == "TIFF" or (image.format == "PNG" and not _tells(file)):
        return 1
    return int(image.getexif().get(_ORIENTATION, 1))


def _tells(file: BinaryIO) -> bool:
    """True where a PNG has a chunk that may hold an orientation: only for its sake would Pillow decode all pixels."""
    here = file.tell()
    try:
        at = file.seek(_PNG_HEADER)
        while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
            if head[4:] in _TELLING:
                return True
            at = file.seek(at + 12 + int.from_bytes(head[:4], "big"))
        return False
    finally:
        file.seek(here)
