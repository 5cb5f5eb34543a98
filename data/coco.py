"""COCO instances JSON: masks as compressed RLE with iscrowd 0, which is lossless where polygons are not."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class CocoImage:
    """One image's entry and its instances, each a class name and an encoded mask."""

    name: str
    width: int
    height: int
    instances: tuple[dict[str, Any], ...]


def encode(defect: str, mask: NDArray[np.bool_]) -> dict[str, Any]:
    """One instance: its class, RLE, area in pixels and box [x, y, w, h], from a mask (H, W) with a pixel or more."""
    from pycocotools import mask as rle

    packed = rle.encode(np.asfortranarray(mask.astype(np.uint8)))
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, left = int(rows[0]), int(columns[0])
    return {
        "defect": defect,
        "segmentation": {"size": [int(side) for side in packed["size"]], "counts": packed["counts"].decode("ascii")},
        "area": int(mask.sum()),
        "bbox": [left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1],
    }


def document(images: Iterable[CocoImage], classes: Sequence[str]) -> dict[str, Any]:
    """The whole file: dense ids from 1, images sorted by name, categories in the given order."""
    identity = {name: number for number, name in enumerate(classes, 1)}
    content: dict[str, Any] = {
        "info": {"description": "written by flawsmith"},
        "licenses": [],
        "images": [],
        "annotations": [],
        "categories": [{"id": identity[name], "name": name, "supercategory": "defect"} for name in classes],
    }
    for number, image in enumerate(sorted(images, key=lambda image: image.name), 1):
        content["images"].append({"id": number, "file_name": image.name, "width": image.width, "height": image.height})
        for instance in image.instances:
            entry = {key: value for key, value in instance.items() if key != "defect"}
            entry |= {"id": len(content["annotations"]) + 1, "image_id": number, "iscrowd": 0}
            content["annotations"].append(entry | {"category_id": identity[instance["defect"]]})
    return content
