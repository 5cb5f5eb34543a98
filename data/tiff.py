"""Plain TIFF files, grey or coloured, 8 or 16 bits, stored or deflated: written and read with no copy of the pixels."""

from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]  # uint8 or uint16

_STORED, _DEFLATED = 1, (8, 32946)  # the format's numbers of compressions
_GREY, _RGB, _ALPHA = 1, 2, 2  # its numbers of colour spaces, and of an alpha channel that colours are not scaled by


def write_tiff(file: BinaryIO, image: Array, level: int) -> None:
    """Writes (H, W, C) uint8 or uint16, C of 1, 3 or 4; level 0 (stored) to 9 of deflate."""
    import tifffile  # imported here: rarely needed

    grey, packed = image.shape[2] == 1, level > 0
    tifffile.imwrite(
        file,
        image[..., 0] if grey else image,
        photometric="minisblack" if grey else "rgb",
        extrasamples=["unassalpha"] if image.shape[2] == 4 else None,
        metadata=None,
        compression="zlib" if packed else None,
        compressionargs={"level": level} if packed else None,
        predictor=packed or None,
    )


def read_plain_tiff(file: BinaryIO) -> Array | None:
    """The pixels (H, W, C) of an open TIFF; None where it is of a kind that takes more than copying and inflating.

    Raises OSError where the file ends early, and what the decoder raises where it is damaged.
    """
    import tifffile

    with tifffile.TiffFile(file) as opened:
        page = opened.pages.first
        if len(opened.pages) > 1 or not _plain(page):
            return None
        end = opened.filehandle.size
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
            if not 0 < offset < offset + count <= end:
                raise OSError("the picture ends early")
        height, width, channels = page.imagelength, page.imagewidth, page.samplesperpixel
        values = np.empty((height, width, channels), np.uint8 if page.bitspersample == 8 else np.uint16)
        page.asarray(out=values[..., 0] if channels == 1 else values, maxworkers=1)
        return values


def _plain(page: Any) -> bool:
    """Whether a page's samples are its pixels, as they lie."""
    colour = (page.photometric, page.samplesperpixel, tuple(page.extrasamples))
    tags = {name: page.tags.valueof(name, default) for name, default in (("Orientation", 1), ("FillOrder", 1))}
    return (
        colour in ((_GREY, 1, ()), (_RGB, 3, ()), (_RGB, 4, (_ALPHA,)))
        and page.bitspersample in (8, 16)
        and page.sampleformat == 1
        and page.planarconfig == 1
        and not page.is_tiled
        and page.compression in (_STORED, *_DEFLATED)
        and tags == {"Orientation": 1, "FillOrder": 1}
    )
