"""The review sheet of a painted set: one page on which a person marks what is not to be learned from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from flawsmith.data.errors import UsageError, UserError
from flawsmith.data.files import write_text
from flawsmith.data.geometry.box import Box
from flawsmith.data.image import read_image, read_mask, to_float
from flawsmith.data.page import data_url, line_url, render
from flawsmith.data.painted_set import Line, identity, read_lines
from flawsmith.data.record import GOOD
from flawsmith.data.sheet import outline

SIDE = 320  # px, the longer side of a crop: twice what a phone shows of a tile
LEAST = 96  # px of the part around a small defect
CONTEXT = 32  # px of the part beside a larger one
CROPS = 4  # defects of one image that are shown, where they lie too far apart for one crop
LIMIT = 20_000_000  # bytes of a page
LINE = (255, 40, 160)  # magenta: no metal and few coatings have it


@dataclass(frozen=True)
class Crop:
    """A part of an image and the outline of its mask, as data: URLs of that many pixels, and its size in the image."""

    picture: str
    line: str
    width: int
    height: int
    enlarged: bool  # fewer pixels than are shown: each is drawn as a square


@dataclass(frozen=True)
class Tile:
    """One image to be judged."""

    id: str
    name: str
    crops: tuple[Crop, ...]
    about: str


def review(out: Path, output: Path, most: int = 200) -> Iterator[dict[str, Any]]:
    """Writes the page of up to `most` painted images, as many of each class; yields {"done", "count"}.

    Raises UserError where the set is damaged or nothing is painted on it.
    """
    if most < 1:
        raise UsageError("--most", "at least one image", most)
    known, wanted = identity(out), shares(Counter(line["class"] for line in painted(out)), most)
    count = sum(wanted.values())
    if not count:
        raise UserError(out, "there is no painted image to review", 0, "generate some first")
    classes: dict[str, list[Tile]] = {name: [] for name in sorted(wanted)}
    for done, line in enumerate(spread(out, wanted), 1):
        classes[line["class"]].append(tile(out, line, LIMIT // count))
        yield {"done": done, "count": count}
    total = sum(1 for _ in painted(out))
    text = render("flawsmith.gan", "review.html", set=known, classes=classes, shown=count, total=total)
    write_text(output, text)


def painted(out: Path) -> Iterator[Line]:
    """The images with defects."""
    return (line for line in read_lines(out) if line["class"] != GOOD and line["mask"] and line["defects"])


def shares(counts: Mapping[str, int], most: int) -> dict[str, int]:
    """How many images of each class are shown: as evenly as can be, what a small class leaves goes to the others."""
    left, found = most, {}
    for number, name in enumerate(sorted(counts, key=lambda name: (counts[name], name))):
        found[name] = min(counts[name], -(-left // (len(counts) - number)))
        left -= found[name]
    return found


def spread(out: Path, wanted: Mapping[str, int]) -> Iterator[Line]:
    """So many images of each class, from first to last of it at even distances."""
    totals = Counter(line["class"] for line in painted(out))
    seen = Counter[str]()
    for line in painted(out):
        name = line["class"]
        place, seen[name] = seen[name], seen[name] + 1
        share, total = wanted[name], totals[name]
        if place * share // total != (place - 1) * share // total:
            yield line


def tile(out: Path, line: Line, limit: int) -> Tile:
    """One image of the set in at most about `limit` bytes; raises UserError where a file of it cannot be read."""
    image, mask = read_image(out / line["image"]), read_mask(out / line["mask"]) > 0
    if mask.shape != image.shape[:2] or list(mask.shape) != line["size"]:
        found = f"{mask.shape[1]}×{mask.shape[0]} px"
        raise UserError(out / line["mask"], f"has the size of {line['image']}", found, "generate the set again")
    boxes = windows([defect["box"] for defect in line["defects"]], mask.shape)
    crops = tuple(crop(image, mask, box, limit // len(boxes)) for box in boxes)
    return Tile(line["id"], Path(line["image"]).stem, crops, about(line))


def about(line: Line) -> str:
    """What is known of an image, in a few words."""
    defects = line["defects"]
    areas = ", ".join(f"{defect['area']} px" for defect in defects)
    severities = {one for defect in defects if isinstance(one := defect.get("severity"), int | float)} - {1}
    return f"{areas}, severity {', '.join(f'{one:g}' for one in sorted(severities))}" if severities else areas


def windows(boxes: list[list[int]], size: tuple[int, ...]) -> list[Box]:
    """What is cut out of an image (H, W): a window around all boxes [left, top, width, height], or one around each."""
    found = [Box(top, left, top + height, left + width) for left, top, width, height in boxes]
    rows, columns = (one.bottom for one in found), (one.right for one in found)
    whole = Box(min(one.top for one in found), min(one.left for one in found), max(rows), max(columns))
    together = len(found) == 1 or max(whole.size) <= SIDE
    return [window(one, size) for one in ([whole] if together else found[:CROPS])]


def window(box: Box, size: tuple[int, ...]) -> Box:
    """A square around the box with some of the part beside it, within the image."""
    side = max(*box.size, LEAST - 2 * CONTEXT) + 2 * CONTEXT
    low = [
        int(np.clip((first + last - side) // 2, 0, max(length - side, 0)))
        for first, last, length in zip(box[:2], box[2:], size, strict=True)
    ]
    return Box(low[0], low[1], min(low[0] + side, size[0]), min(low[1] + side, size[1]))


def crop(image: NDArray[Any], mask: NDArray[np.bool_], box: Box, limit: int) -> Crop:
    """The box of an image (H, W, C) with its mask (H, W); coarser where that takes more than `limit` bytes."""
    pixels, marked = to_8_bit(image, box), mask[box.slices]
    scale = min(1.0, SIDE / max(marked.shape))
    while True:
        height, width = (max(1, round(side * scale)) for side in marked.shape)
        small = Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX)
        url = data_url(np.asarray(small))
        line = line_url(outline(marked, (height, width)), LINE)
        if len(url) + len(line) <= limit or scale * max(marked.shape) < LEAST // 2:
            return Crop(url, line, width, height, enlarged=max(width, height) < SIDE)
        scale *= 0.8


def to_8_bit(image: NDArray[Any], box: Box) -> NDArray[np.uint8]:
    """The box of an image (H, W, C) as (h, w, 3) uint8; one of 16 bit is stretched to its brightest pixel."""
    values = to_float(image[box.slices], 3).transpose(1, 2, 0)
    if image.dtype == np.uint16:
        values = values * (65535 / max(int(image[..., :3].max()), 1))
    return np.asarray(np.rint(values.clip(0, 1) * 255), np.uint8)
