"""One record's pixels: the image and a boolean mask per class, checked against each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flawsmith.data.errors import UserError
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
        if label.mask not in values:
            values[label.mask] = load_mask(label.mask, image.shape[:2], record)
        found = values[label.mask]
        masks[classes.index(label.defect)] |= found > 0 if label.value is None else found == label.value
    return Sample(image, masks)


def load_mask(path: Path, size: tuple[int, ...], record: Record) -> NDArray[Any]:
    """The mask's raw values (H, W); raises UserError where its size is not the image's `size` (H, W)."""
    values = read_mask(path)
    if values.shape != tuple(size):
        height, width = values.shape
        rule = f"a mask has the size of its image ({size[1]}×{size[0]} px, {record.image.name})"
        raise UserError(path, rule, f"{width}×{height} px", "export the mask at the image's size")
    return values
