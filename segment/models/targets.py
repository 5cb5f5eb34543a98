"""Objects of true masks, as a detector learns them: a box, a class and a mask each."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

_TOUCHING = np.ones((3, 3), int)  # pixels of an object touch by edge or corner, as in data/sample.py


def targets(truth: Tensor) -> list[dict[str, Tensor]]:
    """Of masks (N, K, P, P), a dict an image: boxes (M, 4) float32, labels (M,) from 1, masks (M, P, P) uint8.

    An image without a defect has M = 0; the box of a single pixel is one pixel wide and high.
    """
    return [_of_image(masks) for masks in truth.cpu().numpy() > 0]


def _of_image(masks: np.ndarray) -> dict[str, Tensor]:
    boxes, labels, objects = [], [], []
    for defect, mask in enumerate(masks):
        numbers, _ = ndimage.label(mask, _TOUCHING)
        for number, (rows, columns) in enumerate(ndimage.find_objects(numbers), 1):
            boxes.append([columns.start, rows.start, columns.stop, rows.stop])
            labels.append(defect + 1)
            objects.append(numbers == number)
    return {
        "boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        "labels": torch.tensor(labels, dtype=torch.int64),
        "masks": torch.from_numpy(np.array(objects, np.uint8).reshape(-1, *masks.shape[1:])),
    }
