"""The contact sheet of a data set: a row of thumbnails a class, each with its mask outlined."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from flawsmith.data.image import to_float, to_uint
from flawsmith.data.problem import counted, printable
from flawsmith.data.record import GOOD, DataSet, Record
from flawsmith.data.sample import load

Picture = NDArray[np.uint8]
_GAP = 6  # px between thumbnails
_TITLE = 22  # px above a row
_PAPER, _INK, _LINE = (250, 250, 250), (30, 30, 30), (255, 40, 160)  # magenta: no metal and few coatings have it


@dataclass(frozen=True)
class SheetConfig:
    """How large a contact sheet is."""

    columns: int = 8  # thumbnails a class: enough to see a wrong class or an inverted mask
    side: int = 160  # px, the longer side of a thumbnail

    def __post_init__(self) -> None:
        if self.columns < 1 or self.side < 16:
            raise ValueError(f"a sheet has at least 1 column of 16 px, not {self.columns} of {self.side}")


def contact_sheet(dataset: DataSet, config: SheetConfig | None = None) -> Picture:
    """The sheet (H, W, 3) uint8: a row a class, good last, pictures spread over the groups; raises UserError."""
    config = config or SheetConfig()
    rows = []
    for name in (*dataset.classes, GOOD):
        records = dataset.good if name == GOOD else [one for one in dataset.records if name in one.defects]
        if records:
            title = (
                f"{name}   {counted(len(records), 'image')}, {counted(len({one.group for one in records}), 'group')}"
            )
            chosen = spread(records, config.columns)
            rows.append(_row(title, [thumbnail(record, name, config.side) for record in chosen], config))
    return np.concatenate(rows) if rows else np.full((_TITLE, _TITLE, 3), _PAPER, np.uint8)


def spread(records: Sequence[Record], count: int) -> list[Record]:
    """At most `count` of the records: the first of each group, then the second, and so on, as evenly as can be."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.group, []).append(record)
    turns = [one for one in chain.from_iterable(zip_longest(*groups.values())) if one is not None]
    first = turns[: len(groups)]  # one a group: of many groups take every so-many-th, not the first few alone
    if len(first) > count:
        return [first[index * len(first) // count] for index in range(count)]
    return turns[:count]


def thumbnail(record: Record, defect: str, side: int) -> Picture:
    """The image at `side` px with the outline of its mask of `defect` (none if good), (h, w, 3) uint8."""
    sample = load(record, () if defect == GOOD else (defect,))
    image = to_uint(to_float(sample.image, 3), np.uint8)
    height, width = image.shape[:2]
    scale = side / max(height, width)
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    picture = np.array(Image.fromarray(image).resize(small, Image.Resampling.BOX if scale < 1 else None))
    for mask in sample.masks:
        picture[outline(mask, picture.shape[:2])] = _LINE
    return picture


def outline(mask: NDArray[np.bool_], size: tuple[int, ...]) -> NDArray[np.bool_]:
    """A line of one pixel around the mask (H, W) drawn at another size (h, w): also a single pixel keeps one."""
    small = _resized(mask, size)
    near: NDArray[np.bool_] = ndimage.binary_dilation(small, np.ones((3, 3), bool), iterations=2)
    inner: NDArray[np.bool_] = ndimage.binary_dilation(small, np.ones((3, 3), bool))
    return near & ~inner


def _resized(mask: NDArray[np.bool_], size: tuple[int, ...]) -> NDArray[np.bool_]:
    """The mask at another size (h, w); every pixel of it leaves one, where nearest neighbour would skip thin cracks."""
    if size[0] >= mask.shape[0]:
        rows, columns = (np.arange(new) * old // new for new, old in zip(size, mask.shape, strict=True))
        return mask[np.ix_(rows, columns)]
    rows, columns = np.nonzero(mask)
    small = np.zeros(size, bool)
    small[rows * size[0] // mask.shape[0], columns * size[1] // mask.shape[1]] = True
    return small


def _row(title: str, pictures: Sequence[Picture], config: SheetConfig) -> Picture:
    """The thumbnails beside each other under their title."""
    cell = config.side + _GAP
    height = _TITLE + max(picture.shape[0] for picture in pictures) + _GAP
    page = Image.new("RGB", (_GAP + config.columns * cell, height), _PAPER)
    font: Any = ImageFont.load_default(14)
    ImageDraw.Draw(page).text((_GAP, 3), printable(title), fill=_INK, font=font)
    for index, picture in enumerate(pictures):
        page.paste(Image.fromarray(picture), (_GAP + index * cell, _TITLE))
    return np.asarray(page)
