"""Pictures inside a page: JPEG as data: URLs, made smaller until together they fit."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flawsmith.data.image import read_image
from flawsmith.segment.overlay import to_rgb

QUALITY = 90  # of 95: no block shows; colours are kept at full size, or outlines of 1 px would fade
LARGEST, LEAST = 1600, 16  # px of the longer side: no screen shows more, and nothing is seen on less
SHRINK = 0.8  # of both sides at a time


@dataclass(frozen=True, eq=False)
class Picture:
    """Pixels (H, W, 3) uint8 and what they show, in words for those who cannot see them."""

    pixels: NDArray[np.uint8]
    caption: str

    @classmethod
    def read(cls, path: Path, caption: str) -> Picture:
        """The picture in a file; raises UserError where it cannot be read."""
        return cls(to_rgb(read_image(path)), caption)

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.pixels.shape[1])


def data_urls(pictures: Sequence[Picture], limit: int) -> dict[Picture, str]:
    """Each picture as a data: URL; all together at most `limit` bytes: the heaviest is made smaller, again and again.

    Only LEAST px a side are left where even that is not enough.
    """
    scales = [min(1.0, LARGEST / max(one.width, one.height)) for one in pictures]
    urls = [_url(one, scale) for one, scale in zip(pictures, scales, strict=True)]
    left = {index for index, one in enumerate(pictures) if max(one.width, one.height) > LEAST}
    while left and sum(map(len, urls)) > limit:
        heaviest = max(left, key=lambda index: len(urls[index]))
        one = pictures[heaviest]
        scales[heaviest] = max(scales[heaviest] * SHRINK, LEAST / max(one.width, one.height))
        urls[heaviest] = _url(one, scales[heaviest])
        if scales[heaviest] * max(one.width, one.height) <= LEAST:
            left.remove(heaviest)
    return dict(zip(pictures, urls, strict=True))


def _url(picture: Picture, scale: float) -> str:
    image = Image.fromarray(np.ascontiguousarray(picture.pixels))
    if (picture.pixels == picture.pixels[..., :1]).all():
        image = image.convert("L")
    if scale < 1:
        size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        image = image.resize(size, Image.Resampling.BOX)
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    return "data:image/jpeg;base64," + b64encode(buffer.getvalue()).decode()
