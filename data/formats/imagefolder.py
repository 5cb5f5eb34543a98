"""Writes Hugging Face's ImageFolder: train/metadata.jsonl names each image, its mask of class ids, and its objects.

A category is the value of the class in the mask, from 1; 0 is the background.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flawsmith.data.files import write_bytes, write_text
from flawsmith.data.formats.classmask import Stems, class_mask, kept, object_mask
from flawsmith.data.formats.palette import grey_png
from flawsmith.data.formats.picture import Picture, copy_image
from flawsmith.data.record import GOOD

NAME = "imagefolder"
_SPLIT = "train"
_BACKGROUND = "background"
_CARD = """---
configs:
- config_name: default
  drop_labels: true
  data_files:
  - split: train
    path: train/**
  features:
  - name: image
    dtype: image
  - name: mask
    dtype: image
  - name: objects
    struct:
    - name: bbox
      list:
        list: int64
    - name: category
      list:
        class_label:
          names:
{names}
    - name: area
      list: int64
  - name: label
    dtype: string
  - name: group
    dtype: string
  - name: flawsmith_id
    dtype: string
---
Masks hold a class id a pixel: {legend}.

`objects` has the bounding box (x, y, width, height in px), the class id and the area (px) of each object; `label` is
{good}, or the classes that the image shows.
"""


class ImageFolderWriter:
    """Writes this layout; the pixels of objects are kept by class alone."""

    lossless = False

    def __init__(self, output: Path, classes: Sequence[str]) -> None:
        self.output, self.classes = output, tuple(classes)
        self.images: dict[str, str] = {}  # where each picture is, below the output
        self._stems = Stems()
        self._lines: list[str] = []

    def add(self, picture: Picture) -> list[float]:
        """Writes the image and its mask; the share of each object's pixels that no later one took."""
        stem = self._stems.flat(picture.name)
        image, mask = f"{stem}{Path(picture.name).suffix}", f"masks/{stem}.png"
        objects = object_mask(picture)
        copy_image(picture, self.output / _SPLIT / image)
        write_bytes(self.output / _SPLIT / mask, grey_png(class_mask(picture, objects, self.classes)))
        about = {"file_name": image, "mask_file_name": mask, **self._about(picture)}
        self._lines.append(json.dumps(about, ensure_ascii=False))
        self.images[picture.name] = f"{_SPLIT}/{image}"
        return kept(picture, objects)

    def close(self) -> None:
        """Writes the table and the card that says what its columns are."""
        write_text(self.output / _SPLIT / "metadata.jsonl", "".join(f"{line}\n" for line in self._lines))
        names = [_BACKGROUND, *self.classes]
        lines = [f"            '{number}': {json.dumps(name, ensure_ascii=False)}" for number, name in enumerate(names)]
        legend = ", ".join(f"{number} {name}" for number, name in enumerate(names))
        write_text(self.output / "README.md", _CARD.format(names="\n".join(lines), legend=legend, good=GOOD))

    def _about(self, picture: Picture) -> dict[str, Any]:
        patches = [one.patch for one in picture.instances]
        return {
            "objects": {
                "bbox": [list(patch.box) for patch in patches],
                "category": [self.classes.index(one.defect) + 1 for one in picture.instances],
                "area": [patch.area for patch in patches],
            },
            "label": ", ".join(dict.fromkeys(one.defect for one in picture.instances)) or GOOD,
            "group": picture.group or None,
            "flawsmith_id": picture.origin,
        }
