"""One record's pixels: the image and a boolean mask per class, checked against each other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from flawsmith.data.errors import UserError
from flawsmith.data.geometry.patch import Mask, Patch
from flawsmith.data.image import read_image, read_mask
from flawsmith.data.record import Record


@dataclass(frozen=True)
class Sample:
    """An image (H, W, C) uint8 or uint16 and its masks (K, H, W) bool, one per class in the order asked for."""

    image: NDArray[Any]
    masks: NDArray[np.bool_]


def load(record: Record, classes: Sequence[str]) -> Sample:
    """Reads the image and the masks of `classes`; other classes are left out. Raises UserError on sizes that differ."""
    image = read_image(record.image)
    masks = np.zeros((len(classes), *image.shape[:2]), bool)
    values: dict[Path, NDArray[Any]] = {}  # one file may hold several classes
    for label in record.labels:
        if label.defect not in classes:
            continue
        mask = masks[classes.index(label.defect)]
        if not isinstance(label.mask, Path):
            label.mask.patch(*mask.shape).onto(mask)
            continue
        if label.mask not in values:
            values[label.mask] = load_mask(label.mask, mask.shape, record)
        mask |= chosen(values[label.mask], label.value)
    return Sample(image, masks)


def instances(record: Record, height: int, width: int) -> Iterator[tuple[str, Patch]]:
    """Class and pixels of each labelled object: those of a mask file are its connected pieces, corners connect."""
    values: dict[Path, NDArray[Any]] = {}
    for label in record.labels:
        if not isinstance(label.mask, Path):
            yield label.defect, label.mask.patch(height, width)
            continue
        if label.mask not in values:
            values[label.mask] = load_mask(label.mask, (height, width), record)
        numbers, _ = ndimage.label(chosen(values[label.mask], label.value), np.ones((3, 3), int))
        for number, place in enumerate(ndimage.find_objects(numbers), 1):
            yield label.defect, Patch(place[0].start, place[1].start, numbers[place] == number)


def chosen(values: NDArray[Any], value: int | None) -> Mask:
    """The pixels (H, W) bool of a mask file that a label means."""
    found: Mask = values > 0 if value is None else values == value
    return found


def load_mask(path: Path, size: tuple[int, ...], record: Record) -> NDArray[Any]:
    """The mask's raw values (H, W); raises UserError where its size is not the image's `size` (H, W)."""
    values = read_mask(path)
    if values.shape != tuple(size):
        height, width = values.shape
        rule = f"a mask has the size of its image ({size[1]}×{size[0]} px, {record.image.name})"
        raise UserError(path, rule, f"{width}×{height} px", "export the mask at the image's size")
    return values
